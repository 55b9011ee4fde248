"""Equal operations have equal numbers, in both files: told by what they read, or by who reads them.

    forward    a = Relu(x)      1 = ("Relu", x)           a change is seen in all that is behind it
               b = Add(a, w)    2 = ("Add", 1, w)
    backward   b = Add(a, w)    3 = ("Add", w, exit 0)    and here in all that is before it
               a = Relu(x)      4 = ("Relu", (3, 0))

A table holds the whole key of each number, so equal numbers are no accident.
"""

from typing import Dict, List, Mapping, Tuple

from htp.comparing.graph import Graph
from htp.comparing.operation import Entry

__all__ = ["Table", "backward", "forward", "order_of"]

_OUTPUTS = 20
"""Bits for the place of an output among those of its operation."""


class Table:
    """Numbers of keys, for both files."""

    def __init__(self) -> None:
        self._numbers: Dict[object, int] = {}

    def number(self, key: object) -> int:
        """The number of a key; a new one for a new key."""
        return self._numbers.setdefault(key, len(self._numbers) << _OUTPUTS)


def order_of(graph: Graph) -> List[int]:
    """The operations so that what one needs comes before it. A circle is cut somewhere."""
    found: List[int] = []
    begun = bytearray(len(graph.operations))
    for first in range(len(graph.operations)):
        if begun[first]:
            continue
        begun[first] = 1
        pending = [(first, iter(_needs(graph, first)))]
        while pending:
            number, needs = pending[-1]
            below = next((each for each in needs if not begun[each]), -1)
            if below < 0:
                pending.pop()
                found.append(number)
            else:
                begun[below] = 1
                pending.append((below, iter(_needs(graph, below))))
    return found


def _needs(graph: Graph, number: int) -> List[int]:
    needs: List[int] = []
    for value in graph.operations[number].inputs:
        made = graph.maker[value] if value >= 0 else None
        if made is not None:
            needs.append(made[0])
        elif value in graph.entries and graph.entries[value][0] == "body":
            parent = graph.operations[graph.entries[value][1]]
            for outer in parent.inputs[: parent.own]:
                around = graph.maker[outer] if outer >= 0 else None
                if around is not None:
                    needs.append(around[0])
    return needs


def forward(
    graph: Graph, order: List[int], table: Table, inputs: Mapping[str, str]
) -> Tuple[List[int], List[int]]:
    """The numbers of operations and of values, by what they are computed from.

    Args:
        graph: the file.
        order: of its operations.
        table: of both files.
        inputs: what each of its inputs is called in the first file.
    """
    values = _Values(graph, table, inputs)
    numbers = [-1] * len(graph.operations)
    for each in order:
        made = graph.operations[each]
        operands = made.ordered(tuple(map(values.number, made.inputs)))
        key = (made.op, made.attributes, made.scope, made.own, *operands)
        number = numbers[each] = table.number(key)
        for place, value in enumerate(made.outputs):
            if value >= 0:
                values.of[value] = number + place
    return numbers, list(map(values.number, range(len(values.of))))


class _Values:
    """The numbers of values: of those that nothing computes they are known at once."""

    def __init__(self, graph: Graph, table: Table, inputs: Mapping[str, str]) -> None:
        self._graph, self._table = graph, table
        self.of = [-1] * len(graph.maker)
        for value, leaf in graph.leaves.items():
            told = leaf.digest or (leaf.tensor.data_type, tuple(leaf.tensor.dims))
            self.of[value] = table.number(("leaf", told))
        for value, entry in graph.entries.items():
            if entry[0] != "body":
                self.of[value] = table.number(_entry(entry, inputs))

    def number(self, value: int) -> int:
        """The number of a value; of one of a body, or in a circle, once it is asked for."""
        if value < 0:
            return -1
        if self.of[value] < 0:
            entry = self._graph.entries.get(value, ("circle",))
            key: Tuple[object, ...] = entry
            if entry[0] == "body":
                _, number, name, place = entry
                parent = self._graph.operations[number]
                read = parent.inputs[: parent.own]
                around = [self.of[each] if each >= 0 else -1 for each in read]
                key = ("body", parent.op, parent.attributes, name, place, *around)
            self.of[value] = self._table.number(key)
        return self.of[value]


def _entry(entry: Entry, inputs: Mapping[str, str]) -> Entry:
    return ("input", inputs.get(entry[1], entry[1])) if entry[0] == "input" else entry


def backward(graph: Graph, order: List[int], table: Table) -> List[int]:
    """The numbers of operations by who reads them."""
    numbers = [-1] * len(graph.operations)
    for each in reversed(order):
        made = graph.operations[each]
        leaves = tuple(
            sorted(
                (made.place(place), graph.leaves[value].digest)
                for place, value in enumerate(made.inputs)
                if value in graph.leaves
            )
        )
        read = [
            (place, numbers[reader], graph.operations[reader].place(at))
            if reader >= 0
            else (place, -2, *graph.exits[at][1])
            for place, value in enumerate(made.outputs)
            if value >= 0
            for reader, at in graph.readers[value]
        ]
        key = (made.op, made.attributes, made.scope, made.own, leaves, tuple(sorted(read)))
        numbers[each] = table.number(key)
    return numbers
