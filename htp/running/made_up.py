"""Made-up samples: random inputs of the shapes that a file says, always the same for one seed."""

from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

from htp.errors import HTPError
from htp.file.document import text_of
from htp.use.types import Shapes, Value, infer

if TYPE_CHECKING:
    import onnx

__all__ = ["made_up"]

_BOOL = 9


def made_up(
    model: "onnx.ModelProto", shapes: Optional[Shapes] = None, seed: int = 0
) -> Dict[str, Any]:
    """A sample: fractions from the normal distribution; whole numbers that an index may be.

    Whole numbers that look up rows of a weight are from all of its rows; others are 0 or 1.

    Args:
        model: with or without weights.
        shapes: the lengths of its dynamic axes.
        seed: another one gives other numbers.

    Raises:
        HTPError: the length of an axis is not known, or an input is no tensor of numbers.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    known = infer(model, shapes)
    weights = {text_of(tensor.name): tensor for tensor in model.graph.initializer}
    sample: Dict[str, Any] = {}
    for value in model.graph.input:
        name = text_of(value.name)
        if name not in weights:
            lengths = _lengths(value, known.get(name))
            sample[name] = _numbers(random, known[name].type, lengths, _rows(model, name, weights))
    return sample


def _lengths(value: "onnx.ValueInfoProto", known: Optional[Value]) -> Tuple[int, ...]:
    if known is None or not value.type.HasField("tensor_type") or known.shape is None:
        raise HTPError(
            f"Nothing can be made up for {value.name!r}: it is no tensor of a known rank.",
            "give samples.",
        )
    if known.lengths is None:
        dims = [dim.dim_param or dim.dim_value or "?" for dim in value.type.tensor_type.shape.dim]
        unknown = next(dim for dim, length in zip(dims, known.shape) if length is None)
        raise HTPError(
            f"The input {value.name!r} has the shape {dims}, of which not all is known.",
            f"say how long it is: --shape {unknown}=1, or --shape {value.name}=1x2x3 for all axes.",
        )
    return known.lengths


def _rows(model: "onnx.ModelProto", name: str, weights: Dict[str, Any]) -> int:
    """How many rows there are in the weights that an input looks up; 2 where it looks up none."""
    rows = []
    for node in model.graph.node:
        if node.op_type == "Gather" and list(node.input[1:]) == [name] and node.input[0] in weights:
            axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
            rows += list(weights[node.input[0]].dims)[axis : axis + 1 or None]
    return max(min(rows, default=2), 1)


def _numbers(random: Any, kind: int, lengths: Tuple[int, ...], rows: int) -> Any:
    from onnx import helper

    try:
        dtype = helper.tensor_dtype_to_np_dtype(kind)
    except (KeyError, TypeError, ValueError):
        dtype = None
    if dtype is None or dtype.kind not in "biuf":
        raise HTPError(f"No numbers of the type {kind} can be made up.", "give samples.")
    if dtype.kind == "f":
        return random.standard_normal(lengths).astype(dtype)
    if kind == _BOOL:
        return random.integers(0, 2, lengths).astype(bool)
    return random.integers(0, rows, lengths).astype(dtype)
