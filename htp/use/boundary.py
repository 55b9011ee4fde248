"""What a module call takes and returns, as values of the file.

The capture recorded it, in the module's own order, and the file's origin says so. Where it does not
(an older file, a foreign one), or where a tool has taken a value away, the graph has to tell: what
the call's own nodes read and do not make, and what they make and others read.
"""

from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from htp.file.garbage import no_search
from htp.file.tags import origin_of
from htp.graph.records import CallRecord, ValueRecord
from htp.scope import ModuleCall, Sharing, Tag
from htp.showing.frames import frame
from htp.showing.sheet import Column, Sheet
from htp.showing.table import html
from htp.showing.text import brief, listed, said
from htp.use.border import Border, Whole
from htp.use.calls import Calls
from htp.use.modules import Modules
from htp.use.places import FUNCTION, Placed, placed

if TYPE_CHECKING:
    from pandas import DataFrame

    from htp.file.model_file import ModelFile

__all__ = ["Borders", "Boundary", "BoundaryValue", "boundary"]

Place = Tuple[str, ModuleCall]
"""A call of one of the exports in the file, which is told by its fingerprint."""

_FOLDED = "folded"

GONE = "gone"
"""Why a value has no name: the capture knew it, and the file has none of that name any more."""


class BoundaryValue(NamedTuple):
    """A value that a module call takes or returns.

    Attributes:
        place: where it stands among the arguments or results, outermost first, as in
            ``("0",)`` or ``("mask",)``; None where only the graph tells of it.
        name: its name in the file; None where it has none.
        reason: why it has none: ``gone`` where a tool took it away, else as the capture says
            (``fused``, ``folded``, ``unread``, ``rewritten``, ``ambiguous``, ``body``,
            ``untraced``). With a name: None; ``merged``, for a value that stands for this one; or
            ``folded``, for an argument that the call's nodes read more of than this value.
    """

    place: Optional[Tuple[str, ...]]
    name: Optional[str]
    reason: Optional[str] = None

    @property
    def known(self) -> bool:
        """Whether it is the module's own argument or result, and has a name."""
        return self.place is not None and self.name is not None


class Boundary(NamedTuple):
    """What a module call takes and returns.

    Attributes:
        call: the call.
        taken: the values that it takes: those that the capture knew in the module's own order,
            then, where one of them has no name, others that its nodes read.
        given: the values that it returns, likewise.
        remarks: what could not be told.
    """

    call: ModuleCall
    taken: Tuple[BoundaryValue, ...]
    given: Tuple[BoundaryValue, ...]
    remarks: Tuple[str, ...] = ()

    @property
    def inputs(self) -> Tuple[str, ...]:
        """The names of the values that it takes."""
        return tuple(value.name for value in self.taken if value.name is not None)

    @property
    def outputs(self) -> Tuple[str, ...]:
        """The names of the values that it returns."""
        return tuple(value.name for value in self.given if value.name is not None)

    @property
    def exact(self) -> bool:
        """Whether these are the module's own arguments and results, each with its name.

        And whether its nodes read no argument by another value, which was made of it in advance.
        """
        values = (*self.taken, *self.given)
        return not self.remarks and all(v.known and v.reason != _FOLDED for v in values)

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": "htp.boundary/1",
            "call": self.call._asdict(),
            "exact": self.exact,
            "inputs": [_row(value) for value in self.taken],
            "outputs": [_row(value) for value in self.given],
            "remarks": list(self.remarks),
        }

    def to_pandas(self) -> "DataFrame":
        """A row for each value: on which ``side`` it is, ``inputs`` or ``outputs``, and its place.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(_sheet(self))

    def __repr__(self) -> str:
        return said(_sheet(self))

    def _repr_html_(self) -> str:
        return html(_sheet(self))


_Sided = Tuple[str, BoundaryValue]


def _at(row: _Sided) -> str:
    return "" if row[1].place is None else ".".join(row[1].place)


_COLUMNS: Tuple[Column[_Sided], ...] = (
    Column("", lambda row: {"inputs": "takes", "outputs": "returns"}[row[0]]),
    Column(key="side", value=lambda row: row[0], dtype="category"),
    Column(
        *("argument or result", lambda row: _at(row) or "-"),
        key="place",
        value=lambda row: None if row[1].place is None else _at(row),
    ),
    Column(
        *("value", lambda row: "-" if row[1].name is None else row[1].name),
        key="name",
        value=lambda row: row[1].name,
    ),
    Column(key="known", value=lambda row: row[1].known, dtype="bool"),
    Column("", lambda row: row[1].reason or "", key="reason", value=lambda row: row[1].reason),
)


def _sheet(found: Boundary) -> Sheet[_Sided]:
    rows = [("inputs", value) for value in found.taken]
    rows += [("outputs", value) for value in found.given]
    name = brief(found.call) or "(root)"
    title = f"{name} takes {listed(found.inputs) or 'nothing'}, "
    title += f"returns {listed(found.outputs) or 'nothing'}"
    title += "; exact" if found.exact else "; not exact"
    return Sheet(
        "Boundary", title, _COLUMNS, rows, ends=[f"Remark: {each}." for each in found.remarks]
    )


def _row(value: BoundaryValue) -> Dict[str, Any]:
    place = None if value.place is None else list(value.place)
    return {"place": place, "name": value.name, "known": value.known, "reason": value.reason}


def boundary(file: "ModelFile", path: str, call: int = 0) -> Boundary:
    """What a module call takes and returns; see ``TaggedModel.boundary``."""
    with no_search():
        rows = placed(file)
        found, origin = Calls(rows, file.origins).asked(path, call)
        homes = (origin_of(row.node) for row in rows if found in row.tag.stack)
        return Borders(file, rows).of(found, origin.fingerprint if origin else next(homes, ""))


class Borders:
    """What the module calls of a file take and return: the file is looked through once for all.

    Args:
        file: the file.
        rows: its nodes.
    """

    def __init__(self, file: "ModelFile", rows: Sequence[Placed]) -> None:
        self._several = len(file.origins) > 1
        self._rows = [row for row in rows if row.place != FUNCTION]
        self._whole = Whole(file.outline.graph)
        self._modules = Modules((row.tag for row in rows), file.origins)
        self._records: Dict[Place, CallRecord] = {}
        for origin in file.origins:
            for record in origin.records():
                for call in record.stack[-1:]:
                    self._records.setdefault((self._mark(origin.fingerprint), call), record)
        self._own = self._placed(lambda tag: tag.stack)
        self._merged = self._placed(self._stands_for)

    def of(self, call: ModuleCall, origin: str = "") -> Boundary:
        """Of one call.

        Args:
            call: the call.
            origin: fingerprint of its export; ``""`` where there is only one.
        """
        place = (self._mark(origin), call)
        numbers = self._own.get(place) or self._merged.get(place) or ()
        own = [self._rows[number] for number in numbers]
        border, record = Border(self._whole, [row.node for row in own]), self._records.get(place)
        taken = _side(record and record.inputs, border.inputs, self._whole.names)
        given = _side(record and record.outputs, border.outputs, self._whole.names)
        return Boundary(call, taken, given, tuple(_remarks(record, own, taken + given)))

    def _mark(self, origin: str) -> str:
        return origin if self._several else ""

    def _placed(self, told: Callable[[Tag], Iterable[ModuleCall]]) -> Dict[Place, List[int]]:
        """For each call the nodes whose tags tell of it."""
        found: Dict[Place, List[int]] = {}
        known: Dict[int, Sequence[ModuleCall]] = {}
        for number, row in enumerate(self._rows):
            mark = self._mark(origin_of(row.node)) if self._several else ""
            calls = known.get(id(row.tag))
            if calls is None:
                calls = known[id(row.tag)] = tuple(dict.fromkeys(told(row.tag)))
            for call in calls:
                found.setdefault((mark, call), []).append(number)
        return found

    def _stands_for(self, tag: Tag) -> Iterable[ModuleCall]:
        """One that was merged whole with an equal call has that one's nodes."""
        others = tag.shared if tag.sharing is Sharing.MERGED else ()
        return (call for other in others for call in self._modules.stack(other))


def _side(
    told: Optional[Sequence[ValueRecord]], read: Sequence[str], names: Set[str]
) -> Tuple[BoundaryValue, ...]:
    """The values of one side.

    Args:
        told: what the capture knew; None for nothing.
        read: what the graph tells.
        names: of all values of the file.
    """
    if told is None:
        return tuple(BoundaryValue(None, name) for name in read)
    found: List[BoundaryValue] = []
    for value in told:
        here = value.name is not None and value.name in names
        reason = GONE if value.name is not None and not here else value.reason
        found.append(BoundaryValue(value.place, value.name if here else None, reason))
    if any(value.name is None or value.reason == _FOLDED for value in found):
        known = {value.name for value in found}
        found += [BoundaryValue(None, name) for name in read if name not in known]
    return tuple(found)


def _remarks(
    record: Optional[CallRecord], own: Sequence[Placed], values: Sequence[BoundaryValue]
) -> Iterable[str]:
    if record is None or record.inputs is None or record.outputs is None:
        yield "the file does not say what the call took and returned: the graph was asked"
    if not own and not any(value.name for value in values):
        yield "no node of the file is this call's own"
