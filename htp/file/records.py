"""Records of serialised graphs."""

import struct
import zlib
from functools import lru_cache
from typing import Any, Dict, List, Mapping, Optional

from htp.file import wire
from htp.file.document import bodies_of, graphs_of, holds_graph, text_of
from htp.file.fingerprints import exact, of_raw, of_tensor
from htp.graph.records import GraphRecord, NodeRecord, Weight


def record_bytes(data: bytes) -> GraphRecord:
    """The record of a serialised ``ModelProto``, without owners; its weights are not parsed."""
    return record_model(outline_of(data))


def outline_of(data: bytes) -> Any:
    """The ``ModelProto`` of these bytes, without the contents of its large tensors."""
    import onnx

    return onnx.ModelProto.FromString(wire.without_weights(data))


def record_model(model: Any) -> GraphRecord:
    """The record of a ``ModelProto``, without owners."""
    record = record_graph(model.graph)
    record.initializers = [tensor.name for tensor in model.graph.initializer]
    for function in model.functions:
        nodes = [_node(node) for node in function.node]
        body = GraphRecord(list(function.input), list(function.output), nodes)
        record.add_function(f"{function.domain}::{function.name}", body)
    return record


def add_attributes(
    record: GraphRecord, model: Any, weights: Optional[Mapping[str, Weight]] = None
) -> None:
    """Take the fingerprints of the attributes of every node of a ``ModelProto`` into its record.

    Of a tensor with more than a few elements type and axes count; its contents only where the
    weights say them, so that a model and its skeleton have the same fingerprints.

    Args:
        record: of the model.
        model: the model or its outline, from which nothing was left out but contents of weights.
        weights: of the model; see ``htp.file.weights``.
    """
    known = weights or {}
    _add_attributes(record, model.graph, known, _versions(model))
    for body, function in zip(record.functions, model.functions):
        _add_attributes(body, function, known, _versions(function))


def _versions(model: Any) -> Dict[str, int]:
    """The version of each domain of operators that a model or a function uses."""
    return {_domain(each.domain): each.version for each in model.opset_import}


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _add_attributes(
    record: GraphRecord, graph: Any, weights: Mapping[str, Weight], versions: Mapping[str, int]
) -> None:
    for known, node in zip(record.nodes, graph.node):
        if node.attribute:
            alone = not known.inputs and len(known.outputs) == 1
            large = weights.get(known.outputs[0]) if alone else None
            said = large.contents.encode() if large is not None else b""
            known.constant = (large or _constant(node)) if alone else None
            domain = _domain(node.domain)
            usual = _defaults(node.op_type, domain, versions.get(domain, 0))
            known.attributes = _fingerprint(node.attribute, said, usual)
            for body, inner in zip(known.bodies, bodies_of(node)):
                _add_attributes(body, inner, weights, versions)


_NUMBERS = {1: ("f", "<f", 1), 2: ("i", "<q", 7), 6: ("floats", "<f", 1), 7: ("ints", "<q", 7)}
"""Attributes that are numbers, by their types: their field, the form of one, and the element type
of the tensor that they are."""


def _constant(node: Any) -> Optional[Weight]:
    """What a node holds that has one attribute and no inputs, as if it were an initializer."""
    (held, *others) = node.attribute
    if others or node.op_type != "Constant":
        return None
    if held.HasField("t"):
        return Weight(of_tensor(held.t), tuple(held.t.dims), held.t.data_type)
    if held.type not in _NUMBERS:
        return None
    name, form, dtype = _NUMBERS[held.type]
    value = getattr(held, name)
    several = held.type in (6, 7)
    shape = (len(value),) if several else ()
    raw = b"".join(struct.pack(form, each) for each in (value if several else (value,)))
    return Weight(of_raw(dtype, shape, raw), shape, dtype)


@lru_cache(maxsize=1024)  # a model uses few operators
def _defaults(op: str, domain: str, version: int) -> Mapping[str, bytes]:
    """What attributes of an operator are where it does not say: many tools write it down."""
    from onnx import defs

    try:
        schema = defs.get_schema(op, version, domain)
    except (defs.SchemaError, TypeError):  # an operator of a tool's own, or no such version
        return {}
    known = {name: each.default_value for name, each in schema.attributes.items()}
    return {name: value.SerializeToString() for name, value in known.items() if value.type}


def _fingerprint(attributes: Any, contents: bytes, usual: Mapping[str, bytes]) -> int:
    """The same for equal attributes in any order, whatever their doc strings.

    One that says what its operator does anyway says nothing.
    """
    parts = [contents] if contents else []
    for attribute in attributes:
        if attribute.HasField("t"):
            parts.append(text_of(attribute.name).encode() + exact(attribute.t))
        elif not holds_graph(attribute):
            held = attribute
            if attribute.doc_string:
                held = type(attribute).FromString(attribute.SerializeToString())
                held.ClearField("doc_string")
            said = held.SerializeToString()
            if said != usual.get(attribute.name):
                parts.append(said)
    if not parts:
        return 0
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
        _bodies(node) if node.attribute else [],
        node.name,
        tuple([prop.key for prop in held]) if held else (),
    )


def _bodies(node: Any) -> List[GraphRecord]:
    """The records of the nested graphs of a node, each called after its attribute."""
    found = []
    for attribute in node.attribute:
        for place, graph in enumerate(graphs_of(attribute)):
            body = record_graph(graph)
            body.name = f"{attribute.name}/{place}"
            found.append(body)
    return found
