"""What stands in a graph for a value that passes of torch's did away with.

An operation that is what it was tells: what it reads now at the same place is what the value became.

    before: %b = Unsqueeze(%w);  %d = MatMul(%a, %b)
    after:                       %d = MatMul(%a, %n)     %b became the initializer %n

That is only believed where the new value can be the same tensor: constants have the same contents,
anything else the same shape and type of elements. Torch makes casts and transposed weights as well.
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from htp.backends.torchscript.ir import inputs, nodes, outputs
from htp.backends.torchscript.reading import RETURN

__all__ = ["Earlier", "Found", "dropped"]

Contents = Callable[[Any], Any]

_CONSTANT = "onnx::Constant"
_INPUTS = "prim::Param"


class Found(NamedTuple):
    """What stands for a value: its number; or None and why nothing does."""

    number: Optional[int]
    reason: str = ""


class Earlier:
    """A graph as it was before some passes, which nobody changes any more.

    Args:
        graph: the graph.
        numbers: by a value's number in it, the one that the same value had when the passes began.
    """

    def __init__(self, graph: Any, numbers: Mapping[int, int]) -> None:
        self._graph = graph
        self._numbers = numbers

    def now(
        self, graph: Any, missing: Set[int], contents: Contents, fed: Optional[int] = None
    ) -> Dict[int, Found]:
        """What stands in the graph after the passes for values that are not in it.

        Args:
            graph: the graph after the passes.
            missing: the values, by the numbers that they had when the passes began.
            contents: from a value of ``graph``, its tensor when it is an initializer.
            fed: how many of the graph's inputs are no initializers; None for all.
        """
        left = {node.outputsAt(0).unique(): node for node in nodes(graph) if node.outputsSize()}
        returned = list(graph.outputs())
        found: Dict[int, Found] = {}
        for value in self._values():
            number = self._numbers.get(value.unique())
            if number in missing and number is not None:
                found[number] = self._now(value, left, returned, contents, fed)
        return found

    def _values(self) -> Iterable[Any]:
        yield from self._graph.inputs()
        for node in nodes(self._graph):
            yield from outputs(node)

    def _now(
        self,
        value: Any,
        left: Mapping[int, Any],
        returned: List[Any],
        contents: Contents,
        fed: Optional[int],
    ) -> Found:
        read: List[Any] = []
        for use in value.uses():
            if use.user.kind() == RETURN:
                read.append(returned[use.offset])
            elif use.user.outputsSize():
                other = left.get(self._numbers.get(use.user.outputsAt(0).unique(), -1))
                if other is not None and _same(use.user, other):
                    read.append(other.inputsAt(use.offset))
        tensor = _constant(value)
        known = {one.unique(): _constant(one, contents) for one in read}
        fitting = sorted({one.unique() for one in read if _fits(value, tensor, one, known)})
        if not fitting:
            return Found(None, self._why(value, fed))
        first = known[fitting[0]]
        if all(_equal(first, known[other]) for other in fitting[1:]):
            return Found(fitting[0])
        return Found(None, "ambiguous")

    def _why(self, value: Any, fed: Optional[int]) -> str:
        if not value.uses():
            return "unread"
        return "fused" if _fed(value, set(list(self._graph.inputs())[:fed])) else "folded"


def dropped(
    graph: Any, missing: Set[int], made: Mapping[int, int], converted: Any
) -> Dict[int, str]:
    """Why values that were converted are not in the ONNX graph all the same.

    Args:
        graph: as it was converted.
        missing: the values' numbers in it.
        made: what became of values, by their numbers.
        converted: the ONNX graph.
    """
    if not missing:
        return {}
    return {number: "folded" for number in missing}


def _same(one: Any, other: Any) -> bool:
    """Whether an operation is what it was, but for what it reads."""
    if one.kind() != other.kind() or one.inputsSize() != other.inputsSize():
        return False
    names = one.attributeNames()
    return bool(names == other.attributeNames()) and all(_alike(one, other, n) for n in names)


def _alike(one: Any, other: Any, name: str) -> bool:
    """Whether two operations have the same attribute."""
    kind = one.kindOf(name)
    if kind != other.kindOf(name) or kind in ("g", "gs", "ts"):
        return False
    given = getattr(one, kind)(name), getattr(other, kind)(name)
    return _equal(*given) if kind == "t" else bool(given[0] == given[1])


def _constant(value: Any, contents: Contents = lambda _: None) -> Any:
    """The tensor of a constant or initializer; None of anything else."""
    node = value.node()
    if node.kind() == _INPUTS:
        return contents(value)
    if node.kind() != _CONSTANT or "value" not in node.attributeNames():
        return None
    return node.t("value") if node.kindOf("value") == "t" else None


def _fits(value: Any, tensor: Any, other: Any, known: Mapping[int, Any]) -> bool:
    """Whether what a reader reads now can be the tensor that it read before."""
    if tensor is not None:
        return _equal(tensor, known[other.unique()])
    if value.node().kind() == other.node().kind() == _INPUTS:
        return False  # a weight that was changed
    return _shape(value) is not None and _shape(value) == _shape(other)


def _equal(one: Any, other: Any) -> bool:
    """Whether two tensors have the same elements, of the same type."""
    import torch

    if one is None or other is None or one.dtype != other.dtype:
        return False
    return torch.equal(one, other)


def _shape(value: Any) -> Optional[Tuple[Any, ...]]:
    """The type of the elements and the axes, as far as torch knows them; None for no tensor."""
    kind = value.type()
    if kind.kind() != "TensorType" or kind.scalarType() is None:
        return None
    axes = kind.varyingSizes()
    return None if axes is None else (kind.scalarType(), tuple(axes))


def _fed(value: Any, given: Set[Any]) -> bool:
    """Whether what the model is given goes into a value."""
    numbers = {one.unique() for one in given}
    pending, seen = [value], set()
    while pending:
        one = pending.pop()
        number = one.unique()
        if number in numbers:
            return True
        if number not in seen and one.node().kind() != _INPUTS:
            seen.add(number)
            pending.extend(inputs(one.node()))
    return False
