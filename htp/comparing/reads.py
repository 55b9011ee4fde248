"""What two paired operations read in the same place: whether it is the same, and how to call it."""

from itertools import zip_longest
from typing import Iterable, Iterator, Tuple

from htp.comparing.graph import Graph
from htp.comparing.leaves import Leaves
from htp.comparing.operation import Operation
from htp.comparing.owners import Owners
from htp.comparing.pairs import Pairs

__all__ = ["Reads"]


class Reads:
    """Compares values of the first file with values of the second.

    Args:
        pairs: of their operations.
        owners: of these.
        leaves: told of the weights that are compared.
    """

    def __init__(self, pairs: Pairs, owners: Owners, leaves: Leaves) -> None:
        self._pairs, self._one, self._other = pairs, pairs.one, pairs.other
        self._owners, self._leaves = owners, leaves

    def differing(self, one: int, other: int) -> Iterator[Tuple[str, str]]:
        """What two operations read that is not the same and is not told elsewhere."""
        mine, theirs = self._one.operations[one], self._other.operations[other]
        for place, before, now in self._places(mine, theirs):
            if before in self._one.leaves and now in self._other.leaves:
                if not self._leaves.same(before, now):
                    self._leaves.differ(before, now, one, other)
            elif not self.same(before, now):
                yield (
                    f"{place}: {self.shown(self._one, before, mine.owner)}",
                    f"{place}: {self.shown(self._other, now, theirs.owner)}",
                )

    def same(self, before: int, now: int) -> bool:
        """Whether two values are the same, or one is computed by an operation without a partner.

        Such an operation is told by itself, and so are weights that are not equal.
        """
        if before < 0 or now < 0:
            return before == now
        if before in self._one.leaves and now in self._other.leaves:
            return self._leaves.same(before, now)
        if self._pairs.value(now) == self._pairs.classes[before]:
            return True
        mine, theirs = self._one.maker[before], self._other.maker[now]
        return (mine is not None and self._pairs.taken[mine[0]] < 0) or (
            theirs is not None and self._pairs.partner[theirs[0]] < 0
        )

    def _places(self, mine: Operation, theirs: Operation) -> Iterator[Tuple[str, int, int]]:
        """What two operations read, place by place; -1 where one reads nothing there."""
        before, now = mine.inputs[: mine.own], theirs.inputs[: theirs.own]
        if mine.commutes and theirs.commutes:
            known = list(map(self._pairs.value, now))
            was = [self._pairs.classes[value] if value >= 0 else -1 for value in before]
            straight, crossed = zip(known, was), zip(known, reversed(was))
            if _meet(crossed) and not _meet(straight):
                now.reverse()
        for place, (one, other) in enumerate(zip_longest(before, now, fillvalue=-1)):
            yield str(place), one, other
        if mine.places or theirs.places:
            bodies = dict(zip(mine.places, mine.inputs[mine.own :]))
            others = dict(zip(theirs.places, theirs.inputs[theirs.own :]))
            for name in dict.fromkeys((*bodies, *others)):
                yield name, bodies.get(name, -1), others.get(name, -1)

    def shown(self, graph: Graph, value: int, reader: int) -> str:
        """What a value is, as an operation of this owner sees it."""
        if value < 0:
            return "none"
        if value in graph.leaves:
            return self._leaves.called(graph, graph.leaves[value], reader)
        made = graph.maker[value]
        if made is None:
            return f"input {graph.entries[value][-1]}"
        operation = graph.operations[made[0]]
        where = "" if operation.owner == reader else f" of {self._owners.name(operation.owner)}"
        return f"{operation.title}{f' {made[1]}' if made[1] else ''}{where}"


def _meet(pairs: Iterable[Tuple[int, int]]) -> bool:
    return any(one == other for one, other in pairs)
