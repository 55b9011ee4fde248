"""The graph that was written: its names, and another graph told in them."""

from typing import Any, Callable, Dict

from htp.backends.torchscript.ir import blocks, nodes, outputs
from htp.backends.torchscript.ledger import number
from htp.graph.records import GraphRecord, NodeRecord

__all__ = ["rename", "written_names"]


def written_names(graph: Any) -> Dict[str, str]:
    """The written name of every value of the graph, by its number."""
    names = {number(value): value.debugName() for value in graph.inputs()}
    for node in nodes(graph):
        names.update((number(value), value.debugName()) for value in outputs(node))
        for block in blocks(node):
            names.update((number(value), value.debugName()) for value in block.inputs())
    return names


def rename(record: GraphRecord, name: Callable[[str], str]) -> GraphRecord:
    """The same graph with other names for its values; what is left out stays so."""

    def renamed(values: "list[str]") -> "list[str]":
        return [value and name(value) for value in values]

    return GraphRecord(
        renamed(record.inputs),
        renamed(record.outputs),
        [
            NodeRecord(
                node.op,
                renamed(node.inputs),
                renamed(node.outputs),
                node.owner,
                [rename(body, name) for body in node.bodies],
            )
            for node in record.nodes
        ],
        {name(value): tensors for value, tensors in record.parameters.items()},
    )
