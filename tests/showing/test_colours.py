"""Colours that mean something are told apart by people who see fewer of them. Needs no torch.

How colours look to them is simulated after Machado, Oliveira and Fernandes, "A Physiologically-
based Model for Simulation of Color Vision Deficiency" (2009), at its full severity; differences are
Euclidean ones in CIELAB (1976), in which 2 to 3 can just be seen.
"""

import itertools
import math

import pytest

from accuracy_chart import PARTS
from htp.viewing import colours

SEEN = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
APART = 25
"""Ten times what can just be seen: as two fields of a picture that is looked at in passing."""

XYZ = (
    (0.412391, 0.357584, 0.180481),
    (0.212639, 0.715169, 0.072192),
    (0.019331, 0.119195, 0.950532),
)
WHITE = (0.950456, 1.0, 1.089058)


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector)) for row in matrix]


def lab(colour, seen):
    """The CIELAB coordinates of ``#rrggbb`` as it is seen."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    light = [min(max(c, 0), 1) for c in times(seen, light)]
    scaled = [c / white for c, white in zip(times(XYZ, light), WHITE)]
    x, y, z = (c ** (1 / 3) if c > 216 / 24389 else (24389 / 27 * c + 16) / 116 for c in scaled)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def least(chosen, seen):
    """The difference of the two that are most alike."""
    every = [lab(each, seen) for each in chosen]
    return min(math.dist(one, other) for one, other in itertools.combinations(every, 2))


@pytest.mark.parametrize("who", SEEN)
@pytest.mark.parametrize(
    "chosen",
    [
        [colour for colour, _ in PARTS.values()],
        [colours.RIGHT, colours.PASSES, colours.ARISES],
        [colour for _, colour in colours.SCALE],
    ],
    ids=["the accuracy chart", "verdicts", "the scale"],
)
def test_colours_are_told_apart(chosen, who):
    assert least(chosen, SEEN[who]) > APART


def test_the_chart_needs_no_colour_at_all():
    patterns = [pattern for _, pattern in PARTS.values()]
    assert len(set(patterns)) == len(patterns)


@pytest.mark.parametrize(
    ("chosen", "who"),
    [
        (["#2ca02c", "#d62728"], "no green"),  # the usual green and red
        (["#777700", "#aa5500"], "no red"),
        (["#0072b2", "#00896a"], "no blue"),
    ],
)
def test_what_is_alike_is_found(chosen, who):
    assert least(chosen, SEEN["all"]) > APART
    assert least(chosen, SEEN[who]) < APART
