"""Architectures of ``transformers``."""

from functools import lru_cache
from importlib import metadata
from types import MappingProxyType
from typing import Any, Dict, FrozenSet, Mapping, Tuple

import torch
from packaging.version import Version
from torch import nn

from zoo.recipe import Inputs, Recipe

__all__ = ["TINY", "First", "of_transformers"]

TINY: Dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
}
"""What most configurations call their sizes."""

WRITTEN_OUT = {"attn_implementation": "eager"}
"""Attention in single operations, which every exporter knows; unknown to old releases, which have
no other."""


NOTHING: Mapping[str, Any] = MappingProxyType({})

MASKS_SINCE = Version("4.53")
"""From here on most decoders make their mask with ``torch.vmap``, which TorchScript cannot trace
("IndexError: unordered_map::at"), and BART's makes one of the wrong size while ``torch.export``
looks. A mask of four dimensions is taken as it is."""


class First(nn.Module):
    """Gives tensors, where the model gives an object of its own.

    Args:
        body: a model of ``transformers``.
        names: what it calls its inputs.
        fixed: arguments beside the inputs.
        masks: arguments that say which tokens see which, and for how many tokens.
        outputs: how many of its outputs to give.
    """

    def __init__(
        self,
        body: nn.Module,
        names: Tuple[str, ...],
        fixed: Mapping[str, Any],
        masks: Mapping[str, int],
        outputs: int,
    ) -> None:
        super().__init__()
        self.body = body
        self.names = names
        self.fixed = dict(fixed, return_dict=False)
        self.outputs = outputs
        self.masks = tuple(masks)
        for name, length in masks.items():
            hidden = torch.full((1, 1, length, length), -1e4).triu(1)
            self.register_buffer(name, hidden)

    def run(self, *inputs: Any) -> Any:
        """The first output, or a tuple of the first ones."""
        masks = {name: getattr(self, name) for name in self.masks}
        found = self.body(**dict(zip(self.names, inputs)), **masks, **self.fixed)
        return found[0] if self.outputs == 1 else tuple(found[: self.outputs])

    def forward(self, first: Any) -> Any:
        return self.run(first)


class Pair(First):
    """The same for a model with two inputs."""

    def forward(self, first: Any, second: Any) -> Any:
        return self.run(first, second)


@lru_cache(maxsize=None)
def offered() -> FrozenSet[str]:
    """The names that the installed transformers has; none of its models is imported for that."""
    import transformers

    return frozenset(dir(transformers))


def release() -> Version:
    """That of the installed transformers."""
    return Version(metadata.version("transformers"))


def of_transformers(
    model: str,
    settings: Mapping[str, Any],
    inputs: Inputs,
    names: Tuple[str, ...] = ("input_ids",),
    fixed: Mapping[str, Any] = NOTHING,
    masks: Mapping[str, int] = NOTHING,
    outputs: int = 1,
    since: str = "0",
) -> Recipe:
    """A model by the name of its class.

    Args:
        model: a class of ``transformers``.
        settings: of its configuration; those of a part are a dictionary.
        inputs: makes the inputs.
        names: what the model calls them.
        fixed: arguments beside the inputs.
        masks: mask arguments and their lengths, given where exporters need them.
        outputs: how many outputs to give.
        since: the first release of transformers that understands the settings.
    """

    def there() -> bool:
        return model in offered() and release() >= Version(since)

    def build() -> nn.Module:
        import transformers

        cls = getattr(transformers, model)
        config = cls.config_class(**_written_out(settings))
        wrapper = First if len(names) == 1 else Pair
        given = masks if release() >= MASKS_SINCE else {}
        return wrapper(cls(config), names, fixed, given, outputs)

    return Recipe(build, inputs, there)


def _written_out(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """The settings with attention written out, in every part."""
    parts = {
        name: _written_out(value)
        for name, value in settings.items()
        if name.endswith("_config") and isinstance(value, dict)
    }
    return {**settings, **parts, **WRITTEN_OUT}
