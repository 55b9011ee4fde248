"""A folder of its own for each run that writes, beside what it writes; killed runs leave none.

::

    .htp-run-k3x9/new/      what is being written; torch writes here, and nothing else does
    .htp-run-k3x9/old/      what was replaced, until all is in its place
    .htp-run-k3x9/moves     what is moved where

The folder is locked as long as its run lives: the system lets go of the lock whatever ends the
run. So the next run tells what is left of a dead one, puts back what that had moved, and removes
the rest. Where the system has no such locks (Windows, some network drives), nothing is removed.
"""

import contextlib
import errno
import os
import shutil
import tempfile
from types import TracebackType
from typing import Any, Optional, Type

from htp.file import moves

fcntl: Any
try:
    import fcntl
except ImportError:
    fcntl = None

__all__ = ["PREFIX", "Scratch"]

PREFIX = ".htp-run-"
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)


class Scratch:
    """A new folder on the file system of a target. On leaving it is gone, whatever happened.

    Attributes:
        root: the folder.
        new: the folder in it in which files are written.

    Args:
        folder: the target's folder.

    Raises:
        OSError: it cannot be written to.
    """

    def __init__(self, folder: str) -> None:
        _clear(folder)
        self._lock: Optional[int] = None
        while True:
            self.root = tempfile.mkdtemp(prefix=PREFIX, dir=folder)
            try:
                self._lock = _locked(self.root)
            except OSError as error:
                if error.errno in (*_TAKEN, errno.ENOENT):
                    continue  # another run began at this moment, and took it for one that is left
                # else: there are no locks here
            break
        self.new = os.path.join(self.root, moves.NEW)
        os.mkdir(self.new)

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def _locked(folder: str) -> Optional[int]:
    """A handle that keeps a folder locked; None where there is no such thing."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _clear(folder: str) -> None:
    """Remove what killed runs left, after putting back what they had moved."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):  # it is another's, or its run lives
                    _remove(entry.path, folder)


def _remove(left: str, folder: str) -> None:
    if fcntl is None or os.lstat(left).st_uid != os.geteuid():
        return
    handle = _locked(left)
    try:
        moves.undo(left, folder)
        shutil.rmtree(left, ignore_errors=True)
    finally:
        if handle is not None:
            os.close(handle)
