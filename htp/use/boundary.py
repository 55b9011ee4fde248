"""What a module call takes and returns, as values of the file.

The capture recorded it, in the module's own order, and the file's origin says so. Where it does not
(an older file, a foreign one), or where a tool has taken a value away, the graph has to tell: what
the call's own nodes read and do not make, and what they make and others read.
"""

from typing import (
    TYPE_CHECKING,
    Any,
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
from htp.scope import ModuleCall, Sharing
from htp.use.border import Border
from htp.use.calls import Calls
from htp.use.modules import Modules
from htp.use.places import FUNCTION, Placed, placed

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile
    from htp.file.origin import Origin

__all__ = ["Boundary", "BoundaryValue", "boundary"]

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
            ``untraced``). With a name: None, or ``merged``, for a value that stands for this one.
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
        """Whether these are the module's own arguments and results, each with its name."""
        return not self.remarks and all(value.known for value in (*self.taken, *self.given))

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


def _row(value: BoundaryValue) -> Dict[str, Any]:
    place = None if value.place is None else list(value.place)
    return {"place": place, "name": value.name, "known": value.known, "reason": value.reason}


def boundary(file: "ModelFile", path: str, call: int = 0) -> Boundary:
    """What a module call takes and returns; see ``TaggedModel.boundary``."""
    with no_search():
        rows = placed(file)
        found, origin = Calls(rows, file.origins).asked(path, call)
        return _boundary(file, rows, found, origin)


def _boundary(
    file: "ModelFile", rows: Sequence[Placed], call: ModuleCall, origin: Optional["Origin"]
) -> Boundary:
    mark = origin.fingerprint if origin and len(file.origins) > 1 else None
    own = _own(rows, call, Modules((row.tag for row in rows), file.origins), mark)
    border = Border(file.outline.graph, [row.node for row in own])
    record = _record(origin, call)
    taken = _side(record and record.inputs, border.inputs, border.names)
    given = _side(record and record.outputs, border.outputs, border.names)
    return Boundary(call, taken, given, tuple(_remarks(record, own, taken + given)))


def _record(origin: Optional["Origin"], call: ModuleCall) -> Optional[CallRecord]:
    records = origin.records() if origin else ()
    return next((record for record in records if record.stack[-1:] == (call,)), None)


def _own(
    rows: Sequence[Placed], call: ModuleCall, modules: Modules, mark: Optional[str]
) -> List[Placed]:
    """The nodes of a call. One that was merged whole with an equal call has that one's."""
    here = [row for row in rows if row.place != FUNCTION and mark in (None, origin_of(row.node))]
    own = [row for row in here if call in row.tag.stack]
    return own or [
        row
        for row in here
        if row.tag.sharing is Sharing.MERGED
        and any(call in modules.stack(other) for other in row.tag.shared)
    ]


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
    if any(value.name is None for value in found):
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
