"""The only operation of its kind on a value is the one that it was, whatever became of constants.

old   x -> Pow(x, %two) -> ReduceMean       %two is a float
new   x -> Pow(x, %c) -> ReduceMean         %c is a half: a tool changed the type of every constant

Nothing else raises x to a power, neither before nor now, and who reads the result is of the same
operators. Where several do, as three products of one x, nothing is told here.
"""

from typing import Callable, Collection, Dict, List, Sequence, Set, Tuple

from htp.matching.flat import Flat
from htp.matching.state import State
from htp.matching.weights import Weights
from htp.matching.work import CASTS, MOVERS, alike, readers_of
from htp.scope import Evidence

__all__ = ["Lone"]

_Key = Tuple[object, ...]

_FIXED, _NONE = -2, -1
"""In the place of a number: a value that is computed from constants alone, and one left out."""

_MANY = 32
"""How many nodes that work on one value are compared."""


class Lone:
    """Finds the old nodes by what they do, but for the constants that they read."""

    def __init__(self, state: State, numbers: Sequence[int]) -> None:
        """Note what the old nodes do.

        Args:
            state: what is known.
            numbers: of the old values.
        """
        self._state, self._numbers = state, numbers
        self._weights = Weights(state)
        self._fixed = (_fixed(state.old), _fixed(state.new))
        self._by_key: Dict[_Key, List[int]] = {}
        for node in range(len(state.old.nodes)):
            key = self._key_of_old(node)
            if key:
                self._by_key.setdefault(key, []).append(node)

    def walk(self) -> bool:
        """Take every node that is not matched; whether one was found."""
        claimed = self._state.claimed()
        return self._walk(self._found, claimed) or self._walk(self._reader, claimed)

    def _walk(self, find: Callable[[int, Set[int]], int], claimed: Set[int]) -> bool:
        state, found = self._state, False
        for node in state.new.order:
            old = find(node, claimed) if state.node[node] < 0 else -1
            if old >= 0:
                state.same(node, old, Evidence.REGION)
                claimed.add(old)
                found = True
        return found

    def _found(self, node: int, claimed: Set[int]) -> int:
        """The old node that a new one is, by what it does; -1."""
        key = self._key_of_new(node)
        olds = self._by_key.get(key, ()) if key else ()
        if not 0 < len(olds) <= _MANY:
            return -1
        fitting = [old for old in olds if self._fits(node, old)]
        if len(fitting) != 1 or fitting[0] in claimed or not self._is_lone(node, key):
            return -1
        return fitting[0] if self._is_read_so(node, fitting[0]) else -1

    def _reader(self, node: int, claimed: Set[int]) -> int:
        """The old node that was the only one of its operator to read a value; -1.

        What else it reads is not known: it comes from operations of which others were made.
        """
        state = self._state
        here, fixed = state.new.inputs[node], self._fixed[1]
        known = [v for v in here if v >= 0 and not fixed[v] and state.value[v] >= 0]
        unknown = any(v >= 0 and not fixed[v] and state.value[v] < 0 for v in here)
        if not known or not unknown or state.new.nodes[node].op in MOVERS:
            return -1
        olds = {self._only(state.old, node, state.value[v]) for v in known}
        news = {self._only(state.new, node, v) for v in known}
        old = olds.pop()
        if olds or old < 0 or old in claimed or news != {node}:
            return -1
        is_like = len(state.old.inputs[old]) == len(here) and self._is_read_so(node, old)
        return old if is_like else -1

    def _only(self, flat: Flat, node: int, value: int) -> int:
        """The only node that reads a value as a new one does; -1."""
        record, readers = self._state.new.nodes[node], flat.readers[value]
        if len(readers) > _MANY:
            return -1
        found = {
            reader
            for reader, _ in readers
            if reader >= 0
            and flat.nodes[reader].op == record.op
            and flat.nodes[reader].attributes == record.attributes
        }
        return found.pop() if len(found) == 1 else -1

    def _is_lone(self, node: int, key: _Key) -> bool:
        """Whether no other new node does the same on the same values."""
        new, fixed = self._state.new, self._fixed[1]
        value = next(v for v in new.inputs[node] if v >= 0 and not fixed[v])
        readers = {reader for reader, _ in new.readers[value]} - {node, -1}
        if len(readers) > _MANY:
            return False
        return not any(
            self._key_of_new(each) == key and self._alike(each, node) for each in readers
        )

    def _key_of_old(self, node: int) -> _Key:
        return self._key(self._state.old, node, 0, self._number)

    def _key_of_new(self, node: int) -> _Key:
        return self._key(self._state.new, node, 1, self._number_of_new)

    def _number(self, value: int) -> int:
        """The number of an old value, whatever its type became."""
        return self._numbers[_behind(self._state.old, value, CASTS)]

    def _number_of_new(self, value: int) -> int:
        """That of the old value in whose place a new one stands; -1."""
        state = self._state
        known = state.value[value]
        if known < 0:
            known = state.value[_behind(state.new, value, CASTS)]
        return self._number(known) if known >= 0 else -1

    def _key(self, flat: Flat, node: int, side: int, number: Callable[[int], int]) -> _Key:
        """What a node does on which values; ``()`` where that is not known."""
        record, fixed, read = flat.nodes[node], self._fixed[side], []
        for value in flat.inputs[node]:
            if value < 0 or fixed[value]:
                read.append(_FIXED if value >= 0 else _NONE)
            else:
                read.append(number(value))
                if read[-1] < 0:
                    return ()
        if not any(each >= 0 for each in read):
            return ()
        return (record.op, record.op not in CASTS and record.attributes, *read)

    def _fits(self, node: int, old: int) -> bool:
        """Whether the weights that both read are of one shape."""
        return self._shapes(self._state.new, 1, node) == self._shapes(self._state.old, 0, old)

    def _alike(self, one: int, other: int) -> bool:
        new = self._state.new
        return self._shapes(new, 1, one) == self._shapes(new, 1, other)

    def _shapes(self, flat: Flat, side: int, node: int) -> List[Tuple[int, ...]]:
        fixed, found = self._fixed[side], []
        for value in flat.inputs[node]:
            if value >= 0 and fixed[value]:
                weight = flat.side.weights.get(flat.names[_behind(flat, value, MOVERS)])
                found.append(
                    () if weight is None else tuple(sorted(n for n in weight.shape if n != 1))
                )
        return found

    def _is_read_so(self, node: int, old: int) -> bool:
        """Whether what is computed is read by an operator that read it, or with the same weights.

        old   Conv -> BatchNormalization -> Relu
        new   Conv ----------------------> Relu     so this one stands for both
        """
        state = self._state
        find = _readers if state.new.nodes[node].op in MOVERS else readers_of
        for mine, theirs in zip(state.new.outputs[node], state.old.outputs[old]):
            if mine >= 0 and theirs >= 0:
                before, now = find(state.old, theirs), find(state.new, mine)
                if now and not self._are_like(now, before):
                    return False
        return True

    def _are_like(self, now: List[int], before: List[int]) -> bool:
        state = self._state
        ops = {state.new.nodes[each].op if each >= 0 else "" for each in now}
        others = {state.old.nodes[each].op if each >= 0 else "" for each in before}
        if any(alike(one, other) for one in ops for other in others):
            return True
        read = {value for each in before if each >= 0 for value in state.old.inputs[each]}
        values = [value for each in now if each >= 0 for value in state.new.inputs[each]]
        return any(
            read.intersection(self._weights.of(_behind(state.new, value, MOVERS)))
            for value in values
            if value >= 0 and self._fixed[1][value]
        )


def _readers(flat: Flat, value: int) -> List[int]:
    return [reader for reader, _ in flat.readers[value]]


def _fixed(flat: Flat) -> bytearray:
    """For each value whether it is computed from constants alone."""
    found = bytearray(len(flat.names))
    for value, maker in enumerate(flat.maker):
        found[value] = maker is None and value not in flat.entries
    for value in flat.entries:
        found[value] = flat.names[value] in flat.side.weights
    for node in flat.order:
        if all(value < 0 or found[value] for value in flat.inputs[node]):
            for value in flat.outputs[node]:
                if value >= 0:
                    found[value] = 1
    return found


def _behind(flat: Flat, value: int, ops: Collection[str]) -> int:
    """The value that nodes of these operators only handed on."""
    maker = flat.maker[value]
    for _ in range(_MOVED):
        if maker is None or flat.nodes[maker[0]].op not in ops or flat.inputs[maker[0]][0] < 0:
            break
        value = flat.inputs[maker[0]][0]
        maker = flat.maker[value]
    return value


_MOVED = 4
"""How many nodes are gone through that only hand on a value."""
