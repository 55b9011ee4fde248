"""What the user asked for, checked and in one form."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from htp.arguments import shapes
from htp.arguments.options import is_program, translated
from htp.errors import CaptureError

__all__ = ["Exporter", "Request", "Written", "checked"]


@dataclass(frozen=True)
class Request:
    """One export.

    Attributes:
        model: what torch's exporters take: a module, a scripted function, an ``ExportedProgram``.
        args: the example inputs as they were given.
        kwargs: the keyword example inputs as they were given, or None.
        input_names: names of the graph's inputs, or None.
        output_names: names of the graph's outputs, or None.
        dynamic_shapes: as given, in one of the forms of ``htp.arguments.shapes``, or None.
        opset_version: the opset, or None for torch's default.
        options: further arguments, as the installed ``torch.onnx.export`` takes them.
        path: where torch shall write, in a folder that belongs to this export alone, so that data
            files land beside it. None: hand the bytes back and write nothing.
    """

    model: Any
    args: Any = ()
    kwargs: Optional[Mapping[str, Any]] = None
    input_names: Optional[Tuple[str, ...]] = None
    output_names: Optional[Tuple[str, ...]] = None
    dynamic_shapes: Any = None
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
    model: Any, args: Any, given: Mapping[str, Any], exporter: str, path: Optional[str]
) -> Request:
    """The arguments of ``htp.export`` as a request.

    Whether the inputs fit the model is left to torch, which reads some that ``forward`` would not.

    Args:
        model: as given.
        args: as given.
        given: the keyword arguments, those of torch's among them.
        exporter: which of torch's exporters will run.
        path: where torch shall write, or None.

    Raises:
        CaptureError: one of them is not what ``htp.export`` takes, or this torch lacks it.
    """
    rest = dict(given)
    names = {what: _names(what, rest.pop(what, None)) for what in ("input_names", "output_names")}
    return Request(
        model=_model(model),
        args=args,
        kwargs=_keyword(rest.pop("kwargs", None)),
        dynamic_shapes=shapes.checked(rest.pop("dynamic_shapes", None)),
        opset_version=_opset(rest.pop("opset_version", None)),
        options=translated(rest, exporter, to_path=path is not None),
        path=path,
        **names,
    )


def _model(model: Any) -> Any:
    """What torch's exporters take: a module, a scripted function, or an exported program."""
    import torch

    kinds = [torch.nn.Module, torch.jit.ScriptModule, torch.jit.ScriptFunction]
    if isinstance(model, tuple(kinds)) or is_program(model):
        return model
    raise CaptureError(
        f"model must be an nn.Module, a scripted module or function, or an ExportedProgram; found "
        f"{type(model).__name__}.",
        "wrap a function in a module: HTP tells which module a node came from.",
    )


def _keyword(kwargs: Any) -> Optional[Dict[str, Any]]:
    if kwargs is None:
        return None
    if not isinstance(kwargs, Mapping):
        raise CaptureError(
            f"kwargs must map names to inputs; found {type(kwargs).__name__}.",
            'for example {"mask": mask}.',
        )
    return dict(kwargs)


def _names(what: str, names: Any) -> Optional[Tuple[str, ...]]:
    if names is None:
        return None
    found = tuple(names) if isinstance(names, Iterable) and not isinstance(names, str) else None
    if found is None or not all(isinstance(name, str) for name in found):
        raise CaptureError(
            f"{what} must be a list of names; found {names!r}.", 'for example ["tokens", "mask"].'
        )
    return found


def _opset(opset: Any) -> Optional[int]:
    if opset is None:
        return None
    try:
        number = 0 if isinstance(opset, bool) else operator.index(opset)
    except TypeError:
        number = 0
    if number < 1:
        raise CaptureError(
            f"opset_version must be a positive number; found {opset!r}.",
            "leave it out for the default of the installed torch.",
        )
    return number
