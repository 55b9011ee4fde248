"""The tree of module calls, grown from the tags of nodes and from what the origins tell."""

from collections import Counter
from typing import TYPE_CHECKING, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from htp.file.garbage import no_search
from htp.file.tags import origin_of
from htp.scope import Coverage, ModuleCall, Stack, Tag
from htp.tree import NOTHING, ModuleTree, Standing, spread

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile

__all__ = ["build", "tree"]

NONE = [0, 0, 0, 0]
PLACES = {id(provenance): place for place, (provenance, _) in enumerate(NOTHING)}
"""By identity: an enumeration's own hash is slow."""
Counts = Tuple[int, ...]
"""Nodes of each provenance, in the order of a coverage."""
Calls = Iterable[Tuple[ModuleCall, int]]


class _Growing:
    """The trees of all origins while they grow: a branch is known by its parent and its call."""

    def __init__(self) -> None:
        self.roots: List[ModuleTree] = []
        self.origins: List[str] = []
        self._below: Dict[Tuple[object, ModuleCall], ModuleTree] = {}
        self._last: Tuple[str, Stack, Optional[ModuleTree]] = ("", (), None)
        self._counts: Dict[int, List[int]] = {}
        self._coverages: Dict[Counts, Coverage] = {(0, 0, 0, 0): NOTHING}

    def branch(self, parent: Optional[ModuleTree], call: ModuleCall, origin: str) -> ModuleTree:
        """The branch of a call; it grows where there is none yet."""
        place = (id(parent) if parent else origin, call)
        found = self._below.get(place)
        if found is None:
            found = self._below[place] = ModuleTree(call)
            if parent is None:
                self.roots.append(found)
                self.origins.append(origin)
            else:
                parent.children.append(found)
        return found

    def grow(self, calls: Calls, origin: str) -> None:
        """Add module calls, given in order with their depth."""
        above: List[ModuleTree] = []
        for call, depth in calls:
            del above[depth:]
            above.append(self.branch(above[-1] if above else None, call, origin))

    def own(self, tag: Tag, origin: str, count: int) -> None:
        """Say that nodes have this tag."""
        above = tag.stack[:-1]
        last, stack, branch = self._last
        if last != origin or stack != above:  # mostly they are the same objects
            branch = None
            for call in above:
                branch = self.branch(branch, call, origin)
            self._last = origin, above, branch
        branch = self.branch(branch, tag.stack[-1], origin)
        counts = self._counts.get(id(branch))
        if counts is None:
            counts = self._counts[id(branch)] = [0, 0, 0, 0]
        counts[PLACES[id(tag.provenance)]] += count

    def _coverage(self, counts: Sequence[int]) -> Coverage:
        key = tuple(counts)
        found = self._coverages.get(key)
        if found is None:
            found = self._coverages[key] = Coverage(*key)
        return found

    def add_up(self, root: ModuleTree) -> None:
        """Say what each branch owns, and what with everything below: children before parents."""
        for branch in reversed(list(root.walk())):
            counts = self._counts.get(id(branch))
            if counts is not None:
                branch.own = branch.total = self._coverage(counts)
            if branch.children:
                below = [self._counts.get(id(child), NONE) for child in branch.children]
                counts = list(map(sum, zip(counts or NONE, *below)))
                branch.total = self._coverage(counts)
            if counts is not None:
                self._counts[id(branch)] = counts


class _Shared:
    """Finds the branches that shared nodes stand for: after all of them have grown."""

    def __init__(self, growing: _Growing) -> None:
        self._growing = growing
        self._called: Dict[Tuple[str, ModuleCall], ModuleTree] = {}
        for root, origin in zip(growing.roots, growing.origins):
            for branch in root.walk():
                self._called.setdefault((origin, branch.call), branch)

    def find(self, tag: Tag, origin: str, count: int) -> "Standing":
        """Where nodes of this tag are owned, and what they stand for."""
        owner: Optional[ModuleTree] = None
        for call in tag.stack:
            owner = self._growing.branch(owner, call, origin)
        assert owner is not None
        others = [self._branch(call, tag.stack[0], origin) for call in tag.shared]
        return Standing(owner, others, count)

    def _branch(self, call: ModuleCall, top: ModuleCall, origin: str) -> ModuleTree:
        found = self._called.get((origin, call))
        if found is None:  # nothing says where it was called: below the root
            root = self._growing.branch(None, top, origin)
            found = self._called[origin, call] = self._growing.branch(root, call, origin)
        return found


def build(tags: Mapping[str, Sequence[Tag]], calls: Sequence[Tuple[Calls, str]] = ()) -> ModuleTree:
    """Build the tree.

    Args:
        tags: for each origin those of its nodes; equal ones may be one object.
        calls: for each origin every module call in order with its depth, also of modules whose
            nodes were all folded away.
    """
    growing = _Growing()
    for rows, origin in calls:
        growing.grow(rows, origin)
    unknown, sharing = 0, []
    for origin, told in tags.items():
        each = dict(zip(map(id, told), told))
        for place, count in Counter(map(id, told)).items():
            tag = each[place]
            if not tag.stack:
                unknown += count
                continue
            growing.own(tag, origin, count)
            if tag.shared:
                sharing.append((tag, origin, count))
    shared = _Shared(growing) if sharing else None
    standing = [shared.find(*row) for row in sharing] if shared else []
    for branch, origin in zip(growing.roots, growing.origins):
        branch.origin = origin
    root = _joined(growing.roots)
    root.standing = standing
    root.unknown = unknown
    growing.add_up(root)
    if root.standing:
        branches = list(root.walk())
        above = {id(child): branch for branch in branches for child in branch.children}
        counts = spread(root.standing, lambda branch: branch, above)
        for branch in branches:
            branch.shared = counts.get(id(branch), 0)
    return root


def _joined(roots: List[ModuleTree]) -> ModuleTree:
    if len(roots) == 1:
        return roots[0]
    return ModuleTree(ModuleCall("", "", 0), roots, joined=bool(roots))


def tree(file: "ModelFile") -> ModuleTree:
    """The module calls of a file; see ``TaggedModel.tree``."""
    several = len(file.origins) > 1
    tags: Dict[str, List[Tag]] = {}
    with no_search():
        if several:
            for node, tag in file.seen():
                tags.setdefault(origin_of(node), []).append(tag)
        else:
            tags[""] = [tag for _, tag in file.seen()]
        told = () if file.origins and file.is_bare else file.origins
        return build(tags, [(o.calls, o.fingerprint if several else "") for o in told])
