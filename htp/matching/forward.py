"""Forward from what is known: the same operation on the same values."""

from typing import Dict, List

from htp.matching.flat import Flat
from htp.matching.names import Names
from htp.matching.numbers import Numbering, Table
from htp.matching.state import State
from htp.matching.work import MOVERS
from htp.scope import Evidence

__all__ = ["Forward"]


class Forward:
    """Walks the new graph from its inputs, with the numbers of the old one.

    Attributes:
        numbers: of the old values.
        members: the old nodes that compute the same, by number, in order.
        group: the number of each new node that computes what old ones do; -1.
    """

    def __init__(self, state: State, names: Names) -> None:
        self._state, self._names = state, names
        table = Table()
        inputs = _inputs(state.old, state.new)
        theirs = {name: name for name in state.old.side.graph.inputs}
        self._old = Numbering(state.old, table, theirs, "old")
        self.members: Dict[int, List[int]] = {}
        for node in state.old.order:
            number = self._old.node(node)
            self.members.setdefault(number, []).append(node)
            self._old.spread(node, number)
        self.numbers = self._old.of
        self._first: Dict[int, int] = {}
        for value, number in enumerate(self._old.of):
            self._first.setdefault(number, value)
        self._new = Numbering(state.new, table, inputs, "new")
        self.group = [-1] * len(state.new.nodes)
        self._start()

    def _start(self) -> None:
        """The values that no node computes."""
        state = self._state
        for value, maker in enumerate(state.new.maker):
            if maker is None:
                self._recognise(value)
                if state.value[value] < 0 and value in state.converted.cast:
                    state.value[value] = state.converted.cast[value]
                    self._new.of[value] = self._old.of[state.value[value]]

    def _recognise(self, value: int) -> None:
        """A value of a number that an old one has is that, and of several the one of its name."""
        state, number = self._state, self._new.of[value] if value >= 0 else -1
        if number < 0 or state.value[value] >= 0 or number not in self._first:
            return
        named = state.old.number.get(state.new.names[value], -1)
        same = named >= 0 and self._old.of[named] == number
        state.value[value] = named if same else self._first[number]
        state.proven[value] = True

    def walk(self) -> None:
        """Take every node in order."""
        for node in self._state.new.order:
            if self._state.node[node] < 0:
                self._take(node)
            self._seed(node)

    def _take(self, node: int) -> None:
        state, new = self._state, self._state.new
        number = self._new.node(node)
        for value in new.inputs[node]:
            self._recognise(value)
        members = self.members.get(number)
        if members:
            self.group[node] = number
            sure = all(state.proven[value] for value in new.inputs[node] if value >= 0)
            how = Evidence.STRUCTURE if sure else Evidence.REGION
            state.same(node, members[0], how)
            return
        self._new.spread(node, number)
        named = self._names.node[node]
        if named >= 0 and self._stands(node, named):
            state.same(node, named, Evidence.NAME)
        elif new.nodes[node].op in MOVERS and new.inputs[node] and new.outputs[node]:
            self._hand_on(new.inputs[node][0], new.outputs[node][0], new.nodes[node].op)

    def _hand_on(self, source: int, result: int, op: str) -> None:
        """What is only handed on stands for what it was, if the old graph did not hand it on so."""
        state = self._state
        old = state.value[source] if source >= 0 else -1
        if (
            old < 0
            or not state.work[0].live[old]
            or result < 0
            or state.value[result] >= 0
            or self._names.value[result] >= 0
        ):
            return
        readers = [state.new.nodes[each].op for each, _ in state.new.readers[result] if each >= 0]
        before = [state.old.nodes[each].op for each, _ in state.old.readers[old] if each >= 0]
        if op not in before or op in readers:
            state.value[result] = old

    def _stands(self, node: int, old: int) -> bool:
        """Whether a node that is called as an old one computes the values that it did."""
        pairs = zip(self._state.new.outputs[node], self._state.old.outputs[old])
        return all(self._names.value[mine] in (-1, theirs) for mine, theirs in pairs if mine >= 0)

    def _seed(self, node: int) -> None:
        """The numbers of the values whose place in the old graph is known."""
        state = self._state
        for value in state.new.outputs[node]:
            if value >= 0:
                if state.value[value] < 0:
                    state.value[value] = self._names.value[value]
                if state.value[value] >= 0:
                    self._new.of[value] = self._old.of[state.value[value]]


def _inputs(old: Flat, new: Flat) -> Dict[str, str]:
    """For the inputs of the new graph the old ones: of the same name, else at the same place.

    Where every input has another name, those that a tool added stand behind the others.
    """
    before = [name for name in old.side.graph.inputs if name not in old.side.weights]
    now = [name for name in new.side.graph.inputs if name not in new.side.weights]
    kept = set(before).intersection(now)
    found = {name: name for name in kept}
    if len(before) == len(now) or (not kept and len(before) < len(now)):
        pairs = [pair for pair in zip(now, before) if kept.isdisjoint(pair)]
        found.update(pairs)
    return found
