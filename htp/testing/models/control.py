"""Control flow and modules that one mechanism alone can take."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Inputs, Marked
from htp.testing.models.sharing import Block, Dense

__all__ = ["CASES"]


def _repeat(x: Tensor) -> Tensor:
    total = torch.zeros_like(x)
    for row in range(x.shape[0]):
        total = total + torch.tanh(x) * 1.5 + row
    return total


def _script(something: Any) -> Any:
    with warnings.catch_warnings():
        # From torch 2.10 on torch.jit.script says that it is deprecated; the exporter takes it.
        warnings.simplefilter("ignore")
        return torch.jit.script(something)


def _trace(module: nn.Module, *args: Tensor) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(module, args)


class Repeat(Marked):
    """Runs a scripted function: as many steps as the input has rows, so a loop is exported."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = _script(_repeat)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.steps(x))


class ScriptedFunction(Marked):
    """A traced model with a scripted loop in a child."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Dense()
        self.repeat = Repeat()
        self.after = Dense()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.after(self.repeat(self.before(x))))


class Step(nn.Module):
    """To be scripted, so its mark is plain and its factor given."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x)) * self.factor


class Steps(nn.Module):
    """To be scripted: a child that is called in a loop of unknown length."""

    def __init__(self) -> None:
        super().__init__()
        self.step = Step(1.125)
        self.factor = 1.25

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(x.shape[0]):
            x = self.step(x)
        return torch.sigmoid(x) * self.factor


class ToScript(nn.Module):
    """To be scripted as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Step(1.5)
        self.steps = Steps()
        self.factor = 1.75

    def forward(self, x: Tensor) -> Tensor:
        return self.steps(self.before(x)) * self.factor


class Leaf(Step):
    """A step of another class, because exporting a scripted model changes its classes for good."""


class Choice(nn.Module):
    """To be scripted: one of two children, as the data says."""

    def __init__(self) -> None:
        super().__init__()
        self.yes = Leaf(1.125)
        self.no = Leaf(1.25)
        self.factor = 1.5

    def forward(self, x: Tensor) -> Tensor:
        x = self.yes(x) if bool(x.sum() > 0) else self.no(x) - 1
        return torch.sigmoid(x) * self.factor


class AroundScripted(Marked):
    """A traced model with a scripted module for a child."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Dense()
        self.steps = _script(Steps())

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.steps(self.before(x)))


class AroundTraced(Marked):
    """A traced model with a child that was traced before."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Dense()
        self.step = _trace(Step(1.125), torch.zeros(2, 4))
        self.step.factor = 1.125

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.step(self.before(x)))


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
        "scripted_function",
        lambda: Example(ScriptedFunction(), (torch.randn(2, 4),)),
        input_names=("x",),
        dynamic_shapes={"x": {0: "rows"}},
        other_inputs=lambda: Inputs((torch.randn(3, 4),)),
        marks=("before", "repeat", "after", ""),
        operators={"Loop": "repeat", "Tanh": "repeat"},
        without={"fx": "torch.export takes no scripted function"},
    ),
    Case(
        "scripted_model",
        lambda: Example(_script(ToScript()), (torch.randn(2, 4),)),
        input_names=("x",),
        dynamic_shapes={"x": {0: "rows"}},
        other_inputs=lambda: Inputs((torch.randn(3, 4),)),
        marks=("before", "steps.step", "steps", ""),
        by_hand=True,
        operators={"Loop": "steps", "Sigmoid": "steps"},
        without={"fx": "torch.export takes no ScriptModule"},
    ),
    Case(
        "scripted_choice",
        lambda: Example(_script(Choice()), (torch.randn(2, 4),)),
        marks=("yes", "no", ""),
        by_hand=True,
        operators={"If": "", "Sigmoid": ""},
        without={"fx": "torch.export takes no ScriptModule"},
    ),
    Case(
        "scripted_child",
        lambda: Example(AroundScripted(), (torch.randn(2, 4),)),
        marks=("before", "steps.step", "steps", ""),
        by_hand=True,
        without={"fx": "torch.export takes no ScriptModule"},
    ),
    Case(
        "traced_child",
        lambda: Example(AroundTraced(), (torch.randn(2, 4),)),
        marks=("before", "step", ""),
        by_hand=True,
        without={"fx": "torch.export takes no ScriptModule"},
    ),
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
