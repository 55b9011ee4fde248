"""The small transformer that ``htp demo`` exports.

It has what makes module paths interesting: layers of the same class, a module that each layer calls
twice (``norm``), and operations in the root's own ``forward``. Plain ``torch.nn``, so that every
torch since 1.8 and every backend exports it.
"""

from typing import Any, Dict

import torch
from torch import nn

__all__ = ["DemoTransformer", "example"]


class Attention(nn.Module):
    """Self-attention with several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.width = width // heads
        self.scale = self.width**-0.5
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """``(batch, time, width)`` to ``(batch, heads, time, width / heads)``."""
        return x.reshape(x.shape[0], -1, self.heads, self.width).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(batch, time, width)`` to the same shape."""
        query, key, value = (self._split(part(x)) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(-2, -1) * self.scale
        mixed = scores.softmax(dim=-1) @ value
        output: torch.Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return output


class Layer(nn.Module):
    """One encoder layer. Its only ``norm`` is called twice."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(batch, time, width)`` to the same shape."""
        x = x + self.attention(self.norm(x))
        mixed: torch.Tensor = x + self.mlp(self.norm(x))
        return mixed


class Encoder(nn.Module):
    """Layers of the same class, one after the other."""

    def __init__(self, depth: int, width: int, heads: int) -> None:
        super().__init__()
        self.layer = nn.ModuleList([Layer(width, heads) for _ in range(depth)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(batch, time, width)`` to the same shape."""
        for layer in self.layer:
            x = layer(x)
        return x


class DemoTransformer(nn.Module):
    """Tokens in, scores for two classes out.

    Args:
        vocabulary: number of tokens.
        length: number of positions.
        width: size of a token's vector.
        heads: heads of each attention.
        depth: number of encoder layers.
    """

    def __init__(
        self,
        vocabulary: int = 100,
        length: int = 16,
        width: int = 32,
        heads: int = 4,
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(length, width))
        self.encoder = Encoder(depth, width, heads)
        self.head = nn.Linear(width, 2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """``tokens``: int64 ``(batch, length)``; returns float ``(batch, 2)``."""
        x = self.encoder(self.tokens(tokens) + self.positions)
        scores: torch.Tensor = self.head(x.mean(dim=1))
        return scores


def example() -> Dict[str, Any]:
    """The arguments of ``htp.export``: a random demo model and one batch of two texts.

    Try ``htp export htp.cli.demo_model:example -o demo.onnx``.
    """
    model = DemoTransformer().eval()
    tokens = torch.arange(32).reshape(2, 16)
    return {
        "model": model,
        "args": (tokens,),
        "input_names": ["tokens"],
        "output_names": ["scores"],
        "dynamic_shapes": {"tokens": {0: "batch"}},
    }
