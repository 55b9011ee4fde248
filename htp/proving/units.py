"""The modules of a file as what can be swapped: which nodes of the main graph each has."""

from typing import Dict, FrozenSet, List, NamedTuple, Sequence, Set, Tuple

from htp.proving.circuit import Circuit
from htp.scope import Tag
from htp.use.places import FLOATS, elements

__all__ = ["Units", "constants_of", "helpers_of", "readers_of", "units_of"]


class Units(NamedTuple):
    """The nodes of each module, by their numbers; those of all its calls together.

    What is computed from constants alone, and from no weight, is no module's: it goes along with
    what reads it.

    Attributes:
        own: by path, of the module itself, without those of the modules that it calls.
        whole: by path, with all below; for the same paths in the same order.
        unknown: the nodes without a known owner.
    """

    own: Dict[str, FrozenSet[int]]
    whole: Dict[str, FrozenSet[int]]
    unknown: FrozenSet[int]

    def size(self, path: str) -> int:
        """How many modules a path stands for: itself, and those below that have nodes."""
        return sum(1 for nodes in self.own.values() if nodes <= self.whole[path])


def units_of(circuit: Circuit, tags: Sequence[Tag]) -> Units:
    """The modules that own nodes of the main graph, in the order of the graph.

    Args:
        circuit: the main graph.
        tags: of its nodes.
    """
    helpers = helpers_of(circuit)
    own: Dict[str, Set[int]] = {}
    whole: Dict[str, Set[int]] = {}
    unknown: Set[int] = set()
    for number, tag in enumerate(tags):
        if number in helpers:
            continue
        if not tag.stack:
            unknown.add(number)
            continue
        own.setdefault(tag.path, set()).add(number)
        for path in {call.path for call in tag.stack}:
            whole.setdefault(path, set()).add(number)
    return Units(
        {path: frozenset(nodes) for path, nodes in own.items()},
        {path: frozenset(whole[path]) for path in own},
        frozenset(unknown),
    )


def helpers_of(circuit: Circuit) -> FrozenSet[int]:
    """The nodes that compute from constants alone and read no weight: sizes, axes, factors."""
    weights = {
        name
        for name, tensor in circuit.constants.items()
        if tensor.data_type in FLOATS and elements(tensor.dims) > 1
    }
    return frozenset(
        number for number in constants_of(circuit) if weights.isdisjoint(circuit.reads[number])
    )


def readers_of(circuit: Circuit) -> Dict[str, Set[int]]:
    """For each value the nodes that read it, by their numbers."""
    found: Dict[str, Set[int]] = {}
    for number, names in enumerate(circuit.reads):
        for name in names:
            found.setdefault(name, set()).add(number)
    return found


def constants_of(circuit: Circuit) -> FrozenSet[int]:
    """The nodes that compute from constants alone, by their numbers."""
    known: Set[str] = set(circuit.constants)
    found: List[int] = []
    for number, node in enumerate(circuit.nodes):
        reads: Tuple[str, ...] = circuit.reads[number]
        held = all(name in known for name in reads) if reads else node.op_type == "Constant"
        if held:  # without inputs it may be random
            known.update(name for name in node.output if name)
            found.append(number)
    return frozenset(found)
