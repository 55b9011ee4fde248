"""Classes of modules with a ``__call__`` of their own, as Keras' layers and MONAI's wrappers."""

from typing import Any

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked
from htp.testing.models.sharing import Block, Dense

__all__ = ["CASES"]


class Around(Marked):
    """Computes before and behind what ``nn.Module.__call__`` does."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Dense()

    def __call__(self, x: Tensor) -> Any:
        return torch.tanh(self.mark(super().__call__(torch.sigmoid(self.mark(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.inner(x))


class Twice(Around):
    """Overrides it once more."""

    def __call__(self, x: Tensor) -> Any:
        return self.mark(super().__call__(x - 1))


class Operation:
    """A base class that is no module, and runs ``call`` by itself."""

    def __call__(self, x: Tensor) -> Any:
        return self.call(x + 1)  # type: ignore[attr-defined]


class Never(Operation, Marked):
    """Never gets to ``nn.Module.__call__``."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Block()

    def __call__(self, x: Tensor) -> Any:
        return self.mark(super().__call__(x))

    def call(self, x: Tensor) -> Tensor:
        return self.mark(self.inner(self.mark(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)


class Direct(Marked):
    """Calls its own ``forward`` without ``nn.Module.__call__`` around it."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def __call__(self, x: Tensor) -> Any:
        return self.mark(self.forward(self.mark(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(torch.relu(x))


class Itself(Marked):
    """Calls itself by its own ``__call__``, which is another call."""

    def __call__(self, x: Tensor, depth: int = 1) -> Any:
        return self.mark(super().__call__(x, depth))

    def forward(self, x: Tensor, depth: int) -> Tensor:
        return self.mark(self(x, depth - 1) if depth else torch.tanh(x))


class Parent(Marked):
    """A plain module with children of these classes."""

    def __init__(self, *children: nn.Module) -> None:
        super().__init__()
        self.children_of_it = nn.Sequential(*children)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.children_of_it(x))


class Shared(Marked):
    """One module with a ``__call__`` of its own, called by two parents."""

    def __init__(self) -> None:
        super().__init__()
        block = Around()
        self.left = Direct(block)
        self.right = Direct(block)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.left(x) + self.right(x))


def _x() -> Tensor:
    return torch.randn(2, 4)


CASES = (
    Case("call_around", lambda: Example(Parent(Around(), Dense()), (_x(),))),
    Case("call_twice_overridden", lambda: Example(Parent(Twice()), (_x(),))),
    Case("call_never_super", lambda: Example(Parent(Never(), Never()), (_x(),))),
    Case("call_direct_forward", lambda: Example(Parent(Direct(Direct(Never()))), (_x(),))),
    Case("call_of_itself", lambda: Example(Parent(Itself()), (_x(),))),
    Case("call_shared", lambda: Example(Shared(), (_x(),))),
    Case("call_of_the_root", lambda: Example(Never(), (_x(),))),
    Case("call_of_the_root_around", lambda: Example(Twice(), (_x(),))),
)
