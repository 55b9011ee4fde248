"""Anchors: the weights that a node reads tell what it does, also where its operator is another.

%c = Gemm(%b, %w, %bias)                 %a = Add(%x, ...)
                                         %c = MatMul(%a, %w)      so %b stands in the place of %a
                                         %d = Add(%c, %bias)
"""

from typing import Dict, List, Set, Tuple

from htp.graph.records import Weight
from htp.matching.flat import Flat
from htp.matching.state import State
from htp.matching.weights import FEW, Weights
from htp.matching.work import MOVERS, alike
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
            if state.node[node] < 0:
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
        """The old nodes that read the weights of a new one, where the weights tell which."""
        found: Dict[int, None] = {}
        for value in self._state.new.inputs[node]:
            known = self._weights.of(value) if value >= 0 else []
            readers = self._state.old.readers[known[0]] if len(known) == 1 else []
            if len(readers) == 1 and readers[0][0] >= 0:
                found[readers[0][0]] = None
        return list(found)

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
        now = _readers(state.new, mine) if mine >= 0 and state.value[mine] < 0 else set()
        theirs = state.old.outputs[old][0] if now and state.old.outputs[old] else -1
        for _ in range(_STEPS):
            if theirs < 0:
                return False
            before = _readers(state.old, theirs)
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


_STEPS = 4
"""How many old nodes one behind the other a new one may stand for, to be found so."""


def _weights(flat: Flat, node: int) -> List[Weight]:
    found = [flat.side.weights.get(flat.names[v]) for v in flat.inputs[node] if v >= 0]
    return [weight for weight in found if weight is not None]


def _readers(flat: Flat, value: int) -> Set[str]:
    """The operators that read a value, also behind nodes that only hand it on."""
    found: Set[str] = set()
    pending = [value]
    for _ in range(_NEAR):
        if not pending:
            break
        for reader, _ in flat.readers[pending.pop()]:
            if reader >= 0 and flat.nodes[reader].op in MOVERS:
                pending.extend(each for each in flat.outputs[reader][:1] if each >= 0)
            elif reader >= 0:
                found.add(flat.nodes[reader].op)
    return found


_NEAR = 16
"""How many values are looked at for their readers."""
