"""Rows as a table of HTML: the first ones are seen, others folded, and how many is bounded."""

from typing import Any, List, Sequence

from htp.showing.markup import below, element, filled, framed, safe
from htp.showing.sheet import Column, Sheet

__all__ = ["html"]

SHOWN = 20
"""Rows that are seen at first."""
MOST = 200
"""Rows that are drawn."""


def html(sheet: Sheet[Any]) -> str:
    """The sheet as HTML, of bounded size."""
    shown = SHOWN if sheet.shown is None else min(sheet.shown, SHOWN)
    columns = filled(sheet, sheet.rows[:MOST])
    body: List[str] = []
    if sheet.rows[:shown]:
        body.append(_table(sheet, columns, sheet.rows[:shown]))
    folded = sheet.rows[shown:MOST]
    if folded:
        more = "more rows" if shown else "rows"
        said = element("summary", f"{len(folded)} {more}")
        body.append(element("details", said + _table(sheet, columns, folded)))
    left = len(sheet.rows) - MOST
    if left > 0:
        body.append(element("p", f"{left} more rows are not drawn: {safe(sheet.everything)}."))
    return framed(sheet, [*body, *below(sheet.ends)])


def _table(sheet: Sheet[Any], columns: Sequence[Column[Any]], rows: Sequence[Any]) -> str:
    headings = (element("th", safe(c.heading), "n" if c.right else "") for c in columns)
    head = element("thead", element("tr", "".join(headings)))
    drawn = (
        element("tr", "".join(_cell(column, row) for column in columns), _mark(sheet, row))
        for row in rows
    )
    return element("table", head + element("tbody", "".join(drawn)), "w")


def _mark(sheet: Sheet[Any], row: Any) -> str:
    return "" if sheet.mark is None else sheet.mark(row)


def _cell(column: Column[Any], row: Any) -> str:
    assert column.text is not None
    return element("td", safe(column.text(row)), "n" if column.right else "")
