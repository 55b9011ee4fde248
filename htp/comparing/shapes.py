"""Types and shapes of values: where they begin to differ, not where a difference passes through.

Names of axes are no difference: an axis that is called ``batch`` in one file may be ``s0`` in the
other, if it is so everywhere.
"""

from typing import Any, Dict, Iterator, Optional, Tuple

from htp.comparing.contents import typed
from htp.comparing.graph import Graph
from htp.comparing.operation import Operation
from htp.comparing.pairs import Pairs

__all__ = ["Shapes"]

Type = Tuple[int, Optional[Tuple[Any, ...]]]


class Shapes:
    """Compares what the files say of their values; where one says nothing, nothing is compared."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs, self._one, self._other = pairs, pairs.one, pairs.other
        self._names: Tuple[Dict[str, str], Dict[str, str]] = ({}, {})

    def inputs(self) -> Iterator[Tuple[Optional[str], Optional[str]]]:
        """Inputs of the models that are not in both, or of another type."""
        mine, theirs = _inputs(self._one), _inputs(self._other)
        for name, value in theirs.items():
            before = self._pairs.inputs.get(name)
            if before is None:
                yield None, _told(name, self._other.types.get(value))
                continue
            was, now = self._one.types.get(mine[before]), self._other.types.get(value)
            if was is not None and now is not None and not self._equal(was, now):
                yield _told(before, was), _told(name, now)
        for name in set(mine) - set(self._pairs.inputs.values()):
            yield _told(name, self._one.types.get(mine[name])), None

    def arising(self, mine: Operation, theirs: Operation) -> Optional[Tuple[str, str]]:
        """The types of a result that differ, where all that is read is known and alike."""
        for one, other in zip(mine.outputs, theirs.outputs):
            before, now = self._one.types.get(one), self._other.types.get(other)
            if before is None or now is None or self._equal(before, now):
                continue
            reads = zip(mine.inputs[: mine.own], theirs.inputs[: theirs.own])
            if all(self._read_alike(*each) for each in reads):
                return _told("", before), _told("", now)
        return None

    def _read_alike(self, one: int, other: int) -> bool:
        if one < 0 or other < 0:
            return True
        before, now = self._type(self._one, one), self._type(self._other, other)
        return before is not None and now is not None and self._equal(before, now)

    @staticmethod
    def _type(graph: Graph, value: int) -> Optional[Type]:
        leaf = graph.leaves.get(value)
        if leaf is not None:
            return leaf.tensor.data_type, tuple(leaf.tensor.dims)
        return graph.types.get(value)

    def _equal(self, before: Type, now: Type) -> bool:
        if before[0] != now[0]:
            return False
        if before[1] is None or now[1] is None:
            return True
        return len(before[1]) == len(now[1]) and all(map(self._same_axis, before[1], now[1]))

    def _same_axis(self, before: Any, now: Any) -> bool:
        if isinstance(before, str) and isinstance(now, str):
            there, back = self._names
            return there.setdefault(before, now) == now and back.setdefault(now, before) == before
        return before is None or now is None or bool(before == now)


def _inputs(graph: Graph) -> Dict[str, int]:
    return {entry[1]: value for value, entry in graph.entries.items() if entry[0] == "input"}


def _told(name: str, kind: Optional[Type]) -> str:
    return name if kind is None else f"{name} {typed(*kind)}".strip()
