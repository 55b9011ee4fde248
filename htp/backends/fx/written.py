"""Which value of the written graph a tensor of the forward pass is."""

from typing import Any, Dict, Iterable, List, Optional, Set, Tuple, Union

from htp.backends.fx.folded import Built, FoldedWork
from htp.backends.fx.ir import walk
from htp.backends.fx.marks import Marks
from htp.backends.fx.meta import Call
from htp.backends.fx.values import Seen, Value
from htp.graph.records import CallRecord, Kind, Operation, ValueRecord

__all__ = ["BuiltGraph", "Replacements", "WrittenValues"]


class Replacements:
    """What took the place of a value in all its uses, as torch's optimiser went along."""

    def __init__(self) -> None:
        self._by: Dict[int, Tuple[Any, Any]] = {}
        self._copies: Dict[int, List[Tuple[Any, Any]]] = {}

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
                self._copies.setdefault(id(given), []).append((old, given))
                self._copies.setdefault(id(old), []).append((given, old))

    def note_identity(self, node: Any) -> None:
        """A node that may hand on what it reads.

        Whoever drops it lets that be read instead. Whoever folds it puts a constant in its place,
        which is what it read as well. Now, because a node that is gone forgets what it read.
        """
        if node is not None and node.op_type == "Identity" and not node.domain:
            for old, new in zip(node.outputs, node.inputs):
                self._by.setdefault(id(old), (old, new))
                self._copies.setdefault(id(new), []).append((old, new))

    def follow(self, value: Any, live: Dict[int, Any]) -> Any:
        """What stands for a value: itself if it is still there, else what took its place."""
        waiting: List[Any] = [value]
        seen: Dict[int, Any] = {}
        while waiting:
            at = waiting.pop(0)
            if id(at) in live:
                return at
            if id(at) not in seen:
                seen[id(at)] = at
                waiting += self._by.get(id(at), ())[1:]
                waiting += (copy for copy, _ in self._copies.get(id(at), ()))
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


class BuiltGraph:
    """What is remembered of the main graph as torch first built it.

    Args:
        model: the IR model.
    """

    def __init__(self, model: Any) -> None:
        self._left = [node for node, _ in walk(model)]
        self._nodes = [(list(node.inputs), list(node.outputs)) for node in self._left]
        self.opsets: Dict[str, int] = dict(model.opset_imports)
        self._outputs = list(model.graph.outputs)
        self._inputs = {id(value) for value in model.graph.inputs}
        self._made = {id(value) for _, outputs in self._nodes for value in outputs}
        self._made |= self._inputs
        self._both: Optional[Tuple[Set[int], Set[int]]] = None

    def __contains__(self, value: Any) -> bool:
        return id(value) in self._made

    def why_gone(self, value: Any) -> str:
        """Why a value is in the graph no more."""
        read, varying = self._flows()
        if id(value) not in read:
            return "unread"
        return "rewritten" if id(value) in varying else "folded"

    def varies(self, value: Any) -> bool:
        """Whether a value depends on what the model is given."""
        return id(value) in self._flows()[1]

    def _flows(self) -> Tuple[Set[int], Set[int]]:
        if self._both is None:
            self._both = self._flow()
        return self._both

    def nodes(self, marks: Marks) -> List[Built]:
        """Its nodes, as they were."""
        _, varying = self._flows()
        rows = zip(self._left, self._nodes, marks.told())
        return [
            Built(node, read, made, *told, any(id(value) in varying for value in made))
            for node, (read, made), told in rows
        ]

    def _flow(self) -> Tuple[Set[int], Set[int]]:
        """What an output of the graph depends on, and what depends on an input of the graph."""
        read = {id(value) for value in self._outputs}
        for inputs, outputs in reversed(self._nodes):
            if any(id(value) in read for value in outputs):
                read.update(id(value) for value in inputs if value is not None)
        varying = set(self._inputs)
        for inputs, outputs in self._nodes:
            if any(id(value) in varying for value in inputs):
                varying.update(id(value) for value in outputs)
        return read, varying


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
            _working(record, folded[at][0], names.get(at)) if at in folded else record
            for at, record in enumerate(records)
        )

    def _is_folded(self, call: Call, value: Value, record: ValueRecord) -> bool:
        """Whether the file has not what a call takes, or has it by chance."""
        if record.name is None:
            return record.reason == "folded" and record.kind is None
        if any(self._built.varies(each) for each in value.found):
            return False
        return self._of_folded().computes(call.stack, value.found)

    def _of_folded(self) -> FoldedWork:
        if self._work is None:
            nodes = self._built.nodes(self._marks)
            self._work = FoldedWork(self._model, nodes, self._built.opsets)
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
    record = ValueRecord(record.place, None, "folded")
    if name is None or value.dtype is None or value.shape is None:
        return record
    shape = tuple(n if isinstance(n, int) else None for n in value.shape)
    return record._replace(kind=Kind(int(value.dtype), shape), work=name)
