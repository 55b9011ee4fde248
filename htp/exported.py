"""What is wanted and what is told of one export that takes place inside ``htp.tagging``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Sequence, Tuple

from htp.scope import Coverage, Provenance
from htp.showing.frames import frame
from htp.showing.sheet import Column, Sheet
from htp.showing.table import html
from htp.showing.text import brief, said

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Exported", "Exports", "Wishes"]


class Wishes(NamedTuple):
    """What whoever opened a context wants of the exports in it.

    Attributes:
        backend: the backend that alone listens; None for all that can run here.
        origin: whether models say what their graphs were.
        root: the path of what is exported in the whole that it is a part of; "" for the whole.
    """

    backend: Optional[str] = None
    origin: bool = True
    root: str = ""


@dataclass(frozen=True, repr=False)
class Exported:
    """One export, and whether its nodes were tagged.

    Attributes:
        model: the class name of what was exported.
        path: the file that it was written to, absolute; None for a file object, and for a program
            that stays in memory.
        exporter: which exporter of torch's it was: ``"torchscript"``, ``"fx"``, or
            ``"dynamo_export"`` for that of the releases before 2.6, which nothing listens to.
        backend: the backend that listened; None when none did.
        coverage: how many nodes are known in which way; None when they were not tagged.
        nodes: how many nodes the model has; None when HTP did not see them.
        reason: in one line, why it was not tagged; None when it was.
    """

    model: str
    path: Optional[str]
    exporter: str
    backend: Optional[str] = None
    coverage: Optional[Coverage] = None
    nodes: Optional[int] = None
    reason: Optional[str] = None

    @property
    def tagged(self) -> bool:
        """Whether the nodes have tags."""
        return self.reason is None

    def __repr__(self) -> str:
        where = "" if self.path is None else f" to {self.path}"
        known = self.coverage if self.tagged else f"not tagged: {self.reason}"
        return f"<Exported {brief(self.model + where)}; {brief(known)}>"


class Exports(List[Exported]):
    """A list of exports."""

    def to_pandas(self) -> "DataFrame":
        """A row for each export.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(_sheet(self))

    def __repr__(self) -> str:
        return said(_sheet(self))

    def _repr_html_(self) -> str:
        return html(_sheet(self))


def _nodes(kind: Provenance) -> Column[Exported]:
    return Column(
        key=kind.value,
        value=lambda each: each.coverage and getattr(each.coverage, kind.value),
        dtype="Int64",
    )


_COLUMNS: Tuple[Column[Exported], ...] = (
    Column("model", lambda each: each.model, key="model", value=lambda each: each.model),
    Column("file", lambda each: each.path or "-", key="path", value=lambda each: each.path),
    Column("exporter", lambda each: each.exporter, False, "exporter", lambda each: each.exporter),
    Column("backend", lambda e: e.backend or "-", False, "backend", lambda each: each.backend),
    Column("", lambda each: str(each.coverage or each.reason)),
    Column(key="nodes", value=lambda each: each.nodes, dtype="Int64"),
    *map(_nodes, Provenance),
    Column(key="tagged", value=lambda each: each.tagged, dtype="bool"),
    Column(key="reason", value=lambda each: each.reason),
)


def _sheet(exports: Sequence[Exported]) -> Sheet[Exported]:
    tagged = sum(1 for each in exports if each.tagged)
    return Sheet("Exports", f"{len(exports)}, {tagged} of them tagged", _COLUMNS, exports)
