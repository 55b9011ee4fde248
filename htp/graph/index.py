"""Who makes and who reads each value of a graph."""

from typing import Dict, List, Optional

from htp.graph.records import GraphRecord, NodeRecord

__all__ = ["GraphIndex", "Reader"]

Reader = Optional[NodeRecord]
"""What reads a value; None stands for an output of the graph or of a function."""


class GraphIndex:
    """The edges of a graph, its nested bodies and its functions, looked up by value.

    Attributes:
        graph: the graph.
        nodes: every node in document order.
        makers: the node that computes each value. Inputs and initializers have none.
        readers: what reads each value, in document order. The output of a nested body is read by
            the node that has the body.
        parents: for each node of a nested body, by ``id``, the node that has the body.
    """

    def __init__(self, graph: GraphRecord) -> None:
        self.graph = graph
        self.nodes: List[NodeRecord] = []
        self.makers: Dict[str, NodeRecord] = {}
        self.readers: Dict[str, List[Reader]] = {}
        self.parents: Dict[int, NodeRecord] = {}
        self._visit(graph, None)
        for function in graph.functions:
            self._visit(function, None)

    def _visit(self, body: GraphRecord, parent: Reader) -> None:
        for node in body.nodes:
            self.nodes.append(node)
            if parent is not None:
                self.parents[id(node)] = parent
            for name in node.outputs:
                if name:
                    self.makers[name] = node
            for name in node.inputs:
                if name:
                    self.readers.setdefault(name, []).append(node)
            for inner in node.bodies:
                self._visit(inner, node)
        for name in body.outputs:
            self.readers.setdefault(name, []).append(parent)
