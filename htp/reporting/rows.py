"""The lines of the page's tree, numbered, and found by what others say of them: calls, tags, paths.

Each is a line of ``htp.tree``: a module under its parent, with all calls of it there.
"""

from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from htp.scope import ModuleCall, Tag
from htp.tree import ModuleTree
from htp.tree import Row as Line
from htp.tree import rows as lines_of

__all__ = ["ROOTLESS", "Row", "Rows"]

ROOTLESS = -1
"""The parent of a root, and the row of a node whose owner is not known."""

Place = Tuple[str, ModuleCall]
"""A call of one of the exports in the file, which is told by its fingerprint."""


class Row(NamedTuple):
    """A line of the tree at its place.

    Attributes:
        number: its place, in the order of the forward pass: parents come before what they call.
        parent: number of the row above it.
        origin: fingerprint of the export; ``""`` where there is only one.
        line: the line.
    """

    number: int
    parent: int
    origin: str
    line: Line


class Rows:
    """The rows of a tree.

    Args:
        tree: of module calls; of a file that several models were merged into, with a root for each.
    """

    def __init__(self, tree: ModuleTree) -> None:
        self.all: List[Row] = []
        self._roots: Dict[Place, int] = {}
        self._below: Dict[Tuple[int, str], int] = {}
        self._calls: Dict[Place, Row] = {}
        self._paths: Dict[str, List[Row]] = {}
        self._several = tree.joined
        self._known: Dict[Tuple[str, int], int] = {}
        top = lines_of(tree)
        for root, line in zip(tree.roots, top.children if tree.joined else [top]):
            self._grow(line, root.origin if tree.joined else "")

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
                found = self._below[found, call.path] if depth else self._roots[mark, call]
            self._known[key] = found
        return found

    def _grow(self, root: Line, origin: str) -> None:
        """Number a line and all below it."""
        self._roots[origin, root.first] = len(self.all)
        pending = [(root, ROOTLESS)]
        while pending:
            line, parent = pending.pop()
            row = Row(len(self.all), parent, origin, line)
            self.all.append(row)
            path = line.first.path
            self._below[parent, path] = row.number
            self._paths.setdefault(path, []).append(row)
            for call in line.members:
                self._calls.setdefault((origin, call), row)
            pending += [(below, row.number) for below in reversed(line.children)]
