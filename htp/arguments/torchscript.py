"""The request as arguments of the TorchScript exporter, and its errors made clear."""

import inspect
import io
import os
from typing import Any, Callable, Dict, List, Optional, Tuple

from htp.arguments.request import Request, Written
from htp.backends.common.facts import known_opsets
from htp.errors import CaptureError, HTPError, did_you_mean
from htp.file import wire

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

    arguments = build(torch.onnx.export, request)
    path, sink = request.path if _needs_path(request) else None, _Sink()
    try:
        torch.onnx.export(f=path or sink, **arguments)
    except HTPError:
        raise
    except Exception as error:  # torch raises what it likes; it is chained
        raise explain(error, request) from error
    data = _read(path) if path else sink.data()
    check_opset(data, request)
    return Written(data)


def _needs_path(request: Request) -> bool:
    if request.path is None:
        return False
    if request.options.get("use_external_data_format"):
        return True
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


def build(export: Callable[..., Any], request: Request) -> Dict[str, Any]:
    """The keyword arguments of ``torch.onnx.export``, ``f`` left out.

    Raises:
        CaptureError: an argument doesn't fit the model or this torch.
    """
    accepted = inspect.signature(export).parameters
    options = dict(request.options)
    if options.get("dynamo"):
        raise CaptureError(
            "exporter_options asks for dynamo=True, which the torchscript backend does not use.",
            "backend='fx' does.",
        )
    if options.get("export_modules_as_functions"):
        raise CaptureError(
            "export_modules_as_functions names functions after scopes, which HTP replaces.",
            "leave it out; the tags say for every node which module it belongs to.",
        )
    args, order = _positional(request)
    arguments: Dict[str, Any] = {"model": request.model, "args": args, **options}
    if "dynamo" in accepted:
        arguments["dynamo"] = False
    input_names = request.input_names
    if request.dynamic_shapes:
        input_names, arguments["dynamic_axes"] = _dynamic_axes(request, order)
    if input_names is not None:
        arguments["input_names"] = list(input_names)
    if request.output_names is not None:
        arguments["output_names"] = list(request.output_names)
    if request.opset_version is not None:
        arguments["opset_version"] = request.opset_version
    if "example_outputs" in accepted and "example_outputs" not in options:
        outputs = _example_outputs(request)
        if outputs is not None:
            arguments["example_outputs"] = outputs
    return arguments


def _signature(model: Any) -> Optional[inspect.Signature]:
    try:
        return inspect.signature(model.forward)
    except (TypeError, ValueError):
        return None  # a scripted forward on old releases


def _positional(request: Request) -> Tuple[Tuple[Any, ...], List[Tuple[str, Any]]]:
    """``args`` as the exporter wants them, and the inputs by name in the order of the graph.

    The exporter takes keyword inputs as a dictionary in the last place, so inputs that end with a
    dictionary need an empty one behind them.
    """
    signature = _signature(request.model)
    order: List[Tuple[str, Any]] = []
    if signature is not None:
        bound = signature.bind(*request.args, **request.kwargs)
        for name, value in bound.arguments.items():
            kind = signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                order.extend((f"{name}.{i}", item) for i, item in enumerate(value))
            elif kind is inspect.Parameter.VAR_KEYWORD:
                order.extend(value.items())
            else:
                order.append((name, value))
    if request.kwargs:
        return (*request.args, dict(request.kwargs)), order
    if request.args and isinstance(request.args[-1], dict):
        return (*request.args, {}), order
    return request.args, order


def _dynamic_axes(
    request: Request, order: List[Tuple[str, Any]]
) -> Tuple[Optional[List[str]], Dict[str, Dict[int, str]]]:
    """The graph's input names and the axes by those names.

    Inputs are called by ``input_names`` or, failing that, by the parameters of ``forward``.
    """
    import torch

    shapes = request.dynamic_shapes or {}
    flat = all(isinstance(value, torch.Tensor) or value is None for _, value in order)
    tensors = [name for name, value in order if isinstance(value, torch.Tensor)]
    given = list(request.input_names or ())
    if not flat:
        if not given:
            raise CaptureError(
                "dynamic_shapes cannot name inputs that are lists or dictionaries.",
                "give input_names, one for each tensor in order, and use those names.",
            )
        tensors = given
    names = given + tensors[len(given) :]
    by_parameter = dict(zip(tensors, names))
    outputs = list(request.output_names or ())
    axes = {}
    for name, dims in shapes.items():
        target = name if name in names or name in outputs else by_parameter.get(name)
        if target is None:
            raise CaptureError(
                f"dynamic_shapes names the input {name!r}, which the model does not have.",
                did_you_mean(name, [*names, *tensors, *outputs]),
            )
        axes[target] = dict(dims)
    return names, axes


def _example_outputs(request: Request) -> Any:
    """What releases that cannot infer the outputs of a scripted model ask for."""
    import torch

    if not isinstance(request.model, torch.jit.ScriptModule):
        return None
    with torch.no_grad():
        return request.model(*request.args, **request.kwargs)


def explain(error: Exception, request: Request) -> CaptureError:
    """The exporter's failure as an error of HTP's."""
    opsets = known_opsets()
    if request.opset_version is not None and opsets and request.opset_version not in opsets:
        return CaptureError(
            f"This torch cannot write opset {request.opset_version}; "
            f"it can write {opsets[0]} to {opsets[-1]}.",
            "choose one of those, or leave opset_version out.",
            asked=True,
        )
    lines = str(error).strip().splitlines()
    return CaptureError(
        f"torch's TorchScript exporter failed: {type(error).__name__}: {lines[0] if lines else ''}",
        f"the full message is the cause of this error. {_OTHER}",
    )


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
            f"this torch can write {known_opsets() or 'other opsets'}.",
        )
