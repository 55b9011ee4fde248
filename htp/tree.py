"""The tree of module calls, with the nodes that each one owns."""

from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
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

from htp.scope import Coverage, ModuleCall, Provenance
from htp.showing import folded, frames
from htp.showing.sheet import INDEX, Column, Sheet, of_call
from htp.showing.text import brief, figure

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["NOTHING", "ModuleTree", "Row", "Standing", "rows", "sheet", "spread"]

NOTHING = Coverage()
Place = TypeVar("Place")


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
        origin: on the root of an export only: the fingerprint under which it was handed in.
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
    origin: str = field(default="", compare=False)

    def __repr__(self) -> str:
        name = brief(self.call)
        return f"<ModuleTree {name!r}: {self.total}; {len(self.children)} calls below>"

    def _repr_html_(self) -> str:
        return folded.html(
            sheet(self, "ModuleTree", f"{brief(self.call) or '(root)'}: {self.total}")
        )

    def to_pandas(self) -> "DataFrame":
        """A row for each call, by ``path`` and ``call``; figures of nodes are with all below.

        Raises:
            HTPError: pandas is not installed.
        """
        depths = {id(self): -1 if self.joined else 0}
        for each in self.walk():
            depths.update((id(child), depths[id(each)] + 1) for child in each.children)
        branches = [(each, depths[id(each)]) for each in self.walk() if not each.joined]
        return frames.frame(Sheet("", "", _COLUMNS, branches, INDEX))

    @property
    def roots(self) -> List["ModuleTree"]:
        """The root of each exported model, which is one unless models were merged into one file."""
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


@dataclass
class Row:
    """A line of the tree: a module call, or all calls of a module under the same parent.

    Attributes:
        name: the path below the parent's; the full path where it does not begin with it. Above the
            roots of several models that were merged into one file, how many they are.
        first: the module call, or the first one.
        calls: how many calls this line stands for.
        own: nodes that exactly these calls own.
        total: own nodes and those of everything below.
        shared: nodes that stand for these calls or for what is below, and are owned elsewhere.
        members: the calls.
    """

    name: str
    first: ModuleCall
    calls: int
    own: Coverage
    total: Coverage
    shared: int = 0
    children: List["Row"] = field(default_factory=list)
    members: Sequence[ModuleCall] = ()


def rows(root: ModuleTree, apart: bool = False, depth: Optional[int] = None) -> Row:
    """The lines of a tree.

    Args:
        root: the tree of module calls.
        apart: one line per call, and not one for all calls of a module under the same parent.
        depth: levels below the root; None for all. Counts always include what is left out.
    """
    places: Dict[int, Row] = {}
    row = _row([root], "", apart)
    if root.joined:
        row.name = f"({len(root.children)} models)"
        row.children = [_grown([each], apart, depth, places) for each in root.children]
    else:
        row = _grown([root], apart, depth, places)
    _share(root, row, places)
    return row


def _grown(
    calls: Sequence[ModuleTree], apart: bool, depth: Optional[int], places: Dict[int, Row]
) -> Row:
    """The line of these calls with those below it. Trees may be deep: nothing calls itself.

    Args:
        calls: that the line is for.
        apart: see ``rows``.
        depth: see ``rows``.
        places: is told in which line each call is, by ``id``.
    """
    top = _row(calls, "", apart)
    pending = [(top, calls, depth)]
    while pending:
        row, calls, left = pending.pop()
        places.update((id(call), row) for call in calls)
        if left == 0:
            places.update((id(below), row) for call in calls for below in call.walk())
            continue
        groups: Dict[object, List[ModuleTree]] = {}
        for child in (child for call in calls for child in call.children):
            groups.setdefault(child.call if apart else child.call.path, []).append(child)
        for group in groups.values():
            below = _row(group, row.first.path, apart)
            row.children.append(below)
            pending.append((below, group, None if left is None else left - 1))
    return top


def _share(root: ModuleTree, top: Row, places: Dict[int, Row]) -> None:
    """Say how many nodes stand for each line: for one of several calls, each once."""
    if not root.standing:
        return
    above: Dict[int, Row] = {}
    pending = [top]
    while pending:
        row = pending.pop()
        above.update((id(child), row) for child in row.children)
        pending += row.children
    counts = spread(root.standing, lambda branch: places[id(branch)], above)
    for row in {id(row): row for row in places.values()}.values():
        row.shared = counts.get(id(row), 0)


def _row(calls: Sequence[ModuleTree], parent: str, apart: bool) -> Row:
    first = calls[0].call
    return Row(
        name=_below(first.path, parent) + (f"@{first.call}" if apart and first.call else ""),
        first=first,
        calls=len(calls),
        own=_sum([call.own for call in calls]),
        total=_sum([call.total for call in calls]),
        members=[call.call for call in calls],
    )


def _below(path: str, parent: str) -> str:
    return path[len(parent) + 1 :] if parent and path.startswith(f"{parent}.") else path


def _sum(counts: Sequence[Coverage]) -> Coverage:
    if len(counts) == 1:
        return counts[0]
    columns = zip(*([number for _, number in count] for count in counts))
    return Coverage(*(sum(column) for column in columns))


_Deep = Tuple[ModuleTree, int]


def _nodes(kind: Provenance) -> Callable[[_Deep], int]:
    return lambda each: int(getattr(each[0].total, kind.value))


_COLUMNS: Tuple[Column[_Deep], ...] = (
    *of_call(lambda each: each[0].call),
    Column(key="depth", value=lambda each: each[1], dtype="int64"),
    Column(key="own", value=lambda each: each[0].own.total, dtype="int64"),
    Column(key="total", value=lambda each: each[0].total.total, dtype="int64"),
    *(Column(key=kind.value, value=_nodes(kind), dtype="int64") for kind in Provenance),
    Column(key="shared", value=lambda each: each[0].shared, dtype="int64"),
)


def sheet(root: ModuleTree, kind: str, title: str) -> Sheet[Row]:
    """The lines of a tree as people read them."""
    lines = [(rows(root), -1)]
    for at, (row, _) in enumerate(lines):
        lines += [(child, at) for child in row.children]
    found = [row for row, _ in lines]
    parents = [parent for _, parent in lines]
    shared = Column[Row]("shared", lambda row: figure(row.shared), right=True)
    columns = (
        Column[Row]("module", _named),
        Column[Row]("class", lambda row: row.first.class_name),
        Column[Row]("own", lambda row: figure(row.own.total), right=True),
        Column[Row]("total", lambda row: str(row.total.total), right=True),
        *[shared] * any(row.shared for row in found),
        *(_known(kind) for kind, count in root.total if count),
    )
    all_of_it = "tree().to_pandas() has all, and so prints htp tree"
    return Sheet(kind, title, columns, found, parents=parents, everything=all_of_it)


def _known(kind: Provenance) -> Column[Row]:
    return Column(kind.value, lambda row: figure(getattr(row.total, kind.value)), right=True)


def _named(row: Row) -> str:
    times = f" \N{MULTIPLICATION SIGN}{row.calls}" if row.calls > 1 else ""
    return (row.name or "(root)") + times
