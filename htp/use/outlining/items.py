"""Nodes of a graph while some of them become calls of functions."""

from typing import TYPE_CHECKING, Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple

from htp.file.document import bodies_of, text_of
from htp.scope import ModuleCall, Tag

if TYPE_CHECKING:
    import onnx

__all__ = ["Item", "Row", "item", "ordered"]

Row = Tuple[Tag, str]
"""The tag of a node, and the fingerprint of the export that it comes from."""


class Item(NamedTuple):
    """A node with all that stands in its bodies.

    Attributes:
        node: it.
        rows: its own, and those of the nodes in its bodies, in document order.
        reads: the values that it and its bodies read of the graph in which it stands, or of one
            around that.
        makes: the values that it computes.
    """

    node: "onnx.NodeProto"
    rows: Sequence[Row]
    reads: Tuple[str, ...]
    makes: Tuple[str, ...]

    @property
    def stack(self) -> Tuple[ModuleCall, ...]:
        """The calls that it belongs to."""
        return self.rows[0][0].stack


def item(node: "onnx.NodeProto", rows: Sequence[Row]) -> Item:
    """A node as an item."""
    reads = [text_of(name) for name in node.input if name]
    for body in bodies_of(node) if node.attribute else ():
        reads += _free(body)
    makes = tuple(text_of(name) for name in node.output if name)
    return Item(node, rows, tuple(dict.fromkeys(reads)), makes)


def _free(graph: "onnx.GraphProto") -> Iterable[str]:
    """What a body reads and does not make."""
    own = {text_of(value.name) for value in graph.input}
    own.update(text_of(tensor.name) for tensor in graph.initializer)
    own.update(text_of(sparse.values.name) for sparse in graph.sparse_initializer)
    reads: Dict[str, None] = {}
    for node in graph.node:
        made = item(node, ())
        reads.update(dict.fromkeys(made.reads))
        own.update(made.makes)
    reads.update(dict.fromkeys(text_of(value.name) for value in graph.output))
    return [name for name in reads if name not in own]


def ordered(items: Sequence[Item], groups: Sequence[int]) -> Tuple[List[int], Set[int]]:
    """An order of vertices in which each comes behind those that it reads of.

    Args:
        items: the nodes.
        groups: the vertex of each item; those of one vertex become one node. A vertex is known by
            the place of its first item.

    Returns:
        The vertices in order, earlier ones first where there is a choice; and those that go round
        in a circle with others.
    """
    import heapq

    made = {name: groups[at] for at, each in enumerate(items) for name in each.makes}
    needs: Dict[int, Set[int]] = {vertex: set() for vertex in groups}
    for at, each in enumerate(items):
        needs[groups[at]].update(made[name] for name in each.reads if name in made)
    for vertex, read in needs.items():
        read.discard(vertex)
    readers: Dict[int, List[int]] = {vertex: [] for vertex in needs}
    for vertex, read in needs.items():
        for source in read:
            readers[source].append(vertex)
    counts = {vertex: len(read) for vertex, read in needs.items()}
    ready = [vertex for vertex, count in counts.items() if not count]
    heapq.heapify(ready)
    found: List[int] = []
    while ready:
        vertex = heapq.heappop(ready)
        found.append(vertex)
        for reader in readers[vertex]:
            counts[reader] -= 1
            if not counts[reader]:
                heapq.heappush(ready, reader)
    return found, _core(set(needs) - set(found), readers)


def _core(left: Set[int], readers: Dict[int, List[int]]) -> Set[int]:
    """Of what could not be put in order, that of which something else in it needs."""
    pending = True
    while pending:
        ends = {vertex for vertex in left if left.isdisjoint(readers[vertex])}
        left -= ends
        pending = bool(ends)
    return left
