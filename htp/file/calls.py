"""The module calls of an origin, and the values that each took and returned.

Both are packed JSON. ``calls`` is a list of ``[path, type, call, depth]`` in the order of the
forward pass. ``values`` is ``{"names": [...], "calls": [...]}`` with, for each call, null where
nothing is known of it, else ``[inputs, outputs]``, either null likewise. A value is the place of
its name in ``names`` where it is the argument or result of that very number and all is as it should
be, else ``[place of the name or -1, [place among the arguments, ...], reason or ""]``. Where there
is no name, or the reason is ``folded``, there may follow ``[element type, length of each axis or
-1, ...]`` and the name in the operations that were folded (``htp.file.folded``). Schema 3 had
neither.
"""

from functools import lru_cache
from typing import Any, Dict, List, Optional, Sequence, Tuple

from htp.errors import CaptureError
from htp.file import keys, packed
from htp.file.stacks import Stacks
from htp.graph.records import CallRecord, Kind, ValueRecord
from htp.scope import ModuleCall, Stack

__all__ = ["Calls", "decode_calls", "decode_values", "encode_values", "rows_of", "whole"]

Calls = Tuple[Tuple[ModuleCall, int], ...]
"""Every module call with its depth."""

Values = Optional[Tuple[ValueRecord, ...]]


def whole(calls: Sequence[CallRecord]) -> Sequence[CallRecord]:
    """The calls as they can be read again: each inside its own parent, which stands before it.

    A parent that is not among them is added, with nothing known of its values. Of several records
    of one call, what an earlier one knows stands.

    Raises:
        CaptureError: they are too deep.
    """
    stacks = Stacks()
    way: Stack = ()
    is_whole = True
    for stack, _, _ in calls:
        try:
            stacks.grow(stack[:-1], stack[-1])
        except ValueError as error:
            raise CaptureError(f"The calls cannot be written: {error}.", _TOO_DEEP) from error
        is_whole = is_whole and stack[:-1] == way[: len(stack) - 1]
        way = stack
    return calls if is_whole else _in_order(calls)


_TOO_DEEP = "modules that call each other so deeply are beyond what HTP writes down."


def _in_order(calls: Sequence[CallRecord]) -> List[CallRecord]:
    known: Dict[Stack, CallRecord] = {}
    below: Dict[Stack, Dict[Stack, None]] = {}
    for call in calls:
        for end in range(1, len(call.stack) + 1):
            stack = call.stack[:end]
            known.setdefault(stack, CallRecord(stack))
            below.setdefault(stack[:-1], {})[stack] = None
        has = known[call.stack]
        inputs = call.inputs if has.inputs is None else has.inputs
        outputs = call.outputs if has.outputs is None else has.outputs
        known[call.stack] = CallRecord(call.stack, inputs, outputs)
    found: List[CallRecord] = []
    left = list(below.get((), ()))[::-1]
    while left:
        stack = left.pop()
        found.append(known[stack])
        left += list(below.get(stack, ()))[::-1]
    return found


def rows_of(calls: Sequence[CallRecord]) -> List[List[Any]]:
    """The rows of the calls."""
    return [[*call.stack[-1], len(call.stack) - 1] for call in calls]


def decode_calls(rows: Sequence[Sequence[Any]], where: str) -> Calls:
    """The calls that rows are of.

    Raises:
        InvalidModelError: one stands below no other, or too deep.
    """
    before = -1
    for _, _, _, depth in rows:
        if not 0 <= depth <= before + 1:
            raise packed.damaged(where, f"a call at depth {depth} below one at {before}")
        if depth >= keys.DEEPEST:
            raise packed.damaged(where, f"{depth} calls within each other")
        before = depth
    return tuple([(ModuleCall(path, kind, call), depth) for path, kind, call, depth in rows])


def encode_values(calls: Sequence[CallRecord]) -> Dict[str, Any]:
    """The values of the calls."""
    names: Dict[str, int] = {}

    def encoded(values: Values) -> Any:
        if values is None:
            return None
        found: List[Any] = []
        for at, (place, name, reason, kind, work) in enumerate(values):
            number = -1 if name is None else names.setdefault(name, len(names))
            if reason is None and name is not None and place == _usual(at):
                found.append(number)
                continue
            row = [number, place, reason or ""]
            if kind is not None:
                row.append([kind.dtype, *map(_length, kind.shape)])
                row += [] if work is None else [work]
            found.append(row)
        return found

    rows = [
        None
        if call.inputs is None and call.outputs is None
        else [encoded(call.inputs), encoded(call.outputs)]
        for call in calls
    ]
    return {"names": list(names), "calls": rows}


def _length(axis: Optional[int]) -> int:
    return -1 if axis is None else axis


@lru_cache(maxsize=64)
def _usual(number: int) -> Tuple[str, ...]:
    return (str(number),)


def decode_values(calls: Calls, text: Any, where: str) -> Tuple[CallRecord, ...]:
    """The calls with their values.

    Args:
        calls: of the same origin.
        text: their values, packed; None where there are none.
        where: whose they are, for errors.

    Raises:
        InvalidModelError: the values cannot be read, or the calls are too deep.
    """
    said: Any = (
        {"names": [], "calls": [None] * len(calls)} if text is None else packed.load(text, where)
    )
    try:
        names, rows = said["names"], said["calls"]
        if len(rows) != len(calls) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"values of {len(rows)} calls, of {len(calls)}")
        stacks, found = Stacks(), []
        way: List[Any] = []
        for (call, depth), row in zip(calls, rows):
            del way[depth:]
            way.append(stacks.grow(way[-1] if way else (), call))
            took, gave = (None, None) if row is None else row
            found.append(CallRecord(way[-1], _decoded(took, names), _decoded(gave, names)))
    except (KeyError, TypeError, ValueError) as error:
        raise packed.damaged(where, f"{type(error).__name__}: {error}") from error
    return tuple(found)


def _decoded(values: Any, names: Sequence[str]) -> Values:
    if values is None:
        return None
    found = []
    for at, row in enumerate(values):
        number, place, reason, *told = (row, [str(at)], "") if type(row) is int else row
        if type(number) is not int or not -1 <= number < len(names):
            raise ValueError(f"there is no name {str(number)[:80]}")
        if not all(isinstance(each, str) for each in (*place, reason)):
            raise ValueError(f"{str(row)[:80]} is no value")
        name = names[number] if number >= 0 else None
        if len(told) > (2 if name is None or reason == "folded" else 0) or None in told:
            raise ValueError(f"{str(row)[:80]} is no value")
        kind, work = (*told, None, None)[:2]
        if not (work is None or isinstance(work, str)):
            raise ValueError(f"{str(row)[:80]} is no value")
        found.append(ValueRecord(tuple(place), name, reason or None, _kind(kind), work))
    return tuple(found)


def _kind(told: Any) -> Optional[Kind]:
    if told is None:
        return None
    numbers = all(type(each) is int and -1 <= each < _MOST for each in told)
    if not told or not numbers or not 0 < told[0] < 2**31:
        raise ValueError(f"{str(told)[:80]} is no type and shape")
    dtype, *shape = told
    return Kind(dtype, tuple([None if length < 0 else length for length in shape]))


_MOST = 2**63
"""ONNX has no longer axis."""
