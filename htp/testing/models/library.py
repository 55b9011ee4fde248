"""torch's own layers of several operations."""

import torch
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked
from htp.testing.models.sharing import Dense

__all__ = ["CASES"]


class Recurrent(Marked):
    """A recurrent layer between two others."""

    def __init__(self, rnn: nn.Module) -> None:
        super().__init__()
        self.before = Dense()
        self.rnn = rnn
        self.after = Dense()

    def forward(self, x: Tensor) -> Tensor:
        output = self.rnn(self.before(x))[0]
        return self.mark(self.after(output))


class Encoder(Marked):
    """torch's own encoder layer; ``batch_first=False`` keeps it off the fused fast path."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Dense()
        self.layer = nn.TransformerEncoderLayer(d_model=4, nhead=2, dim_feedforward=8)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.layer(self.before(x)))


class CrossAttention(Marked):
    """torch's own attention over another sequence; its module ``out_proj`` is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Dense(4, 6)
        self.attention = nn.MultiheadAttention(4, 2, bias=False, kdim=6, vdim=6)

    def forward(self, x: Tensor) -> Tensor:
        memory = self.memory(x)
        return self.mark(self.attention(x, memory, memory)[0])


class Whole(Marked):
    """torch's own transformer, encoder and decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.source = Dense()
        self.target = Dense()
        self.transformer = nn.Transformer(
            d_model=4,
            nhead=2,
            num_encoder_layers=1,
            num_decoder_layers=2,
            dim_feedforward=8,
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.mark(self.transformer(self.source(source), self.target(target)))


def _x(*shape: int) -> Tensor:
    return torch.randn(*shape)


CASES = (
    Case(
        "lstm", lambda: Example(Recurrent(nn.LSTM(4, 4)), (_x(3, 1, 4),)), operators={"LSTM": "rnn"}
    ),
    Case("gru", lambda: Example(Recurrent(nn.GRU(4, 4)), (_x(3, 1, 4),)), operators={"GRU": "rnn"}),
    Case(
        "multihead_attention",
        lambda: Example(Encoder(), (_x(3, 1, 4),)),
        marks=("before", ""),
        operators={"Softmax": "layer.self_attn"},
    ),
    Case(
        "cross_attention",
        lambda: Example(CrossAttention(), (_x(3, 1, 4),)),
        marks=("memory", ""),
        operators={"Softmax": "attention"},
    ),
    Case(
        "whole_transformer",
        lambda: Example(Whole(), (_x(3, 1, 4), _x(2, 1, 4))),
        marks=("source", "target", ""),
        torch=">=1.12",  # before, the default opset cannot slice by computed bounds
    ),
)
