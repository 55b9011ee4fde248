"""Equal values have equal numbers, on both sides: structure, told by what a value is computed from.

    a = Relu(x)     1 = ("Relu", x)
    b = Add(a, w)   2 = ("Add", 1, w)    the same in another file, whatever its values are called

Numbers are given out by a table that holds the whole key, so equal numbers are no accident.
"""

from typing import Dict, Tuple

from htp.graph.records import Weight
from htp.matching.flat import Flat

__all__ = ["Numbering", "Table"]

Key = Tuple[object, ...]

_OUTPUTS = 20
"""Bits for the place of an output among those of its node."""


class Table:
    """Numbers of keys, for both sides."""

    def __init__(self) -> None:
        self._numbers: Dict[Key, int] = {}

    def number(self, key: Key) -> int:
        """The number of a key; a new one for a new key."""
        return self._numbers.setdefault(key, len(self._numbers) << _OUTPUTS)


class Numbering:
    """The numbers of one side's values.

    Attributes:
        of: the number of each value, -1 where it has none yet.
    """

    def __init__(self, flat: Flat, table: Table, inputs: Dict[str, str], side: str) -> None:
        """Number what no node computes.

        Args:
            flat: the side.
            table: where the numbers come from.
            inputs: what each of the graph's inputs is called on the other side.
            side: tells what is known of nothing on the other side.
        """
        self._flat, self._table, self._inputs, self._side = flat, table, inputs, side
        self.of = [-1] * len(flat.names)
        for value, maker in enumerate(flat.maker):
            if maker is None and value not in flat.parents:
                self.of[value] = table.number(self._leaf(value))

    def node(self, node: int) -> int:
        """The number of what a node computes: its operator and attributes, on which values."""
        record, flat = self._flat.nodes[node], self._flat
        if record.constant is not None and record.constant.contents:
            return self._table.number(_contents(record.constant))
        operands = [self._operand(value) for value in flat.inputs[node]]
        return self._table.number((record.op, record.attributes, *operands))

    def spread(self, node: int, number: int) -> None:
        """Give a node's number to the values that it computes. An Identity hands on its input's."""
        inputs = self._flat.inputs[node]
        if inputs and self._flat.nodes[node].op == "Identity":
            number = self._operand(inputs[0])
        for place, value in enumerate(self._flat.outputs[node]):
            if value >= 0:
                self.of[value] = number + place

    def _operand(self, value: int) -> int:
        if value < 0:
            return -1
        number = self.of[value]
        if number < 0:
            number = self.of[value] = self._table.number(self._unnumbered(value))
        return number

    def _unnumbered(self, value: int) -> Key:
        """A body's input is known by what its node reads; else a node stands where it must not."""
        flat = self._flat
        parent = flat.parents.get(value)
        if parent is None:
            return "misplaced", self._side, value
        read = flat.inputs[parent][: flat.own[parent]]
        numbers = [self.of[each] if each >= 0 else -1 for each in read]
        return (*flat.entries[value], flat.nodes[parent].op, *numbers)

    def _leaf(self, value: int) -> Key:
        name = self._flat.names[value]
        weight = self._flat.side.weights.get(name)
        if weight is not None and weight.contents:
            return _contents(weight)
        place = self._flat.entries.get(value) if weight is None else None
        if place is None:
            return "name", name
        if place[1] == "":
            return "input", self._inputs.get(name, (self._side, name))
        return place


def _contents(weight: Weight) -> Key:
    return "contents", weight.contents, weight.shape, weight.dtype
