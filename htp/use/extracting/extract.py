"""``TaggedModel.extract`` and ``TaggedModel.split``."""

from typing import TYPE_CHECKING, NamedTuple, Optional, Sequence, Tuple

from htp.file.garbage import no_search
from htp.steps import step
from htp.use.extracting import groups
from htp.use.extracting.extractor import Cut, Extractor
from htp.use.extracting.report import Extraction
from htp.use.modules import Names

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile

__all__ = ["Extracted", "extract", "split"]


class Extracted(NamedTuple):
    """A part of a file.

    Attributes:
        file: the part, with its tags.
        report: what it takes and gives, and what of that is not the module's own.
    """

    file: "ModelFile"
    report: Extraction


def extract(
    file: "ModelFile",
    paths: Sequence[str],
    call: int = 0,
    first: Optional[str] = None,
    last: Optional[str] = None,
    without: Names = None,
) -> Extracted:
    """Cut a part out of a file; see ``TaggedModel.extract``."""
    if (first is None) != (last is None):
        raise TypeError("A range of modules has two ends: first and last.")
    if first is not None and (paths or without):
        raise TypeError("A range of modules is a part by itself: no paths, and nothing left out.")
    if not (paths or first is not None or without):
        raise TypeError("Say which module to cut out, for example 'encoder.layer.0'.")
    with no_search():
        step("looking at the graph")
        extractor = Extractor(file)
        step("cutting out", what=", ".join(map(str, paths)))
        return _made(_cut(extractor, paths, call, (first, last), without))


def _cut(
    extractor: Extractor,
    paths: Sequence[str],
    call: int,
    ends: Tuple[Optional[str], Optional[str]],
    without: Names,
) -> Cut:
    asked = extractor.calls.asked
    first, last = ends
    if first is not None and last is not None:
        return groups.between(extractor, asked(first, 0), asked(last, 0))
    if not without and len(paths) == 1:
        return extractor.cut(paths[0], call)
    found = [asked(path, call) for path in paths]
    if without:
        return groups.without(extractor, without, found)
    return groups.several(extractor, found, ", ".join(str(each.call) for each in found))


def split(file: "ModelFile", at: str, call: int = 0) -> Tuple[Extracted, Extracted]:
    """Cut a file in two; see ``TaggedModel.split``."""
    with no_search():
        step("looking at the graph")
        extractor = Extractor(file)
        step("cutting out", 0, 2, "the first half")
        before, behind = groups.split(extractor, extractor.calls.asked(at, call))
        first = _made(before)
        step("cutting out", 1, 2, "the second half")
        return first, _made(behind)


def _made(cut: Cut) -> Extracted:
    return Extracted(cut.file(), cut.report)
