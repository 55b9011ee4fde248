"""Puts what a result says of modules into the rows of the tree."""

import math
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from htp.errors import HTPError
from htp.reporting.results.given import NOT_FINITE
from htp.reporting.results.result import Cell, Column, Finding, Result
from htp.reporting.rows import Row, Rows
from htp.reporting.texts import shown

__all__ = ["placed_on"]

MOST_NOTES = 40
"""Notes of one module that are shown; that there are more is said."""


def placed_on(rows: Rows, result: Result) -> Dict[str, Any]:
    """A result as the page has it.

    Args:
        rows: of the tree.
        result: what is said.

    Returns:
        ``cells`` by row, for each row what stands for all its calls; ``calls`` for each finding by
        row, with its call; ``found`` the rows of what one looks for; ``apart`` what is said of
        modules that this file has not, or of nodes without a known owner.

    Raises:
        HTPError: it tells of modules, and of none that the file has.
    """
    _check(rows, result)
    told: Dict[int, List[Finding]] = {}
    apart: List[Finding] = []
    for each in result.findings:
        places = _places(rows, each)
        for row in places:
            told.setdefault(row.number, []).append(each)
        if not places:
            apart.append(each)
    numbers = sorted(told)
    return {
        "kind": result.kind,
        "title": result.title,
        "state": result.state,
        "lines": list(map(shown, result.lines)),
        "columns": [[each.name, each.form, each.help] for each in result.columns],
        "rows": numbers,
        "cells": [_together(result.columns, told[number]) for number in numbers],
        "calls": [[_call(each) for each in told[number]] for number in numbers],
        "found": [number for number in numbers if any(each.found for each in told[number])],
        "apart": [[_named(each), *_call(each)] for each in apart],
    }


def _check(rows: Rows, result: Result) -> None:
    paths = {each.path for each in result.findings if each.path}
    if paths and paths.isdisjoint(rows.paths()):
        known = next(filter(None, rows.paths()), "(root)")
        raise HTPError(
            f"The {result.title.lower()} is of another model: it tells of "
            f"{shown(repr(min(paths)))}, and the file has no module that it tells of.",
            f"its modules are called as {shown(repr(known))}.",
        )


def _places(rows: Rows, finding: Finding) -> List[Row]:
    if finding.path is None:
        return []
    found = [
        row
        for row in rows.of_path(finding.path)
        if not finding.origin or row.origin in ("", finding.origin)
    ]
    if finding.call is None:
        return found
    return [row for row in found if any(call.call == finding.call for call in row.line.members)]


def _call(finding: Finding) -> Tuple[Any, ...]:
    """The call, its cells and its notes."""
    notes = [[shown(label), shown(text)] for label, text in finding.notes[:MOST_NOTES]]
    if len(finding.notes) > MOST_NOTES:
        notes.append(["more", f"{len(finding.notes) - MOST_NOTES} that are not shown"])
    return finding.call, list(map(_shown, finding.cells)), notes


def _named(finding: Finding) -> str:
    if finding.path is None:
        return "(unknown owner)"
    call = f"@{finding.call}" if finding.call else ""
    return shown(f"{finding.path}{call}" or "(root)")


def _shown(cell: Cell) -> Cell:
    if isinstance(cell, list):
        return [cell[0], shown(cell[1])]
    return shown(cell) if isinstance(cell, str) else cell


def _together(columns: Sequence[Column], findings: Sequence[Finding]) -> List[Cell]:
    """What stands for several calls of a module."""
    cells = zip(*(each.cells for each in findings))
    return [_shown(_one(column.together, list(each))) for column, each in zip(columns, cells)]


def _one(together: str, cells: Sequence[Cell]) -> Cell:
    known = [cell for cell in cells if cell is not None]
    return TOGETHER[together](known) if known else None


def _rank(cell: Cell, nan: float) -> float:
    value = NOT_FINITE[cell] if isinstance(cell, str) else float(cell)
    return nan if math.isnan(value) else value


def _sum(cells: Sequence[Cell]) -> Cell:
    return sum(cells)


TOGETHER: Mapping[str, Callable[[Sequence[Cell]], Cell]] = {
    "sum": _sum,
    "most": lambda cells: max(cells, key=lambda cell: _rank(cell, math.inf)),
    "least": lambda cells: min(cells, key=lambda cell: _rank(cell, -math.inf)),
    "first": lambda cells: cells[0],
}
