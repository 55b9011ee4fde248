"""Modules as a list for a tool, in the forms of ``htp select``."""

from typing import TYPE_CHECKING, Container, Sequence

from htp.errors import HTPError
from htp.file.garbage import no_search
from htp.scope import Tag
from htp.use.modules import Modules, Wanted
from htp.use.places import placed
from htp.use.select import Listing, Selection

if TYPE_CHECKING:
    from htp.tagged import TaggedModel

__all__ = ["listing_of"]


def listing_of(
    tagged: "TaggedModel", whole: Sequence[str], own: Container[str], form: str
) -> Listing:
    """The nodes of modules.

    Args:
        tagged: the file whose nodes they are.
        whole: paths of modules that are taken with all below them.
        own: of modules whose own operations alone are taken.
        form: as ``Selection.listed`` takes it.

    Raises:
        HTPError: there is no node, so that the list would leave nothing alone, or no such form.
    """
    file, paths = tagged.file, set(whole)

    def takes(tag: Tag) -> bool:
        return bool(tag.stack) and (
            tag.path in own or any(call.path in paths for call in tag.stack)
        )

    with no_search():
        rows = placed(file)
        chosen = [number for number, row in enumerate(rows) if takes(row.tag)]
        wanted = Wanted(Modules((row.tag for row in rows), file.origins), (), None, None)
    if not chosen:
        raise HTPError("There is no module to be listed.", "ask for less, or give other samples.")
    return Selection(file, rows, chosen, wanted, ()).listed(form)
