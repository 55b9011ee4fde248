"""htp.diff: what differs between two files, module by module."""

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Tuple

from htp.comparing.change import Change
from htp.comparing.changes import Changes
from htp.comparing.graph import Graph
from htp.comparing.modules import Modules, Tagged
from htp.comparing.owners import UNOWNED, Owners
from htp.comparing.pairing import paired
from htp.comparing.row import DiffRow
from htp.comparing.table import COLUMNS, Line, drawn, ending, sheet
from htp.file.document import nodes_of
from htp.file.garbage import no_search
from htp.file.tags import is_tagged
from htp.scope import ModuleCall
from htp.showing.frames import frame
from htp.showing.sheet import Sheet
from htp.showing.table import html
from htp.showing.text import counted, said
from htp.steps import step
from htp.tagged import TaggedModel, load

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Diff", "diff"]


class Diff(NamedTuple):
    """What differs between two files.

    Attributes:
        rows: what is not equal, in the order of the forward pass.
        not_judged: what could not be compared, and why.
        calls: how many module calls there are in either file.
        equal_calls: the uppermost calls that are equal with all below them.
        nodes: how many nodes each file has, constants and Identity not counted.
        made_by: for each file the backend and torch that exported it, where that is known.
    """

    rows: Tuple[DiffRow, ...]
    not_judged: Tuple[str, ...]
    calls: int
    equal_calls: Tuple[ModuleCall, ...]
    nodes: Tuple[int, int]
    made_by: Tuple[str, str]

    @property
    def equal(self) -> bool:
        """Whether all was compared and nothing differs."""
        return not self.rows and not self.not_judged

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": "htp.diff/1",
            "equal": self.equal,
            "made_by": list(self.made_by),
            "nodes": list(self.nodes),
            "calls": self.calls,
            "rows": [
                {
                    "path": row.path,
                    "kind": row.kind,
                    "before": row.before,
                    "after": row.after,
                    "type": row.call.type if row.call else None,
                    "call": row.call.call if row.call else None,
                    "names": list(row.names),
                }
                for row in self.rows
            ],
            "equal_calls": [call._asdict() for call in self.equal_calls],
            "not_judged": list(self.not_judged),
        }

    @property
    def summary(self) -> List[str]:
        """What there is to say of all modules, a line each."""
        return ending(self.rows, self.nodes, self.calls, self.equal_calls, self.not_judged)

    def to_pandas(self) -> "DataFrame":
        """A row for each difference, in the order of ``rows``.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(Sheet("", "", COLUMNS, self.rows))

    def __str__(self) -> str:
        return "\n".join(drawn(self.rows, self.summary))

    def __repr__(self) -> str:
        return said(self._sheet)

    def _repr_html_(self) -> str:
        return html(self._sheet)

    @property
    def _sheet(self) -> Sheet[Line]:
        ends = self.summary[1:] if self.rows or self.equal else self.summary
        return sheet(self.rows, _title(self), ends)


def _title(found: Diff) -> str:
    if found.equal:
        return f"equal: {found.nodes[0]} nodes in {found.calls} module calls"
    changed = len({(row.path, row.call) for row in found.rows})
    title = f"{counted(len(found.rows), 'difference')} in {changed} of {found.calls} module calls"
    return title + (f"; {len(found.not_judged)} not compared" if found.not_judged else "")


def diff(a: Any, b: Any) -> Diff:
    """What differs between two files, module by module: nodes, attributes, weights, shapes, owners.

    Files are compared as graphs of operations. Names of values and nodes, the order of nodes,
    Identity nodes, and whether a constant is a node or an initializer are no difference. Weights
    are compared by all their contents, read in pieces.

    Args:
        a: the first file: whatever ``htp.load`` takes, or a ``TaggedModel``.
        b: the second.

    Raises:
        InvalidModelError: one of them cannot be read, or nothing in it tells of modules.
    """
    tagged = [each if isinstance(each, TaggedModel) else load(each) for each in (a, b)]
    made_by = _made_by(tagged[0]), _made_by(tagged[1])
    with no_search():
        one, other = map(_read, tagged)
        return _compared(one, other, made_by)


def _read(tagged: TaggedModel) -> Tagged:
    """The file with its tags: those that its nodes have, if all have one, else what was carried.

    Carrying looks for the owner of a node that another tool may have put in the place of one; here
    that a node is another one is what is asked.
    """
    held = tagged.loaded
    file = held if all(map(is_tagged, nodes_of(held.outline))) else tagged.file
    return file, [tag for _, tag in file.seen()]


def _compared(one: Tagged, other: Tagged, made_by: Tuple[str, str]) -> Diff:
    owners = Owners()
    modules = Modules(one, other, owners)
    step("reading weights", 0, 2, "of the first file")
    first = Graph(*one, owners)
    step("reading weights", 1, 2, "of the second file")
    graphs = first, Graph(*other, owners)
    step("comparing")
    found, not_judged = _changes(*graphs, owners, modules, False)
    if found:  # of several equal nodes in a row any may be the one that is gone: who tells less?
        other_way = _changes(*graphs, owners, modules, True)
        found, not_judged = min((found, not_judged), other_way, key=lambda each: len(each[0]))
    places = {number: at for at, number in enumerate(modules.stacks)}
    found.sort(key=lambda each: places.get(each.owner, len(places)))
    rows = tuple(_row(each, owners) for each in found)
    nodes = len(graphs[0].operations), len(graphs[1].operations)
    equal = modules.equal(each.owner for each in found)
    return Diff(rows, tuple(not_judged), modules.count(), tuple(equal), nodes, made_by)


def _changes(
    one: Graph, other: Graph, owners: Owners, modules: Modules, backwards: bool
) -> Tuple[List[Change], List[str]]:
    """The changes but those that a module which only one file has tells already."""
    alone = modules.alone()
    changes = Changes(paired(one, other, backwards), owners)
    told = ("nodes", "owner", "weight")
    found = [each for each in changes.all() if each.owner not in alone or each.kind not in told]
    return [*modules.changes(), *found], changes.not_judged


def _row(change: Change, owners: Owners) -> DiffRow:
    call = owners.calls[change.owner] if change.owner != UNOWNED else None
    path = None if call is None else call.path
    return DiffRow(path, change.kind, change.before, change.after, call, change.names)


def _made_by(tagged: TaggedModel) -> str:
    if tagged.backend is None:
        return "no export by HTP"
    return f"backend {tagged.backend}, torch {tagged.torch}"
