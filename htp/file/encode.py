"""From tags to the bytes of a file."""

from typing import Callable, Sequence, Tuple

from htp import torch_release, version
from htp.errors import CaptureError, InvalidModelError
from htp.file import keys, wire
from htp.graph.parameters import parameters
from htp.graph.records import Capture
from htp.scope import Tag

__all__ = ["with_tags"]


def with_tags(
    data: bytes, capture: Capture, tags: Sequence[Tag], backend: str
) -> Tuple[Sequence[wire.Chunk], Callable[[], bytes]]:
    """The model with its tags, in pieces; and how to make the same without weights.

    Raises:
        CaptureError: the tags are not those of this model.
    """
    unused = {id(node) for body in capture.after.uncalled() for node in body.walk()}
    entries = [
        []
        if id(node) in unused
        else keys.encode(tag, node.name, node.op.rpartition("::")[2], node.keys)
        for node, tag in zip(capture.after.walk(), tags)
    ]
    tensors = {name: keys.encode_parameter(names) for name, names in parameters(capture).items()}
    stacks = [call.stack for call in capture.calls]
    model = keys.encode_model(backend, torch_release.TORCH or "", version.VERSION, stacks)

    def outline() -> bytes:
        return wire.join(wire.append(wire.without_weights(data), entries, tensors, model))

    try:
        return wire.append(data, entries, tensors, model), outline
    except InvalidModelError as error:
        raise CaptureError(
            f"What backend {backend!r} recorded is not what torch wrote: {error}",
            "this is a defect of the backend; please report it with the model.",
        ) from error
