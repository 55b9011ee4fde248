"""Colours that people tell apart who see red and green alike.

The single colours are of the palette of Okabe and Ito, https://jfly.uni-koeln.de/color/; the scale
goes from light to dark in one hue, and so needs no hue to be seen.
"""

from typing import Tuple

__all__ = ["ARISES", "PASSES", "RIGHT", "SCALE"]

RIGHT = "#56b4e9"
"""Sky blue: what a call returns is right."""
PASSES = "#f0e442"
"""Yellow: what it returns is not right, and no error was seen to begin in it."""
ARISES = "#d55e00"
"""Vermilion: an error begins in it."""

SCALE: Tuple[Tuple[float, str], ...] = ((0.0, "#f7fbff"), (0.5, "#6baed6"), (1.0, "#08306b"))
"""From the least to the most."""
