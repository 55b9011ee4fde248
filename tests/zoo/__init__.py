"""Real architectures with small random configurations, for the oracles.

``subjects()`` offers what the installed libraries have. Nothing is downloaded. A backend that
cannot export an architecture because torch itself cannot is a row of ``expected_failures.json``.
"""

import warnings
from typing import Dict, List

from oracles.subject import Subject

from zoo.audio_and_both import AUDIO, TEXT_AND_IMAGE
from zoo.recipe import Recipe, installed, subject
from zoo.text import TEXT
from zoo.timm_models import TIMM
from zoo.torchvision_models import TORCHVISION
from zoo.vision import VISION

__all__ = ["ARCHITECTURES", "subjects"]

ARCHITECTURES: Dict[str, Dict[str, Recipe]] = {
    "transformers": {**TEXT, **VISION, **AUDIO, **TEXT_AND_IMAGE},
    "torchvision": TORCHVISION,
    "timm": TIMM,
}
"""The recipes by name, by library."""


def subjects() -> List[Subject]:
    """Every architecture that the installed libraries have, as ``library:name``.

    The libraries are imported, the models are built only when a subject is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            subject(f"{library}:{name}", recipe)
            for library, recipes in ARCHITECTURES.items()
            if installed(library)
            for name, recipe in recipes.items()
            if recipe.there()
        ]
