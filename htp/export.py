"""The way from a model to a tagged file: select, capture, complete, write."""

import inspect
import os
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Union

from htp import registry, torch_release, version
from htp.errors import CaptureError, InvalidModelError, did_you_mean

if TYPE_CHECKING:  # imported where they are used: `import htp` is cheap
    from htp.backends.base import Capture, ExportRequest
    from htp.file import store as files
    from htp.file import wire
    from htp.scope import Tag
    from htp.tagged import TaggedModel

__all__ = ["export"]

_one_at_a_time = threading.RLock()
"""torch's exporters keep their state in globals; two of them at once fail."""


def export(
    model: Any,
    args: Any = (),
    f: Union[str, "os.PathLike[str]", "files.Writable", None] = None,
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
    from htp.backends.base import ExportRequest
    from htp.backends.common.undisturbed import undisturbed
    from htp.file import store as files
    from htp.graph import complete as dataflow
    from htp.tagged import TaggedModel

    spec = registry.chosen(backend)
    runner = registry.load(spec)
    with _one_at_a_time, files.Destination(f) as destination:
        request = ExportRequest(
            model=_checked(model),
            args=_positional(args),
            kwargs=_keyword(kwargs),
            input_names=_names("input_names", input_names),
            output_names=_names("output_names", output_names),
            dynamic_shapes=_dynamic(dynamic_shapes),
            opset_version=_opset(opset_version),
            options=_options(exporter_options),
            path=destination.scratch_path,
        )
        _check_fit(request)
        with undisturbed(request.model):
            capture = runner.capture(request)
        tags = dataflow.complete(capture)
        chunks, outline = _tagged_bytes(capture, tags, spec.name)
        destination.commit(chunks)
    return TaggedModel(chunks, outline, folder=destination.folder)


def _tagged_bytes(
    capture: "Capture", tags: "Sequence[Tag]", backend: str
) -> Tuple["Sequence[wire.Chunk]", Callable[[], bytes]]:
    """The model with its tags, in pieces; and how to make the same without weights."""
    from htp.file import keys as metadata
    from htp.file import wire
    from htp.graph import complete as dataflow

    unused = {id(node) for body in capture.after.uncalled() for node in body.walk()}
    entries = [
        []
        if id(node) in unused
        else metadata.encode(tag, node.name, node.op.rpartition("::")[2], node.keys)
        for node, tag in zip(capture.after.walk(), tags)
    ]
    tensors = {
        name: metadata.encode_parameter(names)
        for name, names in dataflow.parameters(capture).items()
    }
    model = metadata.encode_model(
        backend, torch_release.TORCH or "", version.VERSION, capture.calls
    )
    data = capture.data

    def outline() -> bytes:
        return wire.join(wire.append(wire.without_weights(data), entries, tensors, model))

    try:
        return wire.append(data, entries, tensors, model), outline
    except InvalidModelError as error:
        raise CaptureError(
            f"What backend {backend!r} recorded is not what torch wrote: {error}",
            "this is a defect of the backend; please report it with the model.",
        ) from error


def _checked(model: Any) -> Any:
    """A module, or what torch.export made of one."""
    from htp.arguments.wrapped import wrapper_of

    wrapper = wrapper_of(model)
    if wrapper is not None:
        raise CaptureError(
            f"The model is wrapped by {wrapper[0]}.",
            f"export what is inside: htp.export(model.{wrapper[1]}, ...).",
        )
    if callable(getattr(model, "forward", None)) or hasattr(model, "graph_module"):
        return model
    raise CaptureError(
        f"model must be an nn.Module; found {type(model).__name__}.",
        "wrap a function in a module: HTP tells which module a node came from.",
    )


def _positional(args: Any) -> Tuple[Any, ...]:
    if isinstance(args, tuple):
        return args
    return tuple(args) if isinstance(args, list) else (args,)


def _keyword(kwargs: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise CaptureError(
            f"kwargs must map names to inputs; found {type(kwargs).__name__}.",
            'for example {"mask": mask}.',
        )
    return dict(kwargs or {})


def _names(what: str, names: Optional[Sequence[str]]) -> Optional[Tuple[str, ...]]:
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise CaptureError(
            f"{what} must be a list of names; found {names!r}.", 'for example ["tokens", "mask"].'
        )
    return tuple(names)


def _dynamic(
    shapes: Optional[Mapping[str, Mapping[int, str]]],
) -> Optional[Dict[str, Dict[int, str]]]:
    if not shapes:
        return None
    for name, axes in shapes.items():
        if not isinstance(axes, Mapping) or not all(
            isinstance(axis, int) and isinstance(label, str) for axis, label in axes.items()
        ):
            raise CaptureError(
                f"dynamic_shapes[{name!r}] must be {{axis: name}}; found {axes!r}.",
                'for example {"tokens": {0: "batch", 1: "length"}}.',
            )
    return {name: dict(axes) for name, axes in shapes.items()}


def _opset(opset: Optional[int]) -> Optional[int]:
    if opset is not None and (not isinstance(opset, int) or isinstance(opset, bool) or opset < 1):
        raise CaptureError(
            f"opset_version must be a positive number; found {opset!r}.",
            "leave it out for the default of the installed torch.",
        )
    return opset


_OWN_ARGUMENTS = frozenset(
    (
        *("model", "args", "f", "kwargs", "input_names", "output_names"),
        *("dynamic_shapes", "dynamic_axes", "opset_version"),
    )
)


def _options(options: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    import torch.onnx

    taken = sorted(set(options or ()) & _OWN_ARGUMENTS)
    if taken:
        raise CaptureError(
            f"exporter_options holds {', '.join(taken)}, which export() sets itself.",
            "give them as arguments of htp.export; dynamic_axes is called dynamic_shapes there.",
        )
    accepted = inspect.signature(torch.onnx.export).parameters
    unknown = sorted(set(options or ()) - set(accepted))
    if unknown:
        raise CaptureError(
            f"torch.onnx.export of torch {torch_release.TORCH} does not take {unknown[0]!r}.",
            did_you_mean(unknown[0], accepted),
        )
    return dict(options or {})


def _check_fit(request: "ExportRequest") -> None:
    """Compare the example inputs with the signature of ``forward``.

    Raises:
        CaptureError: the model cannot be called with them.
    """
    try:
        signature = inspect.signature(request.model.forward)
    except (AttributeError, TypeError, ValueError):
        return  # an exported program, or a scripted forward on an old release
    try:
        signature.bind(*request.args, **request.kwargs)
    except TypeError as error:
        raise CaptureError(
            f"The example inputs don't fit forward{signature}: {error}.",
            "args and kwargs must be what the model is called with.",
        ) from error
