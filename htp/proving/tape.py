"""Arrays laid down on disk, so that a model of any size is recorded in the memory of one value."""

import tempfile
from types import TracebackType
from typing import TYPE_CHECKING, Any, List, NamedTuple, Optional, Tuple, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Tape"]


class _Laid(NamedTuple):
    dtype: "np.dtype[Any]"
    shape: Tuple[int, ...]
    at: int


class Tape:
    """A temporary file of arrays, which are known by their number."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="htp-")  # noqa: SIM115 - closed by __exit__
        self._laid: List[_Laid] = []
        self._end = 0

    def __enter__(self) -> "Tape":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._laid)

    def rewind(self) -> None:
        """Forget them all."""
        self._laid, self._end = [], 0

    def lay(self, array: "Array") -> int:
        """Write an array to the end; what it is known by."""
        self._file.seek(self._end)
        self._file.write(array.tobytes())
        self._laid.append(_Laid(array.dtype, array.shape, self._end))
        self._end += array.nbytes
        return len(self._laid) - 1

    def read(self, number: int) -> "Array":
        """One of the arrays."""
        import numpy as np

        laid = self._laid[number]
        self._file.seek(laid.at)
        data = self._file.read(self.nbytes(number))
        return np.frombuffer(data, laid.dtype).reshape(laid.shape)

    def shape(self, number: int) -> Tuple[int, ...]:
        """The shape of one."""
        return self._laid[number].shape

    def dtype(self, number: int) -> "np.dtype[Any]":
        """The type of its elements."""
        return self._laid[number].dtype

    def nbytes(self, number: int) -> int:
        """How long it is."""
        dtype, shape, _ = self._laid[number]
        count: int = dtype.itemsize
        for length in shape:
            count *= length
        return count
