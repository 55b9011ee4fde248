"""Writing files so that a failure leaves what was there before, and reading them with clear errors.

Torch writes into a folder of the export's own beside the destination; when all is there, each file
is moved to its place, data files first. On one file system a move is atomic.
"""

import os
import shutil
import tempfile
from types import TracebackType
from typing import Iterable, List, Optional, Protocol, Type, Union

from htp.errors import CaptureError, HTPError, InvalidModelError
from htp.wire import Chunk

__all__ = ["Destination", "Writable", "copy_data", "read", "write"]


class Writable(Protocol):
    """A binary file object."""

    def write(self, data: bytes) -> object:
        """Write all of ``data``."""
        ...


PathLike = Union[str, "os.PathLike[str]"]


class Destination:
    """Where an export goes: a path, a binary file object, or nowhere.

    A context manager: on leaving, the scratch folder is gone, whatever happened.

    Attributes:
        folder: folder of the written file, where its data files lie; None when there is none.
        scratch_path: where torch may write, in a folder of this export's own; None when ``f`` is
            not a path.
    """

    def __init__(self, f: Union[PathLike, Writable, None]) -> None:
        self._file: Optional[Writable] = None
        self._target: Optional[str] = None
        self._scratch: Optional[str] = None
        self.folder: Optional[str] = None
        self.scratch_path: Optional[str] = None
        if f is None:
            return
        if isinstance(f, (str, os.PathLike)):
            self._target = _checked_target(os.fspath(f))
            self.folder = os.path.dirname(self._target)
        elif callable(getattr(f, "write", None)):
            self._file = f
        else:
            raise CaptureError(
                f"f must be a path, a binary file object or None; found {type(f).__name__}."
            )

    def __enter__(self) -> "Destination":
        if self._target is not None:
            try:
                self._scratch = tempfile.mkdtemp(prefix=".htp-", dir=self.folder)
            except OSError as error:
                raise CaptureError(
                    f"Cannot write {self._target!r}: {error.strerror or error}.",
                    "choose a folder that you may write to.",
                ) from error
            self.scratch_path = os.path.join(self._scratch, os.path.basename(self._target))
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def commit(self, chunks: Iterable[Chunk]) -> None:
        """Put the model, and the data files that torch wrote beside it, in their place.

        Raises:
            CaptureError: the file object or the file system refused.
        """
        try:
            if self._file is not None:
                for chunk in chunks:
                    self._file.write(bytes(chunk) if isinstance(chunk, memoryview) else chunk)
            elif self._target is not None and self.scratch_path and self._scratch:
                _write(self.scratch_path, chunks)
                _move(self._scratch, self._target)
        except OSError as error:
            raise CaptureError(f"Cannot write the model: {error.strerror or error}.") from error
        except TypeError as error:
            raise CaptureError(
                f"The file object does not take bytes: {error}.", "open it with mode 'wb'."
            ) from error


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


def _write(path: str, chunks: Iterable[Chunk]) -> None:
    with open(path, "wb") as file:
        for chunk in chunks:
            file.write(chunk)


def _move(scratch: str, target: str) -> None:
    """Data files first: until the model itself is moved, no file refers to them."""
    folder, main = os.path.split(target)
    for root, _, names in os.walk(scratch):
        inner = os.path.join(folder, os.path.relpath(root, scratch))
        os.makedirs(inner, exist_ok=True)
        for name in names:
            if root != scratch or name != main:
                os.replace(os.path.join(root, name), os.path.join(inner, name))
    os.replace(os.path.join(scratch, main), target)


def write(self, data: bytes) -> object:
        """Write all of ``data``."""
        ...


PathLike = Union[str, "os.PathLike[str]"]


class Destination:
    """Where an export goes: a path, a binary file object, or nowhere.

    A context manager: on leaving, the scratch folder is gone, whatever happened.

    Attributes:
        folder: folder of the written file, where its data files lie; None when there is none.
        scratch_path: where torch may write, in a folder of this export's own; None when ``f`` is
            not a path.
    """

    def __init__(self, f: Union[PathLike, Writable, None]) -> None:
        self._file: Optional[Writable] = None
        self._target: Optional[str] = None
        self._scratch: Optional[str] = None
        self.folder: Optional[str] = None
        self.scratch_path: Optional[str] = None
        if f is None:
            return
        if isinstance(f, (str, os.PathLike)):
            self._target = _checked_target(os.fspath(f))
            self.folder = os.path.dirname(self._target)
        elif callable(getattr(f, "write", None)):
            self._file = f
        else:
            raise CaptureError(
                f"f must be a path, a binary file object or None; found {type(f).__name__}."
            )

    def __enter__(self) -> "Destination":
        if self._target is not None:
            try:
                self._scratch = tempfile.mkdtemp(prefix=".htp-", dir=self.folder)
            except OSError as error:
                raise CaptureError(
                    f"Cannot write {self._target!r}: {error.strerror or error}.",
                    "choose a folder that you may write to.",
                ) from error
            self.scratch_path = os.path.join(self._scratch, os.path.basename(self._target))
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def commit(self, chunks: Iterable[Chunk]) -> None:
        """Put the model, and the data files that torch wrote beside it, in their place.

        Raises:
            CaptureError: the file object or the file system refused.
        """
        try:
            if self._file is not None:
                for chunk in chunks:
                    self._file.write(bytes(chunk) if isinstance(chunk, memoryview) else chunk)
            elif self._target is not None and self.scratch_path and self._scratch:
                _write(self.scratch_path, chunks)
                _move(self._scratch, self._target)
        except OSError as error:
            raise CaptureError(f"Cannot write the model: {error.strerror or error}.") from error
        except TypeError as error:
            raise CaptureError(
                f"The file object does not take bytes: {error}.", "open it with mode 'wb'."
            ) from error


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


def _write(path: str, chunks: Iterable[Chunk]) -> None:
    with open(path, "wb") as file:
        for chunk in chunks:
            file.write(chunk)


def _move_all(scratch: str, main: str, folder: str) -> None:
    """Data files first: until the model itself is moved, no file refers to them."""
    names = sorted(os.listdir(scratch), key=lambda name: name == main)
    for name in names:
        os.replace(os.path.join(scratch, name), os.path.join(folder, name))


def write(path: PathLike, chunks: Iterable[Chunk], copy_from: Optional[str], data: List[str]) -> None:
    """Write a model atomically and copy the data files that it refers to.

    Args:
        path: the model's file.
        chunks: its bytes, in pieces.
        copy_from: folder where its data files lie now, or None.
        data: locations of the data files, relative to the model's folder.

    Raises:
        HTPError: it cannot be written, or a data file is missing.
    """
    target = _checked_target(os.fspath(path))
    folder = os.path.dirname(target)
    try:
        scratch = tempfile.mkdtemp(prefix=".htp-", dir=folder)
    except OSError as error:
        raise HTPError(f"Cannot write {target!r}: {error.strerror or error}.") from error
    try:
        same = copy_from is not None and os.path.realpath(copy_from) == folder
        if data and not same:
            copy_data(copy_from, data, scratch)
        _write(os.path.join(scratch, os.path.basename(target)), chunks)
        _move(scratch, target)
    except OSError as error:
        raise HTPError(f"Cannot write {target!r}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def copy_data(source: Optional[str], locations: List[str], folder: str) -> None:
    """Copy data files, never reading them into memory.

    Raises:
        HTPError: one is missing, or its location leads out of the model's folder.
    """
    for location in locations:
        parts = os.path.normpath(location)
        if os.path.isabs(parts) or parts.startswith(".."):
            raise InvalidModelError(f"The data file {location!r} lies outside the model's folder.")
        origin = os.path.join(source or "", parts)
        if source is None or not os.path.isfile(origin):
            raise InvalidModelError(
                f"The data file {location!r} that the model refers to is missing.",
                "keep the model and its data files in one folder.",
            )
        os.makedirs(os.path.dirname(os.path.join(folder, parts)), exist_ok=True)
        shutil.copyfile(origin, os.path.join(folder, parts))


def read(path: PathLike) -> bytes:
    """The bytes of a model file.

    Raises:
        InvalidModelError: there is no such file, or it cannot be read or is empty.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise InvalidModelError(
            f"Cannot read {os.fspath(path)!r}: {error.strerror or error}."
        ) from error
    if not data:
        raise InvalidModelError(f"{os.fspath(path)!r} is empty.", "export the model again.")
    return data
