"""Tags in a model of the ONNX IR, in memory: the same entries as in its file."""

from typing import Any, Mapping, Sequence, Tuple

from htp.errors import InvalidModelError
from htp.file.encode import Made
from htp.file.sources import serde_of
from htp.graph.memory import walk

__all__ = ["Entries", "entries", "outline", "write"]


def outline(model: Any) -> bytes:
    """The model's graph without weights, as bytes.

    Args:
        model: an ``onnx_ir.Model``; it is not touched.
    """
    import onnx

    serde = serde_of(model)
    proto = onnx.ModelProto()
    graph = model.graph
    proto.graph.input.extend(onnx.ValueInfoProto(name=value.name) for value in graph.inputs)
    proto.graph.output.extend(onnx.ValueInfoProto(name=value.name) for value in graph.outputs)
    for name, value in graph.initializers.items():
        tensor = value.const_value
        if tensor is None:
            proto.graph.initializer.add(name=name)
        else:
            dims = map(int, tensor.shape)
            proto.graph.initializer.add(name=name, dims=dims, data_type=int(tensor.dtype))
    proto.graph.node.extend(serde.serialize_node(node) for node in graph)
    proto.functions.extend(serde.serialize_function(each) for each in model.functions.values())
    return bytes(proto.SerializeToString())


Entries = Sequence[Tuple[Any, Mapping[str, str]]]
"""Each metadata of a model with what is to be added."""


def entries(model: Any, made: Made) -> Entries:
    """Where in the model which entries belong; nothing is written yet.

    Args:
        model: an ``onnx_ir.Model``.
        made: what ``htp.file.encode`` made for it.

    Raises:
        InvalidModelError: the entries are those of another model.
    """
    import onnx

    nodes = [node for node, _ in walk(model)]
    if len(nodes) != len(made.nodes):
        raise InvalidModelError(
            f"The model in memory has {len(nodes)} nodes, its file {len(made.nodes)}."
        )
    found = [
        (node.metadata_props, _read(onnx.NodeProto, data)) for node, data in zip(nodes, made.nodes)
    ]
    for name, data in made.tensors.items():
        value = model.graph.initializers.get(name)
        tensor = None if value is None else value.const_value
        if tensor is not None:
            found.append((tensor.metadata_props, _read(onnx.TensorProto, data)))
    found.append((model.metadata_props, _read(onnx.ModelProto, made.model)))
    return found


def write(found: Entries) -> None:
    """Write the entries, behind those that are there."""
    for props, new in found:
        props.update(new)


def _read(kind: Any, data: bytes) -> Mapping[str, str]:
    return {prop.key: prop.value for prop in kind.FromString(data).metadata_props}
