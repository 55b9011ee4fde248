"""What is annotated: the graph of a file, what stands in it beside the graph, and the model."""

from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp.annotating.model import Model
from htp.annotating.modules import Modules
from htp.annotating.samples import Weight
from htp.graph.index import GraphIndex
from htp.graph.records import GraphRecord, NodeRecord

__all__ = [
    "CONTENTS",
    "DEEPEST",
    "METADATA",
    "NAMES",
    "NODES",
    "Chain",
    "Holders",
    "Subject",
    "Told",
    "Types",
]

METADATA, NODES = "torch's metadata", "node names"
NAMES, CONTENTS = "parameter names", "weights' contents"
"""What sources are called."""

DEEPEST = 100
"""Modules within each other: what a file tells of more is no path of modules."""

Chain = Tuple[str, ...]
"""Paths of the modules that were called within each other, the root's ``""`` first."""

Holders = Mapping[str, FrozenSet[str]]
"""The modules that each initializer may be a weight of."""

Types = Dict[str, str]
"""The qualified class of a module, by path, as far as a file tells it."""


class Told(NamedTuple):
    """What one source tells of one node.

    Attributes:
        chain: the module calls that it ran in, without their numbers.
        turn: the same for nodes of the same call of the last module, another for those of another
            call; None where the source can't tell calls apart.
    """

    chain: Chain
    turn: Optional[str] = None


@dataclass
class Subject:
    """What sources read.

    Attributes:
        graph: its record, without owners.
        props: of every node in the order of ``graph.walk()``: the metadata that others wrote.
        tags: likewise: the chain of classes that the forerunner put into an attribute, or ``""``.
        sidecar: what WinML's or the forerunner's file beside the model tells; empty without one.
        model: the one that the file is said to be of; None where none was given.
        weights: what initializers hold, where a model was given to compare them to.
    """

    graph: GraphRecord
    props: Sequence[Mapping[str, str]]
    tags: Sequence[str] = ()
    sidecar: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    model: Optional[Model] = None
    weights: Mapping[str, Weight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index = GraphIndex(self.graph)
        self.nodes: List[NodeRecord] = self.index.nodes
        self._fed = set(self.graph.inputs)
        self.modules: Optional[Modules] = None if self.model is None else self.model.modules
        self.copies = self._copies()
        self.held = self._held()

    def computes(self, at: int) -> bool:
        """Whether a node computes something from what is fed to the graph, or from other nodes."""
        makers = self.index.makers
        return any(name in makers or name in self._fed for name in self.nodes[at].inputs)

    def _copies(self) -> Dict[str, int]:
        """The nodes that copy a weight for another parameter, by that one's name.

        From torch 1.12 on the TorchScript exporter writes one of equal parameters, and an Identity
        under the name of each of the others; of names the model alone tells which are parameters.
        """
        if self.modules is None:
            return {}
        known, tensors = set(self.graph.initializers), self.modules.tensors
        copying = ((at, node) for at, node in enumerate(self.nodes) if node.op == "Identity")
        return {
            name: at
            for at, node in copying
            for name in node.outputs[:1]
            if name in tensors and known.issuperset(node.inputs)
        }

    def _held(self) -> Dict[int, Tuple[str, ...]]:
        """The weights that each node reads, by its place, where it computes with any."""
        known, copying = {*self.graph.initializers, *self.copies}, set(self.copies.values())
        found = {}
        for at, node in enumerate(self.nodes):
            names = tuple(name for name in node.inputs if name in known)
            if names and at not in copying:
                found[at] = names
        return found
