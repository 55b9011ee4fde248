"""Files that somebody else has torch write: read back, and written again with tags.

To a path, torch writes by itself, and the tagged file takes the place of its own. In the place of
an open file, torch is given one of ours; what it wrote is poured into theirs when it has ended,
with tags or without, so that nothing is ever written to it twice.
"""

import contextlib
import io
import os
import shutil
import stat
import tempfile
from typing import Any, List, Optional, Sequence

from htp.errors import HTPError
from htp.file import wire
from htp.file.wire import Chunk

__all__ = ["Theirs"]


class Theirs:
    """Where an export of somebody else's goes: a path, an open file, or nowhere.

    Args:
        f: what torch's exporter was given.

    Attributes:
        stand_in: what to give it instead.
        path: the file, absolute; None where it is none.
    """

    def __init__(self, f: Any) -> None:
        self.path: Optional[str] = None
        self._file: Any = None
        self.stand_in = f
        if isinstance(f, (str, os.PathLike)):
            self.path = os.path.abspath(os.fsdecode(f))
        elif callable(getattr(f, "write", None)):
            self._file = f
            self.stand_in = _sink(f)

    @property
    def is_nowhere(self) -> bool:
        """Whether nothing is written."""
        return self.path is None and self._file is None

    def read(self) -> bytes:
        """What torch wrote.

        Raises:
            HTPError: it is no file that could be read back.
            OSError: the file system refused.
        """
        if self.path is None:
            return bytes(self.stand_in.getvalue())
        if not stat.S_ISREG(os.stat(self.path).st_mode):
            raise HTPError(f"{self.path!r} is no regular file.")
        with open(self.path, "rb") as file:
            return file.read()

    def beside(self, locations: Sequence[str]) -> List[str]:
        """The data files at these places that are there."""
        folder = os.path.dirname(os.path.realpath(self.path)) if self.path is not None else ""
        paths = [os.path.join(folder, location) for location in locations] if folder else []
        return [path for path in paths if os.path.isfile(path)]

    def replace(self, chunks: Sequence[Chunk], plain: bytes) -> None:
        """Let the tagged model stand in the place of what torch wrote.

        Args:
            chunks: the tagged model.
            plain: what torch wrote; it is there again when this fails.

        Raises:
            OSError: the file system refused.
        """
        if self.path is not None:
            _rewrite(os.path.realpath(self.path), chunks, plain)
        elif self._file is not None:
            self.stand_in.chunks = [wire.join(chunks)]

    def hand_over(self) -> None:
        """Pour what is in our file into theirs. Its own errors pass through as they are."""
        if self._file is None:
            return
        for chunk in self.stand_in.chunks:
            self._file.write(chunk)
        if self.stand_in.flushed:
            self._file.flush()


class _Sink:
    """A binary file object that keeps what is written to it.

    Attributes:
        chunks: what was written.
        flushed: whether it was flushed.
    """

    def __init__(self) -> None:
        self.chunks: List[bytes] = []
        self.flushed = False

    def write(self, data: Any) -> int:
        """Keep a piece."""
        self.chunks.append(bytes(data))
        return len(data)

    def getvalue(self) -> bytes:
        """All that was written."""
        return wire.join(self.chunks) if self.chunks else b""


class _FlushedSink(_Sink):
    def flush(self) -> None:
        """Note that it was asked for."""
        self.flushed = True


class _BytesSink(io.BytesIO):
    """The same for one that torch asks whether it is a ``BytesIO``."""

    flushed = False

    @property
    def chunks(self) -> List[bytes]:
        """What was written."""
        return [self.getvalue()] if self.getbuffer().nbytes else []

    @chunks.setter
    def chunks(self, chunks: Sequence[bytes]) -> None:
        self.seek(0)
        self.truncate()
        self.writelines(chunks)

    def flush(self) -> None:
        """Note that it was asked for."""
        self.flushed = True


def _sink(file: Any) -> Any:
    """A sink that calls itself what ``file`` does, for torch's own errors name the class."""
    kind = type(file)
    base: Any = _FlushedSink if hasattr(file, "flush") else _Sink
    base = _BytesSink if isinstance(file, io.BytesIO) else base
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (base,), names)()


def _rewrite(target: str, chunks: Sequence[Chunk], plain: bytes) -> None:
    """Write a file anew, in one step where that changes nothing else about it."""
    beside = _beside(target)
    if beside is None:
        _write_over(target, chunks, plain)
        return
    try:
        with open(beside, "wb") as file:
            file.writelines(chunks)
        shutil.copystat(target, beside)
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def _beside(target: str) -> Optional[str]:
    """A new file that may take the place of ``target``; None where that would be seen.

    Another name of the file (a hard link) would keep the old content, and the new file may have
    another owner.
    """
    here = os.stat(target)
    if here.st_nlink != 1:
        return None
    try:
        handle, path = tempfile.mkstemp(prefix=".htp-", dir=os.path.dirname(target))
    except OSError:
        return None
    there = os.fstat(handle)
    os.close(handle)
    if (here.st_uid, here.st_gid) == (there.st_uid, there.st_gid):
        return path
    os.unlink(path)
    return None


def _write_over(target: str, chunks: Sequence[Chunk], plain: bytes) -> None:
    with open(target, "r+b") as file:
        try:
            file.writelines(chunks)
            file.truncate()
            file.flush()
        except BaseException:
            file.seek(0)
            file.write(plain)
            file.truncate()
            raise
