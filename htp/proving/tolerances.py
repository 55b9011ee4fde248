"""How far values may be apart and still be the same, by the precision that they are computed in.

Measured on clean files (see docs/verify.md): a module in 32 bits that gets what it should is off by
at most 2e-6 of its largest element, in 16 bits by at most 5e-3.
"""

from typing import TYPE_CHECKING, Any, Optional

from htp.proving.verification import Tolerance

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Tolerances", "is_half", "saturated"]

_HALF_TYPES = frozenset((10, 16))
"""``FLOAT16`` and ``BFLOAT16`` of ``onnx.TensorProto``."""

_EXACT = Tolerance(0.5, 0.0)
"""Of whole numbers and truth values: none differs."""
_DOUBLE = Tolerance(1e-9, 1e-9)
_SINGLE = Tolerance(1e-6, 2e-5)
_HALF = Tolerance(2e-3, 2e-2)


class Tolerances:
    """What is allowed: what the caller says, else what the precision tells.

    Args:
        atol: absolute; None for the default.
        rtol: in relation to the size of the elements, see ``excess``; None for the default.
    """

    def __init__(self, atol: Optional[float], rtol: Optional[float]) -> None:
        self._atol, self._rtol = atol, rtol

    def of(self, dtype: Any, half: bool) -> Tolerance:
        """What a value is allowed.

        Args:
            dtype: the type of its elements, as numpy has it.
            half: whether it is computed in 16 bits, wholly or in part.
        """
        if dtype.kind not in "fc":
            return _EXACT
        plain = _HALF if half or dtype.itemsize < 4 else _SINGLE
        plain = _DOUBLE if not half and dtype.itemsize == 8 else plain
        return Tolerance(
            plain.atol if self._atol is None else self._atol,
            plain.rtol if self._rtol is None else self._rtol,
        )

    def at_least(self, found: Tolerance, wider: Tolerance) -> Tolerance:
        """The wider of two, where the caller says nothing."""
        return Tolerance(
            max(found.atol, wider.atol) if self._atol is None else self._atol,
            max(found.rtol, wider.rtol) if self._rtol is None else self._rtol,
        )

    def of_results(self, half: bool) -> Tolerance:
        """What results of the whole are allowed, which are fractions."""
        plain = _HALF if half else _SINGLE
        return Tolerance(
            plain.atol if self._atol is None else self._atol,
            plain.rtol if self._rtol is None else self._rtol,
        )


def is_half(model: "onnx.ModelProto") -> bool:
    """Whether a file works in 16 bits, wholly or in part: a weight is so, or a node makes it so."""
    if any(tensor.data_type in _HALF_TYPES for tensor in model.graph.initializer):
        return True
    return any(
        attribute.name == "to" and attribute.i in _HALF_TYPES
        for node in model.graph.node
        for attribute in node.attribute
    )


_LARGEST = 65504.0
"""The largest number of 16 bits."""
_CLAMPED = 1e4
"""To what converters bring larger constants, at least."""
_ENDLESS = 1e30
"""From here on a number stands for infinity, as in masks."""


def saturated(reference: "Array", other: "Array") -> "Array":
    """What should be there, where 16 bits can hold it; else what is there, if it is as good.

    A mask of ``-3.4e38`` becomes ``-65504``, ``-1e4`` or infinity. A value that is none of a mask,
    and becomes infinite, is wrong.
    """
    import numpy as np

    if reference.dtype.kind != "f":
        return reference
    size = np.abs(reference)
    beyond = size > _LARGEST
    if not beyond.any():
        return reference
    good = beyond & (np.sign(reference) == np.sign(other)) & (np.abs(other) >= _CLAMPED)
    good &= np.isfinite(other) | (size >= _ENDLESS)
    return np.where(good, other, reference)
