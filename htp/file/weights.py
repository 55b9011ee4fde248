"""The weights of a model, by name: initializers, and large constants of nodes."""

import os
from contextlib import ExitStack
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Sequence, Tuple

from htp.file import keys, wire
from htp.file.data import located
from htp.file.external import EXTERNAL, place_of
from htp.file.fingerprints import of_sample, sample_of_file, sample_of_raw, sample_of_tensor
from htp.file.paths import opened
from htp.file.sketches import sketch
from htp.file.tensors import Named
from htp.graph.records import Weight

__all__ = ["Names", "beside", "inside", "weights_of"]

Names = Tuple[str, ...]

_OPEN_FILES = 16
"""Data files that are open at once, at most: some exporters write one for each weight."""


def weights_of(
    tensors: Iterable[Named],
    data: Optional[bytes] = None,
    path_of: Callable[[str], Optional[str]] = lambda _: None,
    parameters: Optional[Mapping[str, Names]] = None,
) -> Dict[str, Weight]:
    """The weights of a model, of which no more than a sample is read.

    Args:
        tensors: of the model or of its outline, see ``htp.file.tensors``.
        data: the bytes that the outline is of; None where nothing is left out of it.
        path_of: the path of the data file at a location, None where there is none to be read.
        parameters: what initializers were made from; None: as their metadata says.
    """
    left_out = _LeftOut(data)
    found: Dict[str, Weight] = {}
    with _Files(path_of) as files:
        for name, tensor in tensors:
            if not name or name in found:
                left_out.take(tensor)
                continue
            dtype, dims = tensor.data_type, tuple(tensor.dims)
            if tensor.HasField("raw_data"):
                sample = sample_of_raw(dtype, dims, tensor.raw_data)
            elif tensor.data_location == EXTERNAL:
                sample = _in_file(tensor, files)
            else:
                was_left_out, sample = left_out.take(tensor)
                if not was_left_out:
                    sample = sample_of_tensor(tensor)
            made = _parameters(tensor) if parameters is None else parameters.get(name, ())
            told = of_sample(dtype, dims, sample)
            found[name] = Weight(told, dims, dtype, made, sketch(dtype, sample))
    return found


def _in_file(tensor: Any, files: "_Files") -> Optional[bytes]:
    place = place_of(tensor)
    file = files.at(place.location) if place is not None else None
    if place is None or file is None:
        return None
    shape, length = tuple(tensor.dims), place.length or 0
    return sample_of_file(tensor.data_type, shape, file, place.offset, length)


def _parameters(tensor: Any) -> Names:
    for prop in tensor.metadata_props:
        if prop.key == keys.PARAMETER:
            return keys.decode_parameter(prop.value)
    return ()


def inside(folders: Sequence[str]) -> Callable[[str], Optional[str]]:
    """What finds data files in the folders of a model, and follows nothing out of them."""
    return lambda location: located(location, folders)


class _Files:
    """The data files of a model, each opened when it is first asked for."""

    def __init__(self, path_of: Callable[[str], Optional[str]]) -> None:
        self._path_of = path_of
        self._open: Dict[str, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "_Files":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def at(self, location: str) -> Any:
        """The file at a location; None where there is none that can be read."""
        if location not in self._open:
            if len(self._open) >= _OPEN_FILES:
                self._stack.close()
                self._open.clear()
            path = self._path_of(location)
            try:
                file = None if path is None else self._stack.enter_context(opened(path))
            except OSError:  # there is nothing, or no file: the weight has no fingerprint
                file = None
            self._open[location] = file
        return self._open[location]


class _LeftOut:
    """The contents that an outline leaves out, tensor by tensor in the order of ``tensors_of``.

    Args:
        data: the model's bytes; None where nothing is left out.
    """

    def __init__(self, data: Optional[bytes]) -> None:
        self._data = data
        self._places = iter(()) if data is None else wire.large_tensors(data)
        self._next = next(self._places, None)

    def take(self, tensor: Any) -> Tuple[bool, Optional[bytes]]:
        """Whether the contents of this tensor were left out, and then the sample of them."""
        place = self._next
        if place is None or self._data is None or _has_contents(tensor):
            return False, None
        name, at, end, raw = place
        if name != tensor.name:
            return False, None
        self._next = next(self._places, None)
        if raw is not None:
            view = memoryview(self._data)[slice(*raw)]
            return True, sample_of_raw(tensor.data_type, tuple(tensor.dims), view)
        return True, sample_of_tensor(type(tensor).FromString(self._data[at:end]))


def _has_contents(tensor: Any) -> bool:
    return bool(
        tensor.HasField("raw_data")
        or tensor.float_data
        or tensor.string_data
        or tensor.int32_data
        or tensor.int64_data
        or tensor.double_data
        or tensor.uint64_data
    )


def beside(paths: Sequence[str]) -> Callable[[str], Optional[str]]:
    """What finds the data files that torch wrote, by their names."""
    known = {os.path.basename(path): path for path in paths}
    return lambda location: known.get(os.path.basename(location))
