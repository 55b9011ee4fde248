"""How an architecture of the zoo is made: small, with random weights, equal each time."""

import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Tuple

import torch
from oracles.subject import Subject
from packaging.version import Version
from torch import Tensor, nn

from htp.testing.case import Example
from htp.torch_release import RELEASE

__all__ = [
    "OPTIONS",
    "Inputs",
    "Recipe",
    "has_module",
    "image",
    "installed",
    "sound",
    "subject",
    "tokens",
]

Inputs = Callable[[], Tuple[Tensor, ...]]

OPTIONS: Dict[str, Any] = (
    {"opset_version": 13} if RELEASE is not None and Version("1.12") > RELEASE else {}
)
"""Old releases default to opset 9, in which no bound of a slice may be computed."""


@dataclass(frozen=True)
class Recipe:
    """An architecture.

    Attributes:
        model: makes the model; called with nothing while the seed is set.
        inputs: makes the positional inputs.
        there: whether the installed library has the architecture.
    """

    model: Callable[[], nn.Module]
    inputs: Inputs
    there: Callable[[], bool]


def installed(library: str) -> bool:
    """Whether a library can be imported; it is not imported for that."""
    return importlib.util.find_spec(library) is not None


def has_module(library: str, *path: str) -> bool:
    """Whether an installed library has a file for a module; nothing is imported for that."""
    spec = importlib.util.find_spec(library)
    folders = spec.submodule_search_locations if spec is not None else None
    return any(Path(folder, *path).with_suffix(".py").exists() for folder in folders or ())


def tokens(*lengths: int) -> Inputs:
    """A batch of two sequences for each length; 0 and the highest tokens have special meanings."""
    return lambda: tuple(torch.randint(3, 55, (2, length)) for length in lengths)


def image(size: int) -> Inputs:
    """One square colour image."""
    return lambda: (torch.randn(1, 3, size, size),)


def sound(*shape: int) -> Inputs:
    """A waveform or a spectrogram."""
    return lambda: (torch.randn(1, *shape),)


def subject(name: str, recipe: Recipe) -> Subject:
    """What the oracles take."""
    return Subject(name, lambda: _build(recipe), OPTIONS)


def _build(recipe: Recipe) -> Example:
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        model = recipe.model()
        _tell_apart(model)
        return Example(model.eval(), recipe.inputs())


def _tell_apart(model: nn.Module) -> None:
    """Vary what libraries set to zeros and ones in every layer alike."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                nn.init.normal_(parameter, 1, 0.1)
        for module in model.modules():
            statistics: Mapping[str, Any] = dict(module.named_buffers(recurse=False))
            if statistics.get("running_mean") is not None:
                statistics["running_mean"].normal_(0, 0.1)
                statistics["running_var"].uniform_(0.8, 1.2)
