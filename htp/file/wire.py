"""Adding metadata to a serialised ONNX model, and taking it out, without touching anything else.

Parsing a model to add tags and serialising it again copies every weight twice, and the bytes may
come out in another order. Appending entries to the protobuf messages in place does neither: fields
may stand in any order (https://protobuf.dev/programming-guides/encoding/#order), so what is added
at the end of a message can be cut out again, and what remains are torch's own bytes.

    before:  model { graph { node { Relu ... } } }
    after:   model { graph { node { Relu ... ENTRIES } } ENTRIES },  with the lengths around them
"""

from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from htp.errors import InvalidModelError
from htp.file.edit import NOTHING, SCHEMA, SMALL, Change, Chunk, Schema, edit, join
from htp.file.entries import KEY, PROPS, VALUE, Props
from htp.file.protobuf import fields, integer, text

__all__ = [
    "SCHEMA",
    "Chunk",
    "append",
    "join",
    "large_tensors",
    "opset",
    "remove",
    "weights",
    "without_weights",
]

_WITH_CONSTANTS: Schema = {
    **SCHEMA,
    "attribute": {5: "tensor", 10: "tensor", **SCHEMA["attribute"]},
}
"""The same with the tensors that attributes hold."""

_WEIGHTS = frozenset((4, 5, 6, 7, 9, 10, 11))  # of a tensor: float_data to uint64_data, raw_data
_NAME = 8  # of a tensor
_OPSETS, _OPSET_VERSION = 8, 2  # of a model, of one of its opsets


def _is_large(_: bytes, at: int, end: int) -> bool:
    return end - at >= SMALL


def append(
    data: bytes, nodes: Sequence[bytes], tensors: Mapping[str, bytes], model: bytes
) -> List[Chunk]:
    """Append metadata entries to a serialised ``ModelProto``.

    Args:
        data: the model's bytes; weights are not copied.
        nodes: entries for every node in document order (a node, then its bodies; functions last).
        tensors: entries for initializers, by name.
        model: entries for the model itself.

    Returns:
        The new model in pieces, the large ones views of ``data``.

    Raises:
        InvalidModelError: the bytes are not a model, or have another number of nodes.
    """
    given = iter(nodes)

    def plan(kind: str, at: int, end: int) -> Optional[Change]:
        if kind == "node":
            added = next(given, None)
            if added is None:
                raise _other_count("more", nodes)
            return (), added
        if kind == "tensor":
            return ((), tensors.get(text(data, at, end, _NAME), b"")) if tensors else None
        return ((), model) if kind == "model" else NOTHING

    chunks = edit(data, plan)
    if next(given, None) is not None:
        raise _other_count("fewer", nodes)
    return chunks


def _other_count(how: str, tagged: Sequence[bytes]) -> InvalidModelError:
    return InvalidModelError(
        f"The model has {how} nodes than the {len(tagged)} tagged.", "export the model again."
    )


def remove(data: bytes, ours: Callable[[Props], Sequence[bool]], telling: str) -> List[Chunk]:
    """Take metadata entries out of a serialised ``ModelProto``.

    Args:
        data: the model's bytes; weights are not copied.
        ours: for the entries of one message, which of them go. It is given their keys, and of the
            values only the one that it needs.
        telling: the key of the value that it needs.
    """
    known: Dict[Tuple[bytes, ...], Sequence[bool]] = {}
    needed = telling.encode()

    def plan(kind: str, at: int, end: int) -> Change:
        if kind not in PROPS:
            return NOTHING
        field = PROPS[kind]
        held = [each for each in fields(data, at, end) if each[0] == field]
        if not held:
            return NOTHING
        entries = tuple([_key(data, value, stop) for _, _, value, stop in held])
        if needed in entries:
            told = [
                text(data, value, stop, VALUE).encode() if key == needed else b""
                for key, (_, _, value, stop) in zip(entries, held)
            ]
        else:
            told = []
        goes = known.get((*entries, *told))
        if goes is None:
            goes = known[(*entries, *told)] = ours(
                [
                    (key.decode("utf-8", "replace"), value.decode())
                    for key, value in zip(entries, told or [b""] * len(entries))
                ]
            )
        return [(start, stop) for (_, start, _, stop), going in zip(held, goes) if going], b""

    return edit(data, plan)


def _key(data: bytes, at: int, end: int) -> bytes:
    """Key of an entry. It stands first and is short, if not in another way."""
    if at + 1 < end and data[at] == KEY << 3 | 2 and data[at + 1] < 0x80:
        stop = at + 2 + data[at + 1]
        if stop <= end:
            return data[at + 2 : stop]
    return text(data, at, end, KEY).encode()


def weights(data: bytes, least: int) -> Iterator[Tuple[int, int]]:
    """Where the contents of the main graph's initializers stand: from and to.

    Args:
        data: the model's bytes.
        least: initializers of fewer bytes are left out.
    """
    for field, _, at, end in fields(data, 0, len(data)):
        if SCHEMA["model"].get(field) == "graph":
            for inner, _, start, stop in fields(data, at, end):
                if stop - start >= least and SCHEMA["graph"].get(inner) == "tensor":
                    for part, begin, _, close in fields(data, start, stop):
                        if part in _WEIGHTS:
                            yield begin, close


def without_weights(data: bytes) -> bytes:
    """The same model with the contents of its large tensors left out: quick to parse.

    If there are none, these are the bytes that were given.
    """

    def plan(kind: str, at: int, end: int) -> Optional[Change]:
        if kind != "tensor":
            return NOTHING
        if end - at < SMALL:
            return None
        parts = fields(data, at, end)
        return [(start, stop) for part, start, _, stop in parts if part in _WEIGHTS], b""

    return join(edit(data, plan, _WITH_CONSTANTS, _is_large))


Place = Tuple[str, int, int, Optional[Tuple[int, int]]]
"""Of a tensor its name, where it begins and ends, and where its ``raw_data`` does, if it has it."""


def large_tensors(data: bytes) -> Iterator[Place]:
    """The tensors whose contents ``without_weights`` leaves out.

    Of a graph those of its nodes and of their bodies, then its initializers; the functions last.
    """
    yield from _large(data, "model", 0, len(data))


_ORDER = ("tensor", "graph", "node", "attribute", "function")
"""In which order the messages within one are gone through; initializers follow the nodes."""


def _large(data: bytes, kind: str, at: int, end: int) -> Iterator[Place]:
    if kind == "tensor":
        parts = {field: (start, stop) for field, _, start, stop in fields(data, at, end)}
        if _WEIGHTS.intersection(parts):
            yield text(data, at, end, _NAME), at, end, parts.get(_RAW)
        return
    below: Dict[str, List[Tuple[int, int]]] = {}
    for field, _, start, stop in fields(data, at, end):
        child = _WITH_CONSTANTS[kind].get(field)
        if child and stop - start >= SMALL:
            below.setdefault(child, []).append((start, stop))
    for child in _ORDER[1:] + _ORDER[:1] if kind == "graph" else _ORDER:
        for start, stop in below.get(child, ()):
            yield from _large(data, child, start, stop)


_RAW = 9  # of a tensor


def opset(data: bytes) -> Optional[int]:
    """The version of the standard operators that a model says it uses; None where it says none."""
    for field, _, at, end in fields(data, 0, len(data)):
        if field == _OPSETS and text(data, at, end, 1) in ("", "ai.onnx"):
            return integer(data, at, end, _OPSET_VERSION)
    return None
