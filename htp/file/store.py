"""Writing files so that a failure leaves what was there before, and reading them with clear errors.

What is written goes into a folder of its own beside the destination; when all is there, each file
is moved to its place, data files first. On one file system a move is atomic.
"""

import os
from types import TracebackType
from typing import Iterable, List, Optional, Protocol, Sequence, Type, Union

from htp.errors import CaptureError, HTPError, InvalidModelError
from htp.file.wire import Chunk

__all__ = ["Destination", "PathLike", "Writable", "pour", "read", "write"]

_ROOM = "see that the disk has room and that you may write there."

PathLike = Union[str, "os.PathLike[str]"]


class Writable(Protocol):
    """A binary file object."""

    def write(self, data: bytes, /) -> object:
        """Write all of ``data``."""
        ...


class Destination:
    """Where an export goes: a path, a binary file object, or nowhere.

    A context manager: on leaving, the scratch folder is gone, whatever happened.

    Attributes:
        path: the file, absolute; None when ``f`` is not a path.
        folder: folder of the written file, where its data files lie; None when there is none.
        scratch: the folder that torch may write to; nothing else writes there. None when ``f`` is
            not a path.
        scratch_path: the model's file in that folder; None likewise.
    """

    def __init__(self, f: Union[PathLike, Writable, None]) -> None:
        self._file: Optional[Writable] = None
        self._target: Optional[str] = None
        self.scratch: Optional[str] = None
        self.path: Optional[str] = None
        self.folder: Optional[str] = None
        self.scratch_path: Optional[str] = None
        if f is None:
            return
        if isinstance(f, (str, os.PathLike)):
            self._target = _checked_target(os.fspath(f))
            self.path = os.path.abspath(f)
            self.folder = os.path.dirname(self._target)
        elif callable(getattr(f, "write", None)):
            self._file = f
        else:
            raise CaptureError(
                f"f must be a path, a binary file object or None; found {type(f).__name__}.",
                "for example 'model.onnx'.",
            )

    def __enter__(self) -> "Destination":
        if self._target is not None:
            self.scratch = _scratch_beside(self._target)
            self.scratch_path = os.path.join(self.scratch, os.path.basename(self._target))
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self.scratch is not None:
            _remove(self.scratch)

    def beside(self) -> List[str]:
        """The data files that torch wrote."""
        names = os.listdir(self.scratch) if self.scratch is not None else []
        paths = [os.path.join(self.scratch or "", name) for name in names]
        return [path for path in paths if path != self.scratch_path]

    def commit(self, chunks: Sequence[Chunk]) -> None:
        """Put the model, and the data files that torch wrote beside it, in their place.

        Raises:
            CaptureError: the file object or the file system refused.
        """
        if self._file is not None:
            pour(chunks, self._file)
        elif self._target is not None and self.scratch is not None:
            try:
                _place(chunks, self.scratch, self._target)
            except OSError as error:
                raise CaptureError(
                    f"Cannot write {self._target!r}: {error.strerror or error}.", _ROOM
                ) from error


def pour(chunks: Sequence[Chunk], file: Writable) -> None:
    """Write a model into a binary file object.

    Raises:
        HTPError: it does not take bytes, or the file system refused.
    """
    try:
        for chunk in chunks:
            file.write(bytes(chunk) if isinstance(chunk, memoryview) else chunk)
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise CaptureError(
            f"Cannot write to {type(file).__name__}: {error}.", "open it with mode 'wb'."
        ) from error


def write(
    path: PathLike, chunks: Sequence[Chunk], source: Optional[str], data: Sequence[str]
) -> None:
    """Write a model atomically and copy the data files that it refers to, unread.

    Args:
        path: the model's file.
        chunks: its bytes, in pieces.
        source: folder where its data files lie now, or None.
        data: locations of the data files, relative to the model's folder.

    Raises:
        HTPError: it cannot be written, or a data file is missing.
    """
    target = _checked_target(os.fspath(path))
    scratch = _scratch_beside(target)
    try:
        if source is None or os.path.realpath(source) != os.path.dirname(target):
            _copy_data(source, data, scratch)
        _place(chunks, scratch, target)
    except OSError as error:
        raise HTPError(f"Cannot write {target!r}: {error.strerror or error}.", _ROOM) from error
    finally:
        _remove(scratch)


def read(path: PathLike) -> bytes:
    """The bytes of a model file.

    Raises:
        InvalidModelError: there is no such file, or it cannot be read or is empty.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            data = file.read()
    except OSError as error:
        raise InvalidModelError(
            f"Cannot read {name!r}: {error.strerror or error}.", "name an ONNX file that is there."
        ) from error
    if not data:
        raise InvalidModelError(f"{name!r} is empty.", "export the model again.")
    return data


def _checked_target(path: str) -> str:
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not path or path.endswith(("/", os.sep)) or os.path.isdir(target):
        raise CaptureError(f"{path!r} is a folder, not a file.", "name the file to write.")
    if not os.path.isdir(folder):
        raise CaptureError(
            f"Cannot write {path!r}: there is no folder {folder!r}.", "create the folder first."
        )
    return target


def _scratch_beside(target: str) -> str:
    """A new folder on the file system of ``target``."""
    import tempfile  # late, as below: importing HTP is cheap

    try:
        return tempfile.mkdtemp(prefix=".htp-", dir=os.path.dirname(target))
    except OSError as error:
        raise CaptureError(
            f"Cannot write {target!r}: {error.strerror or error}.",
            "choose a folder that you may write to.",
        ) from error


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _place(chunks: Iterable[Chunk], scratch: str, target: str) -> None:
    """Write the model into the scratch folder and move all that lies there, the model last.

    Until the model itself is moved, no file refers to the data files.
    """
    folder, main = os.path.split(target)
    with open(os.path.join(scratch, main), "wb") as file:
        file.writelines(chunks)
    for root, _, names in os.walk(scratch):
        inner = os.path.normpath(os.path.join(folder, os.path.relpath(root, scratch)))
        os.makedirs(inner, exist_ok=True)
        for name in names:
            if root != scratch or name != main:
                os.replace(os.path.join(root, name), os.path.join(inner, name))
    os.replace(os.path.join(scratch, main), target)


def _copy_data(source: Optional[str], locations: Sequence[str], folder: str) -> None:
    import shutil

    for location in locations:
        path = os.path.normpath(location)
        if os.path.isabs(path) or path.split(os.sep)[0] == os.pardir:
            raise InvalidModelError(
                f"The data file {location!r} lies outside the model's folder.",
                "HTP follows no such path; move the file beside the model and name it there.",
            )
        origin = os.path.join(source or "", path)
        if source is None or not os.path.isfile(origin):
            raise InvalidModelError(
                f"The data file {location!r} that the model refers to is missing.",
                "keep the model and its data files in one folder.",
            )
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        shutil.copyfile(origin, os.path.join(folder, path))
