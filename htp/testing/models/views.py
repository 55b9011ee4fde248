"""Views, and tensors that are written to."""

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked

__all__ = ["CASES"]


class InPlace(Marked):
    """Operations in place, and views that are written through."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Writer()
        self.second = Writer()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x + 0.5)
        x = self.second(torch.tanh(x))
        return self.mark(x.add_(1.0))


class Writer(Marked):
    """Writes into its input."""

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2.0).clamp_(min=-1.0)
        x = x.view(-1, 2, 2).transpose(1, 2).contiguous().view(-1, 4)
        return self.mark(x)


class Halves(Marked):
    """Works on one half of what the module before it returned."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, dim=1)
        return self.mark(torch.cat((self.linear(changed), kept), dim=1))


class Chunked(Marked):
    """Modules that divide each other's results."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Halves() for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.mark(x)


class Masking(Marked):
    """Adds a part of a view that it is handed, and of one that it makes itself."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor, view: Tensor, mask: Tensor) -> Tensor:
        return self.mark(self.linear(x) + view[:, :, :4] + mask.unsqueeze(0)[:, :, :4])


class WrittenMask(Marked):
    """Views of a tensor that was written to, made by the model and read by its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Masking() for _ in range(2)])

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        mask = torch.full((3, 5), -2.0) + position
        mask *= position.reshape(-1, 1)
        view = mask[None].expand(2, -1, -1)
        for layer in self.layers:
            x = layer(x, view, mask)
        return self.mark(x)


CASES = (
    Case(
        "in_place", lambda: Example(InPlace(), (torch.randn(2, 4),)), marks=("first", "second", "")
    ),
    Case("chunked", lambda: Example(Chunked(), (torch.randn(2, 4),))),
    Case(
        "written_mask",
        lambda: Example(WrittenMask(), (torch.randn(2, 3, 4), torch.rand(3, 1))),
    ),
)
