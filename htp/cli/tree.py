"""The module tree as a table for people and as JSON for programs."""

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from htp.cli.terminal import Column, Piece, is_plain, print_table, say
from htp.errors import HTPError
from htp.scope import Coverage, ModuleCall, Provenance
from htp.tagged import TaggedModel
from htp.tree import ModuleTree, spread

__all__ = [
    "CLASS_WIDTH",
    "MULTIPLY",
    "STYLES",
    "Row",
    "as_json",
    "coverage_json",
    "coverage_pieces",
    "lines_of",
    "print_tree",
    "rows",
]

STYLES: Dict[Provenance, str] = {
    Provenance.CAPTURED: "green",
    Provenance.PROPAGATED: "cyan",
    Provenance.INFERRED: "yellow",
    Provenance.UNKNOWN: "bold red",
}
CLASS_WIDTH = 28
GUIDES = 4 * 40
"""Characters of the lines that lead to a row: of what is deeper, the outer ones are left out."""
DEEPEST_JSON = 150
MULTIPLY = "\N{MULTIPLICATION SIGN}"


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


def coverage_json(coverage: Coverage) -> Dict[str, int]:
    """Nodes per provenance, and all of them as ``total``."""
    return {**{str(kind): count for kind, count in coverage}, "total": coverage.total}


def as_json(tagged: TaggedModel, root: Row, unknown: int, apart: bool) -> Dict[str, Any]:
    """What ``htp tree --json`` prints.

    Raises:
        HTPError: the tree is deeper than what reads JSON takes.
    """
    return {
        "schema": "htp.tree/1",
        "backend": tagged.backend,
        "torch": tagged.torch,
        "coverage": coverage_json(tagged.coverage),
        "unknown": unknown,
        "tree": _rows_json(root, apart),
    }


def _rows_json(root: Row, apart: bool) -> Dict[str, Any]:
    top = _row_json(root, apart)
    pending = [(root, top, 0)]
    while pending:
        row, held, depth = pending.pop()
        if depth > DEEPEST_JSON:
            raise HTPError(
                f"The tree is more than {DEEPEST_JSON} levels deep, and so would be its JSON.",
                "say --depth, or leave out --json.",
            )
        for child in row.children:
            held["children"].append(_row_json(child, apart))
            pending.append((child, held["children"][-1], depth + 1))
    return top


def _row_json(row: Row, apart: bool) -> Dict[str, Any]:
    return {
        "path": row.first.path,
        "type": row.first.type,
        **({"call": row.first.call} if apart else {"calls": row.calls}),
        "own": coverage_json(row.own),
        "total": coverage_json(row.total),
        "shared": row.shared,
        "children": [],
    }


def coverage_pieces(coverage: Coverage) -> List[Piece]:
    """``219 nodes: 210 captured, 9 propagated``, coloured."""
    pieces: List[Piece] = [f"{coverage.total} node{'' if coverage.total == 1 else 's'}"]
    for kind, count in coverage:
        if count:
            pieces.append(": " if len(pieces) == 1 else ", ")
            pieces.append((f"{count} {kind}", STYLES[kind]))
    return pieces


def print_tree(tagged: TaggedModel, root: Row, unknown: int) -> None:
    """Draw the tree: a line per module, its nodes, and how their owners are known."""
    plain = is_plain()
    coverage = tagged.coverage
    lines = list(lines_of(root, plain))
    kinds = [kind for kind, count in coverage if count]
    sharing = any(row.shared for _, row in lines)
    columns = [Column("module"), Column("class", most=CLASS_WIDTH)]
    columns += [Column("own", right=True), Column("total", right=True)]
    columns += [Column("shared", right=True)] * sharing
    columns += [Column((str(kind), STYLES[kind]), right=True) for kind in kinds]
    drawn: List[List[List[Piece]]] = []
    for guide, row in lines:
        name: List[Piece] = [(guide, "dim"), (row.name or "(root)", _style(row))]
        if row.calls > 1:
            name.append((f" {'x' if plain else MULTIPLY}{row.calls}", "magenta"))
        cells: List[List[Piece]] = [
            name,
            [(row.first.class_name, "dim")],
            [str(row.own.total or "")],
        ]
        cells.append([str(row.total.total)])
        cells += [[str(row.shared or "")]] * sharing
        cells += [[(str(count or ""), STYLES[kind])] for kind, count in row.total if kind in kinds]
        drawn.append(cells)
    print_table(columns, drawn)
    say()
    say(*coverage_pieces(coverage))
    if sharing:
        say("A node of several modules is in the total of one; 'shared' counts it at the others.")
    if unknown:
        say(f"{unknown} of them have no known owner and stand in no line above.", style="red")
    if tagged.backend:
        say(f"Exported with backend {tagged.backend}, torch {tagged.torch}.", style="dim")


def _style(row: Row) -> str:
    """The colour of the weakest provenance in a row; dim where it has no node."""
    found = [kind for kind, count in row.total if count]
    return STYLES[found[-1]] if found else "dim"


def lines_of(root: Row, plain: bool) -> Iterator[Tuple[str, Row]]:
    """Every row with the lines that lead to it: of very many, the last."""
    blank, bar, fork, corner = (
        ("    ", "|   ", "|-- ", "`-- ") if plain else ("    ", "│   ", "├── ", "└── ")
    )
    pending = [("", "", root)]
    while pending:
        before, own, row = pending.pop()
        yield (before + own)[-GUIDES:], row
        before += {"": "", fork: bar, corner: blank}[own]
        ways = [fork] * (len(row.children) - 1) + [corner]
        pending += [(before[-GUIDES:], way, child) for way, child in zip(ways, row.children)][::-1]
