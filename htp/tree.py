"""The tree of module calls, with the nodes that each one owns."""

from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from htp.scope import Coverage, ModuleCall, Stack, Tag

__all__ = ["ModuleTree", "build"]

NOTHING = Coverage()
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
        self._branches: Dict[Tuple[object, ModuleCall], ModuleTree] = {}

    def below(self, parent: Optional[ModuleTree], call: ModuleCall, origin: str) -> ModuleTree:
        """The branch of a call; it grows where there is none yet."""
        place = (origin if parent is None else id(parent), call)
        if place not in self._branches:
            self._branches[place] = ModuleTree(call)
            (self.roots if parent is None else parent.children).append(self._branches[place])
        return self._branches[place]

    def grow(self, calls: Calls, origin: str) -> None:
        """Add module calls, given in order with their depth."""
        above: List[ModuleTree] = []
        for call, depth in calls:
            del above[depth:]
            above.append(self.below(above[-1] if above else None, call, origin))

    def at(self, stack: Stack, origin: str) -> ModuleTree:
        """The branch of a stack's last call."""
        branch = None
        for call in stack:
            branch = self.below(branch, call, origin)
        assert branch is not None, "a stack that is empty has no branch"
        return branch


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
    owned: Dict[Tuple[Stack, str], List[Tag]] = {}
    unknown = 0
    for tag, origin in tags:
        if tag.stack:
            owned.setdefault((tag.stack, origin), []).append(tag)
        else:
            unknown += 1
    for (stack, origin), found in owned.items():
        growing.at(stack, origin).own = Coverage.of(found)
    root = _joined(growing.roots)
    root.unknown = unknown
    _add_up(root)
    return root


def _joined(roots: List[ModuleTree]) -> ModuleTree:
    if len(roots) == 1:
        return roots[0]
    return ModuleTree(ModuleCall("", "", 0), roots, joined=bool(roots))


def _add_up(root: ModuleTree) -> None:
    for branch in reversed(list(root.walk())):  # children before their parents
        parts = [branch.own, *(child.total for child in branch.children)]
        branch.total = Coverage(
            *(sum(counts) for counts in zip(*((count for _, count in part) for part in parts)))
        )
