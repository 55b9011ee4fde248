"""What the user asked for, checked and in one form."""

import inspect
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp import torch_release
from htp.arguments.wrapped import wrapper_of
from htp.errors import CaptureError, did_you_mean

__all__ = ["Exporter", "Request", "Written", "checked"]


@dataclass(frozen=True)
class Request:
    """One export.

    Attributes:
        model: an ``nn.Module``, a ``ScriptModule`` or, for ``fx``, an ``ExportedProgram``.
        args: positional example inputs of ``forward``.
        kwargs: keyword example inputs of ``forward``.
        input_names: names of the graph's inputs, or None.
        output_names: names of the graph's outputs, or None.
        dynamic_shapes: ``{input_name: {axis: "name"}}``, or None when every shape is static.
        opset_version: the opset, or None for torch's default.
        options: passed through to ``torch.onnx.export``.
        path: where torch shall write, in a folder that belongs to this export alone, so that data
            files land beside it. None: hand the bytes back and write nothing.
    """

    model: Any
    args: Tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    input_names: Optional[Sequence[str]] = None
    output_names: Optional[Sequence[str]] = None
    dynamic_shapes: Optional[Dict[str, Dict[int, str]]] = None
    opset_version: Optional[int] = None
    options: Mapping[str, Any] = field(default_factory=dict)
    path: Optional[str] = None


class Written(NamedTuple):
    """What torch made.

    Attributes:
        data: the serialised ``ModelProto``, byte for byte as torch wrote it.
        program: torch's ``ONNXProgram`` where it gives one, or None.
    """

    data: bytes
    program: Any = None


Exporter = Callable[[Request], Written]
"""Runs one of torch's exporters once."""


def checked(
    model: Any,
    args: Any,
    kwargs: Optional[Mapping[str, Any]],
    names: Mapping[str, Optional[Sequence[str]]],
    dynamic_shapes: Optional[Mapping[str, Mapping[int, str]]],
    opset_version: Optional[int],
    options: Optional[Mapping[str, Any]],
    path: Optional[str],
) -> Request:
    """The arguments of ``htp.export`` as a request.

    Raises:
        CaptureError: one of them is not what ``htp.export`` takes, or they don't fit the model.
    """
    request = Request(
        model=_model(model),
        args=_positional(args),
        kwargs=_keyword(kwargs),
        dynamic_shapes=_dynamic(dynamic_shapes),
        opset_version=_opset(opset_version),
        options=_options(options),
        path=path,
        **{what: _names(what, given) for what, given in names.items()},
    )
    _check_fit(request)
    return request


def _model(model: Any) -> Any:
    """A module, or what torch.export made of one."""
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


def _check_fit(request: Request) -> None:
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
