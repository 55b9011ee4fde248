"""The tree of module calls, with the nodes that each one owns."""

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from htp.scope import Coverage, ModuleCall, Tag

__all__ = ["ModuleTree", "build"]

NOTHING = Coverage()
NONE = (0, 0, 0, 0)
PLACES = {provenance: place for place, (provenance, _) in enumerate(NOTHING)}
Counts = Tuple[int, ...]
"""Nodes of each provenance, in the order of a coverage."""
Calls = Iterable[Tuple[ModuleCall, int]]


@dataclass
class ModuleTree:
    """One module call and the calls that it made, in the order in which they came.

    Attributes:
        call: the module call; the root's path is ``""``.
        children: the calls made by this one.
        own: coverage of the nodes that this call owns itself.
        total: coverage of the nodes of this call and of everything below it.
        unknown: on the root only: nodes of which nothing is known.
        joined: the file holds several exported models. This is no module call, and its
            ``children`` are the models' roots, each with its own nodes.
    """

    call: ModuleCall
    children: List["ModuleTree"] = field(default_factory=list)
    own: Coverage = NOTHING
    total: Coverage = NOTHING
    unknown: int = 0
    joined: bool = False

    @property
    def roots(self) -> List["ModuleTree"]:
        """The root of each exported model: of one, unless models were merged into one file."""
        return self.children if self.joined else [self]

    def walk(self) -> Iterator["ModuleTree"]:
        """This call and everything below it, parents first."""
        pending = [self]
        while pending:
            branch = pending.pop()
            yield branch
            pending.extend(reversed(branch.children))


class _Growing:
    """The trees of all origins while they grow: a branch is known by its parent and its call."""

    def __init__(self) -> None:
        self.roots: List[ModuleTree] = []
        self._below: Dict[Tuple[object, ModuleCall], ModuleTree] = {}
        self._counts: Dict[int, Counts] = {}
        self._coverages: Dict[Counts, Coverage] = {}

    def branch(self, parent: Optional[ModuleTree], call: ModuleCall, origin: str) -> ModuleTree:
        """The branch of a call; it grows where there is none yet."""
        place = (origin if parent is None else id(parent), call)
        found = self._below.get(place)
        if found is None:
            found = self._below[place] = ModuleTree(call)
            (self.roots if parent is None else parent.children).append(found)
        return found

    def grow(self, calls: Calls, origin: str) -> None:
        """Add module calls, given in order with their depth."""
        above: List[ModuleTree] = []
        for call, depth in calls:
            del above[depth:]
            above.append(self.branch(above[-1] if above else None, call, origin))

    def own(self, tag: Tag, origin: str, count: int) -> None:
        """Say that nodes have this tag."""
        branch = self.branch(None, tag.stack[0], origin)
        for call in tag.stack[1:]:
            branch = self.branch(branch, call, origin)
        counts = list(self._counts.get(id(branch), NONE))
        counts[PLACES[tag.provenance]] += count
        self._counts[id(branch)] = tuple(counts)
        branch.own = self._coverage(tuple(counts))

    def _coverage(self, counts: Counts) -> Coverage:
        found = self._coverages.get(counts)
        if found is None:
            found = self._coverages[counts] = Coverage(*counts)
        return found

    def add_up(self, root: ModuleTree) -> None:
        """Say what each branch owns with everything below it: children before their parents."""
        for branch in reversed(list(root.walk())):
            counts = self._counts.get(id(branch), NONE)
            if branch.children:
                parts = [self._counts[id(child)] for child in branch.children]
                counts = tuple(map(sum, zip(counts, *parts)))
            self._counts[id(branch)] = counts
            branch.total = self._coverage(counts)


def build(tags: Iterable[Tuple[Tag, str]], calls: Sequence[Tuple[Calls, str]] = ()) -> ModuleTree:
    """Build the tree.

    Args:
        tags: of every node, with the origin of each.
        calls: for each origin every module call in order with its depth, also of modules whose
            nodes were all folded away.
    """
    growing = _Growing()
    for rows, origin in calls:
        growing.grow(rows, origin)
    counted: Dict[Tuple[int, str], List[Any]] = {}
    for tag, origin in tags:  # most tags are one object for many nodes
        row = counted.get((id(tag), origin))
        if row is None:
            counted[id(tag), origin] = [tag, origin, 1]
        else:
            row[2] += 1
    unknown = 0
    for tag, origin, count in counted.values():
        if tag.stack:
            growing.own(tag, origin, count)
        else:
            unknown += count
    root = _joined(growing.roots)
    root.unknown = unknown
    growing.add_up(root)
    return root


def _joined(roots: List[ModuleTree]) -> ModuleTree:
    if len(roots) == 1:
        return roots[0]
    return ModuleTree(ModuleCall("", "", 0), roots, joined=bool(roots))
