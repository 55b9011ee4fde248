"""From tags to the bytes of a file."""

from typing import List, Mapping, NamedTuple, Optional, Sequence

from htp import torch_release, version
from htp.errors import CaptureError, InvalidModelError
from htp.file import keys, origin, wire
from htp.file.entries import entry
from htp.file.model_file import ModelFile
from htp.graph.parameters import parameters
from htp.graph.records import Capture
from htp.scope import Tag

__all__ = ["Made", "made", "with_tags"]


class Made(NamedTuple):
    """What HTP writes of one export, as entries to append to each message.

    Attributes:
        nodes: of every node in document order.
        tensors: of initializers, by name.
        model: of the model itself.
    """

    nodes: Sequence[bytes]
    tensors: Mapping[str, bytes]
    model: bytes


def made(
    data: bytes, capture: Capture, tags: Sequence[Tag], backend: str, beside: Sequence[str] = ()
) -> Made:
    """What is written of an export.

    Args:
        data: the model as torch wrote it.
        capture: what was heard of it.
        tags: of every node, in document order.
        backend: the name of the backend that heard it.
        beside: the data files that torch wrote.
    """
    release = torch_release.TORCH or ""
    stacks = (call.stack for call in capture.calls)
    value = origin.encode(backend, release, version.VERSION, stacks)
    mark = origin.fingerprint(value, data, beside)
    return Made(
        _nodes(capture, tags, mark),
        {name: keys.encode_parameter(names) for name, names in parameters(capture).items()},
        entry("model", f"{keys.PREFIX}{mark}", value),
    )


def with_tags(data: bytes, entries: Made, backend: str) -> ModelFile:
    """The model with its tags.

    Args:
        data: the model as torch wrote it.
        entries: what ``made`` gave for it.
        backend: the name of the backend that heard it.

    Raises:
        CaptureError: the tags are not those of this model.
    """

    def outline() -> Optional[bytes]:
        light = wire.without_weights(data)
        return None if light is data else wire.join(wire.append(light, *entries))

    try:
        return ModelFile(wire.append(data, *entries), outline)
    except InvalidModelError as error:
        raise CaptureError(
            f"What backend {backend!r} recorded is not what torch wrote: {error}",
            "this is a defect of the backend; please report it with the model.",
        ) from error


def _nodes(capture: Capture, tags: Sequence[Tag], mark: str) -> List[bytes]:
    """The entries of every node. A function that nothing calls is no part of the model."""
    unused = {id(node) for body in capture.after.uncalled() for node in body.walk()}
    entries = keys.Entries(mark).of
    return [
        b""
        if unused and id(node) in unused
        else entries(tag, node.keys, node.name, node.op.rpartition("::")[2])
        for node, tag in zip(capture.after.walk(), tags)
    ]
