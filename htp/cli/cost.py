"""``htp tree --cost``: the module tree with what each module costs."""

from typing import Dict, List, Optional, Sequence

import click

from htp.cli.inputs import lengths_of
from htp.cli.terminal import Column, Piece, is_plain, print_json, print_table, remark, say, size_of
from htp.cli.tree import CLASS_WIDTH, MULTIPLY, Row, lines_of, rows
from htp.errors import HTPError
from htp.showing.text import count
from htp.tagged import TaggedModel
from htp.use.cost import Cost
from htp.use.costs import Figures, macs

__all__ = ["COST", "SORT", "show_cost"]

COST = click.option("--cost", "with_cost", is_flag=True, help="Show what each module costs.")
SORT = click.option(
    "--sort",
    type=click.Choice(["parameters", "bytes", "macs", "activations", "nodes"]),
    help="With --cost: the dearest module first, among those side by side.",
)


def show_cost(
    tagged: TaggedModel,
    depth: Optional[int],
    calls: bool,
    sort: Optional[str],
    shapes: Sequence[str],
    as_json: bool,
) -> None:
    """Print what the modules cost.

    Args:
        tagged: the file.
        depth: levels below the root; None for all.
        calls: one line per call.
        sort: by which figure; None for the order of the forward pass.
        shapes: ``AXIS=N`` each.
        as_json: print JSON.
    """
    cost = tagged.cost(lengths_of(shapes))
    if as_json:
        print_json(_json(cost, depth, sort))
        return
    root = tagged.tree()
    if root.joined:
        raise HTPError(
            "Several models were merged into this file, and --cost draws the tree of one.",
            "say --json, which lists the calls of each.",
        )
    top = rows(root, apart=calls, depth=depth)
    figures = _figures(cost, top)
    if sort:
        for row in _all(top):
            row.children.sort(key=lambda each: -getattr(figures[id(each)], sort))
    _print(cost, top, figures)


def _json(cost: Cost, depth: Optional[int], sort: Optional[str]) -> Dict[str, object]:
    told = cost.to_json()
    kept = [row for row in told["rows"] if depth is None or row["depth"] <= depth]
    told["rows"] = sorted(kept, key=lambda row: -row[sort]) if sort else kept
    return told


def _all(top: Row) -> List[Row]:
    found = [top]
    for row in found:
        found += row.children
    return found


def _figures(cost: Cost, top: Row) -> Dict[int, Figures]:
    """What each line costs, by the line's ``id``."""
    return {id(row): cost.of(row.members) for row in _all(top)}


def _print(cost: Cost, top: Row, figures: Dict[int, Figures]) -> None:
    lines = list(lines_of(top, is_plain()))
    sharing = any(each.shared for each in figures.values())
    elsewhere = any(each.elsewhere for each in figures.values())
    folded = any(each.folded for each in figures.values())
    columns = [Column("module"), Column("class", most=CLASS_WIDTH)]
    names = ["nodes", "parameters", *["shared"] * sharing, *["folded"] * folded]
    ends = ["bytes", "MACs", *["elsewhere"] * elsewhere, "activations"]
    columns += [Column(name, right=True) for name in (*names, *ends)]
    print_table(
        columns, [_cells(guide, row, figures[id(row)], names, elsewhere) for guide, row in lines]
    )
    say()
    say(
        f"{count(cost.total.parameters)} parameters, {size_of(cost.total.bytes)}, ",
        f"{macs(cost.total)} MACs",
    )
    if cost.unowned.nodes:
        say(
            f"{cost.unowned.nodes} nodes have no known owner and stand in no line above.",
            style="red",
        )
    for each in cost.remarks:
        remark(f"Remark: {each}.")


def _cells(
    guide: str, row: Row, cost: Figures, names: Sequence[str], elsewhere: bool
) -> List[List[Piece]]:
    name: List[Piece] = [(guide, "dim"), row.name or "(root)"]
    if row.calls > 1:
        name.append((f" {'x' if is_plain() else MULTIPLY}{row.calls}", "magenta"))
    cells: List[List[Piece]] = [name, [(row.first.class_name, "dim")]]
    cells += [[count(getattr(cost, each)) if getattr(cost, each) else ""] for each in names]
    cells.append([size_of(cost.bytes) if cost.bytes else ""])
    cells.append([macs(cost)])
    cells += [[count(cost.elsewhere) if cost.elsewhere else ""]] * elsewhere
    return [*cells, [count(cost.activations)]]
