"""The nodes of a parsed model, in the order in which tags are written."""

from typing import TYPE_CHECKING, Iterable, Iterator, List, Set, Tuple

if TYPE_CHECKING:
    import onnx

__all__ = ["bodies_of", "nodes_of"]

_HOLDS_NO_GRAPH = frozenset((1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14))
"""The types of an attribute but GRAPH, GRAPHS and UNDEFINED, which is whatever it holds:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""


def nodes_of(model: "onnx.ModelProto") -> Iterator["onnx.NodeProto"]:
    """Every node in document order: a node, then its bodies; the functions that are called last.

    A function that nothing calls (torch 2.5 writes two into every file) is no part of the model.
    """
    called: Set[Tuple[str, str]] = set()
    pending = [model.graph.node]
    while pending and model.functions:
        new = {(node.domain, node.op_type) for node in _nodes(pending.pop())} - called
        called |= new
        pending += [body.node for body in model.functions if (body.domain, body.name) in new]
    yield from _nodes(model.graph.node)
    for function in model.functions:
        if (function.domain, function.name) in called:
            yield from _nodes(function.node)


def _nodes(nodes: Iterable["onnx.NodeProto"]) -> Iterator["onnx.NodeProto"]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.type not in _HOLDS_NO_GRAPH:
                for graph in _graphs(attribute):
                    yield from _nodes(graph.node)


def bodies_of(node: "onnx.NodeProto") -> List["onnx.GraphProto"]:
    """The nested graphs of a node, in the order of its attributes."""
    return [
        graph
        for attribute in node.attribute
        if attribute.type not in _HOLDS_NO_GRAPH
        for graph in _graphs(attribute)
    ]


def _graphs(attribute: "onnx.AttributeProto") -> List["onnx.GraphProto"]:
    return [*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs]
