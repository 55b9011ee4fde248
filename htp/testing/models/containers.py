"""Containers that are called, iterated, indexed and nested, and modules around a forward."""

import functools
import types
from typing import Any, Dict, List, Tuple

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked
from htp.testing.models.sharing import Block, Dense

__all__ = ["CASES"]


class SequentialCalled(Marked):
    """A ``Sequential`` called as a whole, as ResNet's stages are."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential(Dense(), nn.Linear(4, 4), Block())

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.stage(x))


class SequentialIterated(Marked):
    """A ``Sequential`` whose children the parent calls itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential(Dense(), nn.Linear(4, 4), Block())

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.stage:
            x = layer(x)
        return self.mark(x)


class Lists(Marked):
    """A ``ModuleList`` iterated and indexed, and a ``ModuleDict``."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Dense(), Block(), Dense()])
        self.heads = nn.ModuleDict({"main": Dense(4, 3), "extra": Dense(4, 3)})

    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        for layer in self.layers:
            x = layer(x)
        x = self.layers[1](x)
        return {"main": self.mark(self.heads["main"](x)), "extra": self.heads["extra"](x)}


class Nested(Marked):
    """Containers in containers in containers."""

    def __init__(self) -> None:
        super().__init__()
        self.outer = nn.Sequential(
            nn.Sequential(nn.Sequential(Dense(), nn.ReLU()), Block()),
            nn.Sequential(Dense()),
        )
        self.rows = nn.ModuleList([nn.ModuleList([Dense(), Dense()]), nn.ModuleList([Block()])])

    def forward(self, x: Tensor) -> Tensor:
        x = self.outer(x)
        for row in self.rows:
            for cell in row:
                x = cell(x)
        return self.mark(x)


class ListOnly(nn.Module):
    """A root that is not marked and does nothing but call its children."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Dense(), Dense()])

    def forward(self, x: Tensor) -> List[Tensor]:
        return [layer(x) for layer in self.layers]


def wrap_forward(module: nn.Module) -> nn.Module:
    """Replace the instance's ``forward`` by a closure, as accelerate's hooks do."""
    original = module.forward

    @functools.wraps(original)
    def forward(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    module.forward = forward
    return module


def bind_forward(module: nn.Module) -> nn.Module:
    """Replace the instance's ``forward`` by a method bound to it, as patches of a layer do."""
    original = type(module).forward

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        result: Tensor = original(self, x)
        return result

    module.forward = types.MethodType(forward, module)
    return module


class Side(Marked):
    """Two layers of one class, to be told apart although both sides call theirs ``a`` and ``b``."""

    def __init__(self) -> None:
        super().__init__()
        self.a = Dense()
        self.b = Dense()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.b(self.a(self.a(x))))


class Replaced(Marked):
    """Modules whose instance ``forward`` is not their class's."""

    def __init__(self, replace: Any) -> None:
        super().__init__()
        self.left = Side()
        self.right = Side()
        for side in (self.left, self.right):
            replace(side.a)
            replace(side.b)
        replace(self.right)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.left(x) + self.right(x))


_REPLACED = (
    *("left.a", "left.a@1", "left.b", "left"),
    *("right.a", "right.a@1", "right.b", "right"),
    "",
)


class OtherMethod(Marked):
    """Calls a method other than ``forward``, which starts no module call."""

    def __init__(self) -> None:
        super().__init__()
        self.coder = Coder()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.coder(self.coder.encode(x)))


class Coder(Marked):
    """``encode`` belongs to whoever calls it, and so does ``inner`` in its stack."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Dense()

    def encode(self, x: Tensor) -> Tensor:
        return self.mark(torch.sigmoid(self.inner(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(torch.tanh(x))


class Hooked(Marked):
    """A layer whose forward hooks compute: they run in its call, though not in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Dense()
        self.layer.register_forward_pre_hook(_double_input)
        self.layer.register_forward_hook(_mark_output)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.layer(x))


def _double_input(module: nn.Module, args: Tuple[Any, ...]) -> Tuple[Any, ...]:
    return (torch.sin(args[0]),)


def _mark_output(module: nn.Module, args: Tuple[Any, ...], output: Tensor) -> Tensor:
    assert isinstance(module, Marked)
    return module.mark(output)


def _x() -> Tensor:
    return torch.randn(2, 4)


CASES = (
    Case(
        "sequential_called",
        lambda: Example(SequentialCalled(), (_x(),)),
        marks=("stage.0", "stage.2", ""),
        operators={"Tanh": "stage.2"},
    ),
    Case(
        "sequential_iterated",
        lambda: Example(SequentialIterated(), (_x(),)),
        marks=("stage.0", "stage.2", ""),
        operators={"Tanh": "stage.2"},
    ),
    Case(
        "lists",
        lambda: Example(Lists(), (_x(),)),
        marks=("layers.0", "layers.1", "layers.2", "layers.1@1", "heads.main", "", "heads.extra"),
    ),
    Case(
        "nested_containers",
        lambda: Example(Nested(), (_x(),)),
        marks=(
            "outer.0.0.0",
            "outer.0.1",
            "outer.1.0",
            "rows.0.0",
            "rows.0.1",
            "rows.1.0",
            "",
        ),
    ),
    Case("unmarked_root", lambda: Example(ListOnly(), (_x(),)), marks=("layers.0", "layers.1")),
    Case(
        "forward_wrapped",
        lambda: Example(Replaced(wrap_forward), (_x(),)),
        marks=_REPLACED,
    ),
    Case("forward_bound", lambda: Example(Replaced(bind_forward), (_x(),)), marks=_REPLACED),
    Case(
        "other_method",
        lambda: Example(OtherMethod(), (_x(),)),
        marks=("coder.inner", "", "coder", ""),
        operators={"Sigmoid": "", "Tanh": "coder"},
    ),
    Case(
        "forward_hooks",
        lambda: Example(Hooked(), (_x(),)),
        marks=("layer", "layer", ""),
        operators={"Sin": "layer"},
    ),
)
