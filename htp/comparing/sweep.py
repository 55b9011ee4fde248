"""Pairs operations by what is paired already around them."""

from typing import Dict, Hashable, Iterable, List, Sequence, Tuple

from htp.comparing.graph import Graph
from htp.comparing.operation import Operation
from htp.comparing.pairs import Pairs

__all__ = ["Sweep", "context_of", "leaves_of"]

_LEAF = -3
"""In the place of an operand: a weight."""
_LOOKED_AT = 16
"""Of how many that have the same key the best is chosen."""


class Sweep:
    """Pairs what is left from what is paired already."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs, self._one, self._other = pairs, pairs.one, pairs.other
        self._left = [at for at in pairs.orders[1] if pairs.partner[at] < 0]
        free = [at for at, number in enumerate(pairs.taken) if number < 0]
        self._index: Dict[Hashable, List[int]] = {}
        for at in free:
            made = self._one.operations[at]
            operands = tuple(pairs.classes[value] if value >= 0 else -1 for value in made.inputs)
            for key in _keys(self._one, made, operands):
                self._index.setdefault(key, []).append(at)

    def run(self) -> None:
        """Go forwards, first to what is equal, and then backwards."""
        for place in ((0,), range(_KEYS)):
            for at in self._left:
                if self._pairs.partner[at] < 0:
                    self._forwards(at, place)
        for at in reversed(self._left):
            if self._pairs.partner[at] < 0:
                self._backwards(at)

    def _forwards(self, at: int, places: Iterable[int]) -> None:
        made = self._other.operations[at]
        operands = tuple(map(self._pairs.value, made.inputs))
        keys = _keys(self._other, made, operands)
        for place in places:
            if place not in _OPERANDS_CHANGED and not any(each >= 0 for each in operands):
                continue
            found = self._free(self._index.get(keys[place], ()))
            if place in _CHECKED:
                found = [each for each in found if self._alike(each, at, place)]
            if found:
                best = max(found, key=lambda each: self._score(each, at))
                self._pairs.pair(best, at)
                return

    def _free(self, among: Sequence[int]) -> List[int]:
        found: List[int] = []
        for each in among:
            if self._pairs.taken[each] < 0:
                found.append(each)
                if len(found) == _LOOKED_AT:
                    break
        return found

    def _alike(self, one: int, other: int, place: int) -> bool:
        """Whether two of which only some is equal are read alike, or alone with what is equal."""
        if self._read_alike(one, other):
            return True
        made = self._other.operations[other]
        mine = self._one.operations[one]
        operands = sorted(map(self._pairs.value, made.inputs))
        before = sorted(self._pairs.classes[value] if value >= 0 else -1 for value in mine.inputs)
        if place == _OPERATOR:
            return _owners_reading(self._one, one) == _owners_reading(self._other, other)
        return operands == before or bool(made.attributes or leaves_of(self._other, made))

    def _read_alike(self, one: int, other: int) -> bool:
        mine, theirs = _read_by(self._one, one), _read_by(self._other, other)
        known = {
            (self._pairs.partner[reader] if reader >= 0 else -1, _place(self._other, reader, at))
            for reader, at in theirs
            if reader < 0 or self._pairs.partner[reader] >= 0
        }
        return not known.isdisjoint((reader, _place(self._one, reader, at)) for reader, at in mine)

    def _score(self, one: int, other: int) -> int:
        mine, theirs = self._one.operations[one], self._other.operations[other]
        leaves = leaves_of(self._one, mine) == leaves_of(self._other, theirs)
        same = mine.attributes == theirs.attributes
        operators = [
            sorted(
                {graph.operations[reader].op for reader, _ in _read_by(graph, at) if reader >= 0}
            )
            for graph, at in ((self._one, one), (self._other, other))
        ]
        around = context_of(self._one, one) == context_of(self._other, other)
        return (
            8 * self._read_alike(one, other)
            + 4 * around
            + 2 * leaves
            + same
            + (operators[0] == operators[1])
        )

    def _backwards(self, at: int) -> None:
        """What a paired operation reads, if it is the same operator of the same owner."""
        made = self._other.operations[at]
        for reader, place in _read_by(self._other, at):
            for value in self._before(reader, place):
                maker = self._one.maker[value] if value >= 0 else None
                if maker is None or self._pairs.taken[maker[0]] >= 0:
                    continue
                mine = self._one.operations[maker[0]]
                if (mine.op, mine.owner, mine.scope) == (made.op, made.owner, made.scope):
                    self._pairs.pair(maker[0], at)
                    return

    def _before(self, reader: int, place: int) -> Sequence[int]:
        """What the partner of a reader reads in the same place, or in any if that is the same."""
        if reader < 0:
            return [value for value, _ in self._one.exits[place : place + 1]]
        partner = self._pairs.partner[reader]
        if partner < 0:
            return ()
        mine = self._one.operations[partner]
        return mine.inputs if mine.commutes else mine.inputs[place : place + 1]


_KEYS = 7
_OPERATOR, _OPERANDS = 4, 5
_CHECKED = (_OPERATOR, _OPERANDS)
_OPERANDS_CHANGED = (_OPERANDS,)


def _keys(graph: Graph, made: Operation, operands: Tuple[int, ...]) -> List[Hashable]:
    """What is equal where nothing is changed, and then where one thing or another is."""
    read = zip(made.inputs, operands)
    leaves = made.ordered(tuple(each for value, each in read if value in graph.leaves))
    data = made.ordered(_data(graph, made, operands))
    operands = made.ordered(operands)
    whole = (made.owner, made.scope, made.own)
    return [
        (0, *whole, made.op, made.attributes, operands),
        (1, *whole, made.op, made.attributes, data),
        (2, *whole, made.op, operands),
        (3, *whole, made.op, data),
        (4, *whole, operands),
        (5, made.owner, made.scope, made.op, made.attributes, leaves),
        (0, made.scope, made.own, made.op, made.attributes, operands),
    ]


def _data(graph: Graph, made: Operation, operands: Tuple[int, ...]) -> Tuple[int, ...]:
    return tuple(
        _LEAF if value in graph.leaves else each for value, each in zip(made.inputs, operands)
    )


def leaves_of(graph: Graph, made: Operation) -> List[str]:
    """The hashes of the weights that an operation reads."""
    return [graph.leaves[value].digest for value in made.inputs if value in graph.leaves]


def _place(graph: Graph, reader: int, at: int) -> int:
    return graph.operations[reader].place(at) if reader >= 0 else at


def _read_by(graph: Graph, at: int) -> List[Tuple[int, int]]:
    found: List[Tuple[int, int]] = []
    for value in graph.operations[at].outputs:
        if value >= 0:
            found += graph.readers[value][:_MOST_READERS]
    return found


_MOST_READERS = 64


def context_of(graph: Graph, at: int) -> Tuple[object, ...]:
    """The owners of what an operation reads, place by place, and of those that read it."""
    made = graph.operations[at]
    makers = [graph.maker[value] if value >= 0 else None for value in made.inputs]
    owners = [-1 if maker is None else graph.operations[maker[0]].owner for maker in makers]
    return (*made.ordered(tuple(owners)), *_owners_reading(graph, at))


def _owners_reading(graph: Graph, at: int) -> List[Tuple[int, int]]:
    """By which owners an operation is read, and in which places."""
    read = _read_by(graph, at)
    return sorted(
        {(graph.operations[reader].owner if reader >= 0 else -1, p) for reader, p in read}
    )
