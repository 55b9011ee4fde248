"""Adding metadata to a serialised ONNX model, and taking it out, without touching anything else.

Parsing a model to add tags and serialising it again copies every weight twice, and the bytes may
come out in another order. Appending entries to the protobuf messages in place does neither: fields
may stand in any order (https://protobuf.dev/programming-guides/encoding/#order), so what is added
at the end of a message can be cut out again, and what remains are torch's own bytes.

    before:  model { graph { node { Relu ... } } }
    after:   model { graph { node { Relu ... ENTRIES } } ENTRIES },  with the lengths around them
"""

import re
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from htp.errors import InvalidModelError
from htp.file.entries import KEY, PROPS, VALUE, Props
from htp.file.protobuf import fields, head, integer, text

__all__ = ["SCHEMA", "Chunk", "append", "join", "opset", "remove", "weights", "without_weights"]

Chunk = Union[bytes, memoryview]

Schema = Dict[str, Dict[int, str]]

SCHEMA: Schema = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {6: "graph", 11: "graph"},
    "tensor": {},
}
"""Which fields of which message hold which message, as far as tags can stand below it:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

_WITH_CONSTANTS: Schema = {
    **SCHEMA,
    "attribute": {5: "tensor", 10: "tensor", **SCHEMA["attribute"]},
}
"""The same with the tensors that attributes hold."""

_WEIGHTS = frozenset((4, 5, 6, 7, 9, 10, 11))  # of a tensor: float_data to uint64_data, raw_data
_NAME = 8  # of a tensor
_OPSETS, _OPSET_VERSION = 8, 2  # of a model, of one of its opsets
_SMALL = 4096
"""Messages of fewer bytes are copied, to have fewer pieces; weights are larger where it matters."""

_BODY = re.compile(
    rb"[\x32\x5a][\x80-\xff]*[\x00-\x7f][\x0a\x12\x2a\x52\x5a\x62\x6a\x72\x7a\x80-\xff]"
)
"""Fields 6 and 11 of an attribute, their length, and how any field of a graph begins."""

_Change = Tuple[Sequence[Tuple[int, int]], bytes]
"""What becomes of a message: the fields that go, by where they start and end; what is added."""

_Message = Tuple[Sequence[Chunk], int]
"""A rewritten message: its pieces and their length in bytes."""

_Cut = Tuple[int, int, Sequence[Chunk], int]
"""A part of a message from and to, the pieces that stand in its place, and their length."""

_NOTHING: _Change = ((), b"")
_Plan = Callable[[str, int, int], Optional[_Change]]


def _has_bodies(data: bytes, at: int, end: int) -> bool:
    """Whether a node has nested graphs. Most have not, which bytes that are not there may show."""
    if end - at < _SMALL and not _BODY.search(data, at, end):
        return False
    graphs = SCHEMA["attribute"]
    return any(
        inner[0] in graphs
        for field in fields(data, at, end)
        if field[0] in SCHEMA["node"]
        for inner in fields(data, field[2], field[3])
    )


def _is_large(_: bytes, at: int, end: int) -> bool:
    return end - at >= _SMALL


def _edit(
    data: bytes,
    plan: _Plan,
    schema: Schema = SCHEMA,
    opens: Callable[[bytes, int, int], bool] = _has_bodies,
) -> List[Chunk]:
    """Rewrite a model.

    Args:
        data: the model's bytes.
        plan: says of each message what becomes of it, None: leave it shut. It is asked in document
            order: a node, then the nodes of its bodies; the functions last.
        schema: which messages there are.
        opens: whether to look for messages in a node.
    """
    view = memoryview(data)

    def message(kind: str, at: int, end: int) -> Optional[_Message]:
        change = plan(kind, at, end)
        if change is None:
            return None
        drop, add = change
        children = schema[kind]
        if not children or (kind == "node" and not opens(data, at, end)):
            if not drop:
                return _extended(view, at, end, add) if add else None
            children = {}
        cuts: List[_Cut] = [(start, stop, (), 0) for start, stop in drop]
        if children:
            for field, start, value, stop in fields(data, at, end):
                child = children.get(field)
                new = message(child, value, stop) if child else None
                if new is not None:
                    before = head(field, new[1])
                    cuts.append((start, stop, (before, *new[0]), len(before) + new[1]))
            cuts.sort(key=lambda cut: cut[0])
        if cuts or add:
            return _pasted(view, at, end, cuts, add)
        return None

    model = message("model", 0, len(data))
    return [data] if model is None else list(model[0])


def _extended(view: memoryview, at: int, end: int, add: bytes) -> _Message:
    size = end - at + len(add)
    return ([b"".join((view[at:end], add))] if size < _SMALL else [view[at:end], add]), size


def _pasted(view: memoryview, at: int, end: int, cuts: Sequence[_Cut], add: bytes) -> _Message:
    chunks: List[Chunk] = []
    size = end - at + len(add)
    for start, stop, new, length in cuts:
        if at < start:
            chunks.append(view[at:start])
        chunks += new
        size += length - (stop - start)
        at = stop
    chunks += (view[at:end], add)
    return ([b"".join(chunks)] if size < _SMALL else chunks), size


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
            return (), added
        if kind == "tensor":
            return ((), tensors.get(text(data, at, end, _NAME), b"")) if tensors else None
        return ((), model) if kind == "model" else _NOTHING

    chunks = _edit(data, plan)
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

    def plan(kind: str, at: int, end: int) -> _Change:
        if kind not in PROPS:
            return _NOTHING
        field = PROPS[kind]
        held = [each for each in fields(data, at, end) if each[0] == field]
        if not held:
            return _NOTHING
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

    return _edit(data, plan)


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

    def plan(kind: str, at: int, end: int) -> Optional[_Change]:
        if kind != "tensor":
            return _NOTHING
        if end - at < _SMALL:
            return None
        parts = fields(data, at, end)
        return [(start, stop) for part, start, _, stop in parts if part in _WEIGHTS], b""

    return join(_edit(data, plan, _WITH_CONSTANTS, _is_large))


def opset(data: bytes) -> Optional[int]:
    """The version of the standard operators that a model says it uses; None where it says none."""
    for field, _, at, end in fields(data, 0, len(data)):
        if field == _OPSETS and text(data, at, end, 1) in ("", "ai.onnx"):
            return integer(data, at, end, _OPSET_VERSION)
    return None


def join(chunks: Sequence[Chunk]) -> bytes:
    """The pieces as one."""
    first = chunks[0] if len(chunks) == 1 else None
    return first if isinstance(first, bytes) else b"".join(chunks)
