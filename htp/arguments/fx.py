"""The request as arguments of ``torch.onnx.export(dynamo=True)``."""

import inspect
from typing import Any, Dict, List, Tuple

from htp.backends.base import ExportRequest
from htp.errors import CaptureError, did_you_mean

__all__ = ["OTHER_BACKEND", "export_arguments"]

OTHER_BACKEND = (
    "backend='torchscript' traces the model instead and may take it; "
    "htp.available_backends() tells whether it can run here."
)


def export_arguments(request: ExportRequest, program: bool) -> Dict[str, Any]:
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


def _dynamic_shapes(request: ExportRequest) -> Any:
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


def _bound(request: ExportRequest) -> Dict[str, Any]:
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


def _inputs(request: ExportRequest) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
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


def _keywords(request: ExportRequest) -> Dict[str, Any]:
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
