"""The way from a model to a tagged file: select, listen, complete, write."""

import os
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Tuple, Union

from htp import registry, turns
from htp.errors import CaptureError
from htp.exported import Exported
from htp.spec import BackendSpec

if TYPE_CHECKING:  # imported where they are used: `import htp` is cheap
    from htp.arguments import Request
    from htp.file.store import Writable
    from htp.graph.records import Capture
    from htp.tagged import TaggedModel

__all__ = ["export", "record"]


def export(
    model: Any,
    args: Any = (),
    f: Union[str, "os.PathLike[str]", "Writable", None] = None,
    *,
    kwargs: Optional[Mapping[str, Any]] = None,
    input_names: Optional[Sequence[str]] = None,
    output_names: Optional[Sequence[str]] = None,
    dynamic_shapes: Optional[Mapping[str, Mapping[int, str]]] = None,
    opset_version: Optional[int] = None,
    backend: Optional[str] = None,
    exporter_options: Optional[Mapping[str, Any]] = None,
) -> "TaggedModel":
    """Export a model to ONNX and tag every node with the module call that it came from.

    The file equals, byte for byte, what ``torch.onnx.export`` writes with the same arguments,
    but for the metadata that HTP appends. The forward pass runs once. The model is exported as it
    is: call ``model.eval()`` first for inference.

    Args:
        model: an ``nn.Module`` or ``ScriptModule``.
        args: example inputs of ``forward``: a tuple, or a single tensor.
        f: where to write: a path, a binary file object, or None to write nothing. A path is
            written atomically: a failed export leaves what was there before.
        kwargs: keyword example inputs of ``forward``.
        input_names: names of the graph's inputs, in order.
        output_names: names of the graph's outputs, in order.
        dynamic_shapes: ``{input_name: {axis: "name"}}``: axes whose size may change.
        opset_version: the ONNX opset; None for the default of the installed torch.
        backend: name of a capture backend; None for ``htp.backend``.
        exporter_options: further keyword arguments of ``torch.onnx.export``, passed through.

    Returns:
        The tagged model. It keeps no reference to ``model``.

    Raises:
        UnsupportedTorchError: torch is missing or older than any backend accepts.
        BackendUnavailableError: there is no such backend, or it cannot run here.
        CaptureError: the arguments don't fit, torch's exporter failed, or ``f`` can't be written.
    """
    from htp import arguments
    from htp.file import encode, store
    from htp.graph.complete import complete
    from htp.tagged import TaggedModel

    spec = registry.chosen(backend)
    registry.load(spec)  # before anything is written
    names = {"input_names": input_names, "output_names": output_names}
    with turns.ours(), store.Destination(f) as destination:
        request = arguments.checked(
            *(model, args, kwargs, names, dynamic_shapes, opset_version, exporter_options),
            path=destination.scratch_path,
        )
        data, capture = record(request, spec)
        tags = complete(capture)
        made = encode.made(data, capture, tags, spec.name, destination.beside())
        file = encode.with_tags(data, made, spec.name)
        destination.commit(file.chunks)
    file.folder = destination.folder
    tagged = TaggedModel(file)
    if turns.is_watched():
        _tell(tagged, type(model).__name__, destination.path, spec)
    return tagged


def _tell(tagged: "TaggedModel", model: str, path: Optional[str], spec: BackendSpec) -> None:
    """Have the export listed where ``htp.tagging`` lists those of others."""
    coverage = tagged.coverage
    turns.tell(Exported(model, path, spec.exporter, spec.name, coverage, coverage.total))


def record(request: "Request", spec: BackendSpec) -> Tuple[bytes, "Capture"]:
    """Let torch export while the backend listens.

    Returns:
        The model as torch wrote it, and what was heard.

    Raises:
        CaptureError: torch's exporter failed, or the backend did not hear it.
    """
    from htp import arguments
    from htp.backends.common.undisturbed import undisturbed
    from htp.file.records import record_bytes

    backend = registry.load(spec)
    with turns.ours(), undisturbed(request.model), backend.listen() as listener:
        written = arguments.exporter(spec.exporter)(request)
        heard = listener.take()
    if not heard:
        raise CaptureError(
            f"Backend {spec.name!r} did not hear the export by torch's {spec.exporter} exporter.",
            "run 'htp doctor'; this torch may be newer than any that HTP was tested with.",
        )
    return written.data, heard[-1].capture(record_bytes(written.data))
