"""Samples: inputs of a model, from files that people have, or from the caller.

::

    one.npz                               one sample; its arrays are called as the inputs
    FOLDER/*.npz                          one sample each, in the order of their names
    FOLDER/tokens.npy, FOLDER/mask.npy    one sample: each file is called as an input
    FOLDER/*.npy                          one sample each, of a model that has one input
    FOLDER/*/...                          one of these each, in the order of their names
    FOLDER/test_data_set_0/input_0.pb     the layout of ONNX's own test data

Nothing is unpickled.
"""

import os
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple, Union, overload

from htp.errors import HTPError, did_you_mean
from htp.file.document import text_of
from htp.file.external import EXTERNAL
from htp.file.paths import opened
from htp.running.session import Slot

__all__ = ["Samples", "checked", "samples_of"]

Sample = Dict[str, Any]
Inputs = Mapping[str, Slot]


class Samples(Sequence[Sample]):
    """Samples that are read when they are asked for, each time anew.

    Args:
        readers: one for each sample.
        names: of the samples.
        inputs: what the model takes.
    """

    def __init__(
        self, readers: Sequence[Callable[[], Sample]], names: Sequence[str], inputs: Inputs
    ) -> None:
        self._readers, self.names, self._inputs = readers, names, inputs

    def __len__(self) -> int:
        return len(self._readers)

    @overload
    def __getitem__(self, at: int) -> Sample: ...
    @overload
    def __getitem__(self, at: slice) -> "Samples": ...
    def __getitem__(self, at: Union[int, slice]) -> "Union[Sample, Samples]":
        if isinstance(at, slice):
            return Samples(self._readers[at], self.names[at], self._inputs)
        return checked(self._readers[at](), self._inputs, self.names[at])

    def for_inputs(self, inputs: Inputs) -> "Samples":
        """The same samples for another model, whose inputs may be of another width."""
        return Samples(self._readers, self.names, inputs)


def samples_of(given: Any, inputs: Inputs) -> Samples:
    """Samples in any form.

    Args:
        given: a path, a dict of arrays, or several dicts.
        inputs: what the model takes.

    Raises:
        HTPError: there are none, or they cannot be read. What does not fit the inputs is told when
            the sample is asked for.
    """
    if isinstance(given, (str, os.PathLike)):
        found = list(_found(os.fspath(given), list(inputs)))
    elif isinstance(given, Samples):
        return given.for_inputs(inputs)
    elif isinstance(given, Mapping):
        found = [("the sample", lambda: dict(given))]
    else:
        found = [(f"sample {number}", _holder(each)) for number, each in enumerate(_listed(given))]
    if not found:
        raise HTPError(f"There are no samples in {_shown(given)}.", _ACCEPTED)
    return Samples([read for _, read in found], [name for name, _ in found], inputs)


_ACCEPTED = (
    "give an .npz file whose arrays are called as the inputs, a folder of such, of NAME.npy files, "
    "or of test_data_set_N folders with input_K.pb."
)


def _shown(given: Any) -> str:
    return repr(os.fspath(given)) if isinstance(given, (str, os.PathLike)) else "what was given"


def _holder(sample: Any) -> Callable[[], Sample]:
    return lambda: dict(sample)


def _listed(given: Any) -> List[Mapping[str, Any]]:
    try:
        samples = list(given)
    except TypeError as error:
        raise HTPError(
            f"Samples cannot be read from {type(given).__name__}.",
            "give a path, a dict of arrays by input, or several dicts.",
        ) from error
    for each in samples:
        if not isinstance(each, Mapping):
            raise HTPError(
                f"A sample is a dict of arrays by input; found {type(each).__name__}.",
                "give for example [{'tokens': array}].",
            )
    return samples


def checked(sample: Mapping[str, Any], inputs: Inputs, name: str = "the sample") -> Sample:
    """A sample, if it fits. Fractions of another width are converted; nothing else is.

    Raises:
        HTPError: an input is missing or unknown, or an array has another type or shape.
    """
    import numpy as np

    unknown = [each for each in sample if each not in inputs]
    if unknown:
        raise HTPError(
            f"The model has no input {unknown[0]!r}, which {name} gives.",
            did_you_mean(str(unknown[0]), inputs),
        )
    missing = [each for each in inputs if each not in sample]
    if missing:
        raise HTPError(f"{name} has nothing for the input {missing[0]!r}.", _needs(inputs))
    fit: Sample = {}
    for each, slot in inputs.items():
        array = sample[each]
        if slot.dtype is not None:
            array = np.asarray(array)
            if array.dtype != slot.dtype:
                if array.dtype.kind != "f" or np.dtype(slot.dtype).kind != "f":
                    raise HTPError(
                        f"The input {each!r} of {name} is {array.dtype}; it must be {slot.dtype}.",
                        _needs(inputs),
                    )
                array = array.astype(slot.dtype)
            _check_shape(array, slot, name)
        fit[each] = array
    return fit


def _check_shape(array: Any, slot: Slot, name: str) -> None:
    shape = slot.shape or ()
    fits = array.ndim == len(shape) and all(
        not isinstance(axis, int) or axis == length for axis, length in zip(shape, array.shape)
    )
    if not fits and slot.shape is not None:
        raise HTPError(
            f"The input {slot.name!r} of {name} has the shape {list(array.shape)}; "
            f"it must be {list(shape)}.",
            "an axis that has a name may be of any length.",
        )


def _needs(inputs: Inputs) -> str:
    told = [f"{each.name}: {each.dtype or 'no tensor'}" for each in list(inputs.values())[:8]]
    return f"it takes {', '.join(told)}{', ...' if len(inputs) > 8 else ''}."


def _found(path: str, inputs: Sequence[str]) -> Iterator[Tuple[str, Callable[[], Sample]]]:
    """The samples at a path, each with its name and what reads it."""
    if not os.path.isdir(path):
        if path.endswith(".npz"):
            yield path, lambda: _npz(path)
        elif path.endswith(".npy") and len(inputs) == 1:
            yield path, lambda: {inputs[0]: _array(path)}
        else:
            what = "is no file of samples" if os.path.lexists(path) else "is not there"
            raise HTPError(f"{path!r} {what}.", _ACCEPTED)
        return
    names = _in_order(path)
    of_inputs = [name for name in names if name.endswith(".npy") and name[:-4] in inputs]
    protobufs = [name for name in names if re.fullmatch(r"input_[0-9]{1,6}\.pb", name)]
    if protobufs:
        yield path, lambda: _protobufs(path, protobufs, inputs)
    elif of_inputs:
        yield path, lambda: {name[:-4]: _array(os.path.join(path, name)) for name in of_inputs}
    for name in names:
        inner = os.path.join(path, name)
        more = name.endswith(".npz") or (name.endswith(".npy") and not of_inputs)
        if more or os.path.isdir(inner):
            yield from _found(inner, inputs)


def _in_order(folder: str) -> List[str]:
    """The names in a folder, ``9`` before ``10``."""

    def key(name: str) -> List[Tuple[int, str]]:
        return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split("([0-9]{1,18})", name)]

    return sorted(
        (name for name in os.listdir(folder) if not os.path.islink(os.path.join(folder, name))),
        key=key,
    )


def _array(path: str) -> Any:
    import numpy as np

    try:
        with opened(path) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from error


def _npz(path: str) -> Sample:
    import zipfile

    import numpy as np

    try:
        with opened(path) as file, np.load(file, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> HTPError:
    return HTPError(f"Cannot read {path!r}: {str(error)[:200]}.", "save it by numpy.save or savez.")


def _protobufs(folder: str, names: Sequence[str], inputs: Sequence[str]) -> Sample:
    """By the names that they hold; where they hold none that the model has, by their numbers."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    found: Sample = {}
    for name in names:
        path, number = os.path.join(folder, name), int(name[len("input_") : -len(".pb")])
        try:
            with opened(path) as file:
                tensor = onnx.TensorProto.FromString(file.read())
            if tensor.data_location == EXTERNAL:  # onnx would look in the working directory
                raise ValueError("it says that its contents lie in another file")
            array = numpy_helper.to_array(tensor)
        except (OSError, DecodeError, ValueError, TypeError, KeyError) as error:
            raise _unreadable(path, error) from error
        by_number = inputs[number] if number < len(inputs) else name
        found[text_of(tensor.name) if tensor.name in inputs else by_number] = array
    return found
