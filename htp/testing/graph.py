"""Reading an ONNX graph without HTP: its nodes in document order, and the values they read."""

from typing import Dict, Iterable, Iterator, List, Optional, Tuple

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["Arrays", "attribute_graphs", "document_order", "in_use", "node_arrays"]

Arrays = Dict[str, "np.ndarray"]

_PASSES_ON = ("Cast", "CastLike", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Transpose")
"""Operators through which a constant can still be recognised."""


def attribute_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The nested bodies of a node, in the order of its attributes."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def document_order(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Every node: a node, then those of its bodies."""
    for node in nodes:
        yield node
        for body in attribute_graphs(node):
            yield from document_order(body.node)


def in_use(model: onnx.ModelProto) -> Iterator[bool]:
    """For every node in document order, functions last: can running the model come to it?

    torch 2.5 ships functions along that nothing calls. No operation was lowered to their nodes, so
    they have no owner.
    """
    called = set()
    pending = [model.graph.node]
    while pending:
        for node in document_order(pending.pop()):
            name = (node.domain, node.op_type)
            if name not in called:
                called.add(name)
                pending += [
                    body.node for body in model.functions if (body.domain, body.name) == name
                ]
    for _ in document_order(model.graph.node):
        yield True
    for body in model.functions:
        for _ in document_order(body.node):
            yield (body.domain, body.name) in called


def node_arrays(
    model: onnx.ModelProto, folder: Optional[str] = None
) -> Iterator[Tuple[onnx.NodeProto, Arrays]]:
    """Every node in document order, with the constant arrays that are known where it stands.

    Args:
        model: any model.
        folder: where its data files lie; without it, external data counts as not known.
    """
    yield from _in_graph(model.graph, {}, folder)
    for function in model.functions:
        yield from _nodes(list(function.node), {}, folder)


def _in_graph(
    graph: onnx.GraphProto, outer: Arrays, folder: Optional[str]
) -> Iterator[Tuple[onnx.NodeProto, Arrays]]:
    known = dict(outer)
    for tensor in graph.initializer:
        known[tensor.name] = _array(tensor, folder)
    yield from _nodes(list(graph.node), known, folder)


def _nodes(
    nodes: List[onnx.NodeProto], known: Arrays, folder: Optional[str]
) -> Iterator[Tuple[onnx.NodeProto, Arrays]]:
    for node in nodes:
        value = _constant(node, known, folder)
        if value is not None:
            known[node.output[0]] = value
        yield node, known
        for body in attribute_graphs(node):
            yield from _in_graph(body, known, folder)


def _constant(node: onnx.NodeProto, known: Arrays, folder: Optional[str]) -> Optional["np.ndarray"]:
    if node.op_type == "Constant":
        for attribute in node.attribute:
            if attribute.ref_attr_name:
                return None  # in a function's body: its calls give the value
            if attribute.name == "value":
                return _array(attribute.t, folder)
            if attribute.name in ("value_float", "value_int"):
                return np.asarray(onnx.helper.get_attribute_value(attribute))
        return None
    if node.op_type in _PASSES_ON and node.input and node.input[0] in known:
        value = known[node.input[0]]
        return value.transpose() if node.op_type == "Transpose" and value.ndim == 2 else value
    return None


def _array(tensor: onnx.TensorProto, folder: Optional[str]) -> "np.ndarray":
    if tensor.data_location == onnx.TensorProto.EXTERNAL and folder is None:
        return np.empty((0,))
    return numpy_helper.to_array(tensor, folder or "")
