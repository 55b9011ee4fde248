"""Modules whose weights, rounding or gradients are computed in ways of their own."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked
from htp.testing.models.sharing import Dense

__all__ = ["CASES"]


class Normed(Marked):
    """Linear layers whose weights a hook computes before each call."""

    def __init__(self) -> None:
        super().__init__()
        self.one = _weight_norm(nn.Linear(4, 4))
        self.two = _weight_norm(nn.Linear(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.two(torch.tanh(self.one(x))))


def _weight_norm(module: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # later releases prefer a parametrization
        normed: nn.Module = nn.utils.weight_norm(module)
    nn.init.uniform_(normed.weight_g, 0.5, 1.5)
    return normed


class Quantized(Marked):
    """Rounds to eight bits around a layer, as quantisation-aware training does."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense()
        self.input = FakeQuantize(0.0625)
        self.output = FakeQuantize(0.03125)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.output(self.dense(self.input(x))))


class FakeQuantize(Marked):
    """Quantises and dequantises."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(torch.fake_quantize_per_tensor_affine(x, self.scale, 128, 0, 255))


class _Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x * x * gradient

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        return g.op("Mul", x, g.op("Mul", x, x))


class Cubed(Marked):
    """An operation with a gradient of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense()

    def forward(self, x: Tensor) -> Tensor:
        cube: Any = _Cube.apply
        return self.mark(cube(self.dense(x)))


class CustomFunction(Marked):
    """Two of them."""

    def __init__(self) -> None:
        super().__init__()
        self.one = Cubed()
        self.two = Cubed()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.two(self.one(x)))


CASES = (
    Case("weight_norm", lambda: Example(Normed(), (torch.randn(2, 4),)), marks=("",)),
    Case(
        "fake_quantize",
        lambda: Example(Quantized(), (torch.randn(2, 4),)),
        torch=">=1.12",  # before, the default opset has no rounding to unsigned bytes
        marks=("input", "dense", "output", ""),
    ),
    Case(
        "autograd_function",
        lambda: Example(CustomFunction(), (torch.randn(2, 4),)),
        marks=("one.dense", "one", "two.dense", "two", ""),
    ),
)
