"""The initializers of a model as arrays, without loading data files."""

import os
from typing import TYPE_CHECKING, Any, Iterator, Optional, Sequence, Tuple

from htp.file.data import located
from htp.file.document import text_of
from htp.file.external import EXTERNAL, place_of

if TYPE_CHECKING:
    import onnx

__all__ = ["arrays"]

_TEXTS = 8


def arrays(model: "onnx.ModelProto", folders: Sequence[str]) -> Iterator[Tuple[str, Any]]:
    """The main graph's initializers, each with its name; those that can't be read are left out.

    Args:
        model: with its weights.
        folders: where its data files lie; what they hold is mapped, not read.
    """
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        if tensor.data_type == _TEXTS:
            continue
        try:
            if tensor.data_location == EXTERNAL:
                array = _mapped(tensor, folders)
            else:
                array = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError, OverflowError, MemoryError):
            continue  # it holds something else than it says
        if array is not None:
            yield text_of(tensor.name), array


def _mapped(tensor: Any, folders: Sequence[str]) -> Optional[Any]:
    import numpy as np
    from onnx import helper

    place, shape = place_of(tensor), tuple(tensor.dims)
    path = located(place.location, folders) if place is not None else None
    if place is None or path is None:
        return None
    dtype, count = helper.tensor_dtype_to_np_dtype(tensor.data_type), 1
    for length in shape:
        count *= length
    if count <= 0 or place.offset + count * dtype.itemsize > os.path.getsize(path):
        return None
    return np.memmap(path, dtype, "r", place.offset, shape or (1,))
