"""Models and parts of models that were scripted or traced before."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Inputs, Marked
from htp.testing.models.sharing import Dense

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
)
