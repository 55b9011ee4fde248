"""The request as arguments of the TorchScript exporter, and its errors made clear."""

import io
import os
import warnings
from typing import Any, Dict, List, Optional

from htp.arguments.axes import counted_from_the_front
from htp.arguments.inputs import Leaf, Parameter, as_read, leaves_of, signature_of, table
from htp.arguments.options import installed, is_program
from htp.arguments.request import Request, Written
from htp.arguments.shapes import Axes, by_leaf, label_of
from htp.arguments.wrapped import hint_for, misfit
from htp.backends.common.facts import known_opsets, traced_inputs, traces_numbers
from htp.errors import CaptureError, HTPError
from htp.file import wire
from htp.file.frames import without_frames

__all__ = ["export"]

_OTHER = "backend='fx' exports this model by another mechanism, on torch releases that have it."


_PATH_ABOVE = 1 << 30
"""Bytes of weights above which torch gets a path, because beyond 2 GiB it must write data files."""


def export(request: Request) -> Written:
    """Run the TorchScript exporter once.

    Raises:
        CaptureError: the arguments don't fit, torch's exporter failed, or it wrote another opset
            than was asked for.
    """
    import torch.onnx

    arguments = build(request)
    path, sink = request.path if _needs_path(request) else None, _Sink()
    try:
        torch.onnx.export(f=path or sink, **arguments)
    except HTPError:
        raise
    except Exception as error:  # torch raises what it likes; it is chained
        raise explain(error, request) from error
    data = without_frames(_read(path) if path else sink.data())
    check_opset(data, request)
    _warn_of_unread(request)
    return Written(data)


def _needs_path(request: Request) -> bool:
    if request.path is None:
        return False
    if request.options.get("use_external_data_format"):
        return True
    if not hasattr(request.model, "parameters"):
        return False  # a scripted function
    tensors = {id(t): t for t in [*request.model.parameters(), *request.model.buffers()]}
    size: int = sum(t.numel() * t.element_size() for t in tensors.values())
    return size > _PATH_ABOVE


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read()
    os.remove(path)  # export() writes it again, with the tags
    return data


class _Sink(io.BytesIO):
    """Takes the serialised model without copying it."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: List[bytes] = []

    def write(self, data: Any) -> int:
        self._pieces.append(data)
        return len(data)

    def data(self) -> bytes:
        """What was written."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def build(request: Request) -> Dict[str, Any]:
    """The keyword arguments of ``torch.onnx.export``, ``f`` left out.

    Raises:
        CaptureError: an argument doesn't fit the model or this torch.
    """
    _check_model(request)
    accepted = installed()
    arguments: Dict[str, Any] = {"model": request.model, **request.options}
    if "kwargs" in accepted or request.kwargs is None:
        arguments["args"] = request.args
        arguments.update({"kwargs": request.kwargs} if request.kwargs is not None else {})
    else:
        arguments["args"] = _with_keywords(request)
    if "dynamo" in accepted:
        arguments["dynamo"] = False
    for what in ("input_names", "output_names"):
        if getattr(request, what) is not None:
            arguments[what] = list(getattr(request, what))
    arguments.update(_dynamic(request))
    if request.opset_version is not None:
        arguments["opset_version"] = request.opset_version
    if "example_outputs" in accepted and "example_outputs" not in request.options:
        outputs = _example_outputs(request)
        if outputs is not None:
            arguments["example_outputs"] = outputs
    return arguments


def _check_model(request: Request) -> None:
    if is_program(request.model):
        raise CaptureError(
            f"torch's TorchScript exporter takes modules; found {type(request.model).__name__}.",
            "backend='fx' exports what torch.export made.",
        )
    if request.options.get("export_modules_as_functions"):
        raise CaptureError(
            "export_modules_as_functions names functions after scopes, which HTP replaces.",
            "leave it out; the tags say for every node which module it belongs to.",
        )


def _with_keywords(request: Request) -> Any:
    """``args`` with the keyword inputs in the last place, where every release looks for them."""
    positional = request.args if isinstance(request.args, tuple) else (request.args,)
    ends_alike = bool(positional) and isinstance(positional[-1], dict)
    if request.kwargs is None or not (request.kwargs or ends_alike):
        return request.args
    return (*positional, dict(request.kwargs))


def _dynamic(request: Request) -> Dict[str, Any]:
    """The arguments that say which axes may change.

    Raises:
        CaptureError: they don't fit the inputs.
    """
    axes = request.options.get("dynamic_axes")
    shapes = request.dynamic_shapes
    if shapes and axes:
        raise CaptureError(
            "Both dynamic_axes and dynamic_shapes were given; this exporter has one of them.",
            "leave out dynamic_shapes.",
        )
    if axes is not None:
        return {"dynamic_axes": counted_from_the_front(axes, _by_name(request))}
    if not shapes:
        return {}
    resolved = getattr(shapes, "dynamic_shapes", None)  # torch.export.ShapesCollection
    if callable(resolved):
        positional, keywords = as_read(request.args, request.kwargs)
        shapes = resolved(request.model, tuple(positional), keywords)
    return _dynamic_axes(request, shapes)


def _parameters(request: Request) -> List[Parameter]:
    """The inputs by parameter, in the order in which they are traced."""
    values = list(traced_inputs(request.model, _with_keywords(request)))
    signature = signature_of(request.model)
    if signature is None:
        return table({str(place): value for place, value in enumerate(values)})
    named: Dict[str, Any] = {}
    for name, each in signature.parameters.items():
        if each.kind is each.VAR_POSITIONAL:
            named[name], values = tuple(values), []
        elif values and each.kind is not each.VAR_KEYWORD:
            named[name] = values.pop(0)
    return table(named)


def _graph_inputs(parameters: List[Parameter]) -> List[Leaf]:
    """The leaves that become inputs of the graph, in order."""
    import torch

    kinds = (torch.Tensor, int, float, complex) if traces_numbers() else (torch.Tensor,)
    return [leaf for leaf in leaves_of(parameters) if isinstance(leaf.value, kinds)]


def _by_name(request: Request) -> Dict[str, Any]:
    """The values of the inputs by the names that the graph may have for them."""
    leaves = _graph_inputs(_parameters(request))
    own = {leaf.names[0]: leaf.value for leaf in leaves if leaf.names[0] == leaf.parameter}
    return {**own, **{n: leaf.value for n, leaf in zip(request.input_names or (), leaves)}}


def _dynamic_axes(request: Request, shapes: Any) -> Dict[str, Any]:
    """``dynamic_shapes`` as ``dynamic_axes``, with a name for every input of the graph.

    Bounds of a ``Dim`` cannot be said here. An axis without a name of its own (``Dim.AUTO``) gets
    one as torch makes it for a list of axes.
    """
    parameters = _parameters(request)
    leaves = _graph_inputs(parameters)
    given = list(request.input_names or ())
    names = given + [leaf.names[0] for leaf in leaves[len(given) :]]
    known: Dict[str, Optional[Leaf]] = dict.fromkeys(request.output_names or ())
    known.update(zip(given, leaves))
    wanted, others = by_leaf(shapes, parameters, known)
    called = {id(leaf): name for leaf, name in zip(leaves, names)}
    axes = {called[id(leaf)]: said for leaf, said in wanted if id(leaf) in called}
    labelled = {name: _labels(name, said) for name, said in {**axes, **others}.items()}
    return {
        "input_names": names,
        "dynamic_axes": {name: said for name, said in labelled.items() if said},
    }


def _labels(name: str, axes: Axes) -> Dict[int, str]:
    """https://github.com/pytorch/pytorch/blob/v2.0.1/torch/onnx/utils.py#L1951 makes such names."""
    labels = {axis: label_of(dim) for axis, dim in axes.items()}
    return {
        axis: label or f"{name}_dynamic_axes_{axis + 1}"
        for axis, label in labels.items()
        if label is not None
    }


def _example_outputs(request: Request) -> Any:
    """What releases that cannot infer the outputs of a scripted model ask for."""
    import torch

    if not isinstance(request.model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        return None
    positional, keywords = as_read(request.args, request.kwargs)
    with torch.no_grad():
        return request.model(*positional, **keywords)


def _warn_of_unread(request: Request) -> None:
    """The exporter leaves keyword inputs unread that it knows no parameter for.

    https://github.com/pytorch/pytorch/blob/v2.0.1/torch/onnx/utils.py#L894
    """
    signature = signature_of(request.model)
    positional, keywords = as_read(request.args, request.kwargs)
    free = list(signature.parameters)[len(positional) :] if signature else list(keywords)
    unread = [name for name in keywords if name not in free]
    if unread:
        warnings.warn(
            f"torch left {', '.join(map(repr, unread))} of the keyword inputs unread: forward "
            "has no such parameter, or it was given by position.",
            stacklevel=5,
        )


def explain(error: Exception, request: Request) -> CaptureError:
    """The exporter's failure as an error of HTP's."""
    opsets = known_opsets()
    if request.opset_version is not None and opsets and request.opset_version not in opsets:
        return CaptureError(
            f"This torch cannot write opset {request.opset_version}; "
            f"it is made for {opsets[0]} to {opsets[-1]}.",
            "choose one of those, or leave opset_version out.",
            asked=True,
        )
    unfit = misfit(request.model, request.args, request.kwargs)
    if unfit is not None:
        return unfit
    lines = str(error).strip().splitlines()
    return CaptureError(
        f"torch's TorchScript exporter failed: {type(error).__name__}: {lines[0] if lines else ''}",
        f"the full message is the cause of this error. {_hint(request)}",
    )


def _hint(request: Request) -> str:
    if isinstance(request.args, list):
        return "args is a list, which is one input to torch; give a tuple of inputs."
    return hint_for(request.model) or _OTHER


def check_opset(data: bytes, request: Request) -> None:
    """Compare the opset that was asked for with the one in the file.

    Raises:
        CaptureError: torch wrote another one.
    """
    if request.opset_version is None:
        return
    found = wire.opset(data)
    if found not in (None, request.opset_version):
        raise CaptureError(
            f"opset {request.opset_version} was asked for, but torch wrote opset {found}.",
            f"this torch is made for {known_opsets() or 'other opsets'}.",
        )
