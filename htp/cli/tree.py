"""The module tree as a table for people and as JSON for programs."""

from typing import Any, Dict, Iterator, List, Tuple

from htp.cli.terminal import Column, Piece, is_plain, print_table, say
from htp.errors import HTPError
from htp.scope import Coverage, Provenance
from htp.tagged import TaggedModel
from htp.tree import Row, rows

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
