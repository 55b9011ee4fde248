"""``htp.tagging``: whatever is exported meanwhile, by whatever library, is tagged.

Torch's exporters are entered through one function each (``htp.backends.common.entrances``). While
any such context is open, HTP stands there: torch exports as it was asked to, and before its
function returns, tags are in what it wrote. A process that never exports imports nothing for it.
"""

import inspect
import threading
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Tuple

from htp import registry, turns
from htp.backends.common import entrances
from htp.backends.common.unseen import is_counted, unseen
from htp.exported import Exports, Wishes
from htp.graph.rooted import checked_root

if TYPE_CHECKING:
    from htp.guest import Export

__all__ = ["tagging"]


class _Contexts:
    """The contexts that are open, and what stands at torch's entrances while there are any."""

    def __init__(self) -> None:
        self._open: List[Tuple[object, Wishes]] = []
        self._patches = ExitStack()

    def enter(self, token: object, wishes: Wishes) -> None:
        """Open one."""
        with turns.turn():  # not between the patches of an export that is running
            if not self._open:
                self._patches.enter_context(entrances.watched(_around))
            self._open.append((token, wishes))

    def leave(self, token: object) -> None:
        """Close it."""
        with turns.turn():
            self._open = [each for each in self._open if each[0] is not token]
            if not self._open:
                self._patches.close()

    def latest(self) -> Optional[Wishes]:
        """What is wanted in the one that was entered last."""
        return self._open[-1][1] if self._open else None


_contexts = _Contexts()
_running = threading.local()
"""The exports that this thread is in, one inside the other."""


@contextmanager
def tagging(
    backend: Optional[str] = None, origin: bool = True, root: str = ""
) -> Iterator[Exports]:
    """Tag every ONNX export that takes place meanwhile, by whatever library and in any thread.

    Each export is torch's own: the arguments are the caller's, what torch returns is returned, and
    the file without tags is byte for byte the one that torch writes. An ``ONNXProgram`` that torch
    returns holds the tags, too. What HTP cannot listen to, or fails to tag, is exported as without
    HTP, and a warning says why.

    Args:
        backend: name of the backend that alone listens; None for all that can run here. Which of
            torch's exporters is used is up to the caller (``dynamo=``).
        origin: as for ``htp.export``.
        root: where what is exported is a part of a whole, its path there, as ``"model.encoder"``:
            every path and every parameter's name begins with it.

    Yields:
        A list that grows by one ``htp.Exported`` with each export; it has ``to_pandas``.

    Raises:
        UnsupportedTorchError: a backend is named, and torch is missing or no backend accepts it.
        BackendUnavailableError: there is no backend of that name, or it does not accept this torch.
        CaptureError: ``root`` can be no module's path.
    """
    wishes = Wishes(backend, origin, checked_root(root))
    if backend is not None:
        registry.chosen(backend)
    exports = Exports()
    token = object()
    with turns.watching(exports.append):
        _contexts.enter(token, wishes)
        try:
            yield exports
        finally:
            _contexts.leave(token)


@unseen
def _around(
    exporter: str, plain: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]
) -> Any:
    """Stands in for the entrance of an exporter."""
    latest = None if turns.is_ours() else _contexts.latest()
    if latest is None:
        return plain(*args, **kwargs)
    from htp.guest import Export  # only now: most processes never export

    with turns.turn():
        try:
            export = Export(exporter, plain, args, kwargs, latest)
        except Exception:  # f is a path that cannot tell its name: torch says so
            return plain(*args, **kwargs)
        outer = getattr(_running, "innermost", None)
        _running.innermost = export
        try:
            result = export.run()
        finally:
            _running.innermost = outer
    if outer is not None:
        outer.inner.append(export)
    else:
        _tell(export)
    return result


def _tell(export: "Export") -> None:
    exported = export.exported
    turns.tell(exported)
    if not exported.tagged and export.warn:
        to = f" to {exported.path!r}" if exported.path is not None else ""
        _warn(f"HTP left the export of {exported.model}{to} without tags: {exported.reason}")


def _warn(text: str) -> None:
    """Warn whoever called torch; where warnings are errors, the export must not become one."""
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=_outside())
    except Exception:  # an error by the filters, or whatever a hook of the program's raises
        turns.say(f"Warning: {text}")


def _outside() -> int:
    """How far up the first function is that is neither HTP's nor torch's, seen from ``_warn``."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and _is_inside(frame.f_globals.get("__name__", "")):
        level, frame = level + is_counted(frame), frame.f_back
    return level


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in ("htp", "torch")
