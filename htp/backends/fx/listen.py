"""Listening to ``torch.onnx.export(dynamo=True)``, on torch 2.5 and later.

torch exports as it always does. HTP watches three moments (``watch``, ``points``):

1. While ``torch.export`` traces, it follows which module call is running (``calls``), and what it
   takes and returns (``values``).
2. When torch has built the ONNX graph and before it rewrites it, each node still holds the FX node
   that it was lowered from in ``meta["node"]``, and so its module call. The graph is recorded, and
   its nodes are marked:
   https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_core.py#L549
3. When the export ends, the marks tell which of the built nodes each node comes from (``marks``).
   They are off whenever torch writes, so that nothing of HTP is in what it writes.
"""

import contextlib
import importlib.util
import inspect
from typing import Any, Iterator, List, Optional

from htp import torch_release
from htp.backends.base import Heard, Listener, Where
from htp.backends.common.entrances import ENTRANCES
from htp.backends.common.patching import PatchPoint, installed, missing
from htp.backends.common.unseen import unseen
from htp.backends.fx.overriding import OVERRIDING
from htp.backends.fx.points import BUILDING, TRACING, lacking
from htp.backends.fx.watch import Watch

__all__ = ["FxBackend"]


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
        listener = self.listener()
        with installed(_ENTRANCE, listener):
            yield listener

    def listener(self) -> "FxListener":
        """Hears the exports that it is given to run."""
        return FxListener()


class FxListener:
    """The exports that were heard."""

    def __init__(self) -> None:
        self._ended: List[Heard] = []
        self._latest: Optional[Watch] = None

    def take(self) -> List[Heard]:
        """The exports that ended since this was last asked, in order."""
        ended, self._ended = self._ended, []
        return ended

    def where(self) -> Where:
        """What the export is busy with, or where it failed."""
        return self._latest.where() if self._latest is not None else Where()

    @unseen
    def hear(self, export: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Record one export by torch's function ``export``, and return what that returns."""
        model = args[0] if args else kwargs.get("model")
        self._latest = watch = Watch(model)
        with _patched(watch):
            done = export(*args, **kwargs)
        watch.collect()
        self._ended.append(watch)
        return done


@contextlib.contextmanager
def _patched(watch: Watch) -> Iterator[None]:
    with contextlib.ExitStack() as patches:
        watch.guard(watch.prepare)
        points = (*TRACING, *OVERRIDING, *BUILDING) if watch.is_module else BUILDING
        watch.guard(patches.enter_context, installed(points, watch))
        yield


def _around_export(listener: FxListener, export: Any) -> Any:
    def export_compat(*args: Any, **kwargs: Any) -> Any:
        return listener.hear(export, *args, **kwargs)

    return export_compat


_ENTRANCE = (PatchPoint(*ENTRANCES["fx"], _around_export),)
"""The function that every export of this exporter goes through, whoever asks for it."""


def _missing() -> Optional[str]:
    """What this installation lacks."""
    import torch
    import torch.onnx

    if "dynamo" not in inspect.signature(torch.onnx.export).parameters:
        return f"torch.onnx.export of torch {torch_release.TORCH} has no parameter 'dynamo'"
    for module in ("onnx", "onnxscript"):
        if importlib.util.find_spec(module) is None:
            return (
                f"torch.onnx.export(dynamo=True) needs the package {module!r}: pip install {module}"
            )
    name = next(iter(missing((*_ENTRANCE, *OVERRIDING))), None) or lacking()
    return f"torch {torch_release.TORCH} lacks {name}" if name else None
