"""Listening to ``torch.onnx.export(dynamo=True)``, on torch 2.5 and later.

torch exports as it always does. HTP watches three moments:

1. While ``torch.export`` traces, it follows which module call is running (``calls``).
2. When torch has built the ONNX graph and before it rewrites it, each node still holds the FX node
   that it was lowered from in ``meta["node"]``, and so its module call. The graph is recorded, and
   its nodes are marked:
   https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_core.py#L549
3. When torch is about to save, the marks tell which of the built nodes each node comes from
   (``marks``). They are taken off, so that nothing of HTP is in what torch writes.
"""

import contextlib
import inspect
from typing import Any, Dict, Iterator, List, Optional

from htp import torch_release
from htp.backends.base import Heard, Listener, Where
from htp.backends.common.modules import ModuleNames
from htp.backends.common.patching import PatchPoint, installed, missing, replaced
from htp.backends.fx.calls import CallTracker, missing_seam
from htp.backends.fx.ir import walk
from htp.backends.fx.marks import Marks
from htp.backends.fx.meta import KEY, Attempt, Call
from htp.backends.fx.parameters import ParameterNames
from htp.backends.fx.stack import stack_of
from htp.errors import CaptureError
from htp.graph.records import CallRecord, Capture, GraphRecord
from htp.scope import Stack

__all__ = ["FxBackend"]

_BUILD = "_exported_program_to_onnx_program"
"""torch's function that makes the ONNX graph of a traced program, in all releases from 2.5."""

_EXPORTERS = ("torch.onnx._internal.exporter._compat", "torch.onnx._internal.exporter")


class FxBackend:
    """The backend ``fx``."""

    name = "fx"

    def probe(self) -> Optional[str]:
        """Why this backend cannot run here, in one line, or None when it can."""
        try:
            return _missing()
        except Exception as error:
            return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"

    @contextlib.contextmanager
    def listen(self) -> Iterator[Listener]:
        """Hear every export by ``torch.export`` until the context ends."""
        listener = FxListener()
        with installed(_ENTRANCE, listener):
            yield listener


class FxListener:
    """The exports that were heard."""

    def __init__(self) -> None:
        self._ended: List[Heard] = []

    def take(self) -> List[Heard]:
        """The exports that ended since this was last asked, in order."""
        ended, self._ended = self._ended, []
        return ended

    def where(self) -> Where:
        """What the export is busy with, or where it failed."""
        return Where()

    def hear(self, export: Any, model: Any, destination: Any, *args: Any, **kwargs: Any) -> Any:
        """Record one export by torch's function ``export``."""
        import torch

        names = ModuleNames(model) if isinstance(model, torch.nn.Module) else None
        tracker = CallTracker(model, names) if names else None
        watch = _Watch(model, ParameterNames(model, names), destination)
        following = tracker.following() if tracker else contextlib.nullcontext()
        with following, watch.watching():
            done = export(model, *args, **kwargs)
            watch.collect(done)
        self._ended.append(watch)
        return done


def _around_export(listener: FxListener, export: Any) -> Any:
    def export_compat(model: Any, *args: Any, **kwargs: Any) -> Any:
        destination = kwargs.get("f", args[1] if len(args) > 1 else None)
        return listener.hear(export, model, destination, *args, **kwargs)

    return export_compat


_ENTRANCE = (PatchPoint("export_compat", _EXPORTERS, _around_export),)
"""The function that every export of this exporter goes through, whoever asks for it."""


class _Watch:
    """Holds on to what torch builds, from the building to the saving."""

    def __init__(self, model: Any, parameters: ParameterNames, path: Any) -> None:
        self.model = model
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
                "backend='torchscript' traces the model instead and may take it.",
            )
        self._after, self._same = self._marks.collect(program.model)
        self._parameters.follow(program.model, self._after)

    def capture(self, written: GraphRecord) -> Capture:
        """The capture of the file that torch wrote."""
        assert self._after is not None
        assert self._marks is not None
        if not any(node.owner for node in self._marks.before.nodes) and self._marks.before.nodes:
            raise CaptureError(
                f"torch {torch_release.TORCH} captured the model without its modules: it is "
                "scripted, or torch.export failed on it and torch took torch.jit instead.",
                "backend='torchscript' traces the model instead and may take it.",
            )
        before = None if self._same else self._marks.before
        calls = [call.stack for call in self._attempt.calls] if self._attempt else self._written
        return Capture(self._after, before, tuple(map(CallRecord, calls)))


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

    lacking = missing_seam() or next(iter(missing(_ENTRANCE)), None)
    if lacking is None and not hasattr(_core, _BUILD):
        lacking = f"{_core.__name__}.{_BUILD}"
    return f"torch {torch_release.TORCH} lacks {lacking}" if lacking else None
