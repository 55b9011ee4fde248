"""A model in the form in which onnxruntime takes it: bytes, and weights that it is handed beside.

onnxruntime looks for data files beside a model that it reads from a path, and follows whatever
names the model gives. Here it reads none: each name is checked, and what lies there is mapped into
memory and handed over, so that weights are not copied and no file has to be written.

::

    model.onnx       w: model.data, 0 to 4096    ->   the model's bytes, w elsewhere
    model.data                                   ->   {"w": its array, mapped}
"""

import os
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Set

from htp.errors import InvalidModelError
from htp.file import wire
from htp.file.data import located, locations, tensors
from htp.file.document import bodies_of, parse, serialised, text_of, walk
from htp.file.external import EXTERNAL, place_of

if TYPE_CHECKING:
    import onnx

    from htp.file.model_file import ModelFile

__all__ = ["Apart", "Prepared", "apart", "folders_of", "joined", "prepared", "prepared_file"]

BESIDE = "beside"
"""Where a weight that is handed over is said to lie; nobody looks there."""
_SMALL = 1 << 10
"""Bytes of a weight that stays in the model: those of a size or an axis are fewer."""

_DEFAULT = 0
_PLAIN = frozenset((1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13))
"""Element types of whole bytes that numpy has itself; the others come from another package, or are
packed: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""


class Apart(NamedTuple):
    """A model with its large weights beside it: copies of it are small.

    Attributes:
        model: initializers that are in ``weights`` have no contents in it.
        weights: the others, by name; mapped from data files where they lie there.
    """

    model: "onnx.ModelProto"
    weights: Dict[str, Any]


class Prepared(NamedTuple):
    """What a session is made of.

    Attributes:
        data: the model; initializers that are in ``weights`` have no contents in it.
        weights: the others, by name.
    """

    data: bytes
    weights: Dict[str, Any]


def folders_of(file: "ModelFile") -> List[str]:
    """Where the data files of a model lie."""
    return [each for each in (file.folder, file.linked) if each is not None]


def prepared_file(file: "ModelFile") -> Prepared:
    """A file as it is.

    Raises:
        InvalidModelError: a data file is missing or lies outside its folder, or the file is
            damaged.
    """
    whole = wire.join(file.chunks)
    if not locations(file.outline):
        return Prepared(whole, {})
    return prepared(parse(whole), folders_of(file))


def prepared(model: "onnx.ModelProto", folders: Sequence[str] = ()) -> Prepared:
    """A model that is in memory; it is left as it is.

    Args:
        model: the model.
        folders: where its data files lie.

    Raises:
        InvalidModelError: as ``prepared_file``.
    """
    return joined(apart(model, folders))


def joined(each: Apart) -> Prepared:
    """What a session is made of, of a model whose weights are beside it already."""
    return Prepared(serialised(each.model), each.weights)


def apart(model: "onnx.ModelProto", folders: Sequence[str] = ()) -> Apart:
    """A model without its large weights, and these; it is left as it is.

    Weights in data files that cannot be handed over, those of nested graphs for one, are read.
    Initializers that nothing reads are left out: onnxruntime drops them as well, and then refuses
    to be handed their contents.

    Raises:
        InvalidModelError: as ``prepared_file``.
    """
    light, weights = type(model)(), {}
    for field, value in model.ListFields():
        if field.name == "graph":
            weights = _copy_graph(value, light.graph, folders, _read(model))
        elif hasattr(value, "extend") or hasattr(value, "append"):
            getattr(light, field.name).extend(value)
        elif hasattr(value, "CopyFrom"):
            getattr(light, field.name).CopyFrom(value)
        else:
            setattr(light, field.name, value)
    handed = {id(each): each for each in light.graph.initializer if each.name in weights}
    for tensor in tensors(light):
        if tensor.data_location == EXTERNAL and id(tensor) not in handed:
            tensor.raw_data = _content(tensor, folders).tobytes()
            tensor.data_location = _DEFAULT
            del tensor.external_data[:]
    return Apart(light, weights)


def _read(model: "onnx.ModelProto") -> Set[str]:
    """The names of what is read, of nested graphs too, and of what the model gives and takes."""
    found = {value.name for value in (*model.graph.output, *model.graph.input)}
    for node in walk(model.graph.node):
        found.update(node.input)
        for body in bodies_of(node) if node.attribute else ():
            found.update(value.name for value in body.output)
    return found


def _copy_graph(
    graph: "onnx.GraphProto", light: "onnx.GraphProto", folders: Sequence[str], read: Set[str]
) -> Dict[str, Any]:
    """Copy a graph without the weights that are handed over, and give these."""
    weights: Dict[str, Any] = {}
    for field, value in graph.ListFields():
        if field.name == "initializer":
            for tensor in value:
                if tensor.name in read:
                    _copy_tensor(tensor, light.initializer.add(), weights, folders)
        elif isinstance(value, str):
            setattr(light, field.name, value)
        else:
            getattr(light, field.name).extend(value)
    return weights


def _copy_tensor(tensor: Any, light: Any, weights: Dict[str, Any], folders: Sequence[str]) -> None:
    elsewhere = tensor.data_location == EXTERNAL
    if not _can_be_handed_over(tensor) or not (elsewhere or tensor.HasField("raw_data")):
        light.CopyFrom(tensor)
        return
    content = _content(tensor, folders) if elsewhere else _held(tensor)
    if content.size <= _SMALL and not elsewhere:
        light.CopyFrom(tensor)
        return
    weights[text_of(tensor.name)] = _array(tensor, content)
    light.name, light.data_type = tensor.name, tensor.data_type
    light.dims.extend(tensor.dims)
    light.data_location = EXTERNAL
    light.external_data.add(key="location", value=BESIDE)


def _held(tensor: Any) -> Any:
    import numpy as np

    return np.frombuffer(tensor.raw_data, np.uint8)


def _can_be_handed_over(tensor: Any) -> bool:
    """Whether it is of a type that numpy itself has: onnxruntime takes no other array."""
    return tensor.data_type in _PLAIN and bool(tensor.dims) and min(tensor.dims) > 0


def _array(tensor: Any, content: Any) -> Any:
    from onnx import helper

    try:
        return content.view(helper.tensor_dtype_to_np_dtype(tensor.data_type)).reshape(tensor.dims)
    except ValueError as error:
        raise InvalidModelError(
            f"The weight {text_of(tensor.name)!r} has {content.size} bytes, "
            f"which is not what its shape {list(tensor.dims)} takes.",
            "export the model again.",
        ) from error


def _content(tensor: Any, folders: Sequence[str]) -> Any:
    """The bytes of a tensor, mapped from its data file."""
    import numpy as np

    place = place_of(tensor)
    path = located(place.location, folders) if place is not None else None
    if place is not None and path is not None:
        length = place.length or _size_of(tensor) or 0
        if place.offset + length <= os.path.getsize(path):
            where = np.memmap(path, np.uint8, "r", place.offset, (length,)) if length else ()
            return np.asarray(where, np.uint8)
    named = repr(place.location[:80]) if place is not None else "is told in no words of ONNX, or"
    raise InvalidModelError(
        f"The weight {text_of(tensor.name)!r} cannot be read: its data file {named} "
        "is missing, too short, or outside the folder.",
        "keep the model and its data files in one folder.",
    )


def _size_of(tensor: Any) -> Optional[int]:
    """The bytes that its shape takes, where the file does not say how many there are."""
    from onnx import helper

    try:
        size: int = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError, ValueError):
        return None
    for each in tensor.dims:
        size *= max(each, 0)
    return size
