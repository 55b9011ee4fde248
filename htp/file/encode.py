"""From tags to the bytes of a file."""

from typing import TYPE_CHECKING, Collection, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp import torch_release, version
from htp.errors import CaptureError, InvalidModelError
from htp.file import keys, origin, seal, wire
from htp.file.calls import whole
from htp.file.document import nodes_of
from htp.file.entries import entry
from htp.file.model_file import ModelFile
from htp.file.skeleton import Skeleton
from htp.file.tensors import reduced
from htp.file.weights import Names, beside, weights_of
from htp.graph.parameters import parameters
from htp.graph.records import CallRecord, Capture
from htp.scope import Tag

if TYPE_CHECKING:
    import onnx

__all__ = ["Made", "Written", "appended", "made", "with_tags"]


class Made(NamedTuple):
    """What HTP writes of one export, as entries to append to each message.

    Attributes:
        nodes: of every node in document order.
        tensors: of initializers, by name.
        model: of the model itself.
        mark: the fingerprint of its origin; "" where that says nothing of the graph.
    """

    nodes: Sequence[bytes]
    tensors: Mapping[str, bytes]
    model: bytes
    mark: str = ""


class Written(NamedTuple):
    """What torch wrote.

    Attributes:
        data: the model.
        outline: the same, parsed without the contents of its large tensors. It is used up.
        beside: the data files.
    """

    data: bytes
    outline: "onnx.ModelProto"
    beside: Sequence[str] = ()


def made(
    written: Written,
    capture: Capture,
    tags: Sequence[Tag],
    backend: str,
    skeleton: bool = True,
    torch: Optional[str] = None,
) -> Made:
    """What is written of an export.

    Args:
        written: what torch wrote.
        capture: what was heard of it.
        tags: of every node, in document order.
        backend: the name of the backend that heard it.
        skeleton: whether the model's origin says what the graph was.
        torch: the torch that exported the model, where it is not the one that is installed.
    """
    names = parameters(capture)
    unused = {id(node) for body in capture.after.uncalled() for node in body.walk()}
    calls = whole([call for call in capture.calls if call.stack])
    nodes = _digest(capture, written.outline)
    graph = None
    if skeleton:
        kept = zip(capture.after.walk(), tags)
        theirs = [tag for node, tag in kept if id(node) not in unused] if unused else tags
        graph = _skeleton(written, theirs, calls, names)
    release = (torch_release.TORCH or "") if torch is None else torch
    value = origin.encode(backend, release, version.VERSION, calls, nodes, graph, capture.folded)
    mark = origin.fingerprint(value, written.data, written.beside)
    return Made(
        _nodes(capture, tags, mark, unused),
        {name: keys.encode_parameter(made_from) for name, made_from in names.items()},
        entry("model", f"{keys.PREFIX}{mark}", value),
        mark if skeleton else "",
    )


def _digest(capture: Capture, outline: "onnx.ModelProto") -> Tuple[int, int]:
    """The digest of the nodes; those of functions have names of their own in a record."""
    if capture.after.functions:
        return origin.digest((node.op_type, node.output) for node in nodes_of(outline))
    nodes = capture.after.walk()
    return origin.digest((node.op.rpartition("::")[2], node.outputs) for node in nodes)


def _skeleton(
    written: Written, tags: Sequence[Tag], calls: Sequence[CallRecord], names: Mapping[str, Names]
) -> Skeleton:
    tensors = reduced(written.outline)
    weights = weights_of(tensors, written.data, beside(written.beside), names)
    return Skeleton(written.outline, tags, weights, tuple(calls))


def with_tags(data: bytes, entries: Made, backend: str) -> ModelFile:
    """The model with its tags.

    Args:
        data: the model as torch wrote it.
        entries: what ``made`` gave for it.
        backend: the name of the backend that heard it.

    Raises:
        CaptureError: the tags are not those of this model.
    """
    try:
        return appended(data, entries)
    except InvalidModelError as error:
        raise CaptureError(
            f"What backend {backend!r} recorded is not what torch wrote: {error}",
            "this is a defect of the backend; please report it with the model.",
        ) from error


def appended(data: bytes, entries: Made) -> ModelFile:
    """The model with these entries, sealed.

    Raises:
        InvalidModelError: they are those of another model.
    """
    light = wire.without_weights(data)
    chunks = wire.append(data, *entries[:3])
    if light is data:
        small = wire.join(chunks)
        chunks = [small]
    else:
        small = wire.join(wire.append(light, *entries[:3]))
    end = seal.sealed(small, entries.mark) if entries.mark else b""
    return ModelFile([*chunks, end], lambda: None if light is data else small + end)


def _nodes(
    capture: Capture, tags: Sequence[Tag], mark: str, unused: Collection[int]
) -> List[bytes]:
    """The entries of every node. A function that nothing calls is no part of the model."""
    entries = keys.Entries(mark).of
    return [
        b""
        if unused and id(node) in unused
        else entries(tag, node.keys, node.name, node.op.rpartition("::")[2])
        for node, tag in zip(capture.after.walk(), tags)
    ]
