"""Saying in a serialised model that its data files lie under other names."""

from typing import Mapping, Optional, Sequence

from htp.file.edit import NOTHING, Change, Chunk, Schema, edit, join
from htp.file.entries import KEY, VALUE
from htp.file.protobuf import fields, head, text

__all__ = ["relocated"]

_TENSORS: Schema = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Everything in which a tensor can stand:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

_EXTERNAL = 13  # of a tensor: external_data
_LOCATION = "location"


def relocated(chunks: Sequence[Chunk], names: Mapping[str, str]) -> Sequence[Chunk]:
    """The model with other locations; everything else is as it was.

    Args:
        chunks: the model's bytes, in pieces.
        names: for each location that changes, the new one.

    Raises:
        InvalidModelError: the bytes are not a model.
    """
    if not names:
        return chunks
    data = join(chunks)

    def plan(kind: str, at: int, end: int) -> Optional[Change]:
        if kind != "tensor":
            return NOTHING
        drop, add = [], b""
        for field, start, value, stop in fields(data, at, end):
            if field == _EXTERNAL and text(data, value, stop, KEY) == _LOCATION:
                name = names.get(text(data, value, stop, VALUE))
                if name is not None:
                    drop.append((start, stop))
                    add += _entry(name)
        return (drop, add) if drop else None

    return edit(data, plan, _TENSORS, lambda *_: True)


def _entry(name: str) -> bytes:
    made = b""
    for field, said in ((KEY, _LOCATION.encode()), (VALUE, name.encode())):
        made += head(field, len(said)) + said
    return head(_EXTERNAL, len(made)) + made
