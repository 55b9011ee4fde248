"""The skeleton of a graph: what remains of a tagged model for a tool's output to be matched with.

It is the model that torch wrote, without the contents of weights and without all that says nothing
of its graph; beside it the tags of its nodes, the fingerprints of its weights, and the module calls
with the values that each took and returned. Packed, it stands in the model's origin:

    "skeleton": {
        "graph": the serialised ModelProto,
        "tags": JSON: {"stacks": [[above, path, type, call], ...],
                       "tags": [[stack, provenance, [shared, ...], sharing, evidence], ...],
                       "nodes": [tag, count, tag, count, ...]},
        "weights": JSON: {"contents": "...", "parameters": {place: [name, ...]},
                          "sketches": "..."}
    }

``stacks`` continues the module calls of the origin, whose stacks stand before it: each row is one
call below the stack at ``above``, -1 for none. ``tags`` names stacks by their place, -1 for
nothing known, and shared calls by a stack that ends with each. ``nodes`` says, in document order,
of how many nodes in a row each tag is. ``contents`` are the fingerprints of the tensors that have a
name, in the order of ``htp.file.tensors``, 16 digits each, 16 blanks where there is none;
``parameters`` says by its place in that order which parameters each was made from, where those are
not the one of its own name: ``[]`` for none.
"""

from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from htp.errors import InvalidModelError
from htp.file import packed
from htp.file.document import nodes_of, parse, serialised
from htp.file.sketches import digits, read, written
from htp.file.stacks import StackTable, Table
from htp.file.tensors import tensors_of
from htp.graph.records import CallRecord, Sketch, Weight
from htp.scope import Tag

if TYPE_CHECKING:
    import onnx

__all__ = ["Skeleton", "pack", "unpack"]


class Skeleton(NamedTuple):
    """A tagged model, without its weights.

    Attributes:
        model: its outline. Functions that nothing calls are left out.
        tags: of its nodes, in the order of ``htp.file.document.nodes_of``.
        weights: its initializers, and large constants of nodes, by the name of their value: all of
            them, in the order of ``htp.file.tensors``.
        calls: every module call of the forward pass in order, with its values where known.
    """

    model: "onnx.ModelProto"
    tags: Sequence[Tag]
    weights: Mapping[str, Weight]
    calls: Tuple[CallRecord, ...]


def pack(skeleton: Skeleton) -> Dict[str, str]:
    """A skeleton as texts."""
    stacks = StackTable(call.stack for call in skeleton.calls)
    tags, nodes = stacks.encode(skeleton.tags)
    said = {"stacks": stacks.added(), "tags": tags, "nodes": nodes}
    return {
        "graph": packed.pack(serialised(skeleton.model)),
        "tags": packed.dump(said),
        "weights": packed.dump(_encode_weights(skeleton.weights)),
    }


def _encode_weights(weights: Mapping[str, Weight]) -> Mapping[str, Any]:
    parameters = {
        str(at): weight.parameters
        for at, (name, weight) in enumerate(weights.items())
        if weight.parameters != (name,)
    }
    contents = "".join([weight.contents or _BLANK for weight in weights.values()])
    sketches = [
        written(weight.sketch) or " " * digits(weight.dtype, weight.shape)
        for weight in weights.values()
    ]
    return {"contents": contents, "parameters": parameters, "sketches": "".join(sketches)}


_DIGITS = 16
_BLANK = " " * _DIGITS


def unpack(parts: Any, calls: Tuple[CallRecord, ...], where: str) -> Skeleton:
    """The skeleton that these texts hold.

    Args:
        parts: what ``pack`` gave.
        calls: the module calls of the same origin.
        where: whose it is, for errors.

    Raises:
        InvalidModelError: they hold something else.
    """
    if not isinstance(parts, dict):
        raise packed.damaged(where, "it is no object")
    model = _graph(parts.get("graph"), f"{where} (graph)")
    count = sum(1 for _ in nodes_of(model))
    tags = _tags(parts.get("tags"), calls, count, f"{where} (tags)")
    return Skeleton(model, tags, _weights(model, parts.get("weights"), where), calls)


def _graph(text: Any, where: str) -> "onnx.ModelProto":
    data = packed.unpack(text, where)
    try:
        return parse(data)
    except InvalidModelError as error:
        raise packed.damaged(where, str(error.__cause__ or error)) from error


def _tags(text: Any, calls: Sequence[CallRecord], count: int, where: str) -> List[Tag]:
    said = packed.load(text, where)
    try:
        table = Table([call.stack for call in calls], said["stacks"])
        return table.decode(said["tags"], said["nodes"], count)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise packed.damaged(where, f"{type(error).__name__}: {error}") from error


def _weights(model: "onnx.ModelProto", text: Any, where: str) -> Dict[str, Weight]:
    where = f"{where} (weights)"
    said = packed.load(text, where)
    try:
        contents, parameters = said["contents"], said["parameters"]
        tensors: Dict[str, Any] = {}
        for name, tensor in tensors_of(model):
            if name:
                tensors.setdefault(name, tensor)
        if len(contents) != _DIGITS * len(tensors):
            raise ValueError(f"{len(contents)} digits for {len(tensors)} weights")
        found: Dict[str, Weight] = {}
        sketches = iter(_sketches(list(tensors.values()), said.get("sketches")))
        for at, (name, tensor) in enumerate(tensors.items()):
            told = contents[at * _DIGITS : (at + 1) * _DIGITS].strip()
            made = parameters.get(str(at))
            names = (name,) if made is None else tuple(made)
            if not all(isinstance(each, str) for each in names):
                raise TypeError(f"{str(made)[:80]} are no names of parameters")
            shape = tuple(tensor.dims)
            found[name] = Weight(told, shape, tensor.data_type, names, next(sketches))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise packed.damaged(where, f"{type(error).__name__}: {error}") from error
    return found


def _sketches(tensors: Sequence[Any], text: Any) -> List[Optional[Sketch]]:
    """The sketch of each tensor.

    Raises:
        ValueError: the text is not that of these tensors.
    """
    if text is None:
        return [None] * len(tensors)
    found, at = [], 0
    for tensor in tensors:
        dtype, dims = tensor.data_type, tuple(tensor.dims)
        end = at + digits(dtype, dims)
        found.append(read(text[at:end], dtype, dims))
        at = end
    if at != len(text):
        raise ValueError(f"{len(text)} digits of sketches, of {at}")
    return found
