"""Tensors of PyTorch: where they stand among arguments, their copies, and their numbers."""

import copy
from collections.abc import Mapping as AnyMapping
from typing import TYPE_CHECKING, Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple

from htp.proving.recorded import Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["array_of", "copied", "placed"]


def placed(given: Any, place: Place = ()) -> Iterator[Tuple[Place, Any]]:
    """Every tensor in tuples, lists and mappings, with its place, outermost first.

    These are the places that captures know.
    """
    import torch

    if isinstance(given, torch.Tensor):
        yield place, given
    elif isinstance(given, AnyMapping):
        for name, item in given.items():
            yield from placed(item, (*place, str(name)))
    elif isinstance(given, (tuple, list)):
        for at, item in enumerate(given):
            yield from placed(item, (*place, str(at)))


def copied(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tuple[Sequence[Any], Dict[str, Any]]:
    """Arguments that a model may write into, without a past: what is one object stays one."""
    given = (tuple(args), dict(kwargs))
    memo: Dict[int, Any] = {}
    for _, tensor in placed(given):
        memo[id(tensor)] = tensor.detach().clone()
    result: Tuple[Sequence[Any], Dict[str, Any]] = copy.deepcopy(given, memo)
    return result


def array_of(tensor: Any) -> "Optional[Array]":
    """The numbers of a tensor, copied; None where it has none that a file could have.

    What numpy has no type for (``bfloat16``) becomes ``float32``.
    """
    import numpy as np
    import torch

    if tensor.is_complex() or tensor.is_quantized or tensor.layout != torch.strided:
        return None
    try:
        plain = tensor.detach().cpu()
        if plain.is_floating_point() and plain.dtype not in _plain_floats():
            plain = plain.to(torch.float32)
        array: Array = np.array(plain.numpy(), order="C")
    except (RuntimeError, TypeError, ValueError, NotImplementedError):  # a subclass without numbers
        return None
    return array


def _plain_floats() -> Tuple[Any, ...]:
    import torch

    return torch.float16, torch.float32, torch.float64
