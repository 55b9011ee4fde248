"""Fingerprints of weights: by a few of their elements, the same whatever the order of the axes.

A part of the format since schema 3; a change of it is another schema. The fingerprint of a tensor
is the BLAKE2b hash of 8 bytes, in hexadecimal digits, of

- its element type as ``onnx.TensorProto`` numbers it, the lengths of its axes in rising order
  without those of 1, each with a comma behind it, and a colon: ``1,2,3,:`` is 2 x 3 floats;
- and a sample of its elements, each as the little-endian bytes that ``raw_data`` has for it;
  elements smaller than a byte as one byte each, the bits above them 0.

The sample has n = min(32, longest axis) elements. Element k stands at k * length // n of every axis
alike, so that a transposition or a squeeze of the tensor gives the same elements in the same order:

    length 4 x 8, n = 8:   (0, 0) (0, 1) (1, 2) (1, 3) (2, 4) (2, 5) (3, 6) (3, 7)

A tensor without elements has an empty sample. Texts, and tensors whose contents are missing or of
another size than they say, have no fingerprint: ``""``.
"""

import os
import struct
from array import array
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

__all__ = [
    "FEW",
    "exact",
    "is_few",
    "of_file",
    "of_raw",
    "of_sample",
    "of_tensor",
    "sample_of_file",
    "sample_of_raw",
    "sample_of_tensor",
    "samples_of",
    "size_of",
]

FEW = 16
"""Of a tensor with so many elements or fewer, all can be kept: a node's constants mostly are."""

_SAMPLES = 32
_AXES = 64
"""More axes than any tensor has."""

_BITS = {
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((7, 11, 13, 14), 64),
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((25, 26), 2),
    15: 128,
}
"""Size of an element by its type: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

_TYPED = {
    **dict.fromkeys((1, 14), ("float_data", "<f", 32)),
    **dict.fromkeys((11, 15), ("double_data", "<d", 64)),
    7: ("int64_data", "<q", 64),
    **dict.fromkeys((12, 13), ("uint64_data", "<Q", 64)),
}
"""Where the elements of a type stand if not in ``raw_data``, how one number is packed, and its
bits; all others stand in ``int32_data``, elements smaller than a byte packed to bytes first."""

_CODES: Dict[int, Any] = {8: "B", 16: "H", 32: "I", 64: "Q"}


class _Plan(NamedTuple):
    """What is looked at in a tensor of some shape.

    Attributes:
        lengths: what the fingerprint says of the shape.
        elements: how many elements there are.
        places: where those of the sample stand, in the order of the contents.
        pick: takes those, where they are several.
    """

    lengths: bytes
    elements: int
    places: Tuple[int, ...]
    pick: Optional[Callable[[Any], Any]]


@lru_cache(maxsize=1024)  # most tensors of a model have one of a few shapes
def _plan(dims: Tuple[int, ...]) -> Optional[_Plan]:
    if len(dims) > _AXES or min(dims, default=0) < 0:
        return None
    count, strides = 1, []
    for length in reversed(dims):
        strides.append(count)
        count *= length
    samples = min(_SAMPLES, max(dims, default=1)) if count else 0
    axes = list(zip(dims, reversed(strides)))
    places = [sum(k * length // samples * step for length, step in axes) for k in range(samples)]
    kept = sorted(length for length in dims if length != 1)
    lengths = b"".join(b"%d," % length for length in kept)
    return _Plan(lengths, count, tuple(places), itemgetter(*places) if samples > 1 else None)


def of_sample(dtype: int, dims: Tuple[int, ...], sample: Optional[bytes]) -> str:
    """The fingerprint of a tensor of this type and shape; ``""`` where there is no sample."""
    plan = _plan(dims)
    if plan is None or sample is None:
        return ""
    return blake2b(b"%d,%b:%b" % (dtype, plan.lengths, sample), digest_size=8).hexdigest()


def size_of(dtype: int) -> int:
    """How many bytes of a sample an element of a type takes; 0 for a type that has none."""
    return _SIZES.get(dtype, 0)


_SIZES = {dtype: (bits + 7) // 8 for dtype, bits in _BITS.items()}


def samples_of(dims: Tuple[int, ...]) -> int:
    """How many elements a sample of a tensor of this shape has."""
    plan = _plan(dims)
    return 0 if plan is None else len(plan.places)


def of_raw(dtype: int, dims: Tuple[int, ...], raw: Any) -> str:
    """The fingerprint of contents as ``raw_data`` has them: bytes, or a view of them."""
    return of_sample(dtype, dims, sample_of_raw(dtype, dims, raw))


def sample_of_raw(dtype: int, dims: Tuple[int, ...], raw: Any) -> Optional[bytes]:
    """The sample of such contents; None where they are of another size than they say."""
    plan = _plan(dims)
    bits = _BITS.get(dtype)
    if plan is None or bits is None or len(raw) != _size(plan, bits):
        return None
    if bits in _CODES and plan.pick is not None:
        code = _CODES[bits]
        return array(code, plan.pick(memoryview(raw).cast(code))).tobytes()
    return b"".join([_element(raw, bits, place) for place in plan.places])


def _size(plan: _Plan, bits: int) -> int:
    return (plan.elements * bits + 7) // 8


def _element(raw: Any, bits: int, place: int) -> bytes:
    if bits >= 8:
        size = bits // 8
        return bytes(raw[place * size : (place + 1) * size])
    first = place * bits
    return bytes([raw[first // 8] >> first % 8 & (1 << bits) - 1])


def of_tensor(tensor: Any) -> str:
    """The fingerprint of a parsed tensor that holds its contents itself."""
    return of_sample(tensor.data_type, tuple(tensor.dims), sample_of_tensor(tensor))


def sample_of_tensor(tensor: Any) -> Optional[bytes]:
    """The sample of such a tensor; None where it holds something else than it says."""
    dtype, dims = tensor.data_type, tuple(tensor.dims)
    if tensor.HasField("raw_data"):
        return sample_of_raw(dtype, dims, tensor.raw_data)
    plan, bits = _plan(dims), _BITS.get(dtype)
    if plan is None or bits is None:
        return None
    name, form, each = _TYPED.get(dtype, ("int32_data", "", max(bits, 8)))
    numbers = getattr(tensor, name)
    if dtype == _UINT32:
        form, each = "<I", 32
    if len(numbers) != (plan.elements * bits + each - 1) // each:
        return None
    try:
        found = [_from_numbers(numbers, form, bits, each, place) for place in plan.places]
    except struct.error:  # a number that is none of this type
        return None
    return b"".join(found)


_UINT32 = 12


def _from_numbers(numbers: Sequence[Any], form: str, bits: int, each: int, place: int) -> bytes:
    """One element of those that a typed field holds: as two numbers, one, or a part of one."""
    if not form and bits >= 8:
        return int(numbers[place] & (1 << bits) - 1).to_bytes(bits // 8, "little")
    if not form:
        first = place * bits
        return bytes([numbers[first // 8] >> first % 8 & (1 << bits) - 1])
    parts = bits // each
    return b"".join(struct.pack(form, numbers[place * parts + at]) for at in range(parts))


def of_file(dtype: int, dims: Tuple[int, ...], file: Any, offset: int, length: int) -> str:
    """The fingerprint of contents that stand in a data file."""
    return of_sample(dtype, dims, sample_of_file(dtype, dims, file, offset, length))


def sample_of_file(
    dtype: int, dims: Tuple[int, ...], file: Any, offset: int, length: int
) -> Optional[bytes]:
    """The sample of contents that stand in a data file; nothing else is read.

    Args:
        dtype: the element type.
        dims: the length of each axis.
        file: the file, open for reading without a buffer.
        offset: where the contents begin.
        length: how many bytes there are; 0 where the model does not say.
    """
    plan, bits = _plan(dims), _BITS.get(dtype)
    if plan is None or bits is None or offset < 0:
        return None
    size = _size(plan, bits)
    if length not in (0, size) or offset + size > os.fstat(file.fileno()).st_size:
        return None
    if size <= _AT_ONCE:
        file.seek(offset)
        return sample_of_raw(dtype, dims, file.read(size))

    def element(place: int) -> bytes:
        first = place * bits
        file.seek(offset + first // 8)
        return _element(file.read(max(bits // 8, 1)), bits, first % 8 // bits if bits < 8 else 0)

    return b"".join(map(element, plan.places))


_AT_ONCE = 4096
"""Bytes that are read in one go."""


def is_few(tensor: Any) -> bool:
    """Whether a tensor has so few elements that a skeleton keeps all of them."""
    plan = _plan(tuple(tensor.dims))
    return plan is not None and plan.elements <= FEW and tensor.ByteSize() <= _SHORT


_SHORT = 512
"""Bytes of such a tensor at most: it may hold texts, or more than it says."""


def exact(tensor: Any) -> bytes:
    """What a small tensor is: type, axes and all elements; of a larger one, type and axes."""
    dims = tuple(tensor.dims)
    told = b"%d,%b:" % (tensor.data_type, b"".join(b"%d," % length for length in dims))
    if not is_few(tensor):
        return told
    if tensor.data_type == _STRING:
        return told + b"\0".join(tensor.string_data)
    if tensor.HasField("raw_data"):
        return told + bytes(tensor.raw_data)
    bits = _BITS.get(tensor.data_type, 8)
    name, form, each = _TYPED.get(tensor.data_type, ("int32_data", "", max(bits, 8)))
    if tensor.data_type == _UINT32:
        form, each = "<I", 32
    numbers = getattr(tensor, name)
    try:
        found = [_from_numbers(numbers, form, each, each, at) for at in range(len(numbers))]
    except struct.error:
        return told
    return told + b"".join(found)


_STRING = 8
