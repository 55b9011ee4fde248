"""How many multiply-accumulates a node needs: those of matrix products and of convolutions.

What other operators compute (sums, norms, activations) is not counted: nothing for ONNX's own, and
nothing is known of operators of other domains that are not listed here.
"""

import re
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Tuple

from htp.use.places import elements

if TYPE_CHECKING:
    import onnx

__all__ = ["attributes_of", "macs_of"]

Shape = Optional[Tuple[int, ...]]
"""The length of each axis; None where one of them is not known."""


class Work:
    """A node with the shapes of what it reads and computes.

    Args:
        node: the node.
        shapes: of values, where they are known.
    """

    def __init__(self, node: "onnx.NodeProto", shapes: Mapping[str, Tuple[int, ...]]) -> None:
        self._node, self._shapes = node, shapes
        self.attributes = attributes_of(node)

    def input(self, at: int) -> Shape:
        """The shape of an input."""
        names = self._node.input
        return self._shapes.get(names[at]) if at < len(names) else None

    @property
    def output(self) -> Shape:
        """The shape of the first output."""
        return self._shapes.get(self._node.output[0]) if self._node.output else None


def attributes_of(node: "onnx.NodeProto") -> Dict[str, Any]:
    """The numbers and texts among the attributes of a node."""
    found: Dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.HasField("i"):
            found[attribute.name] = attribute.i
        elif attribute.HasField("s"):
            found[attribute.name] = attribute.s.decode("utf-8", "replace")
    return found


def macs_of(node: "onnx.NodeProto", shapes: Mapping[str, Tuple[int, ...]]) -> Optional[int]:
    """Its multiply-accumulates; None where a shape is missing, or the operator is not known.

    Args:
        node: the node. One that has nested graphs needs none itself.
        shapes: of values of which every axis is known.
    """
    count = _COUNTS.get((_DOMAINS.get(node.domain, node.domain), node.op_type))
    if count is not None:
        try:
            return count(Work(node, shapes))
        except IndexError:  # a damaged node, of too few axes
            return None
    if node.domain in ("", "ai.onnx", "ai.onnx.ml"):
        return 0
    return 0 if node.domain == _MICROSOFT and node.op_type in _WITHOUT_PRODUCT else None


_MICROSOFT = "com.microsoft"
_DOMAINS = {"ai.onnx": ""}


def _product(a: int = 0, transposed: str = "") -> Callable[[Work], Optional[int]]:
    """Of a matrix product: for each element of the result as many as a row of ``a`` is long."""

    def count(work: Work) -> Optional[int]:
        left, out = work.input(a), work.output
        if left is None or out is None:
            return None
        axis = -2 if transposed and work.attributes.get(transposed) else -1
        return elements(out) * left[axis]

    return count


def _convolution(weight: int = 1) -> Callable[[Work], Optional[int]]:
    """For each element of the result the weights of one output channel."""

    def count(work: Work) -> Optional[int]:
        kernel, out = work.input(weight), work.output
        return None if kernel is None or out is None else elements(out) * elements(kernel[1:])

    return count


def _transposed_convolution(work: Work) -> Optional[int]:
    given, kernel = work.input(0), work.input(1)
    return None if given is None or kernel is None else elements(given) * elements(kernel[1:])


def _recurrent(work: Work) -> Optional[int]:
    """``X`` is (time, batch, size) or (batch, time, size): both weights at each step."""
    given, weights, recurrence = (work.input(at) for at in range(3))
    if given is None or weights is None or recurrence is None:
        return None
    return given[0] * given[1] * (elements(weights) + elements(recurrence))


def _nbits(work: Work) -> Optional[int]:
    """The weight is packed: its width is told by ``N``."""
    given, width = work.input(0), work.attributes.get("N")
    return None if given is None or width is None else elements(given) * width


def _attention(work: Work) -> Optional[int]:
    """Scores and what they mix, of heads on an axis of their own or all on the last."""
    query, key, value = (work.input(at) for at in range(3))
    if query is None or key is None or value is None or len(query) != len(key):
        return None
    if len(query) == 4:
        batch, heads, time, size = query
        return batch * heads * time * key[2] * (size + value[3])
    batch, time, width = query
    heads = work.attributes.get("q_num_heads") or work.attributes.get("num_heads") or 1
    groups = work.attributes.get("kv_num_heads") or heads
    return batch * time * key[1] * (width + value[2] // groups * heads)


def _einsum(work: Work) -> Optional[int]:
    """One for each combination of all letters, where two tensors are multiplied."""
    equation = re.sub(r"\s", "", str(work.attributes.get("equation", "")))
    terms = equation.partition("->")[0].split(",")
    if len(terms) != 2 or "." in equation:
        return 0 if len(terms) == 1 else None
    lengths: Dict[str, int] = {}
    for at, term in enumerate(terms):
        shape = work.input(at)
        if shape is None or len(shape) != len(term):
            return None
        lengths.update(zip(term, shape))
    return elements(lengths.values())


_COUNTS: Dict[Tuple[str, str], Callable[[Work], Optional[int]]] = {
    ("", "MatMul"): _product(),
    ("", "Gemm"): _product(transposed="transA"),
    ("", "MatMulInteger"): _product(),
    ("", "QLinearMatMul"): _product(),
    ("", "Conv"): _convolution(),
    ("", "ConvInteger"): _convolution(),
    ("", "QLinearConv"): _convolution(3),
    ("", "ConvTranspose"): _transposed_convolution,
    ("", "DeformConv"): _convolution(),
    ("", "Einsum"): _einsum,
    ("", "Attention"): _attention,
    **{("", name): _recurrent for name in ("RNN", "GRU", "LSTM")},
    (_MICROSOFT, "FusedConv"): _convolution(),
    (_MICROSOFT, "FusedMatMul"): _product(transposed="transA"),
    (_MICROSOFT, "FusedGemm"): _product(transposed="transA"),
    (_MICROSOFT, "QGemm"): _product(transposed="transA"),
    (_MICROSOFT, "DynamicQuantizeMatMul"): _product(),
    (_MICROSOFT, "MatMulIntegerToFloat"): _product(),
    (_MICROSOFT, "MatMulNBits"): _nbits,
    (_MICROSOFT, "MultiHeadAttention"): _attention,
}
"""https://onnx.ai/onnx/operators/ and
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"""

_WITHOUT_PRODUCT = frozenset(
    (
        *("BiasAdd", "BiasGelu", "BiasSoftmax", "BiasSplitGelu", "EmbedLayerNormalization"),
        *("FastGelu", "Gelu", "QuickGelu", "RotaryEmbedding", "SkipLayerNormalization"),
        *("SkipSimplifiedLayerNormalization", "DequantizeLinear", "QuantizeLinear"),
        *("QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearConcat"),
        *(
            "QLinearAveragePool",
            "QLinearGlobalAveragePool",
            "QLinearSoftmax",
            "GatherBlockQuantized",
        ),
    )
)
