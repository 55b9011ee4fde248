"""Graphs of the ONNX IR, in memory: the order in which their nodes stand in a file.

The IR is ``onnx_ir`` (once ``onnxscript.ir``). Nothing of it is imported: which of the two a torch
uses is torch's business, and both look alike from outside.
"""

from typing import Any, Iterator, Tuple

__all__ = ["bodies", "nodes_below", "walk"]


def bodies(node: Any) -> Iterator[Any]:
    """The nested graphs of an IR node, in the order of its attributes."""
    for attribute in node.attributes.values():
        kind = getattr(attribute.type, "name", "")
        if kind == "GRAPH" and attribute.value is not None:
            yield attribute.value
        elif kind == "GRAPHS" and attribute.value is not None:
            yield from attribute.value


def nodes_below(graph: Any, parent: Any = None) -> Iterator[Tuple[Any, Any]]:
    """Every node of a graph or function with the node that encloses it, in document order."""
    for node in graph:
        yield node, parent
        for body in bodies(node):
            yield from nodes_below(body, node)


def walk(model: Any) -> Iterator[Tuple[Any, Any]]:
    """Every node of an IR model with the node that encloses it, in document order."""
    yield from nodes_below(model.graph)
    for function in model.functions.values():
        yield from nodes_below(function)
