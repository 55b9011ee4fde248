"""What a result says of modules, in one form, so that the page draws all of them in one way."""

from typing import Any, List, NamedTuple, Optional, Tuple

__all__ = ["BAD", "GOOD", "NOTE", "OPEN", "Cell", "Column", "Finding", "Result", "mark"]

BAD, NOTE, GOOD, OPEN = "bad", "note", "good", "open"
"""How the page shows a mark: each has a sign of its own beside its colour."""

Cell = Any
"""A number, a text, a mark, or None where there is nothing to say."""


class Column(NamedTuple):
    """A column.

    Attributes:
        name: its heading.
        form: how a cell is written: ``seconds``, ``share`` (with a bar), ``number``, ``decibels``,
            ``count``, ``text`` or ``mark``.
        together: what stands for several calls of a module: ``sum``, ``most``, ``least`` or
            ``first``.
        help: what it is, in a sentence.
    """

    name: str
    form: str
    together: str
    help: str


class Finding(NamedTuple):
    """What is said of one module, or of one call of it.

    Attributes:
        path: of the module; None where the owner is not known.
        call: which of its calls; None for the module.
        cells: one for each column.
        notes: further things to say, each with a label.
        found: whether this is what one looks for: a module to blame, a difference.
        origin: fingerprint of the export, where the result says it.
    """

    path: Optional[str]
    call: Optional[int]
    cells: Tuple[Cell, ...]
    notes: Tuple[Tuple[str, str], ...] = ()
    found: bool = False
    origin: str = ""


class Result(NamedTuple):
    """A result.

    Attributes:
        kind: which one: ``profile``, ``verify`` and so on.
        title: what to call it.
        lines: what there is to say of the whole, the first of it in few words.
        columns: of the tree.
        findings: what is said of modules.
        state: ``bad`` or ``good`` where the whole is one of them, else ``note``.
    """

    kind: str
    title: str
    lines: Tuple[str, ...]
    columns: Tuple[Column, ...]
    findings: Tuple[Finding, ...]
    state: str = NOTE


def mark(tone: str, text: str) -> List[str]:
    """A short text that is shown with a sign."""
    return [tone, text]
