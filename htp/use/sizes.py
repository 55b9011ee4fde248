"""Sizes that a graph computes: what onnx's shape inference does not follow.

    x -> Shape -> Gather -> Mul -> Concat -> Reshape's second input

With the shape of ``x`` known these are a few whole numbers, and so is what is computed from
constants. Each is computed and put in the place of its node, in the copy that shapes are inferred
from. Only values of at most ``MOST`` elements are computed, and only by operators whose result is
no larger than their inputs say, so that a file cannot make this take long.
"""

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

from htp.file.document import text_of
from htp.file.external import EXTERNAL
from htp.use.places import elements

if TYPE_CHECKING:
    import onnx

__all__ = ["FOLLOWED", "MOST", "array_of", "compute_sizes"]

MOST = 64
"""Elements of a value that is computed."""
FOLLOWED = frozenset(
    (
        *("Abs", "Add", "And", "Cast", "Ceil", "Concat", "Div", "Equal", "Floor", "Gather"),
        *("Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Max", "Min", "Mod"),
        *("Mul", "Neg", "Not", "Or", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum"),
        *("Reshape", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where"),
    )
)
"""Operators whose result is no larger than what they read."""
_MADE_TO_SIZE = frozenset(("ConstantOfShape", "Expand"))
"""Their result is as large as an input says: that is looked at first."""
_INTEGERS = frozenset((6, 7, 9))
"""INT32, INT64 and BOOL: what sizes are computed in. https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""


_REFUSED = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError),
    *(RuntimeError, TypeError, ValueError),
)
"""What onnx's reference raises of a node that is damaged, or that it does not know."""


def compute_sizes(
    model: "onnx.ModelProto", shapes: Mapping[str, Tuple[int, ...]], done: Dict[str, Any]
) -> bool:
    """Compute what is known, and put it in the place of the nodes that do, in the main graph.

    Args:
        model: is changed in place.
        shapes: of values of which every axis is known.
        done: the numbers that are known; what is computed is added.

    Returns:
        Whether anything new is known.
    """
    from onnx import numpy_helper

    graph = model.graph
    versions = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
    opset = max(versions, default=1)
    for tensor in graph.initializer:
        name = text_of(tensor.name)
        array = None if name in done else array_of(tensor)
        if array is not None:
            done[name] = array
    before, left = len(done), []
    for node in graph.node:
        found = _computed(node, shapes, done, opset)
        if found is None:
            left.append(node)
            continue
        for name, array in zip(node.output, found):
            done[name] = array
            graph.initializer.append(numpy_helper.from_array(array, name))
    kept = [type(node).FromString(node.SerializeToString()) for node in left]
    graph.ClearField("node")
    graph.node.extend(kept)
    return len(done) > before


def array_of(tensor: "onnx.TensorProto") -> Any:
    """The contents of a tensor of few whole numbers; None of another, or if they lie elsewhere."""
    from onnx import numpy_helper

    held = tensor.raw_data or tensor.int64_data or tensor.int32_data
    if tensor.data_type not in _INTEGERS or elements(tensor.dims) > MOST:
        return None
    if _lies_elsewhere(tensor):
        return None
    try:
        return numpy_helper.to_array(tensor) if held or 0 in tensor.dims else None
    except _REFUSED:
        return None


def _lies_elsewhere(tensor: "onnx.TensorProto") -> bool:
    """Whether it is in a data file, which onnx would look for in the working directory."""
    return tensor.data_location == EXTERNAL


def _computed(
    node: "onnx.NodeProto",
    shapes: Mapping[str, Tuple[int, ...]],
    done: Mapping[str, Any],
    opset: int,
) -> Optional[List[Any]]:
    """What a node computes, if that is a few numbers that are known."""
    if node.domain not in ("", "ai.onnx") or not node.output:
        return None
    if any(_lies_elsewhere(attribute.t) for attribute in node.attribute):
        return None
    if node.op_type == "Constant":
        return _constant(node)
    if node.op_type in ("Shape", "Size"):
        return _of_shape(node, shapes.get(node.input[0]) if node.input else None)
    if node.op_type in _MADE_TO_SIZE:
        size = done.get(node.input[-1]) if node.input else None
        if size is None or elements(map(int, size.flat)) not in range(MOST + 1):
            return None
    elif node.op_type not in FOLLOWED:
        return None
    given = {name: done[name] for name in node.input if name and name in done}
    if not given or any(name and name not in given for name in node.input):
        return None
    return _run(node, given, opset)


def _constant(node: "onnx.NodeProto") -> Optional[List[Any]]:
    for attribute in node.attribute:
        if attribute.name == "value":
            array = array_of(attribute.t)
            return None if array is None else [array]
        if attribute.name in ("value_int", "value_ints"):
            return _run(node, {}, 13)
    return None


def _of_shape(node: "onnx.NodeProto", shape: Optional[Tuple[int, ...]]) -> Optional[List[Any]]:
    import numpy as np

    if shape is None:
        return None
    if node.op_type == "Size":
        return [np.int64(elements(shape)).reshape(())]
    bounds = {attribute.name: attribute.i for attribute in node.attribute}
    return [np.array(shape[bounds.get("start") : bounds.get("end")], np.int64)]


def _run(node: "onnx.NodeProto", given: Dict[str, Any], opset: int) -> Optional[List[Any]]:
    """Compute one node with onnx's reference; None where it cannot, or the result is large."""
    import numpy as np
    from onnx.reference import ReferenceEvaluator

    try:
        with np.errstate(all="ignore"):
            found: Any = ReferenceEvaluator(_alone(node, given, opset)).run(None, given)
    except _REFUSED:
        return None
    if len(found) != len(node.output) or any(each.size > MOST for each in found):
        return None
    return list(found)


def _alone(node: "onnx.NodeProto", given: Mapping[str, Any], opset: int) -> "onnx.ModelProto":
    """A model of this node. A node by itself is computed as the newest opset means it."""
    import onnx

    model = onnx.ModelProto(ir_version=8)
    model.opset_import.add(domain="", version=opset)
    model.graph.name = "sizes"
    model.graph.node.add().CopyFrom(node)
    model.graph.input.extend(onnx.ValueInfoProto(name=name) for name in given)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output)
    return model
