"""Which operators of ONNX stand for which operations of PyTorch, one for one.

Only operations that a graph keeps recognisable are here. An operation of PyTorch becomes parts:
attention is two products and a softmax. A part names every kind that it may become in some release
or opset (the approximate ``gelu`` holds a ``Tanh``, the exact one an ``Erf``).
"""

from typing import Dict, NamedTuple, Tuple

__all__ = ["COMPILED", "EXECUTED", "KINDS", "Part"]


class Part(NamedTuple):
    """One thing that an executed operation may leave in the graph.

    Attributes:
        kinds: what it may be.
        many: it may be there any number of times, as the steps of a recurrent layer are.
        sure: it is there unless it was folded, fused or dropped; else it is only allowed to be.
    """

    kinds: Tuple[str, ...]
    many: bool = False
    sure: bool = True


_OPERATORS = {
    "convolution": "Conv ConvTranspose",
    "product": "MatMul Gemm Einsum",
    "softmax": "Softmax LogSoftmax",
    "normalisation": "LayerNormalization BatchNormalization InstanceNormalization "
    "GroupNormalization RMSNormalization",
    "relu": "Relu",
    "sigmoid": "Sigmoid Swish",
    "tanh": "Tanh Mish",
    "erf": "Erf Gelu",
    "elu": "Elu",
    "leaky": "LeakyRelu",
    "prelu": "PRelu",
    "selu": "Selu",
    "softplus": "Softplus",
    "hardsigmoid": "HardSigmoid HardSwish",
    "sine": "Sin",
    "cosine": "Cos",
    "maximum": "MaxPool GlobalMaxPool",
    "average": "AveragePool GlobalAveragePool",
    "embedding": "Gather",
    "recurrence": "LSTM GRU RNN",
}

KINDS: Dict[str, Tuple[str, ...]] = {
    operator: (kind,) for kind, operators in _OPERATORS.items() for operator in operators.split()
}
"""The kinds that an operator of ONNX stands for."""
KINDS["Attention"] = ("product", "softmax", "product")

COMPILED = (Part(tuple(_OPERATORS), many=True, sure=False),)
"""A kernel that TorchScript's own fuser made of several operations when they ran again."""

_MAXIMUM = (
    "max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d "
    "adaptive_max_pool3d max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices"
)
"""Some releases compute the places of the maxima with a second operator, wanted or not."""

_SINGLE = {
    "convolution": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d "
    "conv_tbc convolution _convolution",
    "product": "linear addmm mm bmm matmul baddbmm addbmm mv addmv dot vdot inner tensordot",
    "softmax": "softmax log_softmax _softmax _log_softmax",
    "normalisation": "layer_norm native_layer_norm batch_norm native_batch_norm instance_norm "
    "group_norm native_group_norm rms_norm",
    "relu": "relu",
    "sigmoid": "sigmoid silu glu log_sigmoid",
    "tanh": "tanh mish",
    "erf": "erf erfc",
    "elu": "elu celu",
    "leaky": "leaky_relu rrelu",
    "prelu": "prelu _prelu_kernel",
    "selu": "selu",
    "softplus": "softplus",
    "hardsigmoid": "hardsigmoid hardswish",
    "sine": "sin",
    "cosine": "cos",
    "maximum": _MAXIMUM,
    "average": "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d",
    "embedding": "embedding",
}
"""Operations that become one operator."""

_ALLOWED = {
    "relu": "relu6 hardtanh threshold clamp clamp_min",
    "embedding": "index select index_select gather take embedding_bag",
    "product": "bilinear cdist",
    "normalisation": "var_mean",
    "average": "mean",
    "maximum": _MAXIMUM,
    "softplus": "log_sigmoid mish",
    "elu": "selu",
}
"""Operations that some releases write with an operator of another's kind."""

_RECURRENT = ("recurrence", "product", "sigmoid", "tanh", "relu")

EXECUTED: Dict[str, Tuple[Part, ...]] = {}
"""The parts of an operation of PyTorch, by its name without ``aten::``."""

for _kind, _names in _ALLOWED.items():
    for _name in _names.split():
        EXECUTED[_name] = (Part((_kind,), many=True, sure=False),)
for _kind, _names in _SINGLE.items():
    for _name in _names.split():
        EXECUTED[_name] = (Part((_kind,)), *EXECUTED.get(_name, ()))
for _name in ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell"):
    EXECUTED[_name] = (Part(_RECURRENT, many=True),)
EXECUTED["gelu"] = (Part(("erf", "tanh")),)
EXECUTED["einsum"] = (Part(("product",), many=True),)
EXECUTED["scaled_dot_product_attention"] = (
    Part(("product",)),
    Part(("softmax",)),
    Part(("product",)),
)
