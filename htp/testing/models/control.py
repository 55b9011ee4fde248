"""Control flow that is captured, and weights that are computed whenever they are read."""

from typing import Any

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked
from htp.testing.models.sharing import Block, Dense

__all__ = ["CASES"]


class While(Marked):
    """``torch.while_loop`` around a module."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Dense()
        self.step = Dense()

    def forward(self, x: Tensor) -> Tensor:
        from torch._higher_order_ops.while_loop import while_loop

        def goes_on(count: Tensor, x: Tensor) -> Tensor:
            return count < 3

        def body(count: Tensor, x: Tensor) -> Any:
            return count + 1, self.step(x)

        loop: Any = while_loop
        return self.mark(loop(goes_on, body, (torch.tensor(0), self.before(x)))[1])


class Scan(Marked):
    """``scan`` of a module over the rows of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Dense()
        self.step = Dense()

    def forward(self, x: Tensor) -> Tensor:
        from torch._higher_order_ops.scan import scan

        def combine(carry: Tensor, row: Tensor) -> Any:
            carry = self.step(carry + row)
            return carry, carry * 1.0

        loop: Any = scan
        return self.mark(loop(combine, torch.zeros(4), self.before(x))[1])


class Conditional(Marked):
    """``torch.cond`` between two branches that call modules."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Dense()
        self.yes = Dense()
        self.no = Branch()

    def forward(self, x: Tensor) -> Tensor:
        cond: Any = torch.cond
        x = self.before(x)
        x = cond(x.sum() > 0, lambda x: self.yes(x) + 1, lambda x: self.no(x) - 1, (x,))
        return self.mark(x)


class Branch(Marked):
    """A module with a child, called in a branch only."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.block(self.block(x) - 2))


class Parametrized(Marked):
    """A weight that a module computes whenever it is read."""

    def __init__(self) -> None:
        super().__init__()
        from torch.nn.utils import parametrize

        self.linear = nn.Linear(4, 4)
        parametrize.register_parametrization(self.linear, "weight", Symmetric())

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.linear(x))


class Symmetric(Marked):
    """The upper triangle of a matrix, mirrored; it depends on nothing but the parameter."""

    def forward(self, weight: Tensor) -> Tensor:
        return self.mark(torch.tanh(weight) + weight.transpose(0, 1))


CASES = (
    Case(
        "while_loop",
        lambda: Example(While(), (torch.randn(2, 4),)),
        marks=("before", "step", ""),
        by_hand=True,
        numbered=True,
        without={"torchscript": "torch.jit.trace unrolls the loop"},
        torch=">=2.15",
    ),
    Case(
        "scan",
        lambda: Example(Scan(), (torch.randn(2, 4),)),
        marks=("before", "step", ""),
        by_hand=True,
        numbered=True,
        without={"torchscript": "torch.jit.trace unrolls the loop"},
        torch=">=2.15",
    ),
    Case(
        "cond",
        lambda: Example(Conditional(), (torch.randn(2, 4),)),
        marks=("before", "yes", "no.block", "no.block@1", "no", ""),
        by_hand=True,
        operators={"If": ""},
        numbered=True,  # "<eval_with_key>.7" in stack traces
        without={"torchscript": "torch.jit.trace follows one branch and drops the other"},
        torch=">=2.6",  # 2.5 can export no torch.cond
    ),
    Case(
        "parametrized",
        lambda: Example(Parametrized(), (torch.randn(2, 4),)),
        marks=("linear.parametrizations.weight.0", ""),
        vanishes=("linear.parametrizations.weight.0",),
        torch=">=1.9",
    ),
)
