"""Rows that are a tree as HTML: what is deep is folded, and how many are drawn is bounded.

Without styles it reads as a list in a list, each number behind its heading::

    (root) DemoTransformer own 2 total 62        (root)      DemoTransformer    2   62
      - tokens Embedding total 1                 |  tokens   Embedding               1
"""

from typing import Any, Dict, List, Sequence

from htp.showing.markup import below, element, filled, framed, safe
from htp.showing.sheet import Column, Sheet

__all__ = ["html"]

OPEN = 2
"""Levels whose rows are open at first."""
MOST = 250
"""Rows that are drawn: the uppermost."""
DEEPEST = 40
"""Levels that are drawn: browsers give up on elements that are nested some hundred times."""
WIDEST = 48
"""Characters of a column."""

Columns = Sequence[Column[Any]]
Below = Dict[int, List[int]]
"""The rows below each row that has any; those without one above are below -1."""


def html(sheet: Sheet[Any]) -> str:
    """The sheet as HTML, of bounded size."""
    children: Below = {}
    for at, parent in enumerate(sheet.parents or ()):
        children.setdefault(parent, []).append(at)
    drawn = _chosen(children)
    body: List[str] = []
    if drawn:
        columns = filled(sheet, [sheet.rows[row] for row in drawn])
        head = _row([_heading(each) for each in columns])
        tree = head + _list(sheet, columns, children, drawn)
        body.append(element("div", tree, "t", _widths(sheet, columns, drawn)))
    left = len(sheet.rows) - len(drawn)
    if left:
        of_all = f"{left} of {len(sheet.rows)} rows are not drawn"
        body.append(element("p", f"{of_all}: {safe(sheet.everything)}."))
    return framed(sheet, [*body, *below(sheet.ends)])


def _chosen(children: Below) -> Dict[int, int]:
    """The rows that are drawn, with their depth: level by level, until there are enough."""
    found: Dict[int, int] = {}
    level, depth = children.get(-1, []), 0
    while level and depth <= DEEPEST and len(found) < MOST:
        level = level[: MOST - len(found)]
        found.update(dict.fromkeys(level, depth))
        level = [below for row in level for below in children.get(row, ())]
        depth += 1
    return found


def _list(sheet: Sheet[Any], columns: Columns, children: Below, drawn: Dict[int, int]) -> str:
    """The list of what is below -1, made from the bottom up: trees may be deep."""
    lists: Dict[int, str] = {}
    for parent in [*sorted(drawn, key=drawn.__getitem__, reverse=True), -1]:
        rows = children.get(parent, [])
        items = [
            _item(sheet, columns, row, drawn[row], lists.get(row, ""))
            for row in rows
            if row in drawn
        ]
        left = len(rows) - len(items)
        if left:
            items.append(element("li", element("i", f"{left} more")))
        lists[parent] = element("ul", "".join(items)) if items else ""
    return lists[-1]


def _item(sheet: Sheet[Any], columns: Columns, row: int, depth: int, inner: str) -> str:
    cells = [_name(sheet, row), *(_cell(column, sheet.rows[row]) for column in columns[1:])]
    if not inner:
        return element("li", _row(cells))
    held = element("summary", " ".join(cells), "r") + inner
    opened = "<details open>" if depth < OPEN else "<details>"
    return element("li", f"{opened}{held}</details>")


def _row(cells: Sequence[str]) -> str:
    return element("div", " ".join(cells), "r")


def _heading(column: Column[Any]) -> str:
    """It is drawn by the style: without it each number has its heading with it."""
    return element("span", "", "h n" if column.right else "h", title=column.heading)


def _short(sheet: Sheet[Any], row: int) -> str:
    """The first cell; of a path only what is below that of the row above."""
    first, above = sheet.told[0].text, (sheet.parents or ())[row]
    assert first is not None
    name = first(sheet.rows[row])
    before = f"{first(sheet.rows[above])}." if sheet.whole and above >= 0 else ""
    return name[len(before) :] if name.startswith(before) else name


def _name(sheet: Sheet[Any], row: int) -> str:
    return element("b", safe(_short(sheet, row)))


def _cell(column: Column[Any], row: Any) -> str:
    """A cell: empty ones hold their place; a number has its heading with it, unseen with styles."""
    assert column.text is not None
    told = safe(column.text(row))
    if column.right and told:
        told = f"{element('i', safe(column.heading))} {told}"
    style = "" if column.bar is None else _bar(column.bar(row))
    return element("span", told, "n" if column.right else "d", style)


def _bar(share: float) -> str:
    percent = round(100 * min(max(share, 0.0), 1.0))
    return f"background:linear-gradient(90deg,rgba(0,114,178,.35) {percent}%,transparent 0)"


def _widths(sheet: Sheet[Any], columns: Columns, drawn: Dict[int, int]) -> str:
    """The columns, as wide as what stands in them; the first one takes the rest."""
    names = max(len(_short(sheet, row)) + 3 * (depth + 1) for row, depth in drawn.items())
    widths = [_width(column, [sheet.rows[row] for row in drawn]) for column in columns[1:]]
    whole = min(names, WIDEST) + sum(widths) + 2 * len(widths)
    tracks = " ".join(f"{width}ch" for width in widths)
    return f"--htp:minmax(12ch,1fr) {tracks};width:{whole}ch"


def _width(column: Column[Any], rows: Sequence[Any]) -> int:
    """In digits: letters are wider than those."""
    assert column.text is not None
    longest = max(len(safe(column.text(row))) for row in rows)
    return min(max(longest, len(column.heading)), WIDEST) * 9 // 8 + 1
