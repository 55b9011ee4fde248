"""What each initializer holds: how many parameters, how many bytes."""

from collections import Counter
from typing import TYPE_CHECKING, Callable, Dict, Iterable, Mapping, NamedTuple, Sequence, Tuple

from htp.use.macs import attributes_of
from htp.use.places import Weights, elements

if TYPE_CHECKING:
    import onnx

__all__ = ["Held", "held_by"]

_BITS = {
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((7, 11, 13, 14), 64),
    15: 128,
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((25, 26), 2),
}
"""Of an element, by its type: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

_QUANTISED = {
    **dict.fromkeys(("DequantizeLinear",), 0),
    **dict.fromkeys(("MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "MatMulNBits"), 1),
    **dict.fromkeys(("QLinearMatMul", "QLinearConv", "QGemm"), 3),
    "MatMulIntegerToFloat": 1,
}
"""Which input of an operator is a weight, or what becomes one, in whole numbers. What else it reads
are scales and zero points, which are no parameters."""
_BIAS = {"QLinearConv": 8, "QGemm": 6}
"""But for the bias."""


class Held(NamedTuple):
    """What an initializer holds.

    Attributes:
        parameters: elements of parameters and buffers; 0 where it is none.
        bytes: of all its elements.
        folded: whether it was made from several parameters.
        key: what it holds. Another of the same key holds the same parameters once more, as where a
            weight was transposed for each of its readers.
    """

    parameters: int
    bytes: int
    folded: bool
    key: Tuple[str, ...]


def held_by(
    weights: Weights,
    nodes: Sequence["onnx.NodeProto"],
    known: Mapping[str, Tuple[str, ...]],
    contents: Callable[[], Mapping[str, str]],
) -> Dict[str, Held]:
    """What each initializer holds.

    Args:
        weights: the initializers of a file.
        nodes: its nodes.
        known: the parameters that each is known to be made from. Where none is known of any, every
            initializer that holds several fractions counts as one.
        contents: gives a fingerprint of what each initializer holds, the same for a transposed one,
            ``""`` where it could not be read. Asked only where several are of one parameter: they
            are its parts then, or the same once more.
    """
    several = Counter(known.values())
    told = contents() if any(count > 1 for count in several.values()) else {}
    whole = _whole(weights, nodes)
    found: Dict[str, Held] = {}
    for name, tensor in weights.tensors.items():
        count = elements(tensor.dims)
        is_parameter = bool(known.get(name)) if known else weights.is_weight(name)
        size = (count * _BITS.get(tensor.data_type, 0) + 7) // 8
        parameters = whole.get(name, count if is_parameter else 0)
        made_of = known.get(name, ())
        held = told.get(name, "") if several[made_of] > 1 else name
        found[name] = Held(parameters, size, len(made_of) > 1, (*made_of, held or f"{name} alone"))
    return found


def _whole(weights: Weights, nodes: Iterable["onnx.NodeProto"]) -> Dict[str, int]:
    """For what holds whole numbers how many parameters it holds; packed ones hold more."""
    found: Dict[str, int] = {}
    for node in nodes:
        at = _QUANTISED.get(node.op_type)
        if at is None or at >= len(node.input):
            continue
        counted = (at, _BIAS.get(node.op_type))
        for place, name in enumerate(node.input):
            tensor = weights.tensors.get(name)
            if tensor is not None:
                found[name] = elements(tensor.dims) if place in counted else 0
        if node.op_type == "MatMulNBits" and node.input[at] in weights.tensors:
            told = attributes_of(node)
            found[node.input[at]] = told.get("K", 0) * told.get("N", 0)
    return found
