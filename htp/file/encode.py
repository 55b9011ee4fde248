"""From tags to the bytes of a file."""

from typing import List, Optional, Sequence

from htp import torch_release, version
from htp.errors import CaptureError, InvalidModelError
from htp.file import keys, origin, wire
from htp.file.entries import entry
from htp.file.model_file import ModelFile
from htp.graph.parameters import parameters
from htp.graph.records import Capture
from htp.scope import Tag

__all__ = ["with_tags"]


def with_tags(
    data: bytes,
    capture: Capture,
    tags: Sequence[Tag],
    backend: str,
    beside: Optional[str] = None,
) -> ModelFile:
    """The model with its tags.

    Args:
        data: the model as torch wrote it.
        capture: what was heard of it.
        tags: of every node, in document order.
        backend: the name of the backend that heard it.
        beside: the folder that torch wrote data files to, and nothing else was written to.

    Raises:
        CaptureError: the tags are not those of this model.
    """
    release = torch_release.TORCH or ""
    stacks = (call.stack for call in capture.calls)
    made = origin.encode(backend, release, version.VERSION, stacks)
    mark = origin.fingerprint(made, data, beside)
    nodes = _nodes(capture, tags, mark)
    tensors = {name: keys.encode_parameter(names) for name, names in parameters(capture).items()}
    model = entry("model", f"{keys.PREFIX}{mark}", made)

    def outline() -> Optional[bytes]:
        light = wire.without_weights(data)
        return None if light is data else wire.join(wire.append(light, nodes, tensors, model))

    try:
        return ModelFile(wire.append(data, nodes, tensors, model), outline)
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
