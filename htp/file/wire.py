"""Adding metadata to a serialised ONNX model, and taking it out, without touching anything else.

Parsing a model to add tags and serialising it again copies every weight twice, and the bytes may
come out in another order. Appending entries to the protobuf messages in place does neither: fields
may stand in any order (https://protobuf.dev/programming-guides/encoding/#order), so what is added
at the end of a message can be cut out again, and what remains are torch's own bytes.

    before:  model { graph { node { Relu ... } } }
    after:   model { graph { node { Relu ... ENTRIES } } ENTRIES },  with the lengths around them
"""

from functools import lru_cache
from typing import (
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from htp.errors import InvalidModelError
from htp.file.protobuf import fields, head, integer, number, text

__all__ = [
    "Chunk",
    "Opened",
    "Props",
    "append",
    "entry",
    "join",
    "opset",
    "remove",
    "weights",
    "without_weights",
]

Props = Sequence[Tuple[str, str]]
"""Metadata entries in the order in which they are written."""

Chunk = Union[bytes, memoryview]

SCHEMA: Dict[str, Dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {6: "graph", 11: "graph"},
    "tensor": {},
}
"""Which fields of which message hold which message, as far as tags can stand below it:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

PROPS = {"model": 14, "node": 9, "tensor": 16}
"""The field of each message that holds its metadata."""

_WEIGHTS = frozenset((4, 5, 6, 7, 9, 10, 11))  # of a tensor: float_data to uint64_data, raw_data
_NAME = 8  # of a tensor
_OPSETS, _OPSET_VERSION = 8, 2  # of a model, of one of its opsets
_KEY, _VALUE = 1, 2  # of a metadata entry
_SMALL = 4096
"""Messages of fewer bytes are copied, to have fewer pieces; weights are larger where it matters."""


class _Change(NamedTuple):
    """What becomes of a message: the fields that go, by where they start and end; what is added."""

    drop: Sequence[Tuple[int, int]] = ()
    add: bytes = b""


class _Message(NamedTuple):
    """A rewritten message: its pieces and their length in bytes."""

    chunks: List[Chunk]
    size: int


class _Cut(NamedTuple):
    """A part of a message, and what stands in its place."""

    start: int
    end: int
    chunks: Sequence[Chunk] = ()
    size: int = 0


_NOTHING = _Change()
_Plan = Callable[[str, int, int], Optional[_Change]]


def entry(kind: str, key: str, value: str) -> bytes:
    """One metadata entry, to append to a message of this kind."""
    return _closed(*_opened(kind, key), value.encode())


class Opened:
    """An entry of which a piece in the middle is still to come, for many messages."""

    def __init__(self, kind: str, key: str, before: str, after: str) -> None:
        self._field, self._key = _opened(kind, key)
        self._before, self._after = before.encode(), after.encode()

    def closed(self, middle: str) -> bytes:
        """The entry with this piece."""
        return _closed(self._field, self._key, self._before + middle.encode() + self._after)


@lru_cache(maxsize=64)
def _opened(kind: str, key: str) -> Tuple[bytes, bytes]:
    """What stands before an entry, and in it before the length of its value."""
    raw = key.encode()
    return head(PROPS[kind], 0)[:-1], head(_KEY, len(raw)) + raw + head(_VALUE, 0)[:-1]


def _closed(field: bytes, key: bytes, value: bytes) -> bytes:
    size = number(len(value))
    return b"".join((field, number(len(key) + len(size) + len(value)), key, size, value))


def _has_bodies(data: bytes, at: int, end: int) -> bool:
    """Whether a node has nested graphs. Most have not, which a byte that is not there may show."""
    if data.find(b"\x2a", at, end) < 0:  # how an attribute begins
        return False
    graphs = SCHEMA["attribute"]
    return any(
        inner[0] in graphs
        for field in fields(data, at, end)
        if field[0] in SCHEMA["node"]
        for inner in fields(data, field[2], field[3])
    )


def _edit(data: bytes, plan: _Plan) -> List[Chunk]:
    """Rewrite a model; ``plan`` says of each message what becomes of it, None: leave it shut.

    It is asked in document order: a node, then the nodes of its bodies; the functions last.
    """
    view = memoryview(data)

    def message(kind: str, at: int, end: int) -> Optional[_Message]:
        change = plan(kind, at, end)
        if change is None:
            return None
        cuts = [_Cut(start, stop) for start, stop in change.drop]
        children = SCHEMA[kind]
        if children and (kind != "node" or _has_bodies(data, at, end)):
            for field, start, value, stop in fields(data, at, end):
                new = message(children[field], value, stop) if field in children else None
                if new is not None:
                    before = head(field, new.size)
                    cuts.append(_Cut(start, stop, (before, *new.chunks), len(before) + new.size))
            cuts.sort(key=lambda cut: cut.start)
        return _pasted(view, at, end, cuts, change.add) if cuts or change.add else None

    model = message("model", 0, len(data))
    return [data] if model is None else model.chunks


def _pasted(view: memoryview, at: int, end: int, cuts: Sequence[_Cut], add: bytes) -> _Message:
    chunks: List[Chunk] = []
    size = end - at + len(add)
    for cut in cuts:
        chunks.append(view[at : cut.start])
        chunks += cut.chunks
        size += cut.size - (cut.end - cut.start)
        at = cut.end
    chunks += (view[at:end], add)
    return _Message([join(chunks)] if size < _SMALL else chunks, size)


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

    def plan(kind: str, at: int, end: int) -> Optional[_Change]:
        if kind == "node":
            added = next(given, None)
            if added is None:
                raise _other_count("more", nodes)
            return _Change(add=added)
        if kind == "tensor":
            return _Change(add=tensors.get(text(data, at, end, _NAME), b"")) if tensors else None
        return _Change(add=model) if kind == "model" else _NOTHING

    chunks = _edit(data, plan)
    if next(given, None) is not None:
        raise _other_count("fewer", nodes)
    return chunks


def _other_count(how: str, tagged: Sequence[bytes]) -> InvalidModelError:
    return InvalidModelError(
        f"The model has {how} nodes than the {len(tagged)} tagged.", "export the model again."
    )


def remove(data: bytes, ours: Callable[[Props], Sequence[bool]]) -> List[Chunk]:
    """Take metadata entries out of a serialised ``ModelProto``.

    Args:
        data: the model's bytes; weights are not copied.
        ours: for the entries of one message, which of them go.
    """

    def plan(kind: str, at: int, end: int) -> _Change:
        if kind not in PROPS:
            return _NOTHING
        held = [field for field in fields(data, at, end) if field[0] == PROPS[kind]]
        goes = ours([_read(data, value, stop) for _, _, value, stop in held]) if held else ()
        return _Change([(start, stop) for (_, start, _, stop), going in zip(held, goes) if going])

    return _edit(data, plan)


def _read(data: bytes, at: int, end: int) -> Tuple[str, str]:
    """Key and value of an entry, which stand in this order and are short, if not in another way."""
    between = at + 2 + data[at + 1] if at + 1 < end else end
    if between + 1 < end and data[at] == _KEY << 3 | 2 and data[between] == _VALUE << 3 | 2:
        size = data[between + 1]
        if between < at + 0x82 and size < 0x80 and between + 2 + size == end:
            return str(data[at + 2 : between], "utf-8", "replace"), str(
                data[between + 2 : end], "utf-8", "replace"
            )
    return text(data, at, end, _KEY), text(data, at, end, _VALUE)


def weights(data: bytes) -> Iterator[Tuple[int, int]]:
    """Where the contents of the main graph's initializers stand: from and to."""
    for field, _, at, end in fields(data, 0, len(data)):
        if SCHEMA["model"].get(field) == "graph":
            for inner, _, start, stop in fields(data, at, end):
                if SCHEMA["graph"].get(inner) == "tensor":
                    for part, begin, _, close in fields(data, start, stop):
                        if part in _WEIGHTS:
                            yield begin, close


def without_weights(data: bytes) -> bytes:
    """The same model with the contents of its initializers left out: quick to parse.

    Those of nested bodies stay: they are few, and looking for them means opening every node.
    """

    def plan(kind: str, at: int, end: int) -> Optional[_Change]:
        if kind == "tensor":
            parts = fields(data, at, end)
            return _Change([(start, stop) for part, start, _, stop in parts if part in _WEIGHTS])
        return _NOTHING if kind in ("model", "graph") else None

    return join(_edit(data, plan))


def opset(data: bytes) -> Optional[int]:
    """The version of the standard operators that a model says it uses; None where it says none."""
    for field, _, at, end in fields(data, 0, len(data)):
        if field == _OPSETS and text(data, at, end, 1) in ("", "ai.onnx"):
            return integer(data, at, end, _OPSET_VERSION)
    return None


def join(chunks: Sequence[Chunk]) -> bytes:
    """The pieces as one."""
    return b"".join(chunks)
