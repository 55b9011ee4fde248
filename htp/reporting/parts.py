"""Modules that are cut out beside a page, which links them.

Only their numbers and letters of their paths are in the names of the files: what a model says never
chooses where something is written.
"""

import os
import re
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import quote

from htp.errors import CaptureError, ExtractionError, UnknownModuleError, did_you_mean
from htp.file import paths
from htp.pattern import Pattern
from htp.scope import ModuleCall

if TYPE_CHECKING:
    from htp.tagged import TaggedModel

__all__ = ["Part", "cut_out"]

LONGEST = 60
"""Characters of a path that become part of a file's name."""


class Part(NamedTuple):
    """A module call, and what was cut out of it.

    Attributes:
        call: the call.
        origin: fingerprint of its export; ``""`` where there is only one.
        path: the file that was written; None where it could not be.
        link: how the page links it; None likewise, or where no link leads there.
        size: its bytes.
        reason: why it could not be cut out; ``""``.
    """

    call: ModuleCall
    origin: str
    path: Optional[str] = None
    link: Optional[str] = None
    size: int = 0
    reason: str = ""


def cut_out(
    tagged: "TaggedModel", patterns: Sequence[str], folder: paths.PathLike, page: Optional[str]
) -> List[Part]:
    """Cut out every module call that a pattern names, and write each to a file.

    Args:
        tagged: the model.
        patterns: of modules.
        folder: where to; it is made where there is none.
        page: the page's path, from which links lead; None where it has none.

    Raises:
        UnknownModuleError: a pattern names no module.
        CaptureError: the folder cannot be written to.
    """
    wanted = _wanted(tagged, patterns)
    target = _folder(folder)
    return [
        _part(tagged, call, origin, os.path.join(target, _name(number, call)), page)
        for number, (call, origin) in enumerate(wanted, 1)
    ]


def _wanted(tagged: "TaggedModel", patterns: Sequence[str]) -> List[Tuple[ModuleCall, str]]:
    tree = tagged.tree()
    calls = {
        (branch.call, root.origin if tree.joined else ""): None
        for root in tree.roots
        for branch in root.walk()
    }
    found = dict.fromkeys(calls, False)
    for text in patterns:
        pattern = Pattern(text)
        how = {key: pattern.names(key[0]) for key in calls}
        best = max(how.values(), default=0)
        if not best:
            raise UnknownModuleError(
                f"No module matches {text!r}.", did_you_mean(text, (str(call) for call, _ in calls))
            )
        found.update((key, True) for key, value in how.items() if value == best)
    return [key for key, chosen in found.items() if chosen]


def _folder(folder: paths.PathLike) -> str:
    name = os.path.abspath(paths.text(folder))
    try:
        os.makedirs(name, exist_ok=True)
    except OSError as error:
        raise CaptureError(
            f"Cannot make the folder {name!r}: {error.strerror or error}.", "name another one."
        ) from error
    return name


def _name(number: int, call: ModuleCall) -> str:
    letters = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(call))[:LONGEST].strip("._-")
    return f"{number:04}-{letters or 'root'}.onnx"


def _part(
    tagged: "TaggedModel", call: ModuleCall, origin: str, path: str, page: Optional[str]
) -> Part:
    try:
        tagged.extract(call.path, call=call.call).save(path)
    except ExtractionError as error:
        return Part(call, origin, reason=str(error).partition("\n")[0])
    return Part(call, origin, path, _link(path, page), os.path.getsize(path))


def _link(path: str, page: Optional[str]) -> Optional[str]:
    """The way from the page to a file: always relative, so that it can be no other scheme."""
    if page is None:
        return None
    try:
        way = os.path.relpath(path, os.path.dirname(os.path.abspath(page)))
    except ValueError:  # another drive
        return None
    return "./" + quote(way.replace(os.sep, "/"))
