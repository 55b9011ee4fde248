"""Unusual ways to reach a module: slices, aliases of containers, itself, and around the call."""

from typing import Tuple

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked
from htp.testing.models.sharing import Block, Borrower, Dense

__all__ = ["CASES"]


class Sliced(Marked):
    """Parts of a ``Sequential``: a slice is a new module that the model does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = nn.Sequential(Dense(), Block(), Dense(), Block())

    def forward(self, x: Tensor) -> Tensor:
        x = self.stack[:2](x)
        for layer in self.stack[2:]:
            x = layer(x)
        return self.mark(self.stack[-1](x))


class AliasedContainer(Marked):
    """One container under two names, called through one and indexed through the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(Dense(), Block())
        self.second = self.first
        self.lists = nn.ModuleList([self.first, nn.Sequential(Dense())])

    def forward(self, x: Tensor) -> Tensor:
        x = self.second[0](self.first(x))
        for part in self.lists:
            x = part(x)
        return self.mark(x)


class Recursive(Marked):
    """Calls itself within its own call."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Dense()

    def forward(self, x: Tensor, depth: int = 2) -> Tensor:
        x = self.block(x)
        if depth:
            x = self(x, depth - 1) + 1
        return self.mark(x)


class Recursion(Marked):
    """A child that calls itself, between others."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Dense()
        self.nest = Recursive()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.nest(self.before(x)))


class DirectForward(Marked):
    """Runs the ``forward`` of children without calling them: no module call is made."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Dense()
        self.outer = Dense()

    def forward(self, x: Tensor) -> Tensor:
        x = self.outer(self.inner.forward(x))
        return self.mark(self.inner.forward(x))


class Lender(Marked):
    """Registers a block that its helper calls without having registered it."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.helper = Borrower(block)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.helper(x))


class SharedLending(Marked):
    """The same block below two lenders, each reached through its own helper."""

    def __init__(self) -> None:
        super().__init__()
        block = Dense()
        self.left = Lender(block)
        self.right = Lender(block)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.right(self.left(x)))


class LentFromOutside(Marked):
    """A block below two others, called by a third that is below neither."""

    def __init__(self) -> None:
        super().__init__()
        block = Dense()
        self.left = nn.ModuleList([block])
        self.right = nn.ModuleList([block])
        self.other = Borrower(block)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.other(x))


class Folded(Marked):
    """Modules that leave no node: they give their input back, or nothing of theirs is dynamic."""

    def __init__(self) -> None:
        super().__init__()
        self.identity = nn.Identity()
        self.dropout = nn.Dropout(0.5)
        self.constant = Constant()
        self.dense = Dense()

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.identity(x))
        return self.mark(self.dense(x) + self.constant())


class Constant(Marked):
    """Computes with its parameter alone."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4))

    def forward(self) -> Tensor:
        # Not times a number: torch 2.6 and 2.12 cannot decompose that of a parameter.
        return self.mark(torch.tanh(self.weight))


class Outputs(Marked):
    """Gives a child's results on as they are, and one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one = Dense()
        self.two = Dense()

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        first = self.one(x)
        return first, self.two(first), first


def _x() -> Tensor:
    return torch.randn(2, 4)


CASES = (
    Case(
        "sliced_sequential",
        lambda: Example(Sliced(), (_x(),)),
        marks=("stack.0", "stack.1", "stack.2", "stack.3", "stack.3@1", ""),
    ),
    Case(
        "aliased_container",
        lambda: Example(AliasedContainer(), (_x(),)),
        marks=(
            *("first.0", "first.1", "first.0@1"),
            *("first.0@2", "first.1@1", "lists.1.0"),
            "",
        ),
    ),
    Case(
        "recursion",
        lambda: Example(Recursion(), (_x(),)),
        marks=(
            *("before", "nest.block", "nest.block@1", "nest.block@2"),
            *("nest@2", "nest@1", "nest", ""),
        ),
    ),
    Case(
        "forward_called_directly",
        lambda: Example(DirectForward(), (_x(),)),
        marks=("", "outer", "", ""),
    ),
    Case(
        "lent_by_two",
        lambda: Example(SharedLending(), (_x(),)),
        marks=("left.block", "left.helper", "left", "right.block@1", "right.helper", "right", ""),
    ),
    Case(
        "lent_from_outside",
        lambda: Example(LentFromOutside(), (_x(),)),
        marks=("left.0", "other", ""),
    ),
    Case(
        "folded_away",
        lambda: Example(Folded(), (_x(),)),
        marks=("dense", "constant", ""),
        vanishes=("constant",),
    ),
    Case("outputs_passed_on", lambda: Example(Outputs(), (_x(),)), marks=("one", "two")),
)
