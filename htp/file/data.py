"""The data files of a model: which there are, where they lie, and under which names they go along.

What a model says of them is believed only so far: nothing outside its folder is read, and no name
that it gives chooses what is replaced.
"""

import contextlib
import os
import shutil
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from htp.errors import InvalidModelError
from htp.file.moves import inside, plain
from htp.file.paths import kind_of, opened

if TYPE_CHECKING:
    import onnx

__all__ = ["Plan", "located", "locations", "plan", "tensors"]

_TENSOR, _GRAPH, _SPARSE = (4, 9), (5, 10), (11, 12)
"""The types of an attribute that holds one or several of these; 0, undefined, may hold any."""
_PIECE = 1 << 20


class Plan(NamedTuple):
    """What is done with the data files of a model that is written to a new place.

    Attributes:
        copies: for each file where it lies, and its name beside the target.
        names: for each location that the model shall give in another way, how.
        may_go: the names of existing files that may be replaced; None for all.
    """

    copies: Sequence[Tuple[str, str]]
    names: Dict[str, str]
    may_go: Optional[FrozenSet[str]]

    def copy(self, folder: str) -> None:
        """Copy the files, in pieces, into a folder."""
        for origin, name in self.copies:
            place = os.path.join(folder, name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with opened(origin) as read, open(place, "xb") as written:
                shutil.copyfileobj(read, written, _PIECE)


def locations(model: "onnx.ModelProto") -> List[str]:
    """The data files that a model refers to, wherever its tensors stand.

    Raises:
        InvalidModelError: one has a name that is no text.
    """
    found = dict.fromkeys(
        entry.value
        for tensor in tensors(model)
        for entry in tensor.external_data
        if entry.key == "location"
    )
    for name in found:
        if not isinstance(name, str):
            raise _refused(name, "has a name that is no text")
    return list(found)


def tensors(model: "onnx.ModelProto") -> Iterator[Any]:
    """Every tensor: of graphs, nested ones and functions included, and of attributes."""
    pending: List[Any] = [model.graph, *model.functions]
    for info in model.training_info:
        pending += (info.initialization, info.algorithm)
    for function in model.functions:
        yield from _held(function.attribute_proto, pending)
    while pending:
        graph = pending.pop()
        yield from getattr(graph, "initializer", ())
        for sparse in getattr(graph, "sparse_initializer", ()):
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            yield from _held(node.attribute, pending)


def _held(attributes: Any, pending: List[Any]) -> Iterator[Any]:
    """The tensors that attributes hold; their graphs are added to what is looked through."""
    for attribute in attributes:
        kind = attribute.type
        if kind in _TENSOR or not kind:
            yield from (attribute.t, *attribute.tensors)
        if kind in _GRAPH or not kind:
            pending += (attribute.g, *attribute.graphs)
        if kind in _SPARSE or not kind:
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def located(location: str, folders: Sequence[str]) -> Optional[str]:
    """The data file at a location, to be read; None where it is missing or lies outside."""
    if not _is_inside(location):
        return None
    try:
        real = list(map(os.path.realpath, folders))
        return _origin(location, os.path.normpath(location), real, missing_is_right=True)
    except (InvalidModelError, OSError, ValueError):
        return None


def plan(
    found: Sequence[str],
    folders: Sequence[str],
    path: str,
    target: str,
    before: Callable[[str], Sequence[str]],
) -> Plan:
    """Which data files are copied for a model that is written, and to where.

    A file goes under the name that it has, unless something is there that the model which is
    replaced does not refer to, or the name leads elsewhere. Then it goes under the target's name.

    Args:
        found: the locations that the model gives.
        folders: where they lie; the first is the folder of the model as it was opened.
        path: the target as it was given.
        target: the file that it leads to.
        before: the locations that a model gives, by its path; none where it can't be read.

    Raises:
        InvalidModelError: one is missing or lies outside, or the target is one of them.
    """
    folders = list(map(os.path.realpath, folders))
    _refuse_as_target(found, folders, target)
    stays = bool(folders) and os.path.realpath(os.path.dirname(path)) == folders[0]
    folder, main = os.path.split(target)
    names = _Names(folder, main, lambda: before(target))
    copies: Dict[str, Tuple[str, str]] = {}
    changed: Dict[str, str] = {}
    for location in found:
        if stays and (not _is_inside(location) or os.path.lexists(_joined(folders[0], location))):
            continue
        inner = os.path.normpath(_checked(location))
        if inner not in copies:
            origin = _origin(location, inner, folders, missing_is_right=stays)
            if origin is None:
                continue
            copies[inner] = (origin, names.choose(inner))
        if copies[inner][1] != inner:
            changed[location] = copies[inner][1].replace(os.sep, "/")
    return Plan(tuple(copies.values()), changed, frozenset(names.may_go))


class _Names:
    """Chooses the names of data files beside a target."""

    def __init__(self, folder: str, main: str, before: Callable[[], Sequence[str]]) -> None:
        self._folder, self._main, self._before = folder, main, before
        self._base = main if _is_text(main) else "model.onnx"
        self._taken = {main.casefold()}
        self._referred: Optional[FrozenSet[str]] = None
        self._number = 0
        self.may_go: List[str] = []

    def choose(self, wanted: str) -> str:
        """The wanted name where it may be had, else one made from the target's."""
        first = wanted.split(os.sep, 1)[0].casefold()
        may = plain(wanted) and first != self._main.casefold() and self._may_have(wanted)
        name = wanted
        while not may:
            number = f".{self._number}" if self._number else ""
            name = f"{self._base}{number}.data"
            self._number += 1
            may = self._may_have(name)
        self._taken.add(name.casefold())
        return name

    def _may_have(self, name: str) -> bool:
        if name.casefold() in self._taken:
            return False
        place = os.path.join(self._folder, name)
        if inside(self._folder, name) is not None:
            return False
        if not os.path.lexists(place):
            return True
        if kind_of(place, follow=False) is None and name in self._old():
            self.may_go.append(name)
            return True
        return False

    def _old(self) -> FrozenSet[str]:
        """What the model that stands at the target refers to, if there is one."""
        if self._referred is None:
            self._referred = frozenset(map(os.path.normpath, self._before()))
        return self._referred


def _is_text(name: str) -> bool:
    """Whether a name can stand in a model: those of files may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_as_target(found: Sequence[str], folders: Sequence[str], target: str) -> None:
    for folder in folders:
        for location in found:
            with contextlib.suppress(OSError, ValueError):
                if os.path.samefile(os.path.join(folder, location), target):
                    raise InvalidModelError(
                        f"{target!r} is the data file {location!r} of this very model.",
                        "name another file to write.",
                    )


def _is_inside(location: str) -> bool:
    name = os.path.normpath(location)
    absolute = os.path.isabs(name) or os.path.splitdrive(name)[0]
    return not absolute and "\0" not in name and name.split(os.sep)[0] not in ("..", ".")


def _joined(folder: str, location: str) -> str:
    return os.path.join(folder, os.path.normpath(location))


def _checked(location: str) -> str:
    if not _is_inside(location):
        raise _refused(location, "lies outside the model's folder")
    return location


def _origin(
    location: str, inner: str, folders: Sequence[str], missing_is_right: bool
) -> Optional[str]:
    """The file at a location. A link may lead to where the model's own link leads, or within."""
    there = (os.path.join(folder, inner) for folder in folders)
    path = next((each for each in there if os.path.lexists(each)), None)
    real = path and os.path.realpath(path)
    if real is None or not os.path.exists(real):
        if missing_is_right:
            return None
        raise InvalidModelError(
            f"The data file {location!r} that the model refers to is missing.",
            "keep the model and its data files in one folder.",
        )
    if not any(os.path.commonpath([folder, real]) == folder for folder in folders):
        raise _refused(location, "is a link that leads out of the model's folder")
    kind = kind_of(real)
    if kind is not None:
        raise _refused(location, f"is {kind}")
    return real


def _refused(location: Any, why: str) -> InvalidModelError:
    return InvalidModelError(
        f"The data file {location!r} {why}.",
        "HTP follows no such path; move the file beside the model and name it there.",
    )
