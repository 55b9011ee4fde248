"""The lines of the page's tree: a module under its parent, with all calls of it there."""

from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from htp.scope import Coverage, ModuleCall, Tag
from htp.tree import ModuleTree, spread

__all__ = ["ROOTLESS", "Row", "Rows"]

ROOTLESS = -1
"""The parent of a root, and the row of a node whose owner is not known."""

Key = Tuple[int, str, str]
"""The parent's number, the export's fingerprint at a root, and the path."""
Place = Tuple[str, ModuleCall]
"""A call of one of the exports in the file, which is told by its fingerprint."""


@dataclass
class Row:
    """A module under its parent.

    Attributes:
        number: its place, in the order of the forward pass: parents come before what they call.
        parent: number of the row above it.
        origin: fingerprint of the export.
        calls: its calls.
        own: nodes that exactly these calls own.
        total: own nodes and those of everything below.
        shared: nodes that stand for these calls or for what is below, and are owned elsewhere.
    """

    number: int
    parent: int
    origin: str
    calls: List[ModuleCall] = field(default_factory=list)
    own: Coverage = field(default_factory=Coverage)
    total: Coverage = field(default_factory=Coverage)
    shared: int = 0

    @property
    def first(self) -> ModuleCall:
        """The first call."""
        return self.calls[0]


class Rows:
    """The rows of a tree.

    Args:
        tree: of module calls; of a file that several models were merged into, with a root for each.
    """

    def __init__(self, tree: ModuleTree) -> None:
        self.all: List[Row] = []
        self._keys: Dict[Key, Row] = {}
        self._calls: Dict[Place, Row] = {}
        self._paths: Dict[str, List[Row]] = {}
        self._several = tree.joined
        self._known: Dict[Tuple[str, int], int] = {}
        self._share(tree, self._grow(tree))

    def __iter__(self) -> Iterator[Row]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def called(self, call: ModuleCall, origin: str = "") -> Optional[Row]:
        """The row of a call."""
        return self._calls.get((origin if self._several else "", call))

    def of_path(self, path: str) -> Sequence[Row]:
        """The rows of a module: one, unless it is reached in several ways."""
        return self._paths.get(path, ())

    def paths(self) -> Iterator[str]:
        """The paths of all modules."""
        return iter(self._paths)

    def owner(self, tag: Tag, origin: str) -> int:
        """The number of the row that a node belongs to."""
        mark = origin if self._several else ""
        key = (mark, id(tag))
        found = self._known.get(key)
        if found is None:
            found = ROOTLESS
            for depth, call in enumerate(tag.stack):
                found = self._keys[found, "" if depth else mark, call.path].number
            self._known[key] = found
        return found

    def _grow(self, tree: ModuleTree) -> Dict[int, Row]:
        """Make the rows, and tell in which each branch is, by ``id``."""
        places: Dict[int, Row] = {}
        pending = [(root, ROOTLESS, "") for root in reversed(tree.roots)]
        while pending:
            branch, parent, origin = pending.pop()
            mark = (branch.origin if self._several else "") if parent == ROOTLESS else origin
            row = self._row(branch, parent, mark)
            places[id(branch)] = row
            pending += [(child, row.number, mark) for child in reversed(branch.children)]
        return places

    def _row(self, branch: ModuleTree, parent: int, mark: str) -> Row:
        key = (parent, mark if parent == ROOTLESS else "", branch.call.path)
        row = self._keys.get(key)
        if row is None:
            row = self._keys[key] = Row(len(self.all), parent, mark)
            self.all.append(row)
            self._paths.setdefault(branch.call.path, []).append(row)
        row.calls.append(branch.call)
        row.own = _sum(row.own, branch.own)
        row.total = _sum(row.total, branch.total)
        self._calls.setdefault((mark, branch.call), row)
        return row

    def _share(self, tree: ModuleTree, places: Dict[int, Row]) -> None:
        """Say how many nodes stand for each row: for one of several calls, each once."""
        if not tree.standing:
            return
        above = {id(row): self.all[row.parent] for row in self.all if row.parent != ROOTLESS}
        counts = spread(tree.standing, lambda branch: places[id(branch)], above)
        for row in self.all:
            row.shared = counts.get(id(row), 0)


def _sum(one: Coverage, other: Coverage) -> Coverage:
    if not one.total or not other.total:
        return one if one.total else other
    return Coverage(*(a + b for (_, a), (_, b) in zip(one, other)))
