"""Control flow and modules that one mechanism alone can take."""

from typing import Any

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked
from htp.testing.models.sharing import Block, Dense

__all__ = ["CASES"]


class Repeat(nn.Module):
    """To be scripted: as many steps as the input has rows, so that a loop must be exported."""

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for row in range(x.shape[0]):
            total = total + torch.tanh(x) * 1.5 + row
        return total


class ScriptedChild(Marked):
    """A traced model with a scripted child."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Dense()
        self.repeat = torch.jit.script(Repeat())
        self.after = Dense()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.after(self.repeat(self.before(x))))


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
        "scripted_loop",
        lambda: Example(ScriptedChild(), (torch.randn(2, 4),)),
        dynamic_shapes={"x": {0: "rows"}},
        input_names=("x",),
        marks=("before", "after", ""),
        branches=True,
        operators={"Tanh": "repeat", "Loop": "repeat"},
        without={"fx": "torch.export takes no ScriptModule"},
    ),
    Case(
        "cond",
        lambda: Example(Conditional(), (torch.randn(2, 4),)),
        marks=("before", "yes", "no.block", "no.block@1", "no", ""),
        branches=True,
        operators={"If": ""},
        without={"torchscript": "torch.jit.trace follows one branch and drops the other"},
        torch=">=2.5",
    ),
    Case(
        "parametrized",
        lambda: Example(Parametrized(), (torch.randn(2, 4),)),
        marks=("linear.parametrizations.weight.0", ""),
        torch=">=1.9",
    ),
)
