"""The bytes of a part: what it has of the file as it stands there, and the little that is new.

Weights are copied once, unparsed; those in data files stay there.
"""

from typing import TYPE_CHECKING, Dict, List, NamedTuple, Sequence, Set, Tuple

from htp.file import keys
from htp.file.document import serialised, text_of, walk
from htp.file.edit import Chunk
from htp.file.protobuf import damaged, head
from htp.file.spans import GraphSpans, Span, Spans, field_of
from htp.use.extracting.graphs import MAIN, Graphs
from htp.use.extracting.part import File, Part
from htp.use.extracting.sizes import Axis

if TYPE_CHECKING:
    import onnx

__all__ = ["Built", "Bytes"]


class Built(NamedTuple):
    """A part as a model.

    Attributes:
        chunks: its bytes, in pieces; its nodes have what they had in the file, tags included.
        origins: for each of its nodes in document order, those of bodies included, the number of
            the node in the file that it is, and -1 for one that is new.
        functions: domain and name of the functions that it has, in order.
    """

    chunks: Sequence[Chunk]
    origins: Sequence[int]
    functions: Sequence[Tuple[str, str]]


class Bytes:
    """The bytes of a file that parts are cut out of.

    Args:
        data: the file.
        outline: the same, parsed, without large weights.
        graphs: of the outline.

    Raises:
        InvalidModelError: the file is damaged.
    """

    def __init__(self, data: bytes, outline: "onnx.ModelProto", graphs: Graphs) -> None:
        self._outline, self._graphs = outline, graphs
        self._spans = Spans(data)
        self._view = memoryview(data)
        self._places: Dict[int, GraphSpans] = {MAIN: self._spans.main}
        if len(self._spans.main.nodes) != len(outline.graph.node):
            raise damaged("its graph has other nodes than it says")
        versions = [each.version for each in outline.opset_import if each.domain in ("", "ai.onnx")]
        self._opset = max(versions, default=1)

    def _place(self, place: int) -> GraphSpans:
        found = self._places.get(place)
        if found is None:
            holder = self._graphs.places[place].holder
            bodies = self._spans.bodies(self._node(holder))
            for number, spans in zip(self._graphs.bodies(holder), bodies):
                self._places[number] = spans
            found = self._places[place]
        return found

    def _node(self, at: int) -> Span:
        return self._place(self._graphs.home[at]).nodes[self._graphs.place_of[at]]

    def of(self, file: File, part: Part) -> Built:
        """A part as a model."""
        nodes, origins = self._nodes(part)
        inner = [*nodes, *self._weights(part), *self._types(file, part)]
        functions = self._functions(part)
        whole = [self._header(), head(field_of("graph"), sum(map(len, inner))), *inner]
        for number in functions:
            whole += self._field("function", self._spans.functions[number])
        bodies = [self._outline.functions[number] for number in functions]
        return Built(whole, origins, [(body.domain, body.name) for body in bodies])

    def _nodes(self, part: Part) -> Tuple[List[Chunk], List[int]]:
        """The nodes, and of each the number of the node in the file that it is."""
        found: List[Chunk] = [_node_field(node) for node in part.made]
        origins: List[int] = [-1] * len(found)
        for at in sorted(part.nodes):
            axes = part.shapes.get(at)
            if axes is None:
                found += self._field("node", self._node(at))
                origins += range(at, self._graphs.ends[at])
            else:
                made = _shape(self._graphs.nodes[at], axes, self._opset)
                found += map(_node_field, made)
                origins += [at] * len(made)
        for port in part.outputs:
            if port.name != port.value:
                found.append(_node_field(_alias(port.value, port.name)))
                origins.append(-1)
        return found, origins

    def _weights(self, part: Part) -> List[Chunk]:
        found: List[Chunk] = []
        for place, name in part.weights:
            spans = self._place(place)
            kind = "tensor" if name in spans.tensors else "sparse"
            held = spans.tensors if kind == "tensor" else spans.sparse
            found += self._field(kind, held[name])
        return found

    def _field(self, kind: str, span: Span) -> List[Chunk]:
        at, end = span
        return [head(field_of(kind), end - at), self._view[at:end]]

    def _header(self) -> bytes:
        """What the file says of itself, without its graph and what HTP wrote."""
        import onnx

        made = onnx.ModelProto()
        for number in ("ir_version", "model_version"):
            if self._outline.HasField(number):
                setattr(made, number, getattr(self._outline, number))
        for name in ("producer_name", "producer_version", "domain"):
            if self._outline.HasField(name):
                setattr(made, name, text_of(getattr(self._outline, name)))
        made.opset_import.extend(self._outline.opset_import)
        theirs = (p for p in self._outline.metadata_props if not str(p.key).startswith(keys.PREFIX))
        made.metadata_props.extend(theirs)
        return serialised(made)

    def _types(self, file: File, part: Part) -> List[Chunk]:
        """The types of what it takes and gives, and of values between as far as the file says."""
        import onnx

        graph = onnx.GraphProto(name=text_of(self._outline.graph.name) or "part")
        for port in part.inputs:
            kind = part.kinds.get(port.name) or file.types.of(port.value)
            graph.input.add(name=port.name, type=kind)
        if self._outline.ir_version < _WEIGHTS_ALONE:
            for _, name in part.weights:
                graph.input.add(name=name, type=file.types.of(name))
        for port in part.outputs:
            graph.output.add(name=port.name, type=file.types.of(port.value))
        ends = {port.name for port in (*part.inputs, *part.outputs)}
        for at in sorted(part.nodes):
            for name in self._graphs.nodes[at].output:
                said = file.types.said(name)
                if said is not None and name not in ends:
                    graph.value_info.add(name=name, type=said)
        kept = {name for at in part.nodes for name in self._graphs.nodes[at].output}
        kept |= ends | {name for _, name in part.weights}
        graph.quantization_annotation.extend(
            each for each in self._outline.graph.quantization_annotation if each.tensor_name in kept
        )
        return [graph.SerializeToString()]

    def _functions(self, part: Part) -> List[int]:
        """The functions that it calls, and those that they call, as their numbers."""
        bodies = {(each.domain, each.name): at for at, each in enumerate(self._outline.functions)}
        if not bodies:
            return []
        found: Set[int] = set()
        pending: List[Sequence[onnx.NodeProto]] = [[self._graphs.nodes[at] for at in part.nodes]]
        while pending:
            called = {(node.domain, node.op_type) for node in walk(pending.pop())}
            for at in {bodies[name] for name in called if name in bodies} - found:
                found.add(at)
                pending.append(self._outline.functions[at].node)
        return sorted(found)


def _node_field(node: "onnx.NodeProto") -> bytes:
    made: bytes = node.SerializeToString()
    return head(field_of("node"), len(made)) + made


def _alias(value: str, name: str) -> "onnx.NodeProto":
    import onnx

    return onnx.NodeProto(op_type="Identity", name=name, input=[value], output=[name])


def _shape(node: "onnx.NodeProto", axes: Sequence[Axis], opset: int) -> "List[onnx.NodeProto]":
    """What computes a shape axis by axis, in the place of a node that took it of another value."""
    from onnx import helper

    result = text_of(node.output[0])
    made: List[onnx.NodeProto] = []
    parts: List[str] = []
    for number, (length, source, axis) in enumerate(axes):
        name = f"{result}.{number}"
        parts.append(name)
        if length is not None:
            made.append(_constant(length, name))
        elif opset >= _SHAPE_HAS_BOUNDS:
            made.append(helper.make_node("Shape", [source], [name], name, start=axis, end=axis + 1))
        else:
            made.append(helper.make_node("Shape", [source], [f"{name}.all"], f"{name}.all"))
            made.append(_constant(axis, f"{name}.axis"))
            read = [f"{name}.all", f"{name}.axis"]
            made.append(helper.make_node("Gather", read, [name], name, axis=0))
    made.append(helper.make_node("Concat", parts, [result], node.name or result, axis=0))
    return made


_WEIGHTS_ALONE = 4
"""Before this version of the format an initializer had to be an input as well:
https://github.com/onnx/onnx/blob/main/docs/IR.md#graphs"""

_SHAPE_HAS_BOUNDS = 15
"""https://onnx.ai/onnx/operators/onnx__Shape.html"""


def _constant(value: int, name: str) -> "onnx.NodeProto":
    from onnx import TensorProto, helper

    tensor = helper.make_tensor("", TensorProto.INT64, [1], [value])
    return helper.make_node("Constant", [], [name], name, value=tensor)
