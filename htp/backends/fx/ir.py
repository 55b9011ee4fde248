"""Graphs of the ONNX IR as records.

The IR is ``onnx_ir`` (once ``onnxscript.ir``). Nothing of it is imported: which of the two a torch
uses is torch's business, and both look alike from outside.
"""

from dataclasses import replace
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from htp.graph.memory import bodies, nodes_below, walk
from htp.graph.records import GraphRecord, NodeRecord
from htp.scope import Owner

__all__ = [
    "MARK",
    "bodies",
    "identifier",
    "operator",
    "record",
    "rename_ends",
    "walk",
    "walk_function",
]

MARK = "pkg.htp.from."
"""Prefix of the metadata keys that mark nodes while torch optimises. The node's number follows."""


def walk_function(function: Any) -> Iterator[Any]:
    """Every node of a function's body."""
    for node, _ in nodes_below(function):
        yield node


def identifier(node: Any) -> Tuple[str, str, str]:
    """The key under which a model has the function that a node calls."""
    return str(node.domain), str(node.op_type), str(getattr(node, "overload", ""))


class _Names:
    """Names of values. One without a name gets one that ONNX could not have."""

    def __init__(self) -> None:
        self._made: Dict[int, str] = {}

    def __call__(self, value: Any) -> str:
        if value is None:
            return ""
        if value.name:
            return str(value.name)
        return self._made.setdefault(id(value), f"%{len(self._made)}")


def operator(node: Any) -> str:
    """The operator of a node with its domain, as records have it."""
    domain = node.domain
    return f"{domain}::{node.op_type}" if domain not in ("", "ai.onnx") else str(node.op_type)


def record(model: Any, owner_of: Callable[[Any], Optional[Owner]]) -> GraphRecord:
    """The record of an IR model, node for node in document order.

    Args:
        model: an ``onnx_ir.Model``.
        owner_of: the owner of a node, or None where it is not known.
    """
    names = _Names()

    def graph_record(graph: Any) -> GraphRecord:
        nodes = [
            NodeRecord(
                op=operator(node),
                inputs=[names(value) for value in node.inputs],
                outputs=[names(value) for value in node.outputs],
                owner=owner_of(node),
                bodies=[graph_record(body) for body in bodies(node)],
                name=str(node.name or ""),
                keys=tuple(key for key in node.metadata_props if not key.startswith(MARK)),
            )
            for node in graph
        ]
        return GraphRecord(
            inputs=[names(value) for value in graph.inputs],
            outputs=[names(value) for value in graph.outputs],
            nodes=nodes,
        )

    whole = graph_record(model.graph)
    for function in model.functions.values():
        whole.add_function(f"{function.domain}::{function.name}", graph_record(function))
    return whole


def rename_ends(before: GraphRecord, after: GraphRecord) -> None:
    """Let the inputs and outputs of ``before`` have the names that torch gave them later."""
    ends = (*zip(before.inputs, after.inputs), *zip(before.outputs, after.outputs))
    taken = {name for node in before.walk() for name in node.outputs}
    taken.update(before.inputs, before.parameters)
    new = {old: name for old, name in ends if name not in taken}

    def rename(names: List[str]) -> None:
        names[:] = [new.get(name, name) for name in names]

    main = replace(before, functions=[])  # a function has names of its own
    for graph in main.graphs():
        rename(graph.inputs)
        rename(graph.outputs)
    for node in main.walk():
        rename(node.inputs)
        rename(node.outputs)
