"""The tree of module calls, with the nodes that each one owns."""

from collections import Counter
from dataclasses import dataclass, field
from typing import (
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
)

from htp.scope import Coverage, ModuleCall, Stack, Tag

__all__ = ["ModuleTree", "Standing", "build", "spread"]

NOTHING = Coverage()
NONE = [0, 0, 0, 0]
PLACES = {id(provenance): place for place, (provenance, _) in enumerate(NOTHING)}
"""By identity: an enumeration's own hash is slow."""
Counts = Tuple[int, ...]
"""Nodes of each provenance, in the order of a coverage."""
Place = TypeVar("Place")
Calls = Iterable[Tuple[ModuleCall, int]]


@dataclass(repr=False)
class ModuleTree:
    """One module call and the calls that it made, in the order in which they came.

    Attributes:
        call: the module call; the root's path is ``""``.
        children: the calls made by this one.
        own: coverage of the nodes that this call owns itself.
        total: coverage of the nodes of this call and of everything below it.
        shared: how many nodes that are owned elsewhere stand for this call or for one below it.
            ``total`` counts a node where it is owned, and only there.
        standing: on the root only: which nodes stand for several calls.
        unknown: on the root only: nodes of which nothing is known.
        joined: the file holds several exported models. This is no module call, and its
            ``children`` are the models' roots, each with its own nodes.
    """

    call: ModuleCall
    children: List["ModuleTree"] = field(default_factory=list)
    own: Coverage = NOTHING
    total: Coverage = NOTHING
    shared: int = 0
    standing: Sequence["Standing"] = field(default=(), compare=False)
    unknown: int = 0
    joined: bool = False

    def __repr__(self) -> str:
        return f"<ModuleTree {str(self.call)!r}: {self.total}; {len(self.children)} calls below>"

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


class Standing(NamedTuple):
    """Nodes that stand for several calls.

    Attributes:
        owner: the call that owns them.
        others: the other calls.
        nodes: how many nodes.
    """

    owner: ModuleTree
    others: Sequence[ModuleTree]
    nodes: int


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


def spread(
    standing: Iterable["Standing"], place: Callable[[ModuleTree], Place], above: Mapping[int, Place]
) -> Dict[int, int]:
    """How many nodes that are owned elsewhere stand for each place, or for one below it.

    A fused node of ``norm`` and ``conv`` in ``block`` is owned by ``block``: it stands for
    ``block.norm`` and ``block.conv``, and in ``block`` and above it is counted already.

    Args:
        standing: nodes that stand for several calls.
        place: where a call has its place: at its branch, or at a line that stands for several.
        above: for each place, by ``id``, the one above it.

    Returns:
        The counts by the places' ``id``. No node is counted twice at one place.
    """
    counts: Dict[int, int] = {}

    def upwards(branch: ModuleTree, counted: Set[int]) -> Iterator[int]:
        at: Optional[Place] = place(branch)
        while at is not None and id(at) not in counted:
            counted.add(id(at))
            yield id(at)
            at = above.get(id(at))

    for owner, others, count in standing:
        counted: Set[int] = set()
        for _ in upwards(owner, counted):
            pass
        for other in others:
            for at in upwards(other, counted):
                counts[at] = counts.get(at, 0) + count
    return counts


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
