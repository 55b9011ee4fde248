"""A graph with everything nested in it, flattened: nodes and values by number."""

from operator import itemgetter
from typing import Dict, List, Optional, Sequence, Tuple

from htp.graph.records import GraphRecord, NodeRecord
from htp.matching.side import Side
from htp.scope import Tag

__all__ = ["Flat", "Place", "Reader"]

Place = Tuple[object, ...]
"""Where a value enters or leaves a graph: which graph it is, and the how manieth value."""

Reader = Tuple[int, int]
"""A node and the place of the input; ``(-1, n)`` is the n-th of ``Flat.exits``."""


class Flat:
    """One side, ready to be walked in either direction.

    A body's inputs are values without a maker; its outputs are read by the node that has the body,
    at places behind that node's own inputs.

    Attributes:
        nodes: every node in the order of ``graph.walk()``.
        tags: theirs.
        order: the numbers of the nodes so that what a node needs comes before it: the nodes of its
            bodies, too. Where the nodes go round in a circle, it is cut somewhere.
        place: where each node stands in that order.
        names: of each value; a value is its place in this list.
        inputs: the values that each node reads, -1 for one left out; then the outputs of its
            bodies, by the names of these: a tool may write them in another order.
        own: how many of those are the node's own.
        outputs: the values that each node computes, likewise.
        maker: the node that computes each value and the place of the output, or None.
        readers: who reads each value.
        entries: the values that enter the graph, a body or a function, with the place of each.
        parents: for the entries of a body the node that has it.
        exits: the values that leave the graph or a function, and the place of each.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        self.nodes: List[NodeRecord] = list(side.graph.walk())
        self.tags: Sequence[Optional[Tag]] = side.tags
        self.order: List[int] = []
        self.names: List[str] = []
        self.number: Dict[str, int] = {}
        self.inputs: List[List[int]] = []
        self.own: List[int] = []
        self.outputs: List[List[int]] = []
        self.maker: List[Optional[Reader]] = []
        self.readers: List[List[Reader]] = []
        self.entries: Dict[int, Place] = {}
        self.parents: Dict[int, int] = {}
        self.exits: List[Tuple[int, Place]] = []
        self._graph(side.graph)
        if not self._is_ordered():
            self.order = self._ordered()
        self.place = [0] * len(self.nodes)
        for at, node in enumerate(self.order):
            self.place[node] = at

    def value(self, name: str) -> int:
        """The number of a value; -1 for one left out."""
        if not name:
            return -1
        at = self.number.setdefault(name, len(self.names))
        if at == len(self.names):
            self.names.append(name)
            self.maker.append(None)
            self.readers.append([])
        return at

    def above(self, node: int) -> Optional[Reader]:
        """The node before one that reads a single value, which nothing else reads."""
        read = self.inputs[node]
        if len(read) != 1 or read[0] < 0 or len(self.readers[read[0]]) != 1:
            return None
        return self.maker[read[0]]

    def _graph(self, graph: GraphRecord) -> None:
        self._body(graph)
        for body in (graph, *graph.functions):
            if body is not graph:
                self._body(body)
            for place, name in enumerate(body.inputs):
                self.entries[self.value(name)] = ("", body.name, place)
            for place, name in enumerate(body.outputs):
                self._read(self.value(name), -1, len(self.exits))
                self.exits.append((self.value(name), (body.name, place)))

    def _body(self, body: GraphRecord) -> None:
        for node in body.nodes:
            at = len(self.inputs)
            self.inputs.append(list(map(self.value, node.inputs)))
            self.own.append(len(node.inputs))
            self.outputs.append(list(map(self.value, node.outputs)))
            results = []
            for which, inner in enumerate(node.bodies):
                for place, name in enumerate(inner.inputs):
                    self.entries[self.value(name)] = ("", inner.name or which, place)
                    self.parents[self.value(name)] = at
                self._body(inner)
                results.append((inner.name, list(map(self.value, inner.outputs))))
            for _, values in sorted(results, key=itemgetter(0)):
                self.inputs[at] += values
            self.order.append(at)
            for place, value in enumerate(self.inputs[at]):
                self._read(value, at, place)
            for place, value in enumerate(self.outputs[at]):
                if value >= 0:
                    self.maker[value] = (at, place)

    def _needs(self, node: int) -> List[int]:
        """The nodes that must come before one."""
        values = list(self.inputs[node])
        for value in self.inputs[node]:
            parent = self.parents.get(value)
            if parent is not None:
                values += self.inputs[parent][: self.own[parent]]
        made = [self.maker[value] for value in values if value >= 0]
        return [maker[0] for maker in made if maker is not None]

    def _is_ordered(self) -> bool:
        seen = bytearray(len(self.nodes))
        for node in self.order:
            if not all(map(seen.__getitem__, self._needs(node))):
                return False
            seen[node] = 1
        return True

    def _ordered(self) -> List[int]:
        """An order in which each node comes behind those that it needs: tools append to a list."""
        found: List[int] = []
        begun = bytearray(len(self.nodes))
        for first in self.order:
            pending = [] if begun[first] else [(first, iter(self._needs(first)))]
            begun[first] = 1
            while pending:
                node, needs = pending[-1]
                below = next((each for each in needs if not begun[each]), -1)
                if below < 0:
                    pending.pop()
                    found.append(node)
                else:
                    begun[below] = 1
                    pending.append((below, iter(self._needs(below))))
        return found

    def _read(self, value: int, node: int, place: int) -> None:
        if value >= 0:
            self.readers[value].append((node, place))
