"""The request as arguments of ``torch.onnx.export(dynamo=True)``, and its errors made clear."""

import re
from collections.abc import Mapping
from typing import Any, Dict, List, Optional, Tuple

from htp import torch_release
from htp.arguments.axes import counted_from_the_front
from htp.arguments.inputs import Leaf, Parameter, bound, leaves_of, table
from htp.arguments.options import is_program
from htp.arguments.request import Request, Written
from htp.arguments.shapes import FormError, Wanted, by_leaf, counts_from_the_end, is_torchs
from htp.arguments.wrapped import hint_for, misfit
from htp.backends.common.facts import renames_shape_keys, takes_named_axes
from htp.errors import CaptureError

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

    arguments, wanted = export_arguments(request)
    try:
        done = torch.onnx.export(request.model, f=request.path, **arguments)
    except Exception as error:
        raise explain(error, request) from error
    _check_opset(request.opset_version, done)
    _check_axes(wanted, done)
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


def export_arguments(request: Request) -> Tuple[Dict[str, Any], Wanted]:
    """The keyword arguments of ``torch.onnx.export``, without model and f.

    Returns:
        The arguments, and the axes that were asked for in HTP's own words, by leaf.

    Raises:
        CaptureError: ``dynamic_shapes`` or ``dynamic_axes`` don't fit the inputs.
    """
    arguments = {"dynamo": True, **request.options, "args": _tuple(request.args)}
    given = {
        "kwargs": request.kwargs,
        "input_names": list(request.input_names) if request.input_names is not None else None,
        "output_names": list(request.output_names) if request.output_names is not None else None,
        "opset_version": request.opset_version,
    }
    arguments.update((name, value) for name, value in given.items() if value is not None)
    wanted: Wanted = []
    if request.dynamic_shapes is not None:
        arguments["dynamic_shapes"], wanted = _dynamic_shapes(request)
    if arguments.get("dynamic_axes") is not None and not is_program(request.model):
        names = {name: leaf.value for name, leaf in _names(request, _parameters(request)).items()}
        arguments["dynamic_axes"] = counted_from_the_front(arguments["dynamic_axes"], names)
    return arguments, wanted


def _tuple(args: Any) -> Tuple[Any, ...]:
    """Torch refuses a list, and takes a dictionary only inside of a tuple."""
    return tuple(args) if isinstance(args, (tuple, list)) else (args,)


def _parameters(request: Request) -> List[Parameter]:
    """The inputs in the order of the graph's; an empty ``kwargs`` is none to this exporter.

    https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_compat.py#L38
    """
    return table(bound(request.model, _tuple(request.args), request.kwargs or None))


def _names(request: Request, parameters: List[Parameter]) -> Dict[str, Leaf]:
    """The inputs by the names that were given to them, and by their own where none was."""
    tensors = _tensors(parameters)
    own = {each.name: each.leaves[0] for each in parameters if each.plain}
    return {**own, **dict(zip(request.input_names or (), tensors))}


def _tensors(parameters: List[Parameter]) -> List[Leaf]:
    """The leaves that become inputs of the graph, each with one of the given names."""
    import torch

    return [leaf for leaf in leaves_of(parameters) if isinstance(leaf.value, torch.Tensor)]


def _dynamic_shapes(request: Request) -> Tuple[Any, Wanted]:
    """``dynamic_shapes`` as ``torch.export`` wants it, and what was said in HTP's own words.

    A form of torch's stays as it is, unless this release does not take all of it. The order is that
    of the graph's inputs: torch gives dynamic axes their names by position.
    https://github.com/pytorch/pytorch/blob/v2.9.0/torch/onnx/_internal/exporter/_dynamic_shapes.py#L227
    """
    shapes = request.dynamic_shapes
    if is_program(request.model) or not isinstance(shapes, (Mapping, list, tuple)) or not shapes:
        return shapes, []
    parameters = _parameters(request)
    torchs = is_torchs(shapes, parameters)
    given = dict(zip(request.input_names or (), _tensors(parameters)))
    try:
        wanted, _ = by_leaf(shapes, parameters, given)
    except FormError:
        if torchs:
            return shapes, []  # torch knows more of its forms
        raise
    named = any(isinstance(dim, str) for _, axes in wanted for dim in axes.values())
    if torchs and not counts_from_the_end(shapes) and (takes_named_axes() or not named):
        return shapes, []
    return _rebuilt(request, parameters, wanted), wanted


def _rebuilt(request: Request, parameters: List[Parameter], wanted: Wanted) -> Any:
    """What is said of each leaf, in the structure of the inputs."""
    dimension = _dimension()
    said = {
        id(leaf): {
            axis: dimension(dim) if isinstance(dim, str) else dim for axis, dim in axes.items()
        }
        for leaf, axes in wanted
    }
    shapes = {
        each.name: each.rebuild([said.get(id(leaf)) for leaf in each.leaves]) for each in parameters
    }
    # 2.6 changes keys that are input names into parameters; not those of a tuple.
    return tuple(shapes.values()) if request.input_names and renames_shape_keys() else shapes


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


def _check_axes(wanted: Wanted, program: Any) -> None:
    """Some releases fix an axis that was to be dynamic, without an error.

    Only what was said in HTP's own words is held against them: torch's ``Dim.AUTO`` allows it.

    Raises:
        CaptureError: an axis is fixed.
    """
    inputs = {value.name: value for value in program.model.graph.inputs}
    for leaf, axes in wanted:
        value: Any = inputs.get(leaf.names[0])
        for axis, dim in axes.items() if value is not None and value.shape is not None else ():
            if isinstance(dim, str) and isinstance(value.shape[axis], int):
                raise CaptureError(
                    f"torch {torch_release.TORCH} fixed axis {axis} ({dim!r}) of "
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


def explain(error: Exception, request: Request) -> CaptureError:
    """The exporter's failure as an error of HTP's."""
    unfit = misfit(request.model, _tuple(request.args), request.kwargs or None)
    return unfit or CaptureError(_told(error), hint_for(request.model) or _OTHER)


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
