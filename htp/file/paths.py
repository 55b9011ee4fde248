"""Names of files as callers hand them in, and what they lead to: regular files, nothing else."""

import os
import stat
from typing import Any, BinaryIO, List, Optional, Union

from htp.errors import CaptureError, InvalidModelError

__all__ = ["PathLike", "checked_target", "folders", "kind_of", "mode_of", "opened", "read", "text"]

PathLike = Union[str, "os.PathLike[str]"]

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
"""Opening a pipe waits for a writer without it."""


def text(path: PathLike) -> str:
    """The path as text.

    Raises:
        ValueError: it can be the name of no file.
    """
    name = os.fsdecode(path)
    os.fsencode(name)  # a lone surrogate is no character of a name
    if "\0" in name:
        raise ValueError("a name holds no NUL")
    return name


def kind_of(path: str, follow: bool = True) -> Optional[str]:
    """What is there, in words, if it is no regular file; None for a regular file or nothing."""
    try:
        mode = (os.stat if follow else os.lstat)(path).st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode):
        return None
    return next((kind for told, kind in _KINDS if told(mode)), "no regular file")


def mode_of(path: str) -> Optional[int]:
    """The permissions of what is there; None where there is nothing."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode) & 0o777
    except OSError:
        return None


def opened(path: str) -> BinaryIO:
    """A regular file, open for reading. Nothing else is waited for, and devices stay untouched.

    Raises:
        OSError: it cannot be opened, or it is something else.
    """
    kind = kind_of(path)  # opening a device may already do something
    if kind is None:
        handle = os.open(path, os.O_RDONLY | _AT_ONCE)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return os.fdopen(handle, "rb")
        os.close(handle)
        kind = "no regular file any more"
    raise OSError(f"it is {kind}")


def read(path: PathLike) -> bytes:
    """The bytes of a model file.

    Raises:
        InvalidModelError: there is no such file, or it cannot be read or is empty.
    """
    try:
        with opened(text(path)) as file:
            data = file.read()
    except (OSError, ValueError) as error:
        raise InvalidModelError(
            f"Cannot read {os.fspath(path)!r}: {getattr(error, 'strerror', None) or error}.",
            "name an ONNX file that is there; of a pipe, hand over the open file.",
        ) from error
    if not data:
        raise InvalidModelError(f"{os.fspath(path)!r} is empty.", "export the model again.")
    return data


def folders(path: PathLike) -> List[str]:
    """Where the data files of a model lie: beside it, or beside the file that its name links to.

    ``snapshots/1/model.onnx -> ../../blobs/0a1b`` has them beside either name, or as links of the
    first folder that lead to the second.
    """
    name = text(path)
    beside = (os.path.abspath(name), os.path.realpath(name))
    return list(dict.fromkeys(os.path.realpath(os.path.dirname(each)) for each in beside))


def checked_target(path: Any) -> str:
    """The file to write: what a path leads to.

    Raises:
        CaptureError: no file can be written there.
    """
    try:
        name = text(path)
        target = os.path.realpath(name)
    except (ValueError, OSError) as error:
        raise CaptureError(
            f"{os.fspath(path)!r} is no name of a file: {error}.", "name the file to write."
        ) from error
    if not name or name.endswith(("/", os.sep)):
        raise CaptureError(f"{name!r} is a folder, not a file.", "name the file to write.")
    kind = kind_of(target)
    if kind is not None:
        raise CaptureError(
            f"{name!r} is {kind}, not a file.",
            "name the file to write; an open file object may be anything that takes bytes.",
        )
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise CaptureError(
            f"Cannot write {name!r}: there is no folder {folder!r}.", "create the folder first."
        )
    return target
