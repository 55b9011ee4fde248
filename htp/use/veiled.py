"""Operators that onnx's shape inference must not look at while it works.

Some take the shape of their result as an input. Where its numbers are not known, onnx gives the
result as many axes as that input is long, one by one; and how long it is, a file may say as it
likes. (Seen on onnx 1.16 and 1.21: a model of 300 bytes takes all memory.)

    ConstantOfShape([1 << 40]) -> shape: int64[1 << 40]        Reshape(x, shape): 1 << 40 axes
"""

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, AbstractSet, Any, Callable, Iterator, List, Sequence, Set, Tuple

from htp.file.document import bodies_of
from htp.use.places import elements
from htp.use.sizes import MOST

if TYPE_CHECKING:
    import onnx

__all__ = ["veiled"]

_SHAPE_AT = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0, "Col2Im": 1}
"""Which of its inputs says the shape of the result: https://onnx.ai/onnx/operators/"""
_VEIL = "htp.veiled"
"""An input whose length nothing tells; and a domain of which onnx knows no operator."""


@contextmanager
def veiled(model: "onnx.ModelProto", short: AbstractSet[str] = frozenset()) -> Iterator[None]:
    """Hide from those operators every shape that is not among the numbers that the file holds.

    The type of their result is then known, and no axis of it. In functions, which see no input of
    the graph, the operators themselves are hidden.

    Args:
        model: is changed, and in the end as it was.
        short: values of the main graph that are known to have no more elements than a shape has
            axes; no other value has the name of one.
    """
    inputs, opsets = len(model.graph.input), [len(each.opset_import) for each in model.functions]
    found, names = _hidden([model.graph])
    hidden = [(node, at) for node, at in found if node.input[at] not in short]
    unknown = _VEIL
    while unknown in names:
        unknown += "_"
    model.graph.input.add(name=unknown).type.tensor_type.elem_type = _INT64
    for function in model.functions:
        function.opset_import.add(domain=_VEIL, version=1)
    undone: List[Callable[[], None]] = []
    try:
        for node, at in hidden:
            undone.append(partial(node.input.__setitem__, at, node.input[at]))
            node.input[at] = unknown
        for node, _ in _hidden(model.functions)[0]:
            undone.append(partial(setattr, node, "domain", node.domain))
            node.domain = _VEIL
        yield
    finally:
        for undo in undone:
            undo()
        del model.graph.input[inputs:]
        for function, count in zip(model.functions, opsets):
            del function.opset_import[count:]


_INT64 = 7


def _hidden(bodies: Sequence[Any]) -> "Tuple[List[Tuple[onnx.NodeProto, int]], Set[str]]":
    """Those operators, each with the place of that input, and the names of all values."""
    shaped: List[Tuple[onnx.NodeProto, int]] = []
    short: Set[str] = set()
    others: Set[str] = set()
    pending = list(bodies)
    while pending:
        body = pending.pop()
        _sort(body, short, others)
        for node in body.node:
            pending += bodies_of(node)
            at = _SHAPE_AT.get(node.op_type) if node.domain in ("", "ai.onnx") else None
            if at is not None and len(node.input) > at:
                shaped.append((node, at))
    known = short - others  # a file may give two values one name
    hidden = [(node, at) for node, at in shaped if node.input[at] not in known]
    return hidden, short | others


def _sort(body: Any, short: Set[str], others: Set[str]) -> None:
    """Tell the constants that have no more elements than a shape has axes from all other values."""
    for tensor in getattr(body, "initializer", ()):
        (short if _is_short(tensor) else others).add(tensor.name)
    for node in body.node:
        held = node.attribute[0] if node.op_type == "Constant" and node.attribute else None
        is_short = held is not None and _is_short(held.t) and len(held.ints) <= MOST
        (short if is_short else others).update(node.output)
    others.update(getattr(each, "name", each) for each in body.input)


def _is_short(tensor: "onnx.TensorProto") -> bool:
    return 0 <= elements(tensor.dims) <= MOST
