"""Modules that are reached in more than one way."""

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked

__all__ = ["CASES", "Block", "Borrower", "Dense"]


class Block(Marked):
    """A module without parameters."""

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(torch.tanh(x))


class Dense(Marked):
    """A marked module around an unmarked linear layer, whose weight tells it apart as well."""

    def __init__(self, width: int = 4, out: int = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(torch.relu(self.linear(x)))


class Parent(Marked):
    """Calls a block that others may hold too, ``times`` over."""

    def __init__(self, block: nn.Module, times: int = 1) -> None:
        super().__init__()
        self.block = block
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.times):
            x = self.block(x)
        return self.mark(x)


class TwoParents(Marked):
    """One block, called by the left parent once and by the right parent twice."""

    def __init__(self) -> None:
        super().__init__()
        block = Dense()
        self.left = Parent(block)
        self.right = Parent(block, times=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.left(x) - self.right(x + 1))


class Borrower(Marked):
    """Calls a block that it holds without having registered it."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.borrowed = (block,)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.borrowed[0](x))


class Borrowing(Marked):
    """The owner's block is called by its owner and by a sibling that never registered it."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = Parent(Dense())
        self.other = Borrower(self.owner.block)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.other(self.owner(x)))


class Aliased(Marked):
    """One module under two names of the same parent."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Dense()
        self.second = self.first

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.second(self.first(x)))


class SharedTree(Marked):
    """A shared module that has children of its own, below two parents."""

    def __init__(self) -> None:
        super().__init__()
        inner = nn.Sequential(Dense(), Block())
        self.left = Parent(inner)
        self.right = Parent(inner)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.right(self.left(x)))


class Siblings(Marked):
    """Modules of one class and one size."""

    def __init__(self) -> None:
        super().__init__()
        self.one = Dense()
        self.two = Dense()
        self.three = Dense()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.one(x) + self.two(x) * self.three(x))


class Looped(Marked):
    """A module called in a Python loop."""

    def __init__(self) -> None:
        super().__init__()
        self.step = Dense()

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(4):
            x = x + self.step(x)
        return self.mark(x)


class TiedWeights(Marked):
    """The embedding's weight is the decoder's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.body = Dense()
        self.decoder = nn.Linear(4, 7, bias=False)
        self.decoder.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.mark(self.decoder(self.body(self.embedding(tokens))))


class EqualCalls(Marked):
    """Two calls that compute the same, which an exporter may merge."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.block(x) + self.block(x))


class Keeper(Marked):
    """Has a block below a child that it does not call, and under a name of its own."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.unused = Parent(block)
        self.own = block

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.own(x))


class Elsewhere(Marked):
    """A module whose first name is that of a child of another one; it is reached by the others."""

    def __init__(self) -> None:
        super().__init__()
        block = Dense()
        self.other = Parent(block)
        self.block = block
        self.keeper = Keeper(block)
        self.blocks = nn.ModuleList([block])

    def forward(self, x: Tensor) -> Tensor:
        x = self.keeper(self.block(x))
        return self.mark(self.other(self.block(x)))


class ElsewhereInAList(Marked):
    """The same, where the root has it in a list only."""

    def __init__(self) -> None:
        super().__init__()
        block = Dense()
        self.other = Parent(block)
        self.blocks = nn.ModuleList([block])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.mark(self.other(x))


def _x(*shape: int) -> Tensor:
    return torch.randn(*(shape or (2, 4)))


CASES = (
    Case(
        "two_parents",
        lambda: Example(TwoParents(), (_x(),)),
        marks=("left.block", "left", "right.block@1", "right.block@2", "right", ""),
    ),
    Case(
        "borrowed",
        lambda: Example(Borrowing(), (_x(),)),
        marks=("owner.block", "owner", "owner.block@1", "other", ""),
    ),
    Case(
        "aliased",
        lambda: Example(Aliased(), (_x(),)),
        marks=("first", "first@1", ""),
    ),
    Case(
        "elsewhere",
        lambda: Example(Elsewhere(), (_x(),)),
        marks=("block", "keeper.own@1", "keeper", "block@2", "other.block@3", "other", ""),
    ),
    Case(
        "elsewhere_in_a_list",
        lambda: Example(ElsewhereInAList(), (_x(),)),
        marks=("blocks.0", "other.block@1", "other", ""),
    ),
    Case(
        "shared_tree",
        lambda: Example(SharedTree(), (_x(),)),
        marks=(
            "left.block.0",
            "left.block.1",
            "left",
            "right.block.0@1",
            "right.block.1@1",
            "right",
            "",
        ),
    ),
    Case(
        "siblings",
        lambda: Example(Siblings(), (_x(),)),
        marks=("one", "two", "three", ""),
    ),
    Case(
        "loop",
        lambda: Example(Looped(), (_x(),)),
        marks=("step", "step@1", "step@2", "step@3", ""),
    ),
    Case(
        "tied_weights",
        lambda: Example(TiedWeights(), (torch.tensor([[1, 2, 6]]),)),
        marks=("body", ""),
        operators={"Gather": "embedding"},
    ),
    Case("equal_calls", lambda: Example(EqualCalls(), (_x(),)), marks=("block", "block@1", "")),
)
