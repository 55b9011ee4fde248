"""Models written here: recurrent ones, transposed convolutions, several results, control flow."""

from typing import Any, Dict, List, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from zoo.recipe import Inputs, Recipe, image

__all__ = ["OWN"]


def floats(*shapes: Tuple[int, ...]) -> Inputs:
    """Random numbers of these shapes."""
    return lambda: tuple(torch.randn(*shape) for shape in shapes)


def here() -> bool:
    return True


class Down(nn.Sequential):
    """Two convolutions, normalised."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__(
            nn.Conv2d(given, made, 3, padding=1, bias=False),
            nn.BatchNorm2d(made),
            nn.ReLU(inplace=True),
            nn.Conv2d(made, made, 3, padding=1, bias=False),
            nn.BatchNorm2d(made),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """Enlarges, and joins what was kept on the way down."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(given, made, 2, stride=2)
        self.join = Down(2 * made, made)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        return self.join(torch.cat([kept, self.enlarge(x)], 1))


class UNet(nn.Module):
    """Down and up again."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([Down(3, 8), Down(8, 16), Down(16, 24)])
        self.up = nn.ModuleList([Up(24, 16), Up(16, 8)])
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for stage in self.down[:-1]:
            x = stage(x)
            kept.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.down[-1](x)
        for stage in self.up:
            x = stage(x, kept.pop())
        return self.head(x)


class Recurrent(nn.Module):
    """A recurrent layer, whose state goes on to another."""

    def __init__(self, kind: Any, both: bool) -> None:
        super().__init__()
        self.first = kind(6, 8, num_layers=2, bidirectional=both, batch_first=True)
        self.second = kind(16 if both else 8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        x, state = self.first(x)
        x, _ = self.second(x.transpose(0, 1))
        return self.head(x), state[0] if isinstance(state, tuple) else state


class Cells(nn.Module):
    """Recurrent cells, called once for each step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(6, 8)
        self.gru = nn.GRUCell(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.zeros(x.shape[0], 8)
        state = (hidden, hidden)
        for step in range(3):
            state = self.lstm(x[:, step], state)
            hidden = self.gru(state[0], hidden)
        return hidden


class Normed(nn.BatchNorm2d):
    """Normalises and activates: fused in part with the convolution before it."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(super().forward(x))


class PartlyFused(nn.Module):
    """Convolutions before such a module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.norm = Normed(6)
        self.block = nn.Sequential(nn.Conv2d(6, 6, 3), Normed(6))

    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.norm(self.conv(x))).mean((2, 3))


class Split(nn.Module):
    """Several results of one shape, in nested tuples and a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor, more: Optional[Dict[str, Tensor]] = None) -> Dict[str, Any]:
        add = more["shift"] if more else x
        return {"pair": (self.left(x), [self.right(add)]), "sum": x + add}


class Containers(nn.Module):
    """Passes tuples and dictionaries about."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Split(), Split()
        self.last = nn.Linear(6, 2)

    def forward(self, x: Tensor, y: Tensor) -> Any:
        one = self.first(x, more={"shift": y, "unread": x})
        two = self.second(one["pair"][0])
        return self.last(two["sum"] - one["pair"][1][0]), two["pair"][1][0]


class Shared(nn.Module):
    """One module under two names, called thrice; and one that takes its own."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
        self.again = self.block
        self.norm = nn.LayerNorm(6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.block(x))
        return self.norm(self.again(y) + self.block(x + y))


class Keeps(nn.Module):
    """Leaves a tensor on itself that another module reads."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.kept: Any = None

    def forward(self, x: Tensor) -> Tensor:
        self.kept = torch.tanh(x)
        return self.linear(self.kept)


class Reads(nn.Module):
    """Reads what another module kept; writes into its argument."""

    def __init__(self, other: Keeps) -> None:
        super().__init__()
        object.__setattr__(self, "other", other)

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone()
        x[:, 0] = 0.5
        return x * self.other.kept


class Aside(nn.Module):
    """Tensors that go around the arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.keeps = Keeps()
        self.reads = Reads(self.keeps)

    def forward(self, x: Tensor) -> Tensor:
        return self.reads(self.keeps(x))


class Sizes(nn.Module):
    """Sizes that one module makes and others take, as numbers and from shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.fold, self.unfold = Fold(), Unfold()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        rows, length = self.fold(x)
        return self.unfold(self.linear(rows), length)


class Fold(nn.Module):
    """Four columns a row, and how long it was."""

    def forward(self, x: Tensor) -> Any:
        return x.reshape(-1, 4), x.shape[1]


class Unfold(nn.Module):
    """Back again."""

    def forward(self, x: Tensor, length: int) -> Tensor:
        return x.reshape(-1, length)


class WaveNet(nn.Module):
    """Dilated convolutions, gated."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Conv1d(1, 8, 1)
        self.layers = nn.ModuleList(Gated(2**depth) for depth in range(3))
        self.end = nn.Sequential(nn.ReLU(), nn.Conv1d(8, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        x, total = self.start(x), torch.zeros(())
        for layer in self.layers:
            x, skip = layer(x)
            total = total + skip
        return self.end(total)


class Gated(nn.Module):
    """What goes on, and what is summed."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.pad = nn.ConstantPad1d((dilation, 0), 0.0)
        self.both = nn.Conv1d(8, 16, 2, dilation=dilation)
        self.skip, self.on = nn.Conv1d(8, 8, 1), nn.Conv1d(8, 8, 1)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        gate, value = self.both(self.pad(x)).chunk(2, 1)
        inner = torch.sigmoid(gate) * torch.tanh(value)
        return x + self.on(inner), self.skip(inner)


class Generator(nn.Sequential):
    """Noise to an image."""

    def __init__(self) -> None:
        super().__init__(
            nn.ConvTranspose2d(6, 16, 4),
            nn.BatchNorm2d(16),
            nn.ReLU(True),
            nn.ConvTranspose2d(16, 8, 4, 2, 1),
            nn.BatchNorm2d(8),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(8, 3, 4, 2, 1),
            nn.Tanh(),
        )


class VAE(nn.Module):
    """Mean and spread of a code, and the picture from its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 12))

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        mean, spread = self.encoder(x)
        return self.decoder(mean), mean, spread


class Encoder(nn.Module):
    """Two results of one shape."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 16), nn.ReLU())
        self.mean, self.spread = nn.Linear(16, 4), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        x = self.body(x)
        return self.mean(x), self.spread(x).exp()


class PointNet(nn.Module):
    """Points, turned by what they say themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Sequential(nn.Conv1d(3, 8, 1), nn.ReLU(), nn.AdaptiveMaxPool1d(1))
        self.matrix = nn.Linear(8, 9)
        self.features = nn.Sequential(nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        turn = self.matrix(self.turn(x).flatten(1)).view(-1, 3, 3) + torch.eye(3)
        return self.head(self.features(torch.bmm(turn, x)).amax(2))


class Recommender(nn.Module):
    """Embeddings and numbers, each with each."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(20, 8) for _ in range(3))
        self.bottom = nn.Sequential(nn.Linear(5, 8), nn.ReLU())
        self.top = nn.Sequential(nn.Linear(14, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())

    def forward(self, numbers: Tensor, kinds: Tensor) -> Tensor:
        dense = self.bottom(numbers)
        rows: List[Tensor] = [dense, *(t(kinds[:, at]) for at, t in enumerate(self.tables))]
        each = torch.stack(rows, 1)
        products = torch.bmm(each, each.transpose(1, 2))
        at, to = torch.triu_indices(4, 4, 1)
        return self.top(torch.cat([dense, products[:, at, to]], 1))


class Pyramid(nn.Module):
    """A feature pyramid: a list goes in and a list comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 12, 3, 2, 1)])
        self.neck = Neck()
        self.heads = nn.ModuleList(nn.Conv2d(6, 4, 1) for _ in range(2))

    def forward(self, x: Tensor) -> Tuple[Tensor, ...]:
        maps = []
        for stage in self.stages:
            x = functional.silu(stage(x))
            maps.append(x)
        return tuple(head(each) for head, each in zip(self.heads, self.neck(maps)))


class Neck(nn.Module):
    """Adds the coarse to the fine."""

    def __init__(self) -> None:
        super().__init__()
        self.side = nn.ModuleList([nn.Conv2d(8, 6, 1), nn.Conv2d(12, 6, 1)])

    def forward(self, maps: List[Tensor]) -> List[Tensor]:
        fine, coarse = (side(each) for side, each in zip(self.side, maps))
        return [fine + functional.interpolate(coarse, scale_factor=2.0, mode="nearest"), coarse]


class Translator(nn.Module):
    """PyTorch's own transformer, with a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(60, 16), nn.Embedding(60, 16)
        self.body = nn.Transformer(16, 2, 1, 1, 24, batch_first=True)
        self.head = nn.Linear(16, 60)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        length = target.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)
        return self.head(self.body(self.source(source), self.target(target), tgt_mask=mask))


class Choice(nn.Module):
    """``torch.cond`` between modules."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Linear(6, 6)
        self.yes = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
        self.no = nn.Linear(6, 6)
        self.after = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        cond: Any = torch.cond
        x = cond(x.sum() > 0, lambda x: self.yes(x) + 1, lambda x: self.no(x) - 1, (x,))
        return self.after(x)


def _one_of(x: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    if bool(x.sum() > 0):
        return torch.tanh(x @ yes)
    return (x @ no) * 2


class Scripted(nn.Module):
    """Runs a scripted function with an ``If``."""

    def __init__(self) -> None:
        super().__init__()
        self.yes, self.no = (nn.Parameter(torch.randn(6, 6)) for _ in range(2))
        self.chosen: Any = torch.jit.script(_one_of)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.chosen(x, self.yes, self.no)
        return made


class ScriptedChoice(nn.Module):
    """A scripted part in a traced model."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(6, 6), nn.Linear(6, 2)
        self.branch = Scripted()

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.branch(self.before(x)))


class Unread(nn.Module):
    """Attention whose weights nobody reads, and results that are its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.passing = Passing()
        self.last = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.attention(x, x, x)
        y, same, _ = self.passing(y, x)
        return self.last(y + same)


class Passing(nn.Module):
    """Gives one argument as it is, and a result that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x: Tensor, y: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        return self.inner(x), y, torch.sin(x)


OWN: Dict[str, Recipe] = {
    "around": Recipe(Aside, floats((2, 6)), here),
    "cells": Recipe(Cells, floats((2, 3, 6)), here),
    "cond": Recipe(Choice, floats((2, 6)), lambda: hasattr(torch, "cond")),
    "containers": Recipe(Containers, floats((2, 6), (2, 6)), here),
    "generator": Recipe(Generator, floats((2, 6, 1, 1)), here),
    "gru": Recipe(lambda: Recurrent(nn.GRU, True), floats((2, 5, 6)), here),
    "lstm": Recipe(lambda: Recurrent(nn.LSTM, True), floats((2, 5, 6)), here),
    "partly_fused": Recipe(PartlyFused, image(12), here),
    "pointnet": Recipe(PointNet, floats((2, 3, 9)), here),
    "pyramid": Recipe(Pyramid, image(16), here),
    "recommender": Recipe(
        Recommender, lambda: (torch.randn(2, 5), torch.randint(3, 20, (2, 3))), here
    ),
    "rnn": Recipe(lambda: Recurrent(nn.RNN, False), floats((2, 5, 6)), here),
    "scripted_if": Recipe(ScriptedChoice, floats((2, 6)), here),
    "shared": Recipe(Shared, floats((2, 6)), here),
    "sizes": Recipe(Sizes, floats((2, 8)), here),
    "translator": Recipe(
        Translator, lambda: (torch.randint(3, 55, (2, 6)), torch.randint(3, 55, (2, 4))), here
    ),
    "unet": Recipe(UNet, image(16), here),
    "unread": Recipe(Unread, floats((2, 4, 8)), here),
    "vae": Recipe(VAE, floats((2, 12)), here),
    "wavenet": Recipe(WaveNet, floats((2, 1, 12)), here),
}
"""The recipes by name."""
