"""What each module call takes and returns, for the page."""

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence, Tuple

from htp.comparing.contents import typed
from htp.errors import InvalidModelError
from htp.reporting.rows import Rows
from htp.reporting.texts import Texts
from htp.use.boundary import Borders, BoundaryValue
from htp.use.places import Placed
from htp.use.types import type_protos

if TYPE_CHECKING:
    import onnx

    from htp.file.model_file import ModelFile

__all__ = ["borders", "types"]

Value = Tuple[Any, ...]


def borders(
    file: "ModelFile", placed: Sequence[Placed], rows: Rows, texts: Texts
) -> List[List[Any]]:
    """The borders of all calls, in the order of the rows and of the calls in each.

    Returns:
        For each call the values that it takes, those that it returns, and the remarks. A value is
        its place, its name and the reason why it has none, as texts by number, -1 for nothing.
    """
    found = Borders(file, placed)
    told: List[List[Any]] = []
    for row in rows:
        for call in row.line.members:
            one = found.of(call, row.origin)
            sides = [[_value(each, texts) for each in side] for side in (one.taken, one.given)]
            told.append([*sides, texts.numbers(one.remarks)])
    return told


def _value(value: BoundaryValue, texts: Texts) -> Value:
    place = None if value.place is None else ".".join(value.place)
    return tuple(
        -1 if text is None else texts.number(text) for text in (place, value.name, value.reason)
    )


def types(file: "ModelFile", texts: Texts) -> Dict[str, List[int]]:
    """What is known of the types of values that were told of: each name, and its type as text.

    A file that onnx's own inference refuses tells none; the page says so where a type would stand.
    """
    try:
        protos: Mapping[str, onnx.TypeProto] = type_protos(file.outline)
    except InvalidModelError:
        protos = {}
    told = {name: _type(kind) for name, kind in protos.items() if texts.known(name)}
    return {
        "name": [texts.number(name) for name, text in told.items() if text],
        "type": [texts.number(text) for text in told.values() if text],
    }


def _type(kind: "onnx.TypeProto") -> str:
    """``float32[batch, 16]``; ``""`` where nothing is known, or it is no tensor."""
    tensor = kind.tensor_type
    if not kind.HasField("tensor_type") or not tensor.elem_type:
        return ""
    if not tensor.HasField("shape"):
        return typed(tensor.elem_type, None)
    axes = [
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or None
        for axis in tensor.shape.dim
    ]
    return typed(tensor.elem_type, axes)
