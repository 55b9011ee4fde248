"""Which nodes of a graph compute the same."""

from typing import Any, Dict, Set, Tuple

from htp.backends.fx.ir import identifier

__all__ = ["Kinds"]


class Kinds:
    """Numbers that are equal for nodes of one graph that compute the same from the same.

    That is what the elimination of common subexpressions merges, without a trace of what is gone:
    https://github.com/microsoft/onnxscript/blob/v0.5.7/onnxscript/optimizer/_optimizer.py#L66
    """

    def __init__(self, model: Any) -> None:
        self._functions: Set[Any] = set(model.functions)
        self._known: Dict[Any, int] = {}
        self._values: Dict[int, Any] = {}

    def kind(self, node: Any) -> int:
        """The number of a node. Ask for the nodes in topological order."""
        attributes = tuple(sorted(_attribute(each) for each in node.attributes.values()))
        inputs = tuple(self._value(value) for value in node.inputs)
        random = node.op_type.startswith(("Random", "Bernoulli", "Multinomial", "Dropout"))
        unique = random or any(kind in ("GRAPH", "GRAPHS") for _, kind, _ in attributes)
        key = (identifier(node), id(node.graph), inputs, attributes, id(node) if unique else 0)
        kind = self._known.setdefault(key, len(self._known))
        for place, value in enumerate(node.outputs):
            self._values[id(value)] = (kind, place)
        return kind

    def _value(self, value: Any) -> Any:
        """Equal for values that are equal. Initializers of equal contents are merged as well.

        https://github.com/onnx/ir-py/blob/v0.1.16/src/onnx_ir/passes/common/initializer_deduplication.py
        """
        if id(value) not in self._values:
            tensor = getattr(value, "const_value", None)
            alike = None if tensor is None or value.producer() is not None else _contents(tensor)
            self._values[id(value)] = alike or id(value)
        return self._values[id(value)]


def _contents(tensor: Any) -> Any:
    """What equal small tensors have in common; None of a large one, and of one without contents."""
    if tensor.size > _SMALL:
        return None
    try:
        return (str(tensor.dtype), tuple(tensor.shape), bytes(tensor.tobytes()))
    except TypeError:  # exported under a FakeTensorMode, weights have none
        return None


def _attribute(attribute: Any) -> Tuple[str, str, str]:
    kind = str(getattr(attribute.type, "name", ""))
    if getattr(attribute, "ref_attr_name", None):
        return str(attribute.name), kind, f"@{attribute.ref_attr_name}"
    value = attribute.value
    if kind == "TENSOR":
        small = value.size <= _SMALL
        return (
            str(attribute.name),
            kind,
            f"{value.dtype}{value.shape}" + (repr(value.tobytes()) if small else str(id(value))),
        )
    return str(attribute.name), kind, repr(value) if kind not in ("GRAPH", "GRAPHS") else ""


_SMALL = 1024
"""Elements up to which constants and initializers are compared, as torch's optimiser does."""
