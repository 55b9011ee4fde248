"""Capture through ``torch.onnx.export(dynamo=True)``, on torch 2.5 and later.

torch exports as it always does, once and with the user's arguments. HTP watches three moments:

1. While ``torch.export`` traces, it follows which module call is running (``_fx_calls``).
2. When torch has built the ONNX graph and before it rewrites it, each node still holds the FX node
   that it was lowered from in ``meta["node"]``, and so its module call. The graph is recorded, and
   its nodes are marked:
   https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_core.py#L549
3. When torch is about to save, the marks tell which of the built nodes each node comes from
   (``_fx_marks``). They are taken off, so that nothing of HTP is in what torch writes.
"""

import contextlib
import inspect
import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from htp import torch_release
from htp.arguments.fx import OTHER_BACKEND, export_arguments
from htp.backends.base import Capture, ExportRequest
from htp.backends.common.modules import ModuleNames
from htp.backends.common.patching import replaced
from htp.backends.fx.calls import CallTracker, missing_seam
from htp.backends.fx.ir import MARK, opset_of, walk
from htp.backends.fx.marks import Marks
from htp.backends.fx.meta import KEY, Attempt, Call
from htp.backends.fx.parameters import ParameterNames
from htp.backends.fx.stack import stack_of
from htp.errors import CaptureError
from htp.graph.records import GraphRecord
from htp.scope import Stack

__all__ = ["FxBackend"]

_BUILD = "_exported_program_to_onnx_program"
"""torch's function that makes the ONNX graph of a traced program, in all releases from 2.5."""


class FxBackend:
    """The backend ``fx``."""

    name = "fx"

    def probe(self) -> Optional[str]:
        """Why this backend cannot run here, in one line, or None when it can."""
        try:
            return _missing()
        except Exception as error:
            return f"{type(error).__name__}: {_first_line(error)}"

    def capture(self, request: ExportRequest) -> Capture:
        """Run torch's exporter once and say which module call owns each node.

        Raises:
            htp.CaptureError: the arguments don't fit, torch's exporter failed, or it wrote another
                opset than was asked for.
        """
        import torch

        program = isinstance(request.model, torch.export.ExportedProgram)
        arguments = export_arguments(request, program)
        names = ModuleNames(request.model) if isinstance(request.model, torch.nn.Module) else None
        tracker = CallTracker(request.model, names) if names else None
        watch = _Watch(ParameterNames(request.model, names), request.path)
        following = tracker.following() if tracker else contextlib.nullcontext()
        with following, watch.watching():
            try:
                done = torch.onnx.export(request.model, f=request.path, **arguments)
            except Exception as error:
                raise CaptureError(_told(error), OTHER_BACKEND) from error
            watch.collect(done)
        _check_opset(request.opset_version, done)
        _check_axes(request, done)
        if request.path is None:
            data = _serialized(done)
        else:
            with open(request.path, "rb") as file:
                data = file.read()
        return watch.captured(data)


class _Watch:
    """Holds on to what torch builds, from the building to the saving."""

    def __init__(self, parameters: ParameterNames, path: Optional[str]) -> None:
        self._parameters = parameters
        self._path = path
        self._marks: Optional[Marks] = None
        self._after: Optional[GraphRecord] = None
        self._same = False
        self._attempt: Optional[Attempt] = None
        self._written: Dict[Stack, None] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Be told when torch has built a graph, and when it saves it."""
        from torch.onnx._internal.exporter import _core

        build = getattr(_core, _BUILD)

        def htp_build(*args: Any, **kwargs: Any) -> Any:
            program = build(*args, **kwargs)
            self._built(program)
            return program

        with replaced(_core, _BUILD, htp_build):
            yield

    def _built(self, program: Any) -> None:
        origins = [node.meta.get("node") for node, _ in walk(program.model)]
        calls: List[Call] = [
            origin.meta[KEY] for origin in origins if origin is not None and KEY in origin.meta
        ]
        for attempt in {call.attempt for call in calls}:
            attempt.settle(calls)
        self._marks = Marks(program.model, self._owner)
        self._after = None
        self._parameters.read(program.model, self._marks.before)
        save = program.save

        def htp_save(destination: Any, *args: Any, **kwargs: Any) -> Any:
            # torch saves to a temporary file too, when it verifies a large model.
            if destination == self._path:
                self.collect(program)
                if kwargs.get("keep_initializers_as_inputs") and self._after is not None:
                    self._after.inputs.extend(program.model.graph.initializers)
            return save(destination, *args, **kwargs)

        # On the instance: nobody else has this program, and nothing needs to be put back.
        program.save = htp_save

    def _owner(self, node: Any) -> Optional[Stack]:
        origin = node.meta.get("node")
        if origin is None:
            return None
        call: Optional[Call] = origin.meta.get(KEY)
        if call is not None:
            self._attempt = call.attempt
            return call.stack
        written = stack_of(origin.meta.get("nn_module_stack") or {})
        for depth in range(len(written or ())):
            self._written.setdefault((written or ())[: depth + 1])
        return written

    def collect(self, program: Any) -> None:
        """Read the marks off the finished model and remove them.

        Raises:
            htp.CaptureError: torch built its graph in a way that was not seen.
        """
        if self._after is not None:
            return
        if self._marks is None or program is None:
            raise CaptureError(
                f"torch {torch_release.TORCH} exported without the step that HTP watches.",
                OTHER_BACKEND,
            )
        self._after, self._same = self._marks.collect(program.model)
        self._parameters.follow(program.model, self._after)

    def captured(self, data: bytes) -> Capture:
        """The capture of the file that torch wrote."""
        assert self._after is not None
        assert self._marks is not None
        if not any(node.owner for node in self._marks.before.nodes) and self._marks.before.nodes:
            raise CaptureError(
                f"torch {torch_release.TORCH} captured the model without its modules: it is "
                "scripted, or torch.export failed on it and torch took torch.jit instead.",
                OTHER_BACKEND,
            )
        if MARK.encode() in data:
            raise CaptureError(
                "A mark of HTP was left in the model.", "please report it with the model."
            )
        before = None if self._same else self._marks.before
        calls = [call.stack for call in self._attempt.calls] if self._attempt else self._written
        return Capture(data, self._after, before, tuple(calls))


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


def _check_axes(request: ExportRequest, program: Any) -> None:
    """Some releases fix an axis that was to be dynamic, without an error.

    Raises:
        htp.CaptureError: an axis is fixed.
    """
    wanted = request.dynamic_shapes or {}
    for value in program.model.graph.inputs:
        for axis, label in wanted.get(value.name, {}).items():
            if value.shape is not None and isinstance(value.shape[axis], int):
                raise CaptureError(
                    f"torch {torch_release.TORCH} fixed axis {axis} ({label!r}) of "
                    f"{value.name!r} to {value.shape[axis]}: the model or this release demands it.",
                    OTHER_BACKEND,
                )


def _check_opset(asked: Optional[int], program: Any) -> None:
    """Torch converts what it can't produce, and keeps what it can't convert, without an error."""
    made = opset_of(program.model)
    if asked is not None and made is not None and made != asked:
        raise CaptureError(
            f"torch {torch_release.TORCH} was asked for opset {asked} and made opset {made}.",
            f"give opset_version={made} or none at all. {OTHER_BACKEND}",
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


def _missing() -> Optional[str]:
    """What this installation lacks."""
    import importlib.util

    import torch
    import torch.onnx

    if "dynamo" not in inspect.signature(torch.onnx.export).parameters:
        return f"torch.onnx.export of torch {torch_release.TORCH} has no parameter 'dynamo'"
    for module in ("onnx", "onnxscript"):
        if importlib.util.find_spec(module) is None:
            return (
                f"torch.onnx.export(dynamo=True) needs the package {module!r}: pip install {module}"
            )
    from torch.onnx._internal.exporter import _core

    lacking = missing_seam()
    if lacking is None and not hasattr(_core, _BUILD):
        lacking = f"{_core.__name__}.{_BUILD}"
    return f"torch {torch_release.TORCH} lacks {lacking}" if lacking else None
