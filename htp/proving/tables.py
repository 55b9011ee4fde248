"""Plain tables."""

from typing import Collection, List, Sequence

from htp.printable import printable

__all__ = ["table"]


def table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> List[str]:
    """Lines of a table, safe for a terminal.

    Args:
        rows: of cells; the first is the heading.
        right: the columns with numbers.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in cells
    ]
