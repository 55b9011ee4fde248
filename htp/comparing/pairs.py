"""Which operation of one file is which of the other, as far as that is known."""

from typing import Dict, Hashable, List, Sequence, Tuple

from htp.comparing.graph import Graph
from htp.comparing.numbers import Table, forward, order_of

__all__ = ["Pairs", "renamed"]

_OPEN = -2
"""In the place of a value that has no partner."""


class Pairs:
    """The pairs of two files.

    Attributes:
        one: the first file.
        other: the second.
        partner: for each operation of the second that of the first, -1 where it has none.
        taken: for each operation of the first that of the second; likewise.
        inputs: for each input of the second file the one of the first that it is.
        orders: the operations of both, each behind those that it needs.
        table: gives numbers to what is equal in both.
        numbers: of the operations of both, by what they are computed from.
        classes: for each value of the first a number, the same for equal ones.
    """

    def __init__(self, one: Graph, other: Graph) -> None:
        self.one, self.other = one, other
        self.inputs = renamed(one.inputs, other.inputs)
        self.taken = [-1] * len(one.operations)
        self.partner = [-1] * len(other.operations)
        self.orders = order_of(one), order_of(other)
        self._bodies = {e[1:]: value for value, e in one.entries.items() if e[0] == "body"}
        self.table = Table()
        mine, self.classes = forward(one, self.orders[0], self.table, {})
        theirs, self._values = forward(other, self.orders[1], self.table, self.inputs)
        self.numbers = mine, theirs

    @property
    def left(self) -> int:
        """How many of the second could have a partner and have none."""
        return self.partner.count(-1) if -1 in self.taken else 0

    def pair(self, one: int, other: int) -> None:
        """Say that two operations are to be compared."""
        self.taken[one], self.partner[other] = other, one

    def group(
        self, mine: Sequence[int], theirs: Sequence[int], even: bool = False, owned: bool = True
    ) -> None:
        """Pair those of the same number.

        Args:
            mine: numbers of the first file's operations.
            theirs: of the second's.
            even: only where there are as many in both.
            owned: only those of the same owner.
        """
        groups: Dict[Hashable, Tuple[List[int], List[int]]] = {}
        sides = ((self.one, mine, self.taken), (self.other, theirs, self.partner))
        for side, (graph, numbers, paired) in enumerate(sides):
            for at, number in enumerate(numbers):
                if paired[at] < 0:
                    owner = graph.operations[at].owner if owned else -1
                    groups.setdefault((number, owner), ([], []))[side].append(at)
        for ones, others in groups.values():
            if not even or len(ones) == len(others):
                for pair in zip(ones, others):
                    self.pair(*pair)

    def value(self, value: int) -> int:
        """The class of the value of the first file that one of the second stands for.

        Returns:
            A number of ``classes``; of a value that has no partner, another.
        """
        if value < 0:
            return -1
        made = self.other.maker[value]
        if made is not None:
            partner = self.partner[made[0]]
            outputs = self.one.operations[partner].outputs if partner >= 0 else []
            mine = outputs[made[1]] if made[1] < len(outputs) else -1
            return self.classes[mine] if mine >= 0 else _OPEN
        entry = self.other.entries.get(value)
        if entry is not None and entry[0] == "body":
            return self._body(entry[1], (entry[2], entry[3]))
        return self._values[value]

    def _body(self, number: int, place: Tuple[str, int]) -> int:
        partner = self.partner[number]
        mine = self._bodies.get((partner, *place)) if partner >= 0 else None
        return _OPEN if mine is None else self.classes[mine]


def renamed(before: Sequence[str], now: Sequence[str]) -> Dict[str, str]:
    """For names the ones that they were: the same, else at the same place."""
    kept = set(before).intersection(now)
    found = {name: name for name in kept}
    if len(before) == len(now):
        found.update(pair for pair in zip(now, before) if kept.isdisjoint(pair))
    return found
