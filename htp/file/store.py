"""Writing files so that a failure leaves what was there before.

What is written goes into a folder of its own beside the destination; when all is there, each file
is moved to its place, data files first.
"""

import io
import os
from types import TracebackType
from typing import Any, List, Mapping, Optional, Protocol, Sequence, Type, Union

from htp.errors import CaptureError, InvalidModelError
from htp.file import data, moves
from htp.file.document import parse
from htp.file.edit import Chunk
from htp.file.paths import PathLike, checked_target, read, text
from htp.file.relocate import relocated
from htp.file.scratch import Scratch
from htp.file.wire import without_weights

__all__ = ["Destination", "PathLike", "Writable", "pour", "write"]

_ROOM = "see that the disk has room and that you may write there."
_OPEN = "open it with mode 'wb'."
_PIECE = 1 << 20


class Writable(Protocol):
    """A binary file object."""

    def write(self, data: bytes, /) -> object:
        """Write ``data``; a raw file may write less of it, and says how much."""
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
        self._scratch: Optional[Scratch] = None
        self.scratch: Optional[str] = None
        self.path: Optional[str] = None
        self.folder: Optional[str] = None
        self.scratch_path: Optional[str] = None
        if f is None:
            return
        if isinstance(f, (str, os.PathLike)):
            self._target = checked_target(f)
            self.path = os.path.abspath(text(f))
            self.folder = os.path.dirname(self._target)
        else:
            self._file = _writable(f, " or None")

    def __enter__(self) -> "Destination":
        if self._target is not None:
            self._scratch = _scratch_beside(self._target)
            self.scratch = self._scratch.new
            self.scratch_path = os.path.join(self.scratch, os.path.basename(self._target))
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._scratch is not None:
            self._scratch.__exit__(kind, error, trace)

    def beside(self) -> List[str]:
        """The data files that torch wrote."""
        names = os.listdir(self.scratch) if self.scratch is not None else []
        paths = [os.path.join(self.scratch or "", name) for name in names]
        return [path for path in paths if path != self.scratch_path]

    def commit(self, chunks: Sequence[Chunk], more: Optional[Mapping[str, bytes]] = None) -> None:
        """Put the model, and the data files that torch wrote beside it, in their place.

        As torch's own export does, this replaces what has the name of a data file, but no link is
        followed. All is replaced, or nothing.

        Args:
            chunks: the model's bytes, in pieces.
            more: further files beside it, by their names.

        Raises:
            CaptureError: the file object or the file system refused.
        """
        if self._file is not None:
            pour(chunks, self._file)
        elif self._target is not None and self._scratch is not None:
            try:
                _place(chunks, self._scratch, self._target, data.Plan((), {}, None), more)
            except OSError as error:
                raise _failed(self._target, error) from error


def _writable(f: Any, more: str = "") -> Writable:
    """A file object, if it takes bytes as far as it says.

    Raises:
        CaptureError: it is something else, or takes none.
    """
    if not callable(getattr(f, "write", None)):
        raise CaptureError(
            f"f must be a path{',' if more else ' or'} a binary file object{more}; "
            f"found {type(f).__name__}.",
            "for example 'model.onnx'.",
        )
    says = getattr(f, "writable", None)
    why = None
    if getattr(f, "closed", False) is True:
        why = "it is closed"
    elif isinstance(getattr(f, "file", f), io.TextIOBase):
        why = "it takes text, not bytes"
    elif callable(says) and says() is False:
        why = "it is not open for writing"
    if why is not None:
        raise CaptureError(f"Cannot write to {type(f).__name__}: {why}.", _OPEN)
    file: Writable = f
    return file


def pour(chunks: Sequence[Chunk], file: Any) -> None:
    """Write a model into a binary file object.

    Raises:
        HTPError: it does not take bytes, or the file system refused.
    """
    file = _writable(file)
    try:
        for chunk in chunks:
            _pour(chunk, file)
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise CaptureError(f"Cannot write to {type(file).__name__}: {error}.", _OPEN) from error


def _pour(chunk: Chunk, file: Writable) -> None:
    """Write all of it. A raw file may take less at a time; what says nothing took all."""
    done = file.write(bytes(chunk) if isinstance(chunk, memoryview) else chunk)
    rest = memoryview(chunk)
    while type(done) is int and 0 < done < len(rest):
        rest = rest[done:]
        done = file.write(bytes(rest[:_PIECE]))
    if len(rest) and (done == 0 or (done is None and isinstance(file, io.RawIOBase))):
        raise OSError("it takes no more")


def write(
    path: PathLike,
    chunks: Sequence[Chunk],
    folders: Sequence[str] = (),
    locations: Sequence[str] = (),
) -> None:
    """Write a model and copy the data files that it refers to, unread: all or nothing.

    Args:
        path: the model's file.
        chunks: its bytes, in pieces.
        folders: where its data files lie now, see ``paths.folders``.
        locations: of the data files, relative to the model's folder.

    Raises:
        HTPError: it cannot be written, or a data file is missing.
    """
    target = checked_target(path)
    plan = data.plan(locations, folders, os.path.abspath(text(path)), target, _locations_in)
    with _scratch_beside(target) as scratch:
        try:
            plan.copy(scratch.new)
            _place(chunks, scratch, target, plan)
        except OSError as error:
            raise _failed(target, error) from error


def _place(
    chunks: Sequence[Chunk],
    scratch: Scratch,
    target: str,
    plan: data.Plan,
    more: Optional[Mapping[str, bytes]] = None,
) -> None:
    main = os.path.join(scratch.new, os.path.basename(target))
    with open(main, "wb") as file:
        file.writelines(relocated(chunks, plan.names))
    for name, content in (more or {}).items():
        with open(os.path.join(scratch.new, name), "xb") as file:  # a data file may be called so
            file.write(content)
    moves.move(scratch.root, target, plan.may_go)


def _locations_in(path: str) -> Sequence[str]:
    """The data files that a model refers to, as far as it can be read."""
    try:
        return data.locations(parse(without_weights(read(path))))
    except InvalidModelError:
        return ()


def _scratch_beside(target: str) -> Scratch:
    try:
        return Scratch(os.path.dirname(target))
    except OSError as error:
        raise CaptureError(
            f"Cannot write {target!r}: {error.strerror or error}.",
            "choose a folder that you may write to.",
        ) from error


def _failed(target: str, error: OSError) -> CaptureError:
    return CaptureError(f"Cannot write {target!r}: {error.strerror or error}.", _ROOM)
