"""The graph that was written: its names, and another graph told in them."""

from typing import Any, Callable, Dict, Tuple

from htp.backends.torchscript.ir import blocks, nodes, outputs
from htp.backends.torchscript.ledger import number
from htp.graph.records import GraphRecord, NodeRecord

__all__ = ["Tensors", "note_parameters", "rename", "written_names"]


def written_names(graph: Any) -> Dict[str, str]:
    """The written name of every value of the graph, by its number."""
    names = {number(value): value.debugName() for value in graph.inputs()}
    for node in nodes(graph):
        names.update((number(value), value.debugName()) for value in outputs(node))
        for block in blocks(node):
            names.update((number(value), value.debugName()) for value in block.inputs())
    return names


Tensors = Dict[str, Tuple[str, ...]]
"""All names of a parameter or buffer, by each of them."""


def note_parameters(record: GraphRecord, graph: Any, tensors: Tensors) -> None:
    """Note which inputs of a graph are parameters or buffers of the model."""
    for value in graph.inputs():
        names = tensors.get(value.debugName())
        if names:
            record.parameters[number(value)] = names


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
