"""Moving a model and its data files to their places: all of them, or none.

One move is atomic, several are not. So what is replaced is kept aside until the model itself, the
last, is moved; what fails before is undone, and what is killed before is undone by the next run::

    old/w.bin <- w.bin <- new/w.bin         each data file
    model.onnx <- new/model.onnx            from here on it is done
"""

import contextlib
import json
import os
import stat
from typing import Any, Collection, Dict, Iterator, List, Optional

from htp.file.paths import kind_of, mode_of

__all__ = ["NEW", "inside", "move", "plain", "undo"]

NEW, OLD, LIST = "new", "old", "moves"


def plain(name: str) -> bool:
    """Whether a relative path may be made because a file says so: no hidden and no odd names."""
    parts = name.split(os.sep)
    return (
        name.isprintable()
        and not os.path.isabs(name)
        and not os.path.splitdrive(name)[0]
        and all(part and part[0] != "." and len(part.encode()) < 200 for part in parts)
    )


def inside(folder: str, name: str) -> Optional[str]:
    """Why a relative path does not stay in a folder, or None: no part on its way is a link."""
    parts = name.split(os.sep)
    for depth in range(1, len(parts)):
        way = os.path.join(folder, *parts[:depth])
        if os.path.lexists(way) and kind_of(way, follow=False) != "a folder":
            return f"{way!r} is {kind_of(way, follow=False) or 'a file'}"
    return None


def move(root: str, target: str, may_go: Optional[Collection[str]]) -> None:
    """Move everything in a scratch folder to its place beside the target, the model last.

    Args:
        root: the scratch folder.
        target: the model's file. What is in ``new`` under its name goes there.
        may_go: names of existing data files that may be replaced; None for all.

    Raises:
        OSError: it failed; everything is as it was.
    """
    folder, main = os.path.split(target)
    new = os.path.join(root, NEW)
    names = [name for name in _files(new) if name != main]
    mode = mode_of(target)
    _keep_mode(os.path.join(new, main), mode)
    for name in names:
        _check(folder, name, may_go)
        _keep_mode(os.path.join(new, name), mode_of(os.path.join(folder, name)) or mode)
    rows = {name: _identity(os.path.join(new, name)) for name in names}
    made = _missing_folders(folder, names)
    with open(os.path.join(root, LIST), "w", encoding="utf-8") as file:
        json.dump({"main": main, "files": rows, "folders": made}, file)
    try:
        for name in names:
            _move_one(root, folder, name)
        os.replace(os.path.join(new, main), target)
    except BaseException:
        undo(root, folder)
        raise


def _keep_mode(path: str, mode: Optional[int]) -> None:
    if mode is not None:
        os.chmod(path, mode)


def _check(folder: str, name: str, may_go: Optional[Collection[str]]) -> None:
    place = os.path.join(folder, name)
    why = inside(folder, name)
    if why is None and os.path.lexists(place):
        kind = kind_of(place, follow=False)
        if kind not in (None, "a link") or (may_go is not None and (kind or name not in may_go)):
            why = f"{place!r} is {kind or 'a file of something else'}"
    if why is not None:
        raise OSError(f"its data file cannot be put there, since {why}")


def _missing_folders(folder: str, names: List[str]) -> List[str]:
    """The folders that are made for these files, outer ones first."""
    found = set()
    for name in names:
        way = os.path.dirname(name)
        while way:
            found.add(way)
            way = os.path.dirname(way)
    return sorted(way for way in found if not os.path.isdir(os.path.join(folder, way)))


def _move_one(root: str, folder: str, name: str) -> None:
    place, old = os.path.join(folder, name), os.path.join(root, OLD, name)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.lexists(place):
        os.makedirs(os.path.dirname(old), exist_ok=True)
        os.replace(place, old)
    os.replace(os.path.join(root, NEW, name), place)


def _files(folder: str) -> Iterator[str]:
    """The files below a folder, by their relative paths."""
    for root, _, names in os.walk(folder):
        inner = os.path.relpath(root, folder)
        for name in sorted(names):
            yield os.path.normpath(os.path.join(inner, name))


def _identity(path: str) -> Optional[List[int]]:
    """What tells a file from another that is written under its name later."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def undo(root: str, folder: str) -> None:
    """Put back what was moved from a scratch folder, unless the model was: then all is done.

    Done again it does nothing. What somebody else wrote meanwhile stays.
    """
    said = _said(root)
    new, old = os.path.join(root, NEW), os.path.join(root, OLD)
    if not said or not os.path.lexists(os.path.join(new, said["main"])):
        return
    for name, identity in reversed(list(said["files"].items())):
        place, before = os.path.join(folder, name), os.path.join(old, name)
        if inside(folder, name) is not None:
            continue
        if _identity(place) == identity:
            os.replace(place, os.path.join(new, name))
        if os.path.lexists(before) and not os.path.lexists(place):
            os.replace(before, place)
    for way in reversed(said["folders"]):
        with contextlib.suppress(OSError):  # it holds something else, or is gone
            os.rmdir(os.path.join(folder, way))


def _said(root: str) -> Optional[Dict[str, Any]]:
    """What a run meant to move; None where it did not come so far, or it is no such list."""
    path = os.path.join(root, LIST)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        with open(path, encoding="utf-8") as file:
            said = json.load(file)
        names = [said["main"], *said["files"], *said["folders"]]
        within = all(os.path.normpath(name) == name and _relative(name) for name in names)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return said if within else None


def _relative(name: str) -> bool:
    return not os.path.isabs(name) and name.split(os.sep, 1)[0] not in (os.pardir, os.curdir)
