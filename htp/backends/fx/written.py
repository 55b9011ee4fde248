"""Which value of the written graph a tensor of the forward pass is."""

from typing import Any, Container, Dict, Iterable, List, Optional, Set, Tuple, Union

from htp.backends.fx.built import BuiltGraph
from htp.backends.fx.folded import FoldedWork
from htp.backends.fx.marks import Marks
from htp.backends.fx.meta import Call
from htp.backends.fx.values import Seen, Value
from htp.graph.records import CallRecord, Kind, Operation, ValueRecord

__all__ = ["Replacements", "WrittenValues"]


class Replacements:
    """What took the place of a value in all its uses, as torch's optimiser went along."""

    def __init__(self) -> None:
        self._by: Dict[int, Tuple[Any, Any]] = {}
        self._copies: Dict[int, List[Tuple[Any, Any]]] = {}
        self._equal: Dict[int, List[Tuple[Any, Any]]] = {}

    def note(self, old: Any, new: Any) -> None:
        """``new`` computes what ``old`` did, and is read instead from now on."""
        if old is not new:
            self._by[id(old)] = (old, new)
            self._note_constant(old, new)
        self.note_identity(new.producer())

    def _note_constant(self, old: Any, new: Any) -> None:
        """What was folded may have computed nothing: a slice of everything, zeros added to it.

        Then the constants ``new`` and what was read hold the same, and either stands for both. Now,
        as the node is about to go.
        """
        node = old.producer()
        if node is None or new.const_value is None:
            return
        for given in node.inputs:
            if given is not None and _alike(given.const_value, new.const_value):
                self._equal.setdefault(id(given), []).append((old, given))
                self._equal.setdefault(id(old), []).append((given, old))

    def note_identity(self, node: Any) -> None:
        """A node that may hand on what it reads. A node that is gone forgets that, so now."""
        if node is not None and node.op_type == "Identity" and not node.domain:
            for copy, read in zip(node.outputs, node.inputs):
                self.note_copy(copy, read)

    def note_copy(self, copy: Any, read: Any) -> None:
        """A node hands on what it reads.

        Whoever drops it lets that be read instead. Whoever folds it puts a constant in its place,
        which is what it read as well.
        """
        self._by.setdefault(id(copy), (copy, read))
        self._copies.setdefault(id(read), []).append((copy, read))

    def is_copy(self, value: Any, read: Any) -> bool:
        """Whether a value is what a node handed on of another one."""
        return any(value is copy for copy, _ in self._copies.get(id(read), ()))

    def follow(
        self, value: Any, live: Dict[int, Any], past: Container[int] = (), *, same: bool = False
    ) -> Any:
        """What stands for a value: itself if it is still there, else what took its place.

        Args:
            value: the value.
            live: what is still there.
            past: what shall not stand for it, by ``id``.
            same: only what took its place, not what was found to hold the same.
        """
        waiting: List[Any] = [value]
        seen: Dict[int, Any] = {}
        while waiting:
            at = waiting.pop(0)
            if id(at) in past:
                continue
            if id(at) in live:
                return at
            if id(at) not in seen:
                seen[id(at)] = at
                waiting += self._by.get(id(at), ())[1:]
                waiting += (copy for copy, _ in self._copies.get(id(at), ()))
                waiting += (one for one, _ in (() if same else self._equal.get(id(at), ())))
        return self._last(value)

    def _last(self, value: Any) -> Any:
        """What took the place of a value that is there no more, nor anything for it."""
        seen: Set[int] = set()
        while id(value) in self._by and id(value) not in seen:
            seen.add(id(value))
            value = self._by[id(value)][1]
        return value


def _alike(one: Any, two: Any) -> bool:
    """Whether two constants are of one type and shape, and hold the same."""
    if one is None or two is None or one.size > _LARGE or one.dtype != two.dtype:
        return False
    try:
        return tuple(one.shape) == tuple(two.shape) and bool(one.tobytes() == two.tobytes())
    except TypeError:  # exported under a FakeTensorMode, weights have none
        return False


_LARGE = 2**20
"""Elements beyond which constants are not compared."""


class WrittenValues:
    """The values of the finished model.

    Args:
        model: the IR model that torch is about to write, or wrote.
        built: it, as first built.
        replaced: what took whose place in between.
        marks: of its nodes, collected.
    """

    def __init__(self, model: Any, built: BuiltGraph, replaced: Replacements, marks: Marks) -> None:
        graph = model.graph
        live = [*graph.inputs, *graph.initializers.values()]
        live += [value for node in graph for value in node.outputs]
        self._live = {id(value): value for value in live}
        self._by_name = {value.name: value for value in live if value.name}
        self._built = built
        self._replaced = replaced
        self._fused = marks.fused
        self._model, self._marks = model, marks
        self._work: Optional[FoldedWork] = None
        # No value of the built graph is left where a pass read the model anew from its bytes.
        self._remade = not any(value in built for value in live)

    @property
    def operations(self) -> Tuple[Operation, ...]:
        """What torch computed in advance of arguments of the calls that were asked for."""
        return self._work.operations() if self._work is not None else ()

    def records(self, calls: Iterable[Call]) -> Tuple[CallRecord, ...]:
        """The calls with the names of what they took and returned."""
        return tuple(
            CallRecord(call.stack, self._taken(call), self._side(call.outputs)) for call in calls
        )

    def _taken(self, call: Call) -> Optional[Tuple[ValueRecord, ...]]:
        records = self._side(call.inputs)
        if records is None or self._remade:
            return records
        folded = {
            at: seen.value.found
            for at, (seen, record) in enumerate(zip(call.inputs or (), records))
            if isinstance(seen.value, Value) and seen.traced
            if self._is_folded(call, seen.value, record)
        }
        names = self._of_folded().names(call.stack, folded) if folded else {}
        return tuple(
            _working(self._held(call, record, folded[at]), folded[at][0], names.get(at))
            if at in folded
            else record
            for at, record in enumerate(records)
        )

    def _held(self, call: Call, record: ValueRecord, found: List[Any]) -> ValueRecord:
        """The record of an argument that was folded, or of which something was.

        What is in the file by itself, or by what torch read in its place, is the argument. What was
        seen to hold the same may be what the call made of it.
        """
        if record.name is None:
            return ValueRecord(record.place, None, "folded")
        made = self._of_folded().made_of(call.stack, found)
        past = {id(value) for value in made}
        past.update(id(self._replaced.follow(value, self._live, same=True)) for value in made)
        name = self._one((each, {"same": True}) for each in found)
        name = name or self._one((each, {"past": past}) for each in found)
        return ValueRecord(record.place, name, "folded")

    def _one(self, asked: Iterable[Tuple[Any, Dict[str, Any]]]) -> Optional[str]:
        """The name of the one value of the file that stands for several; None for none or more."""
        ends = [self._replaced.follow(value, self._live, **how) for value, how in asked]
        names = {str(end.name) for end in ends if id(end) in self._live}
        return names.pop() if len(names) == 1 else None

    def _is_folded(self, call: Call, value: Value, record: ValueRecord) -> bool:
        """Whether the file has not what a call takes, or not all that the call makes of it."""
        if record.name is None:
            return record.reason == "folded" and record.kind is None
        if any(self._built.varies(each) for each in value.found):
            return False
        return bool(self._of_folded().made_of(call.stack, value.found))

    def _of_folded(self) -> FoldedWork:
        if self._work is None:
            nodes = self._built.nodes(self._marks)
            copies, opsets = self._replaced.is_copy, self._built.opsets
            self._work = FoldedWork(self._model, nodes, opsets, copies)
        return self._work

    def _side(self, seen: Optional[List[Seen]]) -> Optional[Tuple[ValueRecord, ...]]:
        if seen is None:
            return None
        return tuple(self._record(each) for each in seen)

    def _record(self, seen: Seen) -> ValueRecord:
        name, reason = self._name(seen.value)
        return ValueRecord(seen.place, name, reason, None if name else seen.unread)

    def _name(self, value: Union[Value, str]) -> Tuple[Optional[str], Optional[str]]:
        if isinstance(value, str):
            return None, value
        if value.reshaped:
            return None, "rewritten"
        if not value.found:
            return None, "untraced" if value.lost else "unread"
        ends = [self._end(each) for each in value.found]
        alive = {id(end): end for end in ends if id(end) in self._live}
        if len(alive) == 1:
            (end,) = alive.values()
            merged = end in self._built and not any(end is each for each in value.found)
            return str(end.name), "merged" if merged else None
        if alive:
            return None, "ambiguous"
        return None, "body" if value.inner else self._why_gone(value.found[0], ends[0])

    def _end(self, value: Any) -> Any:
        end = self._replaced.follow(value, self._live)
        return self._by_name.get(end.name, end) if self._remade else end

    def _why_gone(self, value: Any, end: Any) -> str:
        if id(value) in self._fused or id(end) in self._fused:
            return "fused"
        return self._built.why_gone(value)


def _working(record: ValueRecord, value: Any, name: Optional[str]) -> ValueRecord:
    """The record of a folded argument, with what the call computes of it where that is known."""
    if name is None or value.dtype is None or value.shape is None:
        return record
    shape = tuple(n if isinstance(n, int) else None for n in value.shape)
    return record._replace(kind=Kind(int(value.dtype), shape), work=name)
