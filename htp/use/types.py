"""The element type and the shape of each value, as far as they follow from the file.

onnx's own shape inference runs on a copy without weights: of an initializer it needs type and shape
alone, and of the small ones that hold a shape (for ``Reshape``) the contents.
"""

from collections import Counter
from typing import (
    TYPE_CHECKING,
    AbstractSet,
    Any,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

from htp.errors import HTPError, InvalidModelError, did_you_mean
from htp.file.document import bodies_of, text_of
from htp.use.deep import refuse_deep
from htp.use.sizes import MOST, compute_sizes
from htp.use.standin import stand_in
from htp.use.veiled import veiled

if TYPE_CHECKING:
    import onnx

__all__ = ["Shapes", "Value", "infer", "type_protos"]

SMALL = 1024
"""Bytes of an initializer whose contents are kept: those of a shape are fewer."""

ROUNDS = 64
"""How often sizes are computed from shapes, and shapes from those: once for each size that depends
on another, in a model of so many layers."""
Shapes = Mapping[str, Union[int, Sequence[int]]]
"""The length of a dynamic axis by its name, or the whole shape of an input by the input's name."""


class Value(NamedTuple):
    """What is known of a value.

    Attributes:
        type: its element type, as ``onnx.TensorProto`` numbers it; 0 where it is not known.
        shape: the length of each axis, None for one that is not known; None where not even their
            number is.
    """

    type: int
    shape: Optional[Tuple[Optional[int], ...]]

    @property
    def lengths(self) -> Optional[Tuple[int, ...]]:
        """Its shape, if every axis is known."""
        known = tuple(each for each in self.shape or () if each is not None)
        return known if self.shape is not None and len(known) == len(self.shape) else None


def infer(model: "onnx.ModelProto", shapes: Optional[Shapes] = None) -> Dict[str, Value]:
    """What is known of the values of a model.

    Args:
        model: with or without weights; it is left as it is.
        shapes: the lengths of its dynamic axes, as far as they are given.

    Returns:
        The values of the main graph and all that is nested in it, by name. Of functions nothing is
        known: their values may have another shape at each call.

    Raises:
        HTPError: no axis or input is called so, or a length is none.
        InvalidModelError: the model is damaged.
    """
    light = _light(model)
    _settle(light, shapes or {})
    stand_in(light.graph)
    found = _inferred(light)
    done: Dict[str, Any] = {}
    for _ in range(ROUNDS):
        known = {name: each.lengths for name, each in found.items() if each.lengths is not None}
        if len(known) == len(found) or not compute_sizes(light, known, done):
            break
        found = {**found, **_inferred(light)}
    return found


def type_protos(model: "onnx.ModelProto") -> "Dict[str, onnx.TypeProto]":
    """The types of the values of a model, with the names of their dynamic axes.

    Args:
        model: with or without weights; it is left as it is.

    Raises:
        InvalidModelError: the model is damaged.
    """
    light = _light(model)
    stand_in(light.graph)
    once = _made_once(light)
    found: Dict[str, onnx.TypeProto] = {}
    done: Dict[str, Any] = {}
    short: Set[str] = set()
    for _ in range(ROUNDS):
        for graph in _graphs(_run(light, short)):
            found.update(
                (text_of(each.name), each.type)
                for each in (*graph.value_info, *graph.input, *graph.output)
            )
        found.update((text_of(each.name), _type_of(each)) for each in light.graph.initializer)
        values = {name: _value(kind) for name, kind in found.items()}
        known = {n: each.lengths for n, each in values.items() if each.lengths is not None}
        new = {n for n, each in known.items() if len(each) == 1 and each[0] <= MOST} & once - short
        short |= new
        ranked = [_rank(graph, values) for graph in _graphs(light)]
        if not compute_sizes(light, known, done) and not new and not any(ranked):
            break
    return found


def _rank(graph: "onnx.GraphProto", values: Mapping[str, Value]) -> bool:
    """Say how many axes a ``Reshape`` makes, which older releases of onnx do not follow.

    Returns:
        Whether anything was said.
    """
    from onnx import helper

    said = {text_of(each.name) for each in (*graph.value_info, *graph.output)}
    before = len(said)
    for node in graph.node:
        names = [text_of(name) for name in (*node.input[:2], *node.output[:1])]
        if node.op_type != "Reshape" or node.domain not in ("", "ai.onnx") or len(names) < 3:
            continue
        of, size, made = (values.get(name) for name in names)
        axes = size.lengths if size is not None else None
        if of is None or axes is None or len(axes) != 1 or axes[0] > MOST or names[2] in said:
            continue
        if made is None or made.shape is None:
            said.add(names[2])
            kind = helper.make_tensor_type_proto(of.type, [None] * axes[0])
            graph.value_info.add(name=names[2]).type.CopyFrom(kind)
    return len(said) > before


def _type_of(tensor: "onnx.TensorProto") -> "onnx.TypeProto":
    from onnx import helper

    return helper.make_tensor_type_proto(tensor.data_type, tensor.dims)


def _made_once(model: "onnx.ModelProto") -> Set[str]:
    """The values whose names no other value has."""
    counted: Counter[str] = Counter()
    for graph in _graphs(model):
        counted.update(text_of(value.name) for value in graph.input)
        counted.update(text_of(tensor.name) for tensor in graph.initializer)
        for node in graph.node:
            counted.update(map(text_of, node.output))
    return {name for name, count in counted.items() if count == 1}


def _inferred(light: "onnx.ModelProto") -> Dict[str, Value]:
    return _values(_run(light))


def _run(light: "onnx.ModelProto", short: AbstractSet[str] = frozenset()) -> "onnx.ModelProto":
    from onnx import checker, shape_inference

    refused = shape_inference.InferenceError, checker.ValidationError, RuntimeError, ValueError
    try:
        # Without data_prop: sizes are computed by compute_sizes, which is bounded.
        with veiled(light, short):
            return shape_inference.infer_shapes(light)
    except refused as error:
        raise InvalidModelError(
            f"The shapes of this model cannot be inferred: {error}.",
            "onnx.checker.check_model may tell more.",
        ) from error


def _light(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """A copy without the contents of large initializers."""
    import onnx

    refuse_deep(model)
    light = onnx.ModelProto()
    for field, value in model.ListFields():
        if field.name == "graph":
            _copy_graph(value, light.graph)
        elif field.name in ("opset_import", "functions"):
            getattr(light, field.name).extend(value)
        elif field.name == "ir_version":
            light.ir_version = value
    return light


def _copy_graph(graph: "onnx.GraphProto", light: "onnx.GraphProto") -> None:
    light.name = text_of(graph.name)
    for name in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(light, name).extend(getattr(graph, name))
    for tensor in graph.initializer:
        if tensor.ByteSize() < SMALL:
            light.initializer.add().CopyFrom(tensor)
        else:
            light.initializer.add(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)


def _settle(model: "onnx.ModelProto", shapes: Mapping[str, Any]) -> None:
    """Give the dynamic axes the lengths that the caller says."""
    inputs = {text_of(value.name): value for value in model.graph.input}
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    axes = dict.fromkeys(
        text_of(dim.dim_param) for value in values for dim in _dims(value) if dim.dim_param
    )
    lengths: Dict[str, int] = {}
    for name, given in shapes.items():
        if name in axes and not isinstance(given, Sequence):
            lengths[name] = _length(name, given)
        elif name in inputs and not isinstance(given, str):
            several = given if isinstance(given, Sequence) else [given]
            _reshape(inputs[name], [_length(name, each) for each in several], lengths)
        else:
            raise HTPError(
                f"No dynamic axis is called {name!r}, and no input whose shape could be {given!r}.",
                did_you_mean(name, [*axes, *inputs]),
            )
    for value in values:
        for dim in _dims(value):
            if dim.dim_param in lengths:
                dim.dim_value = lengths[dim.dim_param]


def _dims(value: "onnx.ValueInfoProto") -> Sequence[Any]:
    return value.type.tensor_type.shape.dim


def _length(name: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise HTPError(
            f"The length of {name!r} is {given!r}; a whole number is needed.",
            "say for example shapes={'batch': 1}.",
        )
    return given


def _reshape(value: "onnx.ValueInfoProto", given: List[int], lengths: Dict[str, int]) -> None:
    dims = _dims(value)
    fixed = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    if len(given) != len(fixed) or any(f not in (None, g) for f, g in zip(fixed, given)):
        raise HTPError(
            f"The shape of the input {value.name!r} cannot be {given}.",
            f"it is {[dim.dim_param or dim.dim_value for dim in dims]}.",
        )
    for dim, length in zip(dims, given):
        if dim.dim_param:
            if lengths.setdefault(dim.dim_param, length) != length:
                raise HTPError(
                    f"The axis {dim.dim_param!r} is given two lengths: "
                    f"{lengths[dim.dim_param]} and {length}.",
                    "give one.",
                )
        elif not dim.HasField("dim_value"):
            dim.dim_value = length


def _values(model: "onnx.ModelProto") -> Dict[str, Value]:
    found: Dict[str, Value] = {}
    for graph in _graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            found[text_of(value.name)] = _value(value.type)
        for tensor in graph.initializer:
            found[text_of(tensor.name)] = Value(tensor.data_type, tuple(tensor.dims))
    return found


def _graphs(model: "onnx.ModelProto") -> "Iterator[onnx.GraphProto]":
    pending: List[onnx.GraphProto] = [model.graph]
    while pending:
        graph = pending.pop()
        yield graph
        for node in graph.node:
            if node.attribute:
                pending += bodies_of(node)


def _value(kind: "onnx.TypeProto") -> Value:
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return Value(tensor.elem_type, None)
    lengths = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    return Value(tensor.elem_type, tuple(lengths))
