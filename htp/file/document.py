"""A parsed model and its nodes, in the order in which tags are written."""

from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Set, Tuple

from htp.errors import InvalidModelError

if TYPE_CHECKING:
    import onnx

# fmt: off
__all__ = [
    "bodies_of", "called", "graphs_of", "holds_graph", "nodes_of", "parse", "serialised", "text_of",
    "walk",
]
# fmt: on

_HOLDS_NO_GRAPH = frozenset((1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14))
"""The types of an attribute but GRAPH, GRAPHS and UNDEFINED, which is whatever it holds:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""


def parse(data: bytes) -> "onnx.ModelProto":
    """The model that these bytes are.

    Raises:
        InvalidModelError: they are something else.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise InvalidModelError(
            f"This is not an ONNX model, or it is damaged: {error}.", "export the model again."
        ) from error
    return model


def serialised(model: "onnx.ModelProto") -> bytes:
    """The bytes of a model.

    Raises:
        InvalidModelError: it has none: protobuf refuses graphs that are nested too deep, and 2 GB.
    """
    from google.protobuf.message import EncodeError

    try:
        data: bytes = model.SerializeToString()
    except (EncodeError, ValueError, RuntimeError) as error:
        raise InvalidModelError(
            f"This model cannot be written: {error}.", "onnx.checker.check_model may tell more."
        ) from error
    return data


def text_of(name: Any) -> str:
    """A name in a model, which protobuf gives as bytes where it is no valid UTF-8.

    Raises:
        InvalidModelError: it is such a name.
    """
    if not isinstance(name, str):
        raise InvalidModelError(
            f"A name in the model is no text: {str(name)[:80]}", "export the model again."
        )
    return name


def nodes_of(model: "onnx.ModelProto") -> Iterator["onnx.NodeProto"]:
    """Every node in document order: a node, then its bodies; the functions that are called last.

    A function that nothing calls (torch 2.5 writes two into every file) is no part of the model.
    """
    yield from walk(model.graph.node)
    for function in called(model):
        yield from walk(function.node)


def called(model: "onnx.ModelProto") -> "List[onnx.FunctionProto]":
    """The functions that nodes of the graph call, or nodes of functions that are called."""
    if not model.functions:
        return []
    bodies: Dict[Tuple[str, str], List[onnx.FunctionProto]] = {}
    for function in model.functions:
        bodies.setdefault((function.domain, function.name), []).append(function)
    found: Set[Tuple[str, str]] = set()
    pending: List[Iterable[onnx.NodeProto]] = [model.graph.node]
    while pending:
        new = {(node.domain, node.op_type) for node in walk(pending.pop())} - found
        found |= new
        pending += [body.node for name in new for body in bodies.get(name, ())]
    return [each for each in model.functions if (each.domain, each.name) in found]


def walk(nodes: Iterable["onnx.NodeProto"]) -> Iterator["onnx.NodeProto"]:
    """Each node, then those of its bodies; without recursion, since they may be nested deep."""
    pending = [iter(nodes)]
    while pending:
        for node in pending[-1]:
            yield node
            for attribute in node.attribute:
                if attribute.type not in _HOLDS_NO_GRAPH:
                    break
            else:
                continue
            bodies = bodies_of(node)
            if bodies:
                pending += [iter(graph.node) for graph in reversed(bodies)]
                break  # they come first
        else:
            pending.pop()


def bodies_of(node: "onnx.NodeProto") -> List["onnx.GraphProto"]:
    """The nested graphs of a node, in the order of its attributes."""
    return [
        graph
        for attribute in node.attribute
        if attribute.type not in _HOLDS_NO_GRAPH
        for graph in graphs_of(attribute)
    ]


def holds_graph(attribute: "onnx.AttributeProto") -> bool:
    """Whether an attribute holds nested graphs, and nothing else."""
    return bool(graphs_of(attribute))


def graphs_of(attribute: "onnx.AttributeProto") -> List["onnx.GraphProto"]:
    """The nested graphs that an attribute holds."""
    if attribute.type in _HOLDS_NO_GRAPH:
        return []
    return [*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs]
