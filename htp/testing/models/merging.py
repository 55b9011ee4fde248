"""Equal expressions and constants in several modules, of which an exporter may keep one."""

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked
from htp.testing.models.sharing import Dense

__all__ = ["CASES"]

_HIDDEN = -128.0
"""What a masked score is lowered by, the same in every layer."""


class MaskedLayer(Marked):
    """Makes its bias from the mask of all layers, as each layer of many language models does."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Linear(4, 4)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        bias = self.mark_with(_HIDDEN, 1.0 - keep)
        return self.mark(torch.softmax(self.scores(x) + bias, dim=-1))


class Masked(Marked):
    """Three layers with one mask."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([MaskedLayer() for _ in range(3)])

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, keep)
        return self.mark(x)


class RotaryLayer(Marked):
    """Turns its input by angles that every layer computes anew from the positions."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequency", torch.tensor([0.5, 0.25]))

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        angle = self.mark_with(0.75, position.unsqueeze(-1) * self.frequency)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        real, imaginary = x[..., :2], x[..., 2:]
        turned = (real * cosine - imaginary * sine, real * sine + imaginary * cosine)
        return self.mark(torch.cat(turned, dim=-1))


class Rotary(Marked):
    """Layers that share a rotary table without knowing of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([RotaryLayer() for _ in range(3)])

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, position)
        return self.mark(x)


class Shifted(Marked):
    """Adds a buffer that its siblings hold too, and a literal that they write too."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table)
        self.dense = Dense()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark((self.dense(x) + self.table).clamp(-0.5, 0.75) * torch.full((4,), 0.375))


class SharedConstants(Marked):
    """One tensor as the buffer of three modules."""

    def __init__(self) -> None:
        super().__init__()
        table = torch.randn(4)
        self.parts = nn.ModuleList([Shifted(table) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = x + part(x)
        return self.mark(x)


class PlusNothing(Marked):
    """Adds a zero, which exporters leave out: what was added before it stays one layer's own."""

    def __init__(self) -> None:
        super().__init__()
        self.one = Dense()
        self.two = Dense()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.one(x) + torch.tanh(self.two(x)) + 0)


class SharedNothing(Marked):
    """Layers that share a zero and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([PlusNothing() for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.mark(x)


def _x(*shape: int) -> Tensor:
    return torch.randn(*(shape or (2, 4)))


CASES = (
    Case(
        "masked_layers",
        lambda: Example(Masked(), (_x(), torch.tensor([1.0, 1.0, 1.0, 0.0]))),
        marks=(
            *("layers.0", "layers.0", "layers.1", "layers.1", "layers.2", "layers.2"),
            "",
        ),
    ),
    Case(
        "rotary_layers",
        lambda: Example(Rotary(), (_x(3, 4), torch.tensor([0.0, 1.0, 2.0]))),
        marks=(
            *("layers.0", "layers.0", "layers.1", "layers.1", "layers.2", "layers.2"),
            "",
        ),
    ),
    Case("shared_constants", lambda: Example(SharedConstants(), (_x(),))),
    Case("shared_nothing", lambda: Example(SharedNothing(), (_x(),))),
)
