"""Records of serialised graphs."""

import zlib
from typing import Any

from htp.file import wire
from htp.file.document import bodies_of, holds_graph
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


def add_attributes(record: GraphRecord, model: Any) -> None:
    """Take the fingerprints of the attributes of every node of a ``ModelProto`` into its record."""
    _add_attributes(record, model.graph)
    for body, function in zip(record.functions, model.functions):
        _add_attributes(body, function)


def _add_attributes(record: GraphRecord, graph: Any) -> None:
    for known, node in zip(record.nodes, graph.node):
        if node.attribute:
            known.attributes = _fingerprint(node.attribute)
            for body, inner in zip(known.bodies, bodies_of(node)):
                _add_attributes(body, inner)


def _fingerprint(attributes: Any) -> int:
    """The same for equal attributes in any order, whatever their doc strings."""
    parts = []
    for attribute in attributes:
        if not holds_graph(attribute):
            held = attribute
            if attribute.doc_string:
                held = type(attribute).FromString(attribute.SerializeToString())
                held.ClearField("doc_string")
            parts.append(held.SerializeToString())
    return zlib.crc32(b"".join(sorted(parts)))


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
