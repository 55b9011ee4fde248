"""How far one array is from another, in numbers that can be summed up over many pairs.

What is NaN or infinite in both arrays, in the same way, is equal. What is so in one of them is a
difference without measure: ``max_abs`` is infinite then, and it is in no other figure.
"""

import math
from typing import TYPE_CHECKING, Any, Dict, Iterator, NamedTuple, Optional, Tuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Measure", "excess", "finite_or_text", "measure"]

CHUNK = 1 << 18
"""Elements that are compared at once: what that takes stays small beside the arrays."""


class Measure(NamedTuple):
    """How far an array is from the one that it should be.

    Attributes:
        elements: how many were compared.
        max_abs: the largest absolute difference.
        max_rel: the largest difference in relation to the element that should be there, among those
            that should not be zero.
        scale: the largest absolute value that should be there.
        apart: elements that are NaN or infinite in one of the arrays only, or in another way.
        signal: sum of the squares that should be there.
        noise: sum of the squares of the differences.
        other: sum of the squares that are there.
        dot: sum of the products of both.
    """

    elements: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0
    scale: float = 0.0
    apart: int = 0
    signal: float = 0.0
    noise: float = 0.0
    other: float = 0.0
    dot: float = 0.0

    @property
    def cosine(self) -> float:
        """The cosine of the angle between the arrays; NaN where one of them is zero only.

        1.0 where there is no difference.
        """
        if not self.noise and not self.apart:
            return 1.0
        length = math.sqrt(self.signal) * math.sqrt(self.other)
        return min(1.0, max(-1.0, self.dot / length)) if length else math.nan

    @property
    def sqnr(self) -> float:
        """Signal to noise in decibels; infinite where there is no noise."""
        if self.apart:
            return -math.inf
        if not self.noise:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal else -math.inf

    @property
    def relative(self) -> float:
        """The largest difference in relation to the largest value that should be there."""
        if not self.max_abs:
            return 0.0
        return self.max_abs / self.scale if self.scale else math.inf

    def beyond(self, atol: float, rtol: float) -> bool:
        """Whether the largest difference is more than ``atol + rtol * scale``."""
        return self.max_abs > atol + rtol * self.scale

    def with_(self, more: "Measure") -> "Measure":
        """Of both pairs of arrays, as if they had been compared as one."""
        return Measure(
            self.elements + more.elements,
            max(self.max_abs, more.max_abs),
            max(self.max_rel, more.max_rel),
            max(self.scale, more.scale),
            self.apart + more.apart,
            *(one + two for one, two in zip(self[5:], more[5:])),
        )

    def to_json(self) -> Dict[str, Any]:
        """What people compare by; what is not finite is a text, as JSON has no number for it."""
        figures = {name: getattr(self, name) for name in ("max_abs", "max_rel", "cosine", "sqnr")}
        return {name: finite_or_text(value) for name, value in figures.items()}


def finite_or_text(value: Optional[float]) -> Any:
    """A number as JSON has it: ``"inf"``, ``"-inf"`` and ``"nan"`` are texts."""
    return value if value is None or math.isfinite(value) else str(float(value))


def measure(reference: Any, other: Any) -> Measure:
    """Compare two arrays of one shape.

    Args:
        reference: what should be there: an array of numbers or truth values.
        other: what is there.

    Raises:
        ValueError: their shapes differ, or there are no numbers in them.
    """
    import numpy as np

    one, two = np.asarray(reference), np.asarray(other)
    if one.shape != two.shape:
        raise ValueError(f"Arrays of the shapes {one.shape} and {two.shape} cannot be compared.")
    found = Measure()
    for left, right in _chunks(one, two):
        found = found.with_(_of_chunk(left, right))
    return found


def excess(reference: Any, other: Any, atol: float, rtol: float) -> float:
    """The largest difference in relation to what is allowed: above 1 it is too much.

    An element may be off by ``atol + rtol * (its own size + the usual size)``. The usual size is
    that of the largest element which is not out of all proportion: a mask of ``-1e4`` among scores
    of ``0.3`` says nothing of how precise the scores are.

    Raises:
        ValueError: the shapes of the arrays differ.
    """
    import numpy as np

    one, two = np.asarray(reference), np.asarray(other)
    if one.shape != two.shape:
        raise ValueError(f"Arrays of the shapes {one.shape} and {two.shape} cannot be compared.")
    worst, usual = 0.0, _usual(one)
    for left, right in _chunks(one, two):
        sound = np.isfinite(left) & np.isfinite(right)
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        if not (sound | same).all():
            return math.inf
        gap = np.abs(left - right, where=sound, out=np.zeros_like(left))
        off = gap > 0
        if off.any():
            allowed = atol + rtol * (np.abs(left[off]) + usual)
            with np.errstate(divide="ignore"):
                worst = max(worst, float((gap[off] / allowed).max()))
    return worst


_SAMPLE = 1 << 16
"""Elements that tell how large elements usually are."""
_PROPORTION = 1000.0
"""By how much an element may surpass a quarter of the others, and still be one of them."""


def _usual(array: "Array") -> float:
    """How large the larger elements are."""
    import numpy as np

    flat = array.reshape(-1)[:: max(1, array.size // _SAMPLE)].astype(np.float64)
    sizes = np.abs(flat[np.isfinite(flat) & (flat != 0)])
    if not sizes.size:
        return 0.0
    quarter = float(np.partition(sizes, sizes.size // 4)[sizes.size // 4])
    return float(sizes[sizes <= _PROPORTION * quarter].max())


def _chunks(one: "Array", two: "Array") -> "Iterator[Tuple[NDArray[np.float64], Any]]":
    import numpy as np

    flat = one.reshape(-1), two.reshape(-1)
    for at in range(0, one.size, CHUNK):
        left, right = (array[at : at + CHUNK].astype(np.float64) for array in flat)
        yield left, right


def _of_chunk(one: "NDArray[np.float64]", two: "NDArray[np.float64]") -> Measure:
    import numpy as np

    sound = np.isfinite(one) & np.isfinite(two)
    apart = 0
    if not sound.all():
        same = (one == two) | (np.isnan(one) & np.isnan(two))
        apart = int(np.count_nonzero(~sound & ~same))
        one, two = one[sound], two[sound]
    if not one.size:
        return Measure(sound.size, math.inf if apart else 0.0, 0.0, 0.0, apart)
    gap, size = np.abs(one - two), np.abs(one)
    some = size > 0
    worst = float(gap.max())
    relative = float((gap[some] / size[some]).max()) if worst and some.any() else 0.0
    with np.errstate(over="ignore", under="ignore"):
        return Measure(
            sound.size,
            math.inf if apart else worst,
            relative,
            float(size.max()),
            apart,
            float(one @ one),
            float(gap @ gap),
            float(two @ two),
            float(one @ two),
        )
