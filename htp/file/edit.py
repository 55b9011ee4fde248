"""Rewriting a serialised model: cutting from its messages and adding to them, lengths included.

Whatever is not cut stays as it is, byte for byte, and large parts are not copied.
"""

import re
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

from htp.file.protobuf import damaged, fields, head

__all__ = ["NOTHING", "SCHEMA", "SMALL", "Change", "Chunk", "Schema", "edit", "join"]

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

_DEEPEST = 100
"""Messages within each other: more are refused by protobuf too,
https://protobuf.dev/programming-guides/proto-limits/"""

SMALL = 4096
"""Messages of fewer bytes are copied, to have fewer pieces; weights are larger where it matters."""

_BODY = re.compile(
    rb"[\x32\x5a][\x80-\xff]*[\x00-\x7f][\x0a\x12\x2a\x52\x5a\x62\x6a\x72\x7a\x80-\xff]"
)
"""Fields 6 and 11 of an attribute, their length, and how any field of a graph begins."""

Change = Tuple[Sequence[Tuple[int, int]], bytes]
"""What becomes of a message: the fields that go, by where they start and end; what is added."""

_Message = Tuple[Sequence[Chunk], int]
"""A rewritten message: its pieces and their length in bytes."""

_Cut = Tuple[int, int, Sequence[Chunk], int]
"""A part of a message from and to, the pieces that stand in its place, and their length."""

NOTHING: Change = ((), b"")
_Plan = Callable[[str, int, int], Optional[Change]]


def _has_bodies(data: bytes, at: int, end: int) -> bool:
    """Whether a node has nested graphs. Most have not, which bytes that are not there may show."""
    if end - at < SMALL and not _BODY.search(data, at, end):
        return False
    graphs = SCHEMA["attribute"]
    return any(
        inner[0] in graphs
        for field in fields(data, at, end)
        if field[0] in SCHEMA["node"]
        for inner in fields(data, field[2], field[3])
    )


def edit(
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

    def message(kind: str, at: int, end: int, depth: int) -> Optional[_Message]:
        if depth > _DEEPEST:
            raise damaged("its graphs are nested too deep")
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
                new = message(child, value, stop, depth + 1) if child else None
                if new is not None:
                    before = head(field, new[1])
                    cuts.append((start, stop, (before, *new[0]), len(before) + new[1]))
            cuts.sort(key=lambda cut: cut[0])
        if cuts or add:
            return _pasted(view, at, end, cuts, add)
        return None

    model = message("model", 0, len(data), 1)
    return [data] if model is None else list(model[0])


def _extended(view: memoryview, at: int, end: int, add: bytes) -> _Message:
    size = end - at + len(add)
    return ([b"".join((view[at:end], add))] if size < SMALL else [view[at:end], add]), size


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
    return ([b"".join(chunks)] if size < SMALL else chunks), size


def join(chunks: Sequence[Chunk]) -> bytes:
    """The pieces as one."""
    first = chunks[0] if len(chunks) == 1 else None
    return first if isinstance(first, bytes) else b"".join(chunks)
