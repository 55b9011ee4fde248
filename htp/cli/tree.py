"""The module tree as a table for people and as JSON for programs."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from htp.cli.terminal import print_table
from htp.scope import Coverage, ModuleCall, Provenance
from htp.tagged import TaggedModel
from htp.tree import ModuleTree

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["STYLES", "Row", "as_json", "coverage_json", "coverage_text", "print_tree", "rows"]

STYLES: Dict[Provenance, str] = {
    Provenance.CAPTURED: "green",
    Provenance.PROPAGATED: "cyan",
    Provenance.INFERRED: "yellow",
    Provenance.UNKNOWN: "bold red",
}
CLASS_WIDTH = 28
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
    """

    name: str
    first: ModuleCall
    calls: int
    own: Coverage
    total: Coverage
    children: List["Row"] = field(default_factory=list)


def rows(root: ModuleTree, apart: bool = False, depth: Optional[int] = None) -> Row:
    """The lines of a tree.

    Args:
        root: the tree of module calls.
        apart: one line per call, and not one for all calls of a module under the same parent.
        depth: levels below the root; None for all. Counts always include what is left out.
    """
    key: Callable[[ModuleCall], object] = (lambda call: call) if apart else (lambda call: call.path)
    if not root.joined:
        return _row([root], "", key, apart, depth)
    row = _row([root], "", key, apart, 0)
    row.name = f"({len(root.children)} models)"
    row.children = [_row([each], "", key, apart, depth) for each in root.children]
    return row


def _row(
    calls: Sequence[ModuleTree],
    parent: str,
    key: Callable[[ModuleCall], object],
    apart: bool,
    depth: Optional[int],
) -> Row:
    groups: Dict[object, List[ModuleTree]] = {}
    if depth is None or depth > 0:
        for child in (child for call in calls for child in call.children):
            groups.setdefault(key(child.call), []).append(child)
    first = calls[0].call
    below = None if depth is None else depth - 1
    return Row(
        name=_below(first.path, parent) + (f"@{first.call}" if apart and first.call else ""),
        first=first,
        calls=len(calls),
        own=_sum([call.own for call in calls]),
        total=_sum([call.total for call in calls]),
        children=[_row(group, first.path, key, apart, below) for group in groups.values()],
    )


def _below(path: str, parent: str) -> str:
    return path[len(parent) + 1 :] if parent and path.startswith(f"{parent}.") else path


def _sum(counts: Sequence[Coverage]) -> Coverage:
    columns = zip(*([number for _, number in count] for count in counts))
    return Coverage(*(sum(column) for column in columns))


def coverage_json(coverage: Coverage) -> Dict[str, int]:
    """Nodes per provenance, and all of them as ``total``."""
    return {**{str(kind): count for kind, count in coverage}, "total": coverage.total}


def as_json(tagged: TaggedModel, root: Row, unknown: int, apart: bool) -> Dict[str, Any]:
    """What ``htp tree --json`` prints."""
    return {
        "backend": tagged.backend,
        "torch": tagged.torch,
        "coverage": coverage_json(tagged.coverage),
        "unknown": unknown,
        "tree": _row_json(root, apart),
    }


def _row_json(row: Row, apart: bool) -> Dict[str, Any]:
    return {
        "path": row.first.path,
        "type": row.first.type,
        **({"call": row.first.call} if apart else {"calls": row.calls}),
        "own": coverage_json(row.own),
        "total": coverage_json(row.total),
        "children": [_row_json(child, apart) for child in row.children],
    }


def coverage_text(coverage: Coverage) -> "Text":
    """``219 nodes: 210 captured, 9 propagated``, coloured."""
    from rich.text import Text

    text = Text(f"{coverage.total} node{'' if coverage.total == 1 else 's'}")
    for kind, count in coverage:
        if count:
            text.append(": " if text.plain.endswith(("node", "nodes")) else ", ")
            text.append(f"{count} {kind}", STYLES[kind])
    return text


def print_tree(out: "Console", tagged: TaggedModel, root: Row, unknown: int) -> None:
    """Draw the tree: a line per module, its nodes, and how their owners are known."""
    from rich.table import Table
    from rich.text import Text

    plain = not out.encoding.lower().startswith("utf")
    kinds = [kind for kind, count in tagged.coverage if count]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("module", no_wrap=True)
    # The only column that may be cut where the terminal is too narrow.
    table.add_column(
        "class", overflow="ellipsis", max_width=CLASS_WIDTH if out.is_terminal else None
    )
    table.add_column("own", justify="right", no_wrap=True)
    table.add_column("total", justify="right", no_wrap=True)
    for kind in kinds:
        heading = Text(str(kind), STYLES[kind])
        table.add_column(heading, justify="right", no_wrap=True, style=STYLES[kind])
    for guide, row in _lines(root, plain):
        name = Text(row.name or "(root)", _style(row))
        if row.calls > 1:
            name.append(f" {'x' if plain else MULTIPLY}{row.calls}", "magenta")
        counts = dict(row.total)
        table.add_row(
            Text.assemble((guide, "dim"), name),
            Text(row.first.class_name, "dim"),
            str(row.own.total or ""),
            str(row.total.total),
            *(str(counts[kind] or "") for kind in kinds),
        )
    print_table(out, table)
    out.print()
    out.print(coverage_text(tagged.coverage))
    if unknown:
        out.print(f"{unknown} of them have no known owner and stand in no line above.", style="red")
    if tagged.backend:
        out.print(f"Exported with backend {tagged.backend}, torch {tagged.torch}.", style="dim")


def _style(row: Row) -> str:
    """The colour of the weakest provenance in a row; dim where it has no node."""
    found = [kind for kind, count in row.total if count]
    return STYLES[found[-1]] if found else "dim"


def _lines(root: Row, plain: bool) -> Iterator[Tuple[str, Row]]:
    """Every row with the lines that lead to it."""
    blank, bar, fork, corner = (
        ("    ", "|   ", "|-- ", "`-- ") if plain else ("    ", "│   ", "├── ", "└── ")
    )

    def walk(row: Row, before: str) -> Iterator[Tuple[str, Row]]:
        for child in row.children:
            last = child is row.children[-1]
            yield before + (corner if last else fork), child
            yield from walk(child, before + (blank if last else bar))

    yield "", root
    yield from walk(root, "")
