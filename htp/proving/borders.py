"""Which value of the file is which tensor of PyTorch.

The origin in the file says under which name each argument and result of a call stands; the
recording says which tensor it was. A tensor that has no name at one call may have one at another
that hands it on, since it is the same object there. Of an older file, which does not say it, the
graph tells which values leave a call.
"""

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from htp.graph.records import CallRecord, ValueRecord
from htp.proving.recorded import Place, Recording
from htp.scope import ModuleCall

__all__ = ["Border", "Borders", "Value"]


class Value(NamedTuple):
    """A tensor that a call took or gave.

    Attributes:
        tensor: its number in the recording.
        name: the value of the file that it is; None where there is none.
        reason: why there is none, as ``htp.graph.records.ValueRecord`` says.
    """

    tensor: int
    name: Optional[str]
    reason: str


class Border(NamedTuple):
    """What a call took and gave.

    Attributes:
        call: the call.
        taken: the tensors that it took.
        given: the tensors that it returned.
    """

    call: ModuleCall
    taken: Tuple[Value, ...]
    given: Tuple[Value, ...]


class Borders:
    """The borders of all calls.

    Args:
        recording: what PyTorch did.
        records: what the file says of its calls.
        graph: tells which values leave a call, as the graph has it. It is asked of calls of which
            the file does not say what they returned.

    Attributes:
        rows: for each call of the recording its border.
        named: for each name of a value the tensors that it is, the first seen first.
        unseen: calls that the file knows and PyTorch did not make.
    """

    def __init__(
        self,
        recording: Recording,
        records: Sequence[CallRecord],
        graph: Callable[[ModuleCall], Sequence[str]],
    ) -> None:
        told = {_key(record.stack[-1]): record for record in records}
        known = {_key(seen.call) for seen in recording.calls}
        self.unseen = tuple(r.stack[-1] for k, r in told.items() if k not in known)
        by_tensor: Dict[int, str] = {}
        rough: List[Border] = []
        for seen in recording.calls:
            record = told.get(_key(seen.call))
            taken = _side(record and record.inputs, seen.taken, record is not None)
            given = _side(record and record.outputs, seen.given, record is not None)
            if record is not None and record.outputs is None:
                given = _by_order(given, graph(seen.call))
            for value in (*taken, *given):
                if value.name is not None:
                    by_tensor.setdefault(value.tensor, value.name)
            rough.append(Border(seen.call, taken, given))
        self.rows = [
            Border(row.call, _filled(row.taken, by_tensor), _filled(row.given, by_tensor))
            for row in rough
        ]
        self.named: Dict[str, List[int]] = {}
        for row in self.rows:
            for value in (*row.taken, *row.given):
                if value.name is not None:
                    self.named.setdefault(value.name, []).append(value.tensor)
        for name, tensors in self.named.items():
            self.named[name] = sorted(set(tensors))

    def rename(self, name_of: Callable[[str], str]) -> None:
        """Call values as the file calls them that is looked into."""

        def of(values: Sequence[Value]) -> Tuple[Value, ...]:
            return tuple(v if v.name is None else v._replace(name=name_of(v.name)) for v in values)

        self.rows = [Border(row.call, of(row.taken), of(row.given)) for row in self.rows]
        self.named = {name_of(name): tensors for name, tensors in self.named.items()}


def _key(call: ModuleCall) -> Tuple[str, int]:
    return call.path, call.call


def _side(
    told: Optional[Sequence[ValueRecord]], seen: Dict[Place, int], known: bool
) -> Tuple[Value, ...]:
    """Of what a call took, or gave, the names in the file.

    Where nothing stands in the same place on both sides (an exporter may hand the model its keyword
    arguments by position), but as many do, they are the same in order.
    """
    places = {value.place: value for value in told or ()}
    if told and not set(places) & set(seen) and len(places) == len(seen):
        places = dict(zip(seen, told))
    found = []
    for place, tensor in seen.items():
        value = places.get(place)
        if value is None:
            found.append(Value(tensor, None, "untold" if known else "unknown to the file"))
        else:
            found.append(Value(tensor, value.name, value.reason or ""))
    return tuple(found)


def _by_order(values: Sequence[Value], names: Sequence[str]) -> Tuple[Value, ...]:
    """The names that the graph tells, where they are as many as the tensors."""
    if len(values) != len(names):
        return tuple(values)
    return tuple(value._replace(name=name) for value, name in zip(values, names))


def _filled(values: Sequence[Value], by_tensor: Dict[int, str]) -> Tuple[Value, ...]:
    return tuple(
        value if value.name is not None else value._replace(name=by_tensor.get(value.tensor))
        for value in values
    )
