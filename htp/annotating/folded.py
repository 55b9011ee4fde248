"""Normalisations that an exporter folded into the operation before them, shown by recomputing.

    before:  y = Conv(x, w, b);  z = BatchNormalization(y, weight, bias, mean, var)
    after:   z = Conv(x, v, c),  with v = w * weight / sqrt(var + eps) for each channel

Nothing but the numbers says which modules met: neither names nor where the modules are registered.
"""

from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp.annotating.samples import Weight

__all__ = ["Folded", "folded"]

Scales = Mapping[str, Sequence[float]]
"""For each normalisation by path: what it multiplies each channel by."""

_NEAR = 1e-4
"""How far numbers may be apart, as a share: they were computed in single precision."""

_TRIES = 1_000_000
"""Comparisons at most: whatever a file holds, the search comes to an end."""


class Folded(NamedTuple):
    """What a weight was made from: the parameter, and the path of the normalisation."""

    parameter: str
    norm: str


def folded(
    weights: Mapping[str, Weight], states: Mapping[str, Weight], scales: Scales
) -> Dict[str, Folded]:
    """The weights of a file that show a folded normalisation.

    Args:
        weights: those of the file that are none of the model's as they are.
        states: the model's parameters, by full name.
        scales: of its normalisations.
    """
    by_shape: Dict[Tuple[int, ...], List[str]] = {}
    for name, state in states.items():
        if len(state.shape) > 1 and state.sample.tells:
            by_shape.setdefault(state.shape, []).append(name)
    by_channels: Dict[int, List[str]] = {}
    for path, scale in scales.items():
        by_channels.setdefault(len(scale), []).append(path)
    found: Dict[str, Folded] = {}
    left = _TRIES
    for name, weight in weights.items():
        made: List[Folded] = []
        for parameter in by_shape.get(weight.shape, ()):
            for axis, ratios in _ratios(weight, states[parameter]):
                norms = by_channels.get(weight.shape[axis], ())
                left -= 1 + len(norms)
                made += [Folded(parameter, p) for p in norms if _fits(ratios, scales[p])]
            if left < 0:
                return found
        if len(set(made)) == 1:
            found[name] = made[0]
    return found


def _ratios(weight: Weight, state: Weight) -> Iterator[Tuple[int, Mapping[int, float]]]:
    """For each axis that channels may lie on: what their elements were multiplied by."""
    for axis in (0, 1):
        ratios: Optional[Dict[int, float]] = {}
        for channel, new, old in zip(
            weight.places(axis), weight.sample.elements, state.sample.elements
        ):
            if ratios is not None and old:
                ratio = ratios.setdefault(channel, new / old)
                ratios = ratios if _near(ratio, new / old) else None
        if ratios and len(ratios) > 1:
            yield axis, ratios


def _fits(ratios: Mapping[int, float], scale: Sequence[float]) -> bool:
    return all(_near(scale[channel], ratio) for channel, ratio in ratios.items())


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= _NEAR * max(abs(one), abs(other))
