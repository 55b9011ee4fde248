"""The request as arguments of ``torch.onnx.export(dynamo=True)``, and its errors made clear."""

import inspect
import re
from typing import Any, Dict, List, Optional, Tuple

from htp import torch_release
from htp.arguments.request import Request, Written
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

    accepted = inspect.signature(torch.onnx.export).parameters
    arguments = dict(request.options)
    if arguments.pop("dynamo", True) is not True:
        raise CaptureError(
            f"The option dynamo={request.options['dynamo']!r} contradicts the backend 'fx', which "
            "is torch.onnx.export(dynamo=True).",
            "leave it out, or choose backend='torchscript'.",
        )
    if arguments.get("fallback"):
        raise CaptureError(
            "The option fallback=True would let torch change to its TorchScript exporter unseen.",
            "leave it out; if the export fails, choose backend='torchscript'.",
        )
    arguments["dynamo"] = True
    if "fallback" in accepted:
        # https://github.com/pytorch/pytorch/blob/v2.5.0/torch/onnx/_internal/exporter/_compat.py#L178
        arguments["fallback"] = False
    arguments["args"], keywords = _inputs(request)
    if keywords:
        arguments["kwargs"] = keywords
    if request.input_names is not None:
        arguments["input_names"] = list(request.input_names)
    if request.output_names is not None:
        arguments["output_names"] = list(request.output_names)
    if request.opset_version is not None:
        arguments["opset_version"] = request.opset_version
    if request.dynamic_shapes:
        if program:
            raise CaptureError(
                "dynamic_shapes don't apply to an ExportedProgram, whose shapes are settled.",
                "give them to torch.export.export, or export the module itself.",
            )
        arguments["dynamic_shapes"] = _dynamic_shapes(request)
    return arguments


def _dynamic_shapes(request: Request) -> Any:
    """``{input: {axis: name}}`` in the structure of the inputs, as ``torch.export`` wants it.

    The order is that of the graph's inputs: torch gives dynamic axes their names by position.
    https://github.com/pytorch/pytorch/blob/v2.9.0/torch/onnx/_internal/exporter/_dynamic_shapes.py#L227
    """
    from torch.onnx._internal.exporter import _compat
    from torch.utils import _pytree as pytree

    assert request.dynamic_shapes is not None
    wanted = dict(request.dynamic_shapes)
    bound = _bound(request)
    structure: List[Tuple[str, Any, List[str]]] = []
    for parameter, value in bound.items():
        leaves, tree = pytree.tree_flatten(value)
        names = [parameter] if tree.is_leaf() else _leaf_names(parameter, len(leaves))
        structure.append((parameter, tree, names))
    leaf_names = [name for _, _, names in structure for name in names]
    # Only tensors become inputs of the graph, and only those have one of the given names.
    tensors = [
        name
        for (_, _, names), value in zip(structure, bound.values())
        for name, leaf in zip(names, pytree.tree_leaves(value))
        if _is_tensor(leaf)
    ]
    aliases = {name: name for name in leaf_names}
    aliases.update(zip(request.input_names or (), tensors))
    unknown = [name for name in wanted if name not in aliases]
    if unknown:
        raise CaptureError(
            f"dynamic_shapes names {unknown[0]!r}, which is no input of the model.",
            did_you_mean(unknown[0], aliases),
        )
    dimension = _dimension()
    axes: Dict[str, Dict[int, Any]] = {
        aliases[name]: {axis: dimension(label) for axis, label in shape.items()}
        for name, shape in wanted.items()
    }
    shapes = {
        parameter: pytree.tree_unflatten([axes.get(name) for name in names], tree)
        for parameter, tree, names in structure
    }
    if request.input_names and hasattr(_compat, "_rename_dynamic_shapes_with_model_inputs"):
        # 2.6 takes the keys for input names and changes them into parameters; not those of a tuple.
        # https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_compat.py#L32
        return tuple(shapes.values())
    return shapes


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


def _leaf_names(parameter: str, count: int) -> List[str]:
    return [f"{parameter}_{place}" for place in range(count)]


def _is_tensor(leaf: Any) -> bool:
    import torch

    return isinstance(leaf, torch.Tensor)


def _dimension() -> Any:
    """What makes a dynamic axis of its name.

    From 2.7 on a string is enough, and only a string keeps torch from demanding more of the axis
    than the model does:
    https://github.com/pytorch/pytorch/blob/v2.9.0/torch/onnx/_internal/exporter/_dynamic_shapes.py#L182
    """
    import torch.export
    from torch.onnx._internal.exporter import _compat

    if hasattr(getattr(_compat, "_dynamic_shapes", None), "convert_str_to_export_dim"):
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
