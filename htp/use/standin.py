"""Operators of onnxruntime's own, of which onnx knows no shapes, replaced by ones that it knows.

Only in a copy that shapes are inferred from; what is not listed here keeps its shapes unknown.
"""

from typing import TYPE_CHECKING, Callable, Dict

from htp.use.macs import attributes_of

if TYPE_CHECKING:
    import onnx

__all__ = ["stand_in"]

_DOMAIN = "com.microsoft"
_PLAIN = ("", "ai.onnx")
_AMONG_PLAIN = frozenset(("SimplifiedLayerNormalization",))
"""Those that stand in the standard domain, which does not know them:
https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/graph/contrib_ops/contrib_defs.cc"""
_ACTIVATION = frozenset(("activation", "activation_params", "activation_alpha", "activation_beta"))


def stand_in(graph: "onnx.GraphProto") -> None:
    """Replace them in a graph, in place."""
    for node in graph.node:
        known = node.domain == _DOMAIN or (node.domain in _PLAIN and node.op_type in _AMONG_PLAIN)
        replace = _STAND_INS.get(node.op_type) if known else None
        if replace is not None and len(node.input) > 1 - (replace is _first):
            replace(node, graph)


def _become(node: "onnx.NodeProto", op_type: str, inputs: int) -> None:
    node.op_type, node.domain = op_type, ""
    del node.input[inputs:], node.output[1:]


def _first(node: "onnx.NodeProto", _: "onnx.GraphProto") -> None:
    """The result has the shape of the first input."""
    _become(node, "Identity", 1)
    node.ClearField("attribute")


def _product(node: "onnx.NodeProto", _: "onnx.GraphProto") -> None:
    told = attributes_of(node)
    if not any(told.get(name) for name in ("transA", "transB", "transBatchA", "transBatchB")):
        _become(node, "MatMul", 2)
        node.ClearField("attribute")


def _fused(op_type: str) -> Callable[["onnx.NodeProto", "onnx.GraphProto"], None]:
    """A convolution or product with an activation behind it."""

    def replace(node: "onnx.NodeProto", _: "onnx.GraphProto") -> None:
        _become(node, op_type, 3)
        kept = [each for each in node.attribute if each.name not in _ACTIVATION]
        node.ClearField("attribute")
        node.attribute.extend(kept)

    return replace


def _nbits(node: "onnx.NodeProto", graph: "onnx.GraphProto") -> None:
    """A product with a packed weight of ``K`` rows and ``N`` columns."""
    told = attributes_of(node)
    if told.get("K", 0) > 0 and told.get("N", 0) > 0:
        name = f"{node.output[0]}/unpacked"
        graph.initializer.add(name=name, dims=[told["K"], told["N"]], data_type=1)
        _become(node, "MatMul", 2)
        node.input[1] = name
        node.ClearField("attribute")


_STAND_INS: Dict[str, Callable[["onnx.NodeProto", "onnx.GraphProto"], None]] = {
    **dict.fromkeys(
        ("BiasAdd", "BiasGelu", "BiasSoftmax", "FastGelu", "Gelu", "QuickGelu"), _first
    ),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), _first),
    **dict.fromkeys(("SimplifiedLayerNormalization", "GroupNorm"), _first),
    **dict.fromkeys(("RotaryEmbedding", "MultiHeadAttention", "QLinearSigmoid"), _first),
    **dict.fromkeys(("QLinearLeakyRelu", "QLinearSoftmax"), _first),
    **dict.fromkeys(("FusedMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"), _product),
    "FusedConv": _fused("Conv"),
    "FusedGemm": _fused("Gemm"),
    "MatMulNBits": _nbits,
}
"""https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"""
