"""The contents of tensors, in pieces, wherever they stand: in the model, its bytes or data files.

A fingerprint is made of 32 elements: it tells that two weights differ, and never that they are
equal. So the contents of all weights are read, a piece at a time, and known by a hash of 16 bytes.
"""

from hashlib import blake2b
from itertools import zip_longest
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from htp.file import wire
from htp.file.data import located
from htp.file.external import EXTERNAL, place_of
from htp.file.paths import opened
from htp.file.tensors import tensors_of

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile

__all__ = ["Contents", "Difference", "compared", "element_type", "elements", "numbers", "typed"]

_PIECE = 1 << 20
_TEXTS, _COMPLEX64, _COMPLEX128 = 8, 14, 15
_TYPED = (
    *(("float_data", "<f4", (1, 14)), ("double_data", "<f8", (11, 15))),
    *(("int64_data", "<i8", (7,)), ("uint64_data", "<u8", (13,))),
)
"""Fields of numbers as wide as an element or a part of one, and the types that stand there."""
_WIDTHS = {**dict.fromkeys((4, 5, 10, 16), "<u2"), 6: "<u4", 12: "<u4"}
"""How wide an element is of those that ``int32_data`` and ``uint64_data`` hold, if no byte."""

Span = Tuple[int, int]


class Difference(NamedTuple):
    """How two tensors of one type and shape differ.

    Attributes:
        elements: how many elements do.
        most: by how much at most; None where elements are no numbers that can be told.
    """

    elements: int
    most: Optional[float]


class Contents:
    """The contents of the tensors of one file.

    Args:
        file: the file. Tensors are those of its outline, and are held.
    """

    def __init__(self, file: "ModelFile") -> None:
        self._data, self._folders = file.left_out
        self._held: List[Any] = []
        self._places: Dict[int, wire.Place] = {}
        left = iter(()) if self._data is None else wire.large_tensors(self._data)
        place = next(left, None)
        for _, tensor in tensors_of(file.outline) if place is not None else ():
            if place is not None and place[0] == tensor.name and not _has_contents(tensor):
                self._held.append(tensor)
                self._places[id(tensor)] = place
                place = next(left, None)
        self._known: Dict[int, str] = {}

    def digest(self, tensor: Any) -> str:
        """A hash of type, shape and contents; ``""`` where those cannot be read."""
        known = self._known.get(id(tensor))
        if known is None:
            self._held.append(tensor)
            known = self._known[id(tensor)] = self._digest(tensor)
        return known

    def _digest(self, tensor: Any) -> str:
        told = b"%d:%s:" % (tensor.data_type, ",".join(map(str, tensor.dims)).encode())
        hashed = blake2b(told, digest_size=16)
        try:
            for piece in self.pieces(tensor):
                hashed.update(piece)
        except (OSError, ValueError, OverflowError):
            return ""
        return hashed.hexdigest()

    def pieces(self, tensor: Any) -> Iterator[Any]:
        """The elements as ``raw_data`` has them, in pieces of whole elements.

        Raises:
            OSError: they cannot be read.
            ValueError: they are something else than the tensor says.
        """
        if tensor.data_location == EXTERNAL:
            yield from self._in_file(tensor)
            return
        place = self._places.get(id(tensor))
        if place is not None and self._data is not None:
            _, at, end, raw = place
            if raw is not None:
                yield from _pieces(memoryview(self._data)[slice(*raw)])
                return
            tensor = type(tensor).FromString(self._data[at:end])
        yield from _pieces(memoryview(_raw(tensor)))

    def _in_file(self, tensor: Any) -> Iterator[bytes]:
        place = place_of(tensor)
        path = located(place.location, self._folders) if place is not None else None
        if place is None or path is None:
            raise OSError("there is no such data file")
        left = _bytes_of(tensor) if place.length is None else place.length
        with opened(path) as file:
            file.seek(place.offset)
            while left > 0:
                piece = file.read(min(_PIECE, left))
                if not piece:
                    raise OSError("the data file is cut")
                left -= len(piece)
                yield piece


def _pieces(whole: memoryview) -> Iterator[memoryview]:
    for at in range(0, len(whole), _PIECE):
        yield whole[at : at + _PIECE]


def _has_contents(tensor: Any) -> bool:
    return tensor.data_location == EXTERNAL or any(
        field.name.endswith("_data") and field.name != "external_data"
        for field, _ in tensor.ListFields()
    )


def _raw(tensor: Any) -> bytes:
    """The contents of a parsed tensor, as ``raw_data`` would hold them."""
    import numpy as np

    kind = tensor.data_type
    if tensor.HasField("raw_data"):
        return bytes(tensor.raw_data)
    if kind == _TEXTS:
        return b"".join(b"%d:%s" % (len(each), each) for each in tensor.string_data)
    for name, form, kinds in _TYPED:
        held = getattr(tensor, name)
        if len(held) and kind in kinds:
            return np.asarray(held, form).tobytes()
    if len(tensor.uint64_data):
        return np.asarray(tensor.uint64_data, "<u8").astype(_WIDTHS.get(kind, "<u8")).tobytes()
    packed = np.asarray(tensor.int32_data, "<i8")
    return packed.astype(_WIDTHS.get(kind, "u1")).tobytes()


_NAMES = (
    *("undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string"),
    *("bool", "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"),
    *("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4"),
    *("float4e2m1", "float8e8m0", "uint2", "int2"),
)
"""Element types as people call them: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

_READ = {1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "u1", 10: "<f2"}
_READ.update({11: "<f8", 12: "<u4", 13: "<u8"})
_BYTES = {**dict.fromkeys((4, 5, 16), 2), _COMPLEX64: 8, _COMPLEX128: 16}


def element_type(number: int) -> str:
    """What people call an element type."""
    return _NAMES[number] if 0 <= number < len(_NAMES) else f"type {number}"


def typed(number: int, axes: Optional[Iterable[Union[int, str, None]]]) -> str:
    """What people call the type of a tensor: ``float32[batch, 16, ?]``.

    Args:
        number: its element type.
        axes: their lengths or names, None for one that is not known; None where not even their
            number is.
    """
    if axes is None:
        return element_type(number)
    told = ("?" if each is None else str(each) for each in axes)
    return f"{element_type(number)}[{', '.join(told)}]"


def elements(dims: Sequence[int]) -> int:
    """How many elements a tensor of these axes has."""
    count = 1
    for length in dims:
        count *= length
    return count


def _bytes_of(tensor: Any) -> int:
    kind = tensor.data_type
    each = int(_READ[kind][-1]) if kind in _READ else _BYTES.get(kind, 1)
    count = elements(tensor.dims)
    return (count + 1) // 2 if kind in (21, 22, 23) else count * each


def compared(one: Contents, mine: Any, other: Contents, theirs: Any) -> Optional[Difference]:
    """How two tensors of one type and shape differ; None where that cannot be told."""
    import numpy as np

    form = _READ.get(mine.data_type)
    if form is None or mine.data_type != theirs.data_type or list(mine.dims) != list(theirs.dims):
        return None
    count, most = 0, 0.0
    try:
        for piece, another in zip_longest(one.pieces(mine), other.pieces(theirs)):
            a, b = (np.frombuffer(each, form).astype("f8") for each in (piece, another))
            differing = (a != b) & ~(np.isnan(a) & np.isnan(b))
            count += int(differing.sum())
            if differing.any():
                with np.errstate(all="ignore"):
                    most = max(most, float(np.nanmax(np.abs(a - b)[differing])))
    except (OSError, ValueError, TypeError):
        return None
    return Difference(count, most)


def numbers(contents: Contents, tensor: Any) -> Optional[List[Any]]:
    """The elements of a small tensor; None where they are no numbers that can be told."""
    import numpy as np

    form = _READ.get(tensor.data_type)
    if form is None:
        return None
    try:
        return list(np.frombuffer(b"".join(map(bytes, contents.pieces(tensor))), form).tolist())
    except (OSError, ValueError):
        return None
