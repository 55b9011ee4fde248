"""Results as lines of text, safe for a terminal."""

from typing import Any, Collection, List, Sequence

from htp.printable import printable
from htp.showing.sheet import Sheet

__all__ = ["brief", "cells", "count", "counted", "figure", "lines", "listed", "said", "table"]

DEEPEST = 20
"""Levels by which a row is set in, at most."""
LONGEST = 96
"""Characters of a name in a line that is to stay short."""


def table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> List[str]:
    """Lines of a table, safe for a terminal.

    Args:
        rows: of cells; the first is the heading.
        right: the columns with numbers.
    """
    told = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*told)]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in told
    ]


def cells(sheet: Sheet[Any], row: Any) -> List[str]:
    """What people read of a row."""
    return [column.text(row) for column in sheet.columns if column.text is not None]


def lines(sheet: Sheet[Any]) -> List[str]:
    """The rows below their headings; those of a tree are set in."""
    rows = [cells(sheet, row) for row in sheet.rows]
    for row, depth in zip(rows, sheet.depths or ()):
        row[0] = "  " * min(depth, DEEPEST) + row[0]
    right = [at for at, column in enumerate(sheet.told) if column.right]
    return table([[column.heading for column in sheet.told], *rows], right)


def said(sheet: Sheet[Any]) -> str:
    """A ``repr``: one short line, whatever a file calls its modules."""
    return f"<{sheet.kind}: {brief(sheet.title, 2 * LONGEST)}>"


def brief(text: object, most: int = LONGEST) -> str:
    """A text that a file chose, in one safe line of bounded length."""
    told = str(text)
    short = printable(told[:most])
    return short if len(told) <= most and len(short) <= most else f"{short[: most - 1]}…"


def listed(names: Sequence[object], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(brief(name, LONGEST // 2) for name in names[:most]) + more


def counted(number: int, what: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def figure(number: int) -> str:
    """A number; nothing where it is zero."""
    return str(number) if number else ""


def count(number: float, unit: str = "") -> str:
    """A number as people read it, with three digits: ``12.3 k``, ``4.1 MB``."""
    for prefix in ("", "k", "M", "G"):
        if number < 1000:
            return f"{number:.3g} {prefix}{unit}".rstrip()
        number /= 1000
    return f"{number:.3g} T{unit}"
