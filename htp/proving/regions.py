"""What some nodes of a graph have to do with the others: values that cross the border."""

from typing import Container, FrozenSet, List, NamedTuple, Set

from htp.proving.circuit import Circuit
from htp.proving.units import constants_of, helpers_of, readers_of

__all__ = ["Region", "Regions"]


class Region(NamedTuple):
    """Some nodes of a graph.

    Attributes:
        nodes: their numbers in order, with those of the constants that they read.
        taken: the values that they read of others.
        given: the values that others read of them, or that the graph gives.
        inner: the values that they compute for themselves, but for constants.
    """

    nodes: List[int]
    taken: List[str]
    given: List[str]
    inner: List[str]


class Regions:
    """The regions of a graph.

    Args:
        circuit: the graph.
        names: the values that need not be computed from constants anew, for they are known.
    """

    def __init__(self, circuit: Circuit, names: Container[str]) -> None:
        self._circuit, self._names = circuit, names
        self._constant, self._helpers = constants_of(circuit), helpers_of(circuit)
        self._readers = readers_of(circuit)

    def of(self, chosen: FrozenSet[int]) -> Region:
        """The region of some nodes, by their numbers."""
        circuit, outputs = self._circuit, set(self._circuit.outputs)
        nodes = self._with_constants(chosen)
        made = {name for number in nodes for name in circuit.nodes[number].output if name}
        reads = dict.fromkeys(name for number in sorted(nodes) for name in circuit.reads[number])
        given: List[str] = []
        inner: List[str] = []
        for number in sorted(chosen - self._helpers):
            for name in filter(None, circuit.nodes[number].output):
                out = name in outputs or not self._readers.get(name, set()) <= chosen
                (given if out else inner).append(name)
        taken = [name for name in reads if name not in made and name not in circuit.constants]
        return Region(sorted(nodes), taken, given, inner)

    def _with_constants(self, chosen: FrozenSet[int]) -> Set[int]:
        nodes, pending = set(chosen), list(chosen)
        while pending:
            for name in self._circuit.reads[pending.pop()]:
                maker = self._circuit.made_by.get(name)
                goes = self._helpers if name in self._names else self._constant
                if maker in goes and maker not in nodes:
                    nodes.add(maker)
                    pending.append(maker)
        return nodes
