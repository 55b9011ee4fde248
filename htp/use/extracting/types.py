"""The types of values, as far as the file says them or they follow from it."""

from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Union

from htp.file.document import bodies_of, text_of
from htp.use.types import type_protos

if TYPE_CHECKING:
    import onnx

    Dim = Union[int, str, None]

__all__ = ["INTEGERS", "Types"]

INTEGERS = frozenset((6, 7))
"""INT32 and INT64: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""


class Types:
    """The types of the values of a model, by their names.

    What the file says comes first; shapes are inferred when a value is asked for of which it says
    nothing, and once.

    Args:
        model: with or without weights.
    """

    def __init__(self, model: "onnx.ModelProto") -> None:
        self._model = model
        self._said = _said(model.graph)
        self._inferred: Optional[Dict[str, onnx.TypeProto]] = None

    def of(self, name: str) -> "Optional[onnx.TypeProto]":
        """The type of a value; None where it is not known."""
        said = self._said.get(name)
        if said is None or not _is_whole(said):
            if self._inferred is None:
                self._inferred = type_protos(self._model)
            found = self._inferred.get(name)
            said = found if found is not None and (said is None or _is_whole(found)) else said
        return said if said is not None and said.WhichOneof("value") is not None else None

    def whole(self, name: str) -> "Optional[onnx.TypeProto]":
        """The type of a value if its rank is known too, as every input and output must say it."""
        kind = self.of(name)
        return kind if kind is not None and _is_whole(kind) else None

    def said(self, name: str) -> "Optional[onnx.TypeProto]":
        """The type that the file itself says."""
        return self._said.get(name)

    def dims(self, name: str) -> "Optional[List[Dim]]":
        """The axes of a value: a length, the name of a length, or None; None for unknown rank."""
        kind = self.of(name)
        if kind is None or not kind.tensor_type.HasField("shape"):
            return None
        return [
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
            for dim in kind.tensor_type.shape.dim
        ]

    def made(self, dtype: int, shape: "Sequence[Optional[int]]") -> "onnx.TypeProto":
        """The type of a tensor that was this during the export.

        Where the model takes several lengths of anything, so may the axes of this.
        """
        from onnx import helper

        weights = {text_of(tensor.name) for tensor in self._model.graph.initializer}
        given = [text_of(value.name) for value in self._model.graph.input]
        axes = [self.dims(name) for name in given if name not in weights]
        fixed = all(each is not None and all(isinstance(n, int) for n in each) for each in axes)
        return helper.make_tensor_type_proto(dtype, shape if fixed else [None] * len(shape))

    def is_size(self, name: str) -> bool:
        """Whether it is one whole number."""
        kind = self.of(name)
        return (
            kind is not None
            and kind.tensor_type.elem_type in INTEGERS
            and self.dims(name) in ([], [1])
        )


def _is_whole(kind: "onnx.TypeProto") -> bool:
    """Whether type and rank are known."""
    which = kind.WhichOneof("value")
    if which != "tensor_type":
        return which is not None
    return kind.tensor_type.elem_type != 0 and kind.tensor_type.HasField("shape")


def _said(graph: "onnx.GraphProto") -> "Dict[str, onnx.TypeProto]":
    import onnx

    found: Dict[str, onnx.TypeProto] = {}
    pending = [graph]
    while pending:
        each = pending.pop()
        for value in (*each.value_info, *each.input, *each.output):
            found.setdefault(text_of(value.name), value.type)
        for tensor in each.initializer:
            kind = found.setdefault(text_of(tensor.name), onnx.TypeProto())
            if kind.WhichOneof("value") is None:
                kind.tensor_type.elem_type = tensor.data_type
                kind.tensor_type.shape.dim.extend(
                    onnx.TensorShapeProto.Dimension(dim_value=length) for length in tensor.dims
                )
        for node in each.node:
            if node.attribute:
                pending += bodies_of(node)
    return found
