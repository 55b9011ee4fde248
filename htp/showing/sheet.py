"""What a result with rows says of itself, once: columns, rows, and the lines above and below.

Lines of text (``text``), HTML (``table``, ``folded``) and data frames (``frames``) are made of it.
"""

from dataclasses import dataclass
from typing import Any, Callable, Generic, Optional, Sequence, Tuple, TypeVar

__all__ = ["INDEX", "Column", "Sheet", "of_call"]

Row = TypeVar("Row")

INDEX = ("path", "call")
"""What tells the rows of a data frame apart where they are module calls."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column. People read its text, a data frame holds its value; either may be missing.

    Attributes:
        heading: what stands above it for people.
        text: how a row's cell reads; None where only data frames have the column.
        right: whether numbers stand in it.
        key: its name in a data frame; ``""`` where only people have it.
        value: what a data frame holds.
        dtype: pandas' name of the values' type; ``""`` for objects, such as texts.
        bar: how much of the cell is filled, from 0 to 1.
    """

    heading: str = ""
    text: Optional[Callable[[Row], str]] = None
    right: bool = False
    key: str = ""
    value: Optional[Callable[[Row], Any]] = None
    dtype: str = ""
    bar: Optional[Callable[[Row], float]] = None


@dataclass(frozen=True)
class Sheet(Generic[Row]):
    """A result as rows.

    Attributes:
        kind: what the result is called.
        title: what there is to say of all of it, in a line.
        columns: what is told of a row.
        rows: in the order in which they are read.
        index: the keys of the columns by which a data frame finds its rows.
        ends: what is said below, a line each; one that begins with blanks belongs to the last one
            that does not.
        mark: how a row stands out: ``"strong"``, ``"weak"`` or ``""``.
        shown: how many rows are not folded away.
        depths: of rows that are a tree: how many are above each.
        parents: likewise: the number of the row above each, before its own; -1 where there is none.
        whole: likewise: whether the first column has whole paths, of which the end will do.
        everything: what shows all rows, where not all of them are drawn.
    """

    kind: str
    title: str
    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    index: Tuple[str, ...] = ()
    ends: Sequence[str] = ()
    mark: Optional[Callable[[Row], str]] = None
    shown: Optional[int] = None
    depths: Optional[Sequence[int]] = None
    parents: Optional[Sequence[int]] = None
    whole: bool = False
    everything: str = "print() and to_pandas() have all"

    @property
    def told(self) -> Tuple[Column[Row], ...]:
        """The columns that people read."""
        return tuple(column for column in self.columns if column.text is not None)


def of_call(call: Callable[[Row], Any]) -> Tuple[Column[Row], ...]:
    """The columns of a module call in a data frame: ``path``, ``call`` and ``type``.

    Args:
        call: the ``ModuleCall`` of a row.
    """
    return (
        Column(key="path", value=lambda row: call(row).path),
        Column(key="call", value=lambda row: call(row).call, dtype="int64"),
        Column(key="type", value=lambda row: call(row).type, dtype="category"),
    )
