"""The request as arguments of ``torch.onnx.export(dynamo=True)``, and its errors made clear."""

import inspect
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from htp import torch_release
from htp.arguments.request import Request, Written
from htp.backends.common.facts import renames_shape_keys, takes_named_axes
from htp.errors import CaptureError, did_you_mean

__all__ = ["export"]

_OTHER = (
    "backend='torchscript' traces the model instead and may take it; "
    "htp.available_backends() tells whether it can run here."
)


def export(request: Request) -> Written:
    """Run ``torch.onnx.export(dynamo=True)`` once.

    Raises:
        CaptureError: the arguments don't fit, torch's exporter failed, or it wrote another opset or
            other axes than were asked for.
    """
    import torch

    program = isinstance(request.model, torch.export.ExportedProgram)
    arguments = export_arguments(request, program)
    try:
        done = torch.onnx.export(request.model, f=request.path, **arguments)
    except Exception as error:
        raise CaptureError(_told(error), _OTHER) from error
    _check_opset(request.opset_version, done)
    _check_axes(request, done)
    if request.path is None:
        return Written(_serialized(done), done)
    with open(request.path, "rb") as file:
        return Written(file.read(), done)


def _opset_of(model: Any) -> Optional[int]:
    """The version of the standard operators that an IR model uses."""
    for domain in ("", "ai.onnx"):
        version = model.opset_imports.get(domain)
        if version is not None:
            return int(version)
    return None


def export_arguments(request: Request, program: bool) -> Dict[str, Any]:
    """The keyword arguments of ``torch.onnx.export``, without model and f.

    Args:
        request: what the user asked for.
        program: the model is an ``ExportedProgram``.

    Raises:
        CaptureError: the options contradict this backend, or ``dynamic_shapes`` don't fit.
    """
    import torch.onnx

    _check_options(request)
    if request.dynamic_shapes and program:
        raise CaptureError(
            "dynamic_shapes don't apply to an ExportedProgram, whose shapes are settled.",
            "give them to torch.export.export, or export the module itself.",
        )
    args, keywords = _inputs(request)
    arguments = {**request.options, "dynamo": True, "args": args}
    if "fallback" in inspect.signature(torch.onnx.export).parameters:
        # https://github.com/pytorch/pytorch/blob/v2.5.0/torch/onnx/_internal/exporter/_compat.py#L178
        arguments["fallback"] = False
    given = {
        "kwargs": keywords or None,
        "input_names": list(request.input_names) if request.input_names is not None else None,
        "output_names": list(request.output_names) if request.output_names is not None else None,
        "opset_version": request.opset_version,
        "dynamic_shapes": _dynamic_shapes(request) if request.dynamic_shapes else None,
    }
    arguments.update((name, value) for name, value in given.items() if value is not None)
    return arguments


def _check_options(request: Request) -> None:
    if request.options.get("dynamo", True) is not True:
        raise CaptureError(
            f"The option dynamo={request.options['dynamo']!r} contradicts the backend 'fx', which "
            "is torch.onnx.export(dynamo=True).",
            "leave it out, or choose backend='torchscript'.",
        )
    if request.options.get("fallback"):
        raise CaptureError(
            "The option fallback=True would let torch change to its TorchScript exporter unseen.",
            "leave it out; if the export fails, choose backend='torchscript'.",
        )


class _Parameter(NamedTuple):
    """A parameter of ``forward`` and what was given for it.

    Attributes:
        name: its name.
        tree: torch's description of the structure of its value.
        leaves: the values in that structure, in order.
        names: what ``dynamic_shapes`` may call each of the leaves: the parameter's own name for a
            plain value, else the name with the leaf's number behind it.
    """

    name: str
    tree: Any
    leaves: List[Any]
    names: List[str]


def _parameters(request: Request) -> List[_Parameter]:
    from torch.utils import _pytree as pytree

    found = []
    for name, value in _bound(request).items():
        leaves, tree = pytree.tree_flatten(value)
        names = [name] if tree.is_leaf() else [f"{name}_{place}" for place in range(len(leaves))]
        found.append(_Parameter(name, tree, leaves, names))
    return found


def _dynamic_shapes(request: Request) -> Any:
    """``{input: {axis: name}}`` in the structure of the inputs, as ``torch.export`` wants it.

    The order is that of the graph's inputs: torch gives dynamic axes their names by position.
    https://github.com/pytorch/pytorch/blob/v2.9.0/torch/onnx/_internal/exporter/_dynamic_shapes.py#L227
    """
    from torch.utils import _pytree as pytree

    parameters = _parameters(request)
    axes = _axes_by_leaf(request, parameters)
    shapes = {
        each.name: pytree.tree_unflatten([axes.get(name) for name in each.names], each.tree)
        for each in parameters
    }
    # 2.6 changes keys that are input names into parameters; not those of a tuple.
    return tuple(shapes.values()) if request.input_names and renames_shape_keys() else shapes


def _axes_by_leaf(request: Request, parameters: List[_Parameter]) -> Dict[str, Dict[int, Any]]:
    """The dynamic axes by the names of the leaves. An input may also go by its given name.

    Raises:
        CaptureError: a name is that of no input.
    """
    import torch

    # Only tensors become inputs of the graph, and only those have one of the given names.
    tensors = [
        name
        for each in parameters
        for name, leaf in zip(each.names, each.leaves)
        if isinstance(leaf, torch.Tensor)
    ]
    aliases = {name: name for each in parameters for name in each.names}
    aliases.update(zip(request.input_names or (), tensors))
    dimension = _dimension()
    axes: Dict[str, Dict[int, Any]] = {}
    for name, shape in (request.dynamic_shapes or {}).items():
        if name not in aliases:
            raise CaptureError(
                f"dynamic_shapes names {name!r}, which is no input of the model.",
                did_you_mean(name, aliases),
            )
        axes[aliases[name]] = {axis: dimension(label) for axis, label in shape.items()}
    return axes


def _bound(request: Request) -> Dict[str, Any]:
    """The example inputs by parameter of ``forward``, in the order of its signature."""
    forward = getattr(request.model, "forward", request.model)
    try:
        bound = inspect.signature(forward).bind(*request.args, **request.kwargs)
    except TypeError as error:
        raise CaptureError(
            f"The example inputs don't fit forward(): {error}.",
            "args are its positional and kwargs its keyword inputs.",
        ) from error
    return dict(bound.arguments)


def _inputs(request: Request) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
    """Positional and keyword inputs.

    torch takes a dictionary in the last place for the keyword inputs when there are none, so one
    that is an input itself goes by its name:
    https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_compat.py#L38
    """
    keywords = _keywords(request)
    if keywords or not (request.args and isinstance(request.args[-1], dict)):
        return request.args, keywords
    names = list(inspect.signature(request.model.forward).parameters)
    return request.args[:-1], {names[len(request.args) - 1]: request.args[-1]}


def _keywords(request: Request) -> Dict[str, Any]:
    """The keyword inputs in the order of the signature, which is that of the graph's inputs.

    torch numbers the inputs as the keywords are given, and demands dynamic shapes in this order:
    https://github.com/pytorch/pytorch/blob/49082f9dba3b/torch/export/_trace.py#L2034
    """
    keywords = dict(request.kwargs)
    try:
        parameters = inspect.signature(request.model.forward).parameters
    except (AttributeError, TypeError, ValueError):
        return keywords  # an ExportedProgram has no forward, and needs no inputs
    ordered = {name: keywords.pop(name) for name in parameters if name in keywords}
    return {**ordered, **keywords}


def _dimension() -> Any:
    """What makes a dynamic axis of its name.

    Where a string is enough, only a string keeps torch from demanding more of the axis than the
    model does.
    """
    import torch.export

    if takes_named_axes():
        return str
    dims: Dict[str, Any] = {}

    def dimension(label: str) -> Any:
        if not label.isidentifier():
            raise CaptureError(
                f"The axis name {label!r} is no identifier, as this torch demands of it.",
                "use letters, digits and underscores.",
            )
        return dims.setdefault(label, torch.export.Dim(label))

    return dimension


def _serialized(program: Any) -> bytes:
    try:
        data: bytes = program.model_proto.SerializeToString()
    except Exception as error:
        raise CaptureError(
            f"The model can't be serialised in one piece: {type(error).__name__}: "
            f"{_first_line(error)}",
            "ONNX files end at 2 GiB; give a path, so that the weights lie beside the file.",
        ) from error
    return data


def _check_axes(request: Request, program: Any) -> None:
    """Some releases fix an axis that was to be dynamic, without an error.

    Raises:
        CaptureError: an axis is fixed.
    """
    wanted = request.dynamic_shapes or {}
    for value in program.model.graph.inputs:
        for axis, label in wanted.get(value.name, {}).items():
            if value.shape is not None and isinstance(value.shape[axis], int):
                raise CaptureError(
                    f"torch {torch_release.TORCH} fixed axis {axis} ({label!r}) of "
                    f"{value.name!r} to {value.shape[axis]}: the model or this release demands it.",
                    _OTHER,
                )


def _check_opset(asked: Optional[int], program: Any) -> None:
    """Torch converts what it can't produce, and keeps what it can't convert, without an error."""
    made = _opset_of(program.model)
    if asked is not None and made is not None and made != asked:
        raise CaptureError(
            f"torch {torch_release.TORCH} was asked for opset {asked} and made opset {made}.",
            f"give opset_version={made} or none at all. {_OTHER}",
        )


def _told(error: BaseException) -> str:
    """What failed, with the error that torch's own error was raised for."""
    lines = [f"torch.onnx.export(dynamo=True) of torch {torch_release.TORCH} failed."]
    seen: Tuple[BaseException, ...] = ()
    at: Optional[BaseException] = error
    while at is not None and at not in seen and len(seen) < 4:
        seen = (*seen, at)
        lines.append(f"{type(at).__name__}: {_first_line(at, whole=at.__cause__ is None)}")
        at = at.__cause__
    return "\n".join(lines)


def _first_line(error: BaseException, *, whole: bool = False) -> str:
    """The first line of an error's text; with ``whole``, the next as well if it is announced."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    announced = whole and lines and lines[0].endswith(":")
    return " ".join(lines[: 2 if announced else 1])
