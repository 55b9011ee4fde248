"""What weights hold, as far as it takes to know them again: a few of their elements."""

from typing import Any, NamedTuple, Optional, Sequence, Tuple

__all__ = ["Sample", "Weight", "sample"]

_SAMPLES = 32
_DISTINCT = 4


class Sample(NamedTuple):
    """Some elements of a tensor, the same whatever the order of its axes.

    Attributes:
        lengths: of the axes, in rising order, without those of 1.
        elements: those at k * length // n of every axis alike; n is 32, or the length of the
            longest axis where that is less.
    """

    lengths: Tuple[int, ...]
    elements: Tuple[float, ...]

    @property
    def tells(self) -> bool:
        """Whether it can be known again: tensors of one number are all alike."""
        return len(set(self.elements)) >= _DISTINCT


class Weight(NamedTuple):
    """A tensor, by its sample and the length of each axis."""

    sample: Sample
    shape: Tuple[int, ...]

    def places(self, axis: int) -> Sequence[int]:
        """Where on an axis each element of the sample stands."""
        count = len(self.sample.elements)
        return [k * self.shape[axis] // count for k in range(count)]


def sample(array: Any) -> Optional[Weight]:
    """The sample of an array of numbers; None of one without elements.

    Args:
        array: of ``numpy`` or torch; no more than the sample is read.
    """
    shape = tuple(map(int, array.shape))
    if 0 in shape:
        return None
    count = min(_SAMPLES, max(shape, default=1))
    index = tuple([k * length // count for k in range(count)] for length in shape)
    found = (array[index] if shape else array.reshape(1)).tolist()
    lengths = tuple(sorted(length for length in shape if length != 1))
    return Weight(Sample(lengths, tuple(map(float, found))), shape)
