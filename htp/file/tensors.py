"""The tensors of a parsed model in the order in which their fingerprints stand, and its reduction.

Both go the same way through the model, so that going it once does for both.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Iterator, Sequence, Tuple

from htp.file.document import graphs_of, nodes_of, text_of
from htp.file.fingerprints import is_few

if TYPE_CHECKING:
    import onnx

__all__ = ["Named", "reduced", "tensors_of"]

Named = Tuple[str, Any]
"""A tensor with the name of the value that it is; ``""`` where it is none."""

_SAID = ("doc_string", "metadata_props")
_OF_MODEL = (*_SAID, "training_info", "configuration")
_OF_GRAPH = (*_SAID, "value_info", "quantization_annotation")
_OF_NODE = (*_SAID, "device_configurations")
_CONTENTS = (
    *(*_SAID, "raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data"),
    *("uint64_data", "external_data", "data_location"),
)

_PLAIN = frozenset((1, 2, 3, 6, 7, 8, 13, 14))
"""Types of an attribute that holds neither tensors nor graphs; 0, undefined, may hold any."""


def tensors_of(model: "onnx.ModelProto") -> Iterator[Named]:
    """The tensors of a model.

    Of a graph, the tensors of its nodes and of their bodies, then its initializers; the functions
    last. The value of a node without inputs that holds one large tensor is that tensor; other
    tensors of attributes have no name. Names of a function's values are as in its record.
    """
    return _of_model(model, False)


def reduced(model: "onnx.ModelProto") -> Iterator[Named]:
    """The same, and take out of the model what its skeleton has not, each when it was given.

    That is the contents of weights, and all that says nothing of the graph: doc strings, metadata,
    types of values between nodes, functions that nothing calls. Tensors with few elements stay in
    the nodes that have them: they are what those do.
    """
    if model.functions:
        called = {(node.domain, node.op_type) for node in nodes_of(model)}
        for at in reversed(range(len(model.functions))):
            if (model.functions[at].domain, model.functions[at].name) not in called:
                del model.functions[at]
    _clear(model, _OF_MODEL)
    return _of_model(model, True)


def _of_model(model: "onnx.ModelProto", reducing: bool) -> Iterator[Named]:
    yield from _of_graph(model.graph, "", reducing)
    for function in model.functions:
        before = f"{function.domain}::{function.name}/"
        yield from _of_graph(function, before, reducing)
        if reducing:
            for attribute in function.attribute_proto:
                yield from _of_attribute(attribute, "", before, reducing)


def _of_graph(graph: Any, before: str, reducing: bool) -> Iterator[Named]:
    said = _known(graph.node[0].DESCRIPTOR, _OF_NODE) if reducing and graph.node else ()
    for node in graph.node:
        for name in said:
            node.ClearField(name)
        for attribute in node.attribute:
            if attribute.type not in _PLAIN:
                alone = not node.input and len(node.output) == 1
                value = before + text_of(node.output[0]) if alone else ""
                yield from _of_attribute(attribute, value, before, reducing)
            elif reducing and attribute.doc_string:
                attribute.ClearField("doc_string")
    for tensor in getattr(graph, "initializer", ()):
        yield before + text_of(tensor.name), tensor
        if reducing:
            _empty(tensor)
    if reducing:
        _clear(graph, _OF_GRAPH)
        if hasattr(graph, "initializer"):
            for value in (*graph.input, *graph.output):
                _clear(value, _SAID)
            for sparse in graph.sparse_initializer:
                _clear(sparse.values, _CONTENTS)
                _clear(sparse.indices, _CONTENTS)


def _of_attribute(attribute: Any, value: str, before: str, reducing: bool) -> Iterator[Named]:
    if reducing:
        attribute.ClearField("doc_string")
    if attribute.HasField("t"):
        few = is_few(attribute.t)
        yield "" if few else value, attribute.t
        if reducing:
            _clear(attribute.t, _SAID if few else _CONTENTS)
    for tensor in attribute.tensors:
        yield "", tensor
        if reducing:
            _clear(tensor, _SAID if is_few(tensor) else _CONTENTS)
    if reducing:
        sparse = (attribute.sparse_tensor,) if attribute.HasField("sparse_tensor") else ()
        for each in (*sparse, *attribute.sparse_tensors):
            _clear(each.values, _CONTENTS)
            _clear(each.indices, _CONTENTS)
    for body in graphs_of(attribute):
        yield from _of_graph(body, before, reducing)


def _empty(tensor: Any) -> None:
    if tensor.HasField("raw_data") and not tensor.metadata_props and not tensor.doc_string:
        tensor.ClearField("raw_data")  # mostly that is all
    else:
        _clear(tensor, _CONTENTS)


@lru_cache(maxsize=None)  # of few messages and fields
def _known(kind: Any, names: Tuple[str, ...]) -> Sequence[str]:
    """Those of these fields that the installed onnx knows of a message."""
    fields = kind.fields_by_name
    return [name for name in names if name in fields]


def _clear(message: Any, names: Tuple[str, ...]) -> None:
    for name in _known(message.DESCRIPTOR, names):
        message.ClearField(name)
