"""Records of serialised graphs."""

from typing import Any

from htp.file import wire
from htp.file.document import bodies_of
from htp.graph.records import GraphRecord, NodeRecord


def record_bytes(data: bytes) -> GraphRecord:
    """The record of a serialised ``ModelProto``, without owners; its weights are not parsed."""
    import onnx

    return record_model(onnx.ModelProto.FromString(wire.without_weights(data)))


def record_model(model: Any) -> GraphRecord:
    """The record of a ``ModelProto``, without owners."""
    record = record_graph(model.graph)
    record.initializers = [tensor.name for tensor in model.graph.initializer]
    for function in model.functions:
        nodes = [_node(node) for node in function.node]
        body = GraphRecord(list(function.input), list(function.output), nodes)
        record.add_function(f"{function.domain}::{function.name}", body)
    return record


def record_graph(graph: Any) -> GraphRecord:
    """The record of a ``GraphProto``, without owners."""
    return GraphRecord(
        [value.name for value in graph.input],
        [value.name for value in graph.output],
        [_node(node) for node in graph.node],
    )


def _node(node: Any) -> NodeRecord:
    op, domain, held = node.op_type, node.domain, node.metadata_props
    return NodeRecord(
        f"{domain}::{op}" if domain else op,
        node.input[:],  # a list, twice as fast as list()
        node.output[:],
        None,
        [record_graph(graph) for graph in bodies_of(node)],
        node.name,
        tuple([prop.key for prop in held]) if held else (),
    )
