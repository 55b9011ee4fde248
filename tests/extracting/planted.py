"""Extractors that cut wrongly, to see the judge say so: a right part with one fault in it."""

import os
from typing import Any, Callable, Dict, Iterator, List, Tuple

import onnx
from onnx import helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model

import htp
from extracting.judging import Claims, Port
from extracting.measuring import Extractor
from extracting.seen import Seen
from htp.testing.graph import document_order

__all__ = ["FAULTS", "own_nodes_alone", "remembering", "with_another_call", "with_fault"]

Fault = Callable[[Any], bool]
"""Changes a part in place; says whether it could."""

UNARY = frozenset(["Erf", "Gelu", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Softmax", "Tanh"])


def drops_a_node(part: Any) -> bool:
    """What read the node's result reads its input."""
    given = {value.name for value in part.graph.output}
    for at, node in enumerate(part.graph.node):
        if node.op_type in UNARY and node.output[0] not in given:
            _read_instead(part, {node.output[0]: node.input[0]})
            del part.graph.node[at]
            return True
    return False


def drops_the_last_node(part: Any) -> bool:
    """The result is what the last node would have taken: an activation that was left out."""
    given = {value.name for value in part.graph.output}
    for node in part.graph.node:
        if node.op_type in UNARY and node.output[0] in given:
            node.CopyFrom(helper.make_node("Identity", [node.input[0]], [node.output[0]]))
            return True
    return False


def loses_an_output(part: Any) -> bool:
    """One of several results is left out, and nothing says so."""
    if len(part.graph.output) < 2:
        return False
    del part.graph.output[-1]
    return True


def loses_an_input(part: Any) -> bool:
    """An argument has become a constant."""
    if len(part.graph.input) < 2:
        return False
    value = part.graph.input.pop()
    shape = [axis.dim_value or 2 for axis in value.type.tensor_type.shape.dim]
    kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    part.graph.initializer.append(numpy_helper.from_array(_ones(shape, kind), value.name))
    return True


def _ones(shape: List[int], kind: Any) -> Any:
    import numpy as np

    return np.ones(shape, kind)


def makes_a_weight_larger(part: Any) -> bool:
    """By two in a hundred."""
    for tensor in part.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1:
            larger = numpy_helper.to_array(tensor) * 1.02
            tensor.CopyFrom(numpy_helper.from_array(larger.astype("float32"), tensor.name))
            return True
    return False


def swaps_two_inputs(part: Any) -> bool:
    """Two arguments of one shape change places; types and shapes are as they were."""
    for one, two in _alike(part.graph.input):
        _read_instead(part, {one.name: two.name, two.name: one.name})
        return True
    return False


def swaps_two_outputs(part: Any) -> bool:
    """Likewise two results."""
    for one, two in _alike(part.graph.output):
        one.name, two.name = two.name, one.name
        return True
    return False


FAULTS: Dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        drops_a_node,
        drops_the_last_node,
        loses_an_input,
        loses_an_output,
        makes_a_weight_larger,
        swaps_two_inputs,
        swaps_two_outputs,
    )
}


def with_fault(extractor: Extractor, fault: Fault, done: List[Tuple[str, int]]) -> Extractor:
    """The same parts with a fault in each that can have it.

    Args:
        done: is given the calls that have it.
    """

    def faulty(tagged: htp.TaggedModel, path: str, call: int, to: str) -> Claims:
        said = extractor(tagged, path, call, to)
        part = onnx.load(to)
        if fault(part):
            onnx.save(part, to)
            done.append((path, call))
        return said

    return faulty


def with_another_call(
    extractor: Extractor, others: Dict[Tuple[str, int], Tuple[str, int]]
) -> Extractor:
    """The part of another call, which says of itself that it is this one.

    Args:
        others: for each call the one whose nodes are taken.
    """

    def faulty(tagged: htp.TaggedModel, path: str, call: int, to: str) -> Claims:
        right = extractor(tagged, path, call, to)
        wrong = extractor(tagged, *others.get((path, call), (path, call)), to)
        # The names and places are those of the right one, in its order.
        inputs = dict(zip(wrong.inputs, right.inputs.values()))
        outputs = dict(zip(wrong.outputs, right.outputs.values()))
        return Claims(inputs, outputs, right.classes)

    return faulty


def own_nodes_alone(claims: bool) -> Extractor:
    """What the call's own nodes read and give, of which nothing shows whether they are all of it.

    Args:
        claims: whether the part says that it has the module's only argument.
    """

    def extractor(tagged: htp.TaggedModel, path: str, call: int, to: str) -> Claims:
        model = tagged.model
        tags = (tag for _, tag in tagged.nodes())
        own = [
            node
            for node, tag in zip(document_order(model.graph.node), tags)
            if any((each.path, each.call) == (path, call) for each in tag.stack)
        ]
        if not own:
            raise htp.HTPError("it has no nodes.", "none.")
        made = {name for node in own for name in node.output}
        weights = {tensor.name for tensor in model.graph.initializer}
        read = [n for node in own for n in node.input if n and n not in made and n not in weights]
        source = [str(value) for value in dict.fromkeys(read)]
        target = [node.output[0] for node in own[-1:]]
        _cut(model, own, source, target, to)
        places = ((("0",),),) if claims else ((),)
        ports = {name: Port(name, *places) for name in source}
        return Claims(ports, {}, () if claims else ("input foreign",))

    return extractor


def _cut(model: Any, own: List[Any], source: List[str], target: List[str], to: str) -> None:
    held = onnx.ModelProto()
    held.CopyFrom(model)
    inferred = onnx.shape_inference.infer_shapes(held)
    known = {
        value.name: value
        for group in (inferred.graph.input, inferred.graph.output, inferred.graph.value_info)
        for value in group
    }
    read = {name for node in own for name in node.input}
    graph = helper.make_graph(
        own,
        "part",
        [known[name] for name in source],
        [known[name] for name in target],
        [tensor for tensor in model.graph.initializer if tensor.name in read],
    )
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.save(part, to)


def remembering(right: str, seen: Seen, to: str) -> None:
    """The part with what the call returned in place of what computes it."""
    part = onnx.load(right)
    load_external_data_for_model(part, os.path.dirname(right))
    del part.graph.node[:]
    for value, result in zip(part.graph.output, seen.outputs):
        held = numpy_helper.from_array(result.array, f"{value.name}.held")
        part.graph.node.append(helper.make_node("Constant", [], [value.name], value=held))
    onnx.save(part, to)


def _alike(values: Any) -> Iterator[Tuple[Any, Any]]:
    for at, one in enumerate(values):
        for two in values[at + 1 :]:
            if one.type == two.type:
                yield one, two


def _read_instead(part: Any, others: Dict[str, str]) -> None:
    for node in part.graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = others.get(name, name)
