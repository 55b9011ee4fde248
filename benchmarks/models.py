"""The models of the benchmarks: random weights, and an example input for each.

torch is imported when a model is made, so that the names can be asked without it.
"""

import re
from functools import partial
from typing import Any, Callable, Dict, Tuple

__all__ = ["NAMES", "maker"]

Model = Tuple[Any, Tuple[Any, ...]]
"""A model and its example inputs."""


def bert() -> Model:
    """A transformer encoder of BERT-base's size, 108 million random weights, and its input."""
    import torch
    from torch import nn

    width, heads, layers, vocabulary, length = 768, 12, 12, 30522, 128

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Linear(width, width)
            self.key = nn.Linear(width, width)
            self.value = nn.Linear(width, width)
            self.output = nn.Linear(width, width)

        def split(self, states: Any) -> Any:
            return states.view(1, length, heads, width // heads).transpose(1, 2)

        def forward(self, states: Any) -> Any:
            query, key = self.split(self.query(states)), self.split(self.key(states))
            scores = query @ key.transpose(-2, -1) / (width // heads) ** 0.5
            mixed = scores.softmax(dim=-1) @ self.split(self.value(states))
            return self.output(mixed.transpose(1, 2).reshape(1, length, width))

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attention()
            self.attention_norm = nn.LayerNorm(width)
            self.inner = nn.Linear(width, 4 * width)
            self.activation = nn.GELU()
            self.outer = nn.Linear(4 * width, width)
            self.norm = nn.LayerNorm(width)

        def forward(self, states: Any) -> Any:
            states = self.attention_norm(states + self.attention(states))
            return self.norm(states + self.outer(self.activation(self.inner(states))))

    class Bert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(length, width)
            self.norm = nn.LayerNorm(width)
            self.layers = nn.ModuleList(Layer() for _ in range(layers))
            self.register_buffer("order", torch.arange(length).unsqueeze(0))

        def forward(self, tokens: Any) -> Any:
            states = self.norm(self.words(tokens) + self.positions(self.order))
            for layer in self.layers:
                states = layer(states)
            return states

    return Bert().eval(), (torch.randint(0, vocabulary, (1, length)),)


def resnet() -> Model:
    """A residual network of ResNet-50's size, 26 million random weights, and its input."""
    import torch
    from torch import nn

    class Bottleneck(nn.Module):
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            outputs = 4 * width
            self.reduce = nn.Conv2d(inputs, width, 1, bias=False)
            self.reduce_norm = nn.BatchNorm2d(width)
            self.conv = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
            self.conv_norm = nn.BatchNorm2d(width)
            self.expand = nn.Conv2d(width, outputs, 1, bias=False)
            self.expand_norm = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU()
            self.shortcut = nn.Sequential()
            if stride != 1 or inputs != outputs:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                    nn.BatchNorm2d(outputs),
                )

        def forward(self, image: Any) -> Any:
            states = self.relu(self.reduce_norm(self.reduce(image)))
            states = self.relu(self.conv_norm(self.conv(states)))
            return self.relu(self.expand_norm(self.expand(states)) + self.shortcut(image))

    def stage(inputs: int, width: int, blocks: int, stride: int) -> Any:
        first = Bottleneck(inputs, width, stride)
        return nn.Sequential(first, *(Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)))

    model = nn.Sequential(
        nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        stage(64, 64, 3, 1),
        stage(256, 128, 4, 2),
        stage(512, 256, 6, 2),
        stage(1024, 512, 3, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2048, 1000),
    )
    return model.eval(), (torch.randn(1, 3, 224, 224),)


def gpt2(width: int = 1024, layers: int = 24, heads: int = 16) -> Model:
    """A GPT-2 of the installed transformers; by default of the size of its medium one.

    That has 355 million weights, 1.4 GB in the file.
    """
    import torch
    import transformers

    config = transformers.GPT2Config(n_embd=width, n_layer=layers, n_head=heads, use_cache=False)
    try:  # attention in single operations, which every exporter knows
        model = transformers.GPT2LMHeadModel._from_config(config, attn_implementation="eager")  # noqa: SLF001 - the public from_config is of the Auto classes
    except TypeError:  # a release that has no other attention
        model = transformers.GPT2LMHeadModel(config)
    return model.eval(), (torch.randint(0, config.vocab_size, (1, 64)),)


def chain(blocks: int) -> Model:
    """A chain of small blocks: many nodes and hardly a weight, the worst there is for HTP."""
    import torch
    from torch import nn

    width = 8

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(width, width)
            self.activation = nn.ReLU()
            self.outer = nn.Linear(width, width)
            self.norm = nn.LayerNorm(width)

        def forward(self, states: Any) -> Any:
            return self.norm(states + self.outer(self.activation(self.inner(states))))

    return nn.Sequential(*(Block() for _ in range(blocks))).eval(), (torch.randn(2, width),)


_MODELS: Dict[str, Callable[[], Model]] = {"bert": bert, "resnet": resnet, "gpt2-medium": gpt2}

NAMES = (*_MODELS, "chainN")
"""What ``maker`` takes; N is a number of blocks."""


def maker(name: str) -> Callable[[], Model]:
    """What makes the model of that name.

    Raises:
        ValueError: there is none.
    """
    blocks = re.fullmatch(r"chain([1-9]\d*)", name)
    if blocks is not None:
        return partial(chain, int(blocks.group(1)))
    if name not in _MODELS:
        raise ValueError(f"there is no model {name!r}; there are {', '.join(NAMES)}")
    return _MODELS[name]
