"""The operations that an exporter did in advance, as an origin holds them: packed JSON.

A list of ``[operator, [input, ...], [output, ...], [[name, kind, value], ...]]``, as
``htp.graph.records.Operation`` says. Without them a module call that works on a constant

    the module:  table -> Unsqueeze -> t;  x, t -> Mul -> y       takes x and table
    the file:                              x, t -> Mul -> y       t is an initializer

could not be given the argument ``table`` any more.
"""

from typing import Any, List, Sequence, Tuple

from htp.file import packed
from htp.graph.records import Operation

__all__ = ["KINDS", "decode", "encode"]

KINDS = {"INT": int, "FLOAT": float, "STRING": str, "INTS": int, "FLOATS": float}
"""The attributes that there may be beside tensors, and what their values, or the items of those,
are."""


def encode(operations: Sequence[Operation]) -> str:
    """The operations, packed."""
    return packed.dump(operations)


def decode(text: Any, where: str) -> Tuple[Operation, ...]:
    """The operations that a text holds.

    Args:
        text: what ``encode`` gave; None for none.
        where: whose they are, for errors.

    Raises:
        InvalidModelError: it holds something else.
    """
    if text is None:
        return ()
    rows = packed.load(text, where)
    try:
        return tuple([_operation(*row) for row in rows])
    except (TypeError, ValueError) as error:
        raise packed.damaged(where, f"{type(error).__name__}: {error}") from error


def _operation(op: Any, inputs: Any, outputs: Any, attributes: Any) -> Operation:
    if not all(map(_is_text, (op, *inputs, *outputs))) or not outputs:
        raise ValueError(f"{str(op)[:80]} is no operation")
    told: List[Tuple[str, str, Any]] = []
    for name, kind, value in attributes:
        fits = _is_tensor(value) if kind == "TENSOR" else _is_plain(kind, value)
        if not _is_text(name) or not fits:
            raise ValueError(f"{str(value)[:80]} is no attribute")
        told.append((name, kind, _frozen(value)))
    return Operation(op, tuple(inputs), tuple(outputs), tuple(told))


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _is_plain(kind: Any, value: Any) -> bool:
    held = KINDS.get(kind)
    items = value if kind in ("INTS", "FLOATS") else [value]
    fits = {int: _is_number, str: _is_text, float: lambda each: type(each) is float}
    return held is not None and all(map(fits[held], items))


def _is_tensor(value: Any) -> bool:
    dtype, shape, digits = value
    bytes.fromhex(digits)
    return type(dtype) is int and 0 < dtype < 2**31 and all(map(_is_number, shape))


def _is_number(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.encode() or True)  # a lone surrogate raises
