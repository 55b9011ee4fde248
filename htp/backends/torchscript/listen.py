"""Listening to torch's TorchScript exporter, in every release that has it.

The exporter runs a trace, converts each operation with a symbolic function, rewrites the graph in
several passes and serialises it. HTP answers torch's own question for a scope name with a token
for each module call, notes what is made while an operation is converted, and reads the graph that
is written, node for node. No name is ever parsed.
"""

import gc
from contextlib import contextmanager
from threading import get_ident
from typing import Any, Iterator, List, Optional

from htp.backends.base import Heard, Listener, Where
from htp.backends.common.faults import without_frames
from htp.backends.common.modules import ModuleNames
from htp.backends.common.patching import installed, missing
from htp.backends.common.unseen import unseen
from htp.backends.torchscript.assemble import assemble
from htp.backends.torchscript.ir import let_go
from htp.backends.torchscript.often import OFTEN, Both
from htp.backends.torchscript.overriding import overriding_calls
from htp.backends.torchscript.points import POINTS, entrance
from htp.backends.torchscript.printed import printed
from htp.backends.torchscript.recorder import Recorder, failure
from htp.backends.torchscript.scopes import CallLog
from htp.backends.torchscript.scripted import marked
from htp.backends.torchscript.taken import INSIDE, OUTSIDE, Taken
from htp.backends.torchscript.unread import seeing
from htp.errors import CaptureError
from htp.graph.records import Capture, GraphRecord

__all__ = ["TorchScriptBackend"]


class TorchScriptBackend:
    """Patches the older exporter's graph building."""

    name = "torchscript"

    def probe(self) -> Optional[str]:
        """Look for every private name that the capture touches."""
        try:
            import torch  # noqa: F401 - a torch that cannot be imported says why

            points = (*entrance(_around_export), *INSIDE, *POINTS, *OUTSIDE, *OFTEN)
            lacking = missing(points)
        except (ImportError, OSError) as error:
            return f"{error}"
        return f"torch lacks {', '.join(lacking)}" if lacking else None

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Hear every export by the TorchScript exporter until the context ends."""
        listener = self.listener()
        try:
            with installed(entrance(_around_export), listener):
                yield listener
        except Exception as error:
            let_go(error)  # once more: now the frames outside of the entrance have ended as well
            raise

    def listener(self) -> "TorchScriptListener":
        """Hears the exports that it is given to run."""
        return TorchScriptListener()


class TorchScriptListener:
    """The exports that were heard."""

    def __init__(self) -> None:
        self._ended: List[Heard] = []
        self._recorder: Optional[Recorder] = None
        self._failed = Where()

    def take(self) -> List[Heard]:
        """The exports that ended since this was last asked, in order."""
        ended, self._ended = self._ended, []
        return ended

    def where(self) -> Where:
        """What the export is busy with, or where it failed."""
        return self._recorder.where() if self._recorder else self._failed

    def busy_elsewhere(self) -> bool:
        """Whether an export of another thread is being heard, which this one disturbs."""
        running = self._recorder
        if running is None or running.thread == get_ident():
            return False
        running.faults.keep(_disturbed(), "listen")
        return True

    @unseen
    def hear(self, export: Any, /, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Record one export by torch's function ``export``, and return what that returns."""
        # An export of modules as functions names these after scopes: it is not heard.
        if self.busy_elsewhere() or kwargs.get("export_modules_as_functions"):
            return export(model, *args, **kwargs)
        if _failed:
            # Frames that hold each other hold parts of the dead graph until they are collected, and
            # an object of a new graph at the same address would be taken for a dead one's.
            _failed.clear()
            gc.collect()
        try:
            with self.hearing(model):
                return export(model, *args, **kwargs)
        except Exception as error:
            let_go(error)
            _failed.append(True)
            raise

    @contextmanager
    def hearing(self, model: Any) -> Iterator[None]:
        """Record the export that runs meanwhile."""
        outer, recorder = self._recorder, _recorder(model)
        self._recorder = recorder
        taken = Taken(recorder.log)
        inside, outside = installed(INSIDE, taken), installed(OUTSIDE, taken)
        often = installed(OFTEN, Both(recorder, taken))
        own, marks = overriding_calls(model, recorder, taken), marked(model, recorder)
        shown, seen = printed(recorder.log), seeing(taken.noting.reading, taken.thread)
        self._failed = Where()
        try:
            with inside, installed(POINTS, recorder), outside, often, marks, own, shown, seen:
                yield
        except BaseException:
            self._failed = recorder.where()  # the recorder goes, with all that it holds
            raise
        finally:
            self._recorder = outer
        self._ended.append(HeardExport(model, recorder, taken))


class HeardExport:
    """One export by the TorchScript exporter."""

    def __init__(self, model: Any, recorder: Recorder, taken: Taken) -> None:
        self.model = model
        self._recorder = recorder
        self._taken = taken

    def capture(self, written: GraphRecord) -> Capture:
        """Lay what was recorded beside the file, node for node.

        Raises:
            CaptureError: they differ, the recording failed, or nothing was recorded.
        """
        try:
            return assemble(written, self._recorder, self._taken)
        except CaptureError:
            raise
        except Exception as error:
            fault = without_frames(error)
        finally:
            self._recorder.let_go()
            self._taken.let_go()
        raise failure(fault, "assemble") from fault


def _recorder(model: Any) -> Recorder:
    """A recorder; of something whose modules cannot be listed, one that only knows that."""
    import torch

    try:
        return Recorder(CallLog(ModuleNames(model)), model)
    except Exception as error:  # kept: the export is somebody else's
        recorder = Recorder(CallLog(ModuleNames(torch.nn.Module())), model)
        recorder.faults.keep(error, "ModuleNames")
        return recorder


def _disturbed() -> CaptureError:
    return CaptureError(
        "Another thread exported at the same time, and the exporter keeps its state in globals.",
        "export again while no other thread does.",
    )


_failed: List[bool] = []
"""Holds something after an export that failed."""


def _around_export(listener: TorchScriptListener, export: Any) -> Any:
    def _export(*args: Any, **kwargs: Any) -> Any:
        return listener.hear(export, *args, **kwargs)

    return _export
