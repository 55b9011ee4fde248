"""The layers that real models are made of."""

import math
from typing import Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from htp.testing.case import Case, Example, Inputs, Marked
from htp.testing.models.sharing import Block, Dense

__all__ = ["CASES"]


class ConvNet(Marked):
    """Convolutions with batch normalisation, which exporters fuse."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvUnit(3, 4)
        self.body = ConvUnit(4, 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.pool(self.body(self.stem(image)))
        return self.mark(self.head(torch.flatten(x, 1)))


class ConvUnit(Marked):
    """Convolution, normalisation with statistics that are not trivial, activation."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1)
        self.norm = nn.BatchNorm2d(out)
        nn.init.uniform_(self.norm.running_mean, -0.5, 0.5)
        nn.init.uniform_(self.norm.running_var, 0.5, 1.5)
        nn.init.uniform_(self.norm.weight, 0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(F.relu(self.norm(self.conv(x))))


class ConvChain(Marked):
    """Convolutions with nothing between them but normalisations, all of which may be fused."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.ModuleList([nn.Conv2d(4, 4, 1, bias=at == 1) for at in range(3)])
        self.norm = nn.ModuleList([nn.BatchNorm2d(4) for _ in range(3)])
        for norm in self.norm:
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.weight, 0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.conv, self.norm):
            x = norm(conv(x))
        return self.mark(x)


class Attention(Marked):
    """Self-attention written out, with shapes taken from the input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        """Batch, heads, steps, width of a head."""
        shape = (*x.shape[:-1], self.heads, x.shape[-1] // self.heads)
        return x.reshape(shape).permute(0, 2, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            self.split(self.query(x)),
            self.split(self.key(x)),
            self.split(self.value(x)),
        )
        scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(query.shape[-1])
        mixed = torch.matmul(torch.softmax(scores, dim=-1), value).permute(0, 2, 1, 3)
        return self.mark(self.out(mixed.reshape(x.shape)))


class Layer(Marked):
    """A pre-norm transformer layer."""

    def __init__(self, width: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.act = nn.GELU()
        self.down = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x)))
        return self.mark(x + self.down(self.act(self.up(self.norm2(x)))))


class Transformer(Marked):
    """Embeddings, two layers, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 8)
        self.positions = nn.Embedding(6, 8)
        self.layers = nn.ModuleList([Layer(), Layer()])
        self.head = nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        for layer in self.layers:
            x = layer(x)
        return self.mark(self.head(x))


class RootOnly(Marked):
    """Functional operations at the root, and a child that is only a part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))
        self.register_buffer("shift", torch.randn(4))
        self.block = Block()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.softmax(torch.matmul(x, self.weight) + self.shift, dim=-1)
        return self.mark(torch.cat([x, self.block(x).abs()], dim=-1))


class TwoInputs(Marked):
    """Three inputs, two of them by keyword and not in the order of the signature; two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left = Dense()
        self.right = Dense()

    def forward(self, x: Tensor, y: Tensor, gain: Tensor) -> Tuple[Tensor, Tensor]:
        left, right = self.left(x), self.right(y)
        return self.mark(left + right), left - right * gain


class Dynamic(Marked):
    """Shapes that are read from the input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Layer(width=4)
        self.fold = Fold()

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.fold(self.layer(x)))


class Fold(Marked):
    """Folds two axes into one by their sizes."""

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(x.reshape(x.shape[0], x.shape[1] * x.shape[2]))


class Unused(Marked):
    """A module whose output nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.used = Dense()
        self.unused = Dense()

    def forward(self, x: Tensor) -> Tensor:
        self.unused(x)
        return self.mark(self.used(x))


def _x(*shape: int) -> Tensor:
    return torch.randn(*(shape or (2, 4)))


CASES = (
    Case(
        "conv_batchnorm",
        lambda: Example(ConvNet(), (_x(1, 3, 6, 6),)),
        marks=("stem", "body", ""),
    ),
    Case("conv_chain", lambda: Example(ConvChain(), (_x(1, 4, 3, 3),)), marks=("",)),
    Case("transformer", lambda: Example(Transformer(), (torch.tensor([[1, 3, 5, 10]]),))),
    Case(
        "root_functional",
        lambda: Example(RootOnly(), (_x(),)),
        marks=("block", ""),
        operators={"Softmax": "", "MatMul": "", "Concat": "", "Abs": "", "Tanh": "block"},
    ),
    Case(
        "two_inputs",
        lambda: Example(TwoInputs(), (_x(),), {"gain": _x(4), "y": _x()}),
        input_names=("x", "y", "gain"),
        output_names=("sum", "difference"),
        marks=("left", "right", ""),
    ),
    Case(
        "dynamic_shapes",
        lambda: Example(Dynamic(), (_x(2, 3, 4),)),
        input_names=("tokens",),
        dynamic_shapes={"tokens": {0: "batch", 1: "steps"}},
        other_inputs=lambda: Inputs((torch.randn(3, 5, 4),)),
        marks=("layer.attention", "layer", "fold", ""),
        operators={"Softmax": "layer.attention"},
    ),
    Case(
        "unused_output",
        lambda: Example(Unused(), (_x(),)),
        marks=("unused", "used", ""),
        vanishes=("unused",),
    ),
)
