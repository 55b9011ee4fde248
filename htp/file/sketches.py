"""Sketches of weights: what a conversion leaves as it was.

A tool that makes halves or bytes of floats, or multiplies them, changes every element, and with
them the fingerprint (``htp.file.fingerprints``). What stays is the sign of each, and of a cast the
value, but for rounding. So a sketch has, of the same sample that the fingerprint is of,

- the highest bit of each element, as a number of so many bits, the first element's first: the sign
  of floats and of signed integers;
- the two highest bytes of the first element, the highest first.

    -0.71  0.33  0.02 -0.18 ...      float       1001...   bf36
    -0.71  0.33  0.02 -0.18 ...      half        1001...   b9af
    -91    42    3    -23   ...      int8        1001...   a5

Written are both as hexadecimal digits. Samples of fewer than 8 elements, and types of less than a
byte, have none.
"""

from typing import Optional, Tuple

from htp.file.fingerprints import samples_of, size_of
from htp.graph.records import Sketch

__all__ = ["digits", "read", "sketch", "written"]

_LEAST = 8
_HIGHEST = bytes(ord("1") if byte & 0x80 else ord("0") for byte in range(256))
_FIRST = 2
"""Bytes of the first element."""


def sketch(dtype: int, sample: Optional[bytes]) -> Optional[Sketch]:
    """The sketch of a sample; None where there is none."""
    size = size_of(dtype)
    if not sample or not size or len(sample) < _LEAST * size:
        return None
    count = len(sample) // size
    signs = int(sample[size - 1 :: size].translate(_HIGHEST), 2)
    zero = bytes(size)
    zeros = 0
    if zero in sample:
        for at in range(0, len(sample), size):
            zeros = zeros << 1 | (sample[at : at + size] == zero)
    return Sketch(count, signs, sample[:size][: -_FIRST - 1 : -1], zeros)


def written(held: Optional[Sketch]) -> str:
    """A sketch as digits, without what is zero; ``""`` for none."""
    if held is None:
        return ""
    length, signs, first, _ = held
    return f"{signs:0{-(-length // 4)}x}{first.hex()}"


def digits(dtype: int, dims: Tuple[int, ...]) -> int:
    """How many digits there are for a tensor of this type and shape."""
    count, size = samples_of(dims), size_of(dtype)
    return -(-count // 4) + 2 * min(size, _FIRST) if count >= _LEAST and size else 0


def read(text: str, dtype: int, dims: Tuple[int, ...]) -> Optional[Sketch]:
    """What these digits say.

    Raises:
        ValueError: they are none.
    """
    if not text.strip():
        return None
    count = samples_of(dims)
    end = -(-count // 4)
    return Sketch(count, int(text[:end], 16), bytes.fromhex(text[end:]))
