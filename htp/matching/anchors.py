"""Anchors: the weights that a node reads tell what it does, also where its operator is another.

%c = Gemm(%b, %w, %bias)                 %a = Add(%x, ...)
                                         %c = MatMul(%a, %w)      so %b stands in the place of %a
                                         %d = Add(%c, %bias)
"""

from typing import Dict, Iterator, List, Set, Tuple

from htp.graph.records import Weight
from htp.matching.flat import Flat
from htp.matching.state import State
from htp.matching.weights import FEW, Weights
from htp.matching.work import LAYOUT, alike, read_as
from htp.scope import Evidence

__all__ = ["Anchors"]


class Anchors:
    """Finds what new nodes do by the weights that they read."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._weights = Weights(state)
        self._old, self._new = state.work

    def walk(self) -> bool:
        """Take every node that is not matched; whether anything was found."""
        state, found = self._state, False
        claimed = state.claimed()
        parts: Dict[int, List[int]] = {}
        last: Dict[int, int] = {}
        for node in state.new.order:
            if state.node[node] < 0 and self._new.source(node) >= 0:
                done = self.of(node)
                if done and not claimed.intersection(done):
                    first = min(done, key=state.old.place.__getitem__)
                    parts.setdefault(first, []).append(node)
                    last[first] = max(done, key=state.old.place.__getitem__)
                    if len(done) == 1 and self._same(node, first):
                        state.same(node, first, Evidence.CONTENTS)
                        claimed.add(first)
                        found = True
        for old, nodes in parts.items():
            if old not in claimed:
                found |= self._source(nodes[0], old)
                found |= self._result(nodes[-1], last[old], claimed)
        return found

    def _same(self, node: int, old: int) -> bool:
        mine, theirs = self._state.new.nodes[node], self._state.old.nodes[old]
        return (
            self._reads_the_same(node, old)
            and mine.op == theirs.op
            and len(mine.inputs) == len(theirs.inputs)
            and mine.attributes == theirs.attributes
        )

    def _reads_the_same(self, node: int, old: int) -> bool:
        """Whether both read a weight of the same contents."""
        mine, theirs = self._state.new, self._state.old
        known = {weight.contents for weight in _weights(theirs, old) if weight.elements > FEW}
        return any(weight.contents in known for weight in _weights(mine, node) if weight.contents)

    def of(self, node: int) -> List[int]:
        """The old nodes that read the weights of a new one, where the weights tell which.

        Of a weight that several read, as in a layer that runs twice, it is the one that works on
        the same value, or on what another of these computes.
        """
        found: Dict[int, None] = {}
        unsure: List[List[int]] = []
        for value in self._state.new.inputs[node]:
            known = self._weights.of(value) if value >= 0 else []
            readers = self._state.old.readers[known[0]] if len(known) == 1 else []
            nodes = [reader for reader, _ in readers if reader >= 0]
            if len(readers) == 1 and nodes:
                found[nodes[0]] = None
            elif 1 < len(nodes) <= _CALLS:
                unsure.append(nodes)
        sources = (
            {self._state.value[source] for source in self._read(node)} - {-1} if unsure else ()
        )
        for nodes in unsure:
            same = [old for old in nodes if self._old.source(old) in sources]
            if not same:
                made = {value for old in found for value in self._state.old.outputs[old]}
                same = [old for old in nodes if self._old.source(old) in made]
            if len(same) == 1:
                found[same[0]] = None
        return list(found)

    def _read(self, node: int) -> Iterator[int]:
        """The value that a node works on, and what it was before nodes only laid it out."""
        value = self._new.source(node)
        for _ in range(_STEPS):
            if value < 0:
                return
            yield value
            maker = self._state.new.maker[value]
            if maker is None or self._state.new.nodes[maker[0]].op not in LAYOUT:
                return
            value = self._new.source(maker[0])

    def _source(self, node: int, old: int) -> bool:
        """What a node works on, if both work on what one node makes."""
        reads = {v for v in self._state.old.inputs[old] if v >= 0 and self._old.live[v]}
        value = self._new.source(node)
        if len(reads) != 1 or self._state.value[value] >= 0 or len(self._sources(node)) != 1:
            return False
        self._state.value[value] = reads.pop()
        return True

    def _sources(self, node: int) -> Set[Tuple[int, int]]:
        new, live = self._state.new, self._new.live
        read = {value for value in new.inputs[node] if value >= 0 and live[value]}
        made = {value: new.maker[value] for value in read}
        return {(-1, value) if maker is None else (maker[0], 0) for value, maker in made.items()}

    def _result(self, node: int, old: int, claimed: Set[int]) -> bool:
        """What a node computes: the first value behind the old one that is read as its own is."""
        state = self._state
        mine = state.new.outputs[node][0] if state.new.outputs[node] else -1
        now = read_as(state.new, mine) if mine >= 0 and state.value[mine] < 0 else set()
        theirs = state.old.outputs[old][0] if now and state.old.outputs[old] else -1
        for _ in range(_STEPS):
            if theirs < 0:
                return False
            before = read_as(state.old, theirs)
            if all(any(alike(one, other) for other in before) for one in now):
                state.value[mine] = theirs
                return True
            readers = state.old.readers[theirs]
            if len(readers) != 1 or readers[0][0] < 0 or readers[0][0] in claimed:
                return False
            if sum(v >= 0 and self._old.live[v] for v in state.old.inputs[readers[0][0]]) != 1:
                return False
            theirs = state.old.outputs[readers[0][0]][0]
        return False


_CALLS = 64
"""How many readers of a weight are looked at."""

_STEPS = 4
"""How many old nodes one behind the other a new one may stand for, to be found so."""


def _weights(flat: Flat, node: int) -> List[Weight]:
    found = [flat.side.weights.get(flat.names[v]) for v in flat.inputs[node] if v >= 0]
    return [weight for weight in found if weight is not None]
