"""Where all output goes: made safe for a terminal here, and nowhere else.

What comes from a file, a plug-in or the environment is text that somebody else chose. A name may
hold sequences that move the cursor, set the title, open links or turn the direction of writing. So
no command prints by itself: what it hands over comes out as printable characters and nothing else,
in a pipe too, and only what is put between the pieces (lines, columns, colours) is HTP's own.
"""

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Sequence, Tuple, Union

import click

from htp.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = [
    "Column",
    "Piece",
    "is_plain",
    "paragraph",
    "print_as_it_is",
    "print_json",
    "print_table",
    "remark",
    "say",
    "say_all",
    "size_of",
]

LONGEST = 400
"""Characters of a cell that are shown: more are no name, and would widen every line."""

Piece = Union[str, Tuple[str, str]]
"""A text, or a text and its style."""


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        heading: what stands above it.
        right: whether numbers stand in it.
        most: if it is the one to be cut on a narrow terminal: its width there at most.
    """

    heading: Piece = ""
    right: bool = False
    most: Optional[int] = None


def paragraph(text: object) -> str:
    """The same of several lines: all but the first are set in, so none can pass for another."""
    return "\n  ".join(printable(line) for line in str(text).split("\n"))


def _console() -> "Console":
    """Standard output: coloured on a terminal unless NO_COLOR is set."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def is_plain() -> bool:
    """Whether standard output knows no more than ASCII."""
    return not _console().encoding.lower().startswith("utf")


def _text(pieces: Sequence[Piece], style: str = "", most: Optional[int] = None) -> "Text":
    from rich.text import Text

    text = Text(style=style)
    for piece in pieces:
        told, look = (piece, None) if isinstance(piece, str) else piece
        told = printable(told)
        if most is not None and len(told) > most:
            told = f"{told[:most]}..."
        text.append(told, look)
    return text


def say(*pieces: Piece, style: str = "") -> None:
    """A line on standard output."""
    text, out = _text(pieces, style), _console()
    if out.is_terminal:
        out.print(text)
    else:
        click.echo(text.plain)


def say_all(text: str, style: str = "") -> None:
    """The lines of a text on standard output: all but the first are set in."""
    for line in paragraph(text).split("\n"):
        say(line, style=style)


def remark(text: str) -> None:
    """A text on standard error."""
    click.echo(paragraph(text), err=True)


def print_as_it_is(text: str) -> None:
    """Lines for programs on standard output, as long as they are; no character of theirs is lost.

    Of what is made safe here nothing is left to be done: who hands it over leaves out, or spells,
    what is not printable.
    """
    for line in text.split("\n"):
        click.echo(printable(line))


def print_json(document: Any, indent: Optional[int] = 2) -> None:
    """A document for programs: exact, in ASCII, control characters spelled as JSON does."""
    click.echo(json.dumps(document, indent=indent).replace("\x7f", "\\u007f"))


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Sequence[Piece]]]) -> None:
    """Print a table; in a pipe without the blanks that fill up its last column.

    Args:
        columns: of the table. Where none has a heading there is no line for it.
        rows: of cells of pieces.
    """
    out = _console()
    drawn = [[_text(cell, most=LONGEST) for cell in row] for row in rows]
    headings = [_text([column.heading], "dim") for column in columns]
    if any(heading.plain for heading in headings):
        drawn.insert(0, headings)
    if out.is_terminal:
        out.print(_table(columns, drawn))
    else:
        _print_plain(columns, [[cell.plain for cell in row] for row in drawn])


def _table(columns: Sequence[Column], rows: Sequence[Sequence["Text"]]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for column in columns:
        cut = column.most is not None
        table.add_column(
            justify="right" if column.right else "left",
            no_wrap=not cut,
            overflow="ellipsis",
            max_width=column.most,
        )
    for row in rows:
        table.add_row(*row)
    return table


def _print_plain(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows)]
    for row in rows:
        line = ""
        for column, width, cell in zip(columns, widths, row):
            blank = " " * (width - cell_len(cell))
            line += (blank + cell if column.right else cell + blank) + "  "
        click.echo(line.rstrip())


def size_of(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
