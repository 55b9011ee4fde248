"""Where the values that calls took and returned went, from the traced graph to the file.

A value keeps its number through every pass but three kinds:

- passes that put one value in the place of another for all its readers (merging of equal
  operations, in-place operations made plain, the copy that is written): a Print that reads the
  values is in the graph meanwhile, and reads the new ones afterwards;
- the conversion to ONNX, which says for each operation what its results became;
- passes in which a Print would be seen (they ask how many readers a value has, or drop what has
  none). Only if a number is missing afterwards, its readers are looked up in the graph before, and
  what an unchanged reader reads now at the same place is what the value became.

No node or value is kept, only numbers, and graphs that torch drops unchanged.
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from htp.backends.torchscript.converting import Converting
from htp.backends.torchscript.ir import copied, inputs
from htp.backends.torchscript.reading import (
    Reader,
    carried,
    document_order,
    numbers_in,
    numbers_of,
    order,
    readers_of,
    values_of,
)
from htp.backends.torchscript.values import PRINT, Prints
from htp.backends.torchscript.vanished import Earlier, Found, Later

__all__ = ["Following"]

_INLINED = ("prim::CallFunction", "prim::CallMethod", "prim::PythonOp")
"""What becomes operations of its own before equal ones are merged."""

_CONSTANT = "prim::Constant"
"""Most nodes of a traced graph; calls hardly take any."""


class Following:
    """Follows the value of every slot.

    Attributes:
        numbers: the value's number in the graph as it stands, by slot; None once it is lost.
        reasons: why a slot has no value any more.
        merged: slots for which an equal value stands.
        copied: the graph before it was copied, which torch drops unchanged.
    """

    def __init__(self, prints: Prints) -> None:
        self._prints = prints
        self.numbers: List[Optional[int]] = []
        self.reasons: Dict[int, str] = {}
        self.merged: Set[int] = set()
        self.copied: Any = None
        self._built: Tuple[Any, List[int]] = (None, [])
        self._before_copy: Dict[int, int] = {}
        self._order: List[Tuple[bool, int]] = []
        self._readers: Dict[int, List[Reader]] = {}
        self._kinds: List[str] = []
        self._converting = Converting(set(), {})

    # --- the traced graph

    def take_out(self, graph: Any, slots: int) -> None:
        """Take the Prints of the trace out of the graph; they say which values are meant.

        Raises:
            RuntimeError: the graph has another number of them than was put in.
        """
        prints = self._prints.of(graph)
        self.numbers = list(numbers_of(prints))
        if len(self.numbers) != slots:
            raise RuntimeError(f"{slots} values were noted, the graph has {len(self.numbers)}")
        if self._writes(graph):
            self._order = list(order(self._prints, graph))
        values = {}
        if self._order or any(graph.findAllNodes(kind) for kind in _INLINED):
            values = {value.unique(): value for one in prints for value in inputs(one)}
        for one in prints:
            one.destroy()
        self._note_readers(values)

    def _writes(self, graph: Any) -> bool:
        """Whether an operation writes into a value that it reads."""
        kinds = {node.kind() for node in graph.nodes()}
        self._kinds = sorted(kinds - {_CONSTANT, PRINT})
        return any(
            "!" in node.schema()
            for kind in kinds
            if kind[-1] == "_" and kind[-2] != "_"
            for node in graph.findAllNodes(kind)[:1]
        )

    def through_writes(self, graph: Any, run: Callable[[], Any]) -> Any:
        """While in-place operations are made plain, the Prints are where the calls are.

        What is read before a write and what is read after it have one number until then.
        """
        if not self._order:
            return run()
        current = dict(enumerate(self.numbers))
        places = self._put_back(graph)
        result = run()
        prints = self._prints.of(graph)
        now = numbers_of(prints)
        current.update(zip(places, now))
        values = {value.unique(): value for one in prints for value in inputs(one)}
        for one in prints:
            one.destroy()
        self.numbers = [current[slot] for slot in range(len(self.numbers))]
        self._note_readers(values)
        return result

    def _note_readers(self, values: Dict[int, Any]) -> None:
        self._readers.update((number, readers_of(value)) for number, value in values.items())

    def _put_back(self, graph: Any) -> List[int]:
        """A Print for each slot before the next operation that is left; the slots in that order."""
        firsts = {node.outputsAt(0).unique(): node for node in graph.nodes() if node.outputsSize()}
        values = values_of(graph, {number for number in self.numbers if number is not None})
        waiting: List[int] = []
        places: List[int] = []

        def put(anchor: Any) -> None:
            for slot in waiting:
                number = self.numbers[slot]
                if number is not None and number in values:
                    self._prints.make(graph, [values[number]]).insertBefore(anchor)
                    places.append(slot)
            waiting.clear()

        for is_slot, number in self._order:
            if is_slot:
                waiting.append(number)
            elif number in firsts and waiting:
                put(firsts[number])
        put(graph.return_node())
        return places

    def through_merging(self, graph: Any, run: Callable[[], Any]) -> Any:
        """While equal operations are merged, a Print reads every value at the end of the graph."""
        if not self.numbers:
            return run()
        moved, result = carried(self._prints, graph, self._values(graph), run, lambda _: graph)
        for slot, number in enumerate(self.numbers):
            if number is not None and moved.get(number, number) != number:
                self.merged.add(slot)
        self._replace(moved)
        return result

    def through_replacing(self, graph: Any, run: Callable[[], Any]) -> Any:
        """The same while operations are made anew; afterwards few are, so readers are noted."""
        if not self.numbers:
            return run()
        readers: Dict[int, List[Reader]] = {}
        moved, result = carried(
            self._prints, graph, self._values(graph), run, lambda _: graph, readers
        )
        self._replace(moved)
        self._readers.update(readers)
        return result

    def _values(self, graph: Any) -> Dict[int, Any]:
        held = {number for number in self.numbers if number is not None}
        return values_of(graph, held, self._kinds)

    def _replace(self, moved: Dict[int, int]) -> None:
        self.numbers = [None if n is None else moved.get(n, n) for n in self.numbers]

    # --- the conversion

    def note_conversion(self, node: Any, given: Any, result: Any) -> None:
        """An operation was converted."""
        self._converting.note(node, given, result)

    def through_conversion(self, graph: Any, run: Callable[[], Any]) -> Any:
        """Follow every value to the ONNX graph."""
        if not self.numbers:
            return run()
        held = {number for number in self.numbers if number is not None}
        converting = self._converting = Converting(held, self._readers)
        converted = run()
        self._built = copied(converted), numbers_in(converted)
        given = [value.unique() for value in converted.inputs()]
        returned = [value.unique() for value in converted.outputs()]
        made, lost = converting.ended({*given, *self._built[1]}, returned)
        for number, reason in lost.items():
            self._lose(number, reason)
        self._move(made)
        self._converting, self._readers = Converting(set(), {}), {}
        return converted

    # --- the ONNX graph

    def through_copying(self, graph: Any, run: Callable[[], Any]) -> Any:
        """While the graph is copied, a Print that reads every value is copied with it."""
        held = {number for number in self.numbers if number is not None}
        if not held:
            return run()
        present = values_of(graph, held)
        if len(present) < len(held):
            missing = held - set(present)
            del present
            copy, numbers = self._built
            earlier = Earlier(copy, dict(zip(numbers_in(copy), numbers)), {}, known_axes=True)
            self._stand_in(earlier.now(Later(graph, {}), missing))
            present = values_of(graph, {n for n in self.numbers if n is not None})
        moved, copy = carried(self._prints, graph, present, run, lambda copy: copy)
        self.copied = graph
        self._before_copy = {new: old for old, new in moved.items()}
        self._move(moved)
        return copy

    def names(
        self,
        graph: Any,
        weights: Mapping[str, Any],
        earlier: Mapping[str, Any],
        fed: int,
        kinds: Iterable[str] = (),
    ) -> List[Optional[str]]:
        """The name of each slot's value in the graph that is written.

        Args:
            graph: the graph.
            weights: its initializers.
            earlier: those that it had at first.
            fed: how many of its inputs are none.
            kinds: of the nodes that most of the values are computed by.
        """
        held = {number for number in self.numbers if number is not None}
        present = values_of(graph, held, kinds)
        if len(present) < len(held):
            numbers = document_order(self.copied)
            if all(numbers.get(old) == new for new, old in self._before_copy.items()):
                before = Earlier(self.copied, numbers, earlier, known_axes=False)
                self._stand_in(before.now(Later(graph, weights, fed), held - set(present)))
                present = values_of(graph, {n for n in self.numbers if n is not None})
        named = {number: value.debugName() for number, value in present.items()}
        return [None if n is None else named.get(n) for n in self.numbers]

    def _stand_in(self, found: Mapping[int, Found]) -> None:
        """What stands for values that vanished takes their place."""
        for gone, one in found.items():
            if one.number is None:
                self._lose(gone, one.reason)
        for slot, number in enumerate(self.numbers):
            if number is not None and number in found:
                self.numbers[slot] = found[number].number

    # --- slots

    def _move(self, moved: Dict[int, int]) -> None:
        for slot, number in enumerate(self.numbers):
            if number is not None:
                self.numbers[slot] = moved.get(number)
                if number not in moved:
                    self.reasons.setdefault(slot, "rewritten")

    def _lose(self, number: int, reason: str) -> None:
        for slot, held in enumerate(self.numbers):
            if held == number:
                self.reasons.setdefault(slot, reason)
