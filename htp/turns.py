"""Whose turn it is: torch's exporters keep their state in globals, so exports wait for each other.

A child that is forked while another thread exports has a lock of its own: in the child nobody would
ever give the old one back.
"""

import contextlib
import os
import sys
import threading
from typing import Callable, Iterator, List, Optional

from htp.exported import Exported
from htp.printable import printable

__all__ = ["Watcher", "is_ours", "is_watched", "ours", "say", "tell", "turn", "watching"]

Watcher = Callable[[Exported], None]
"""Is told of every export when it has ended."""


class _State:
    """The state of this process.

    Attributes:
        lock: held by the thread that exports.
        owner: the thread in which ``htp.export`` does so; None when it is somebody else's export.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.owner: Optional[int] = None


_state = _State()

_watchers: List[Watcher] = []


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Export while no other thread does."""
    with _state.lock:
        yield


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Export for ``htp.export``, which tags and tells by itself."""
    with turn():
        state, before = _state, _state.owner
        state.owner = threading.get_ident()
        try:
            yield
        finally:
            state.owner = before


def is_ours() -> bool:
    """Whether ``htp.export`` exports in this thread."""
    return _state.owner == threading.get_ident()


@contextlib.contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Have a watcher told of every export that ends meanwhile."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers[:] = [each for each in _watchers if each is not watcher]


def is_watched() -> bool:
    """Whether anyone is told."""
    return bool(_watchers)


def tell(exported: Exported) -> None:
    """Tell every watcher of an export."""
    for watcher in _watchers:
        watcher(exported)


def say(text: str) -> None:
    """Print a line on standard error, if there is any; an export must not fail for it.

    What a terminal would obey is written out: names of files and modules hold anything.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or None
        sys.stderr.write(f"{printable(text)}\n")


def _begin_anew() -> None:
    _state.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_anew)
