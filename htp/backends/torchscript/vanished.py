"""What stands in a graph for a value that passes of torch's did away with.

An operation that is what it was tells: what it reads now at the same place is what became of the
value.

    before: %b = Unsqueeze(%w);  %d = MatMul(%a, %b)
    after:                       %d = MatMul(%a, %n)     %b became the initializer %n

That is only believed where the new value can be the same tensor: constants have the same contents,
anything else the same shape and type of elements. Torch makes casts and transposed weights as well.
"""

from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, Set, Tuple

from htp.backends.torchscript.ir import inputs, nodes, outputs
from htp.backends.torchscript.reading import RETURN

__all__ = ["Earlier", "Found", "Later", "constant", "equal"]

_NAMES = {"onnx_name"}
"""Where torch keeps a node's name:
https://github.com/pytorch/pytorch/blob/v2.0.1/torch/csrc/jit/passes/onnx/naming.h"""

Shape = Tuple[str, Tuple[Optional[int], ...]]

Weights = Mapping[str, Any]
"""The initializers of a graph, by their names."""

_CONSTANT = "onnx::Constant"
_INPUTS = "prim::Param"


class Found(NamedTuple):
    """What stands for a value.

    Attributes:
        number: its number; None when nothing does.
        reason: why nothing does.
        tensor: what it holds, of a constant or initializer.
    """

    number: Optional[int]
    reason: str = ""
    tensor: Any = None


class Later:
    """A graph as it is after some passes.

    Args:
        graph: the graph.
        weights: its initializers.
        fed: how many of its inputs are no initializers; None when that is not known.
    """

    def __init__(self, graph: Any, weights: Weights, fed: Optional[int] = None) -> None:
        made = (node for node in nodes(graph) if node.outputsSize())
        self.left = {node.outputsAt(0).unique(): node for node in made}
        self.returned = list(graph.outputs())
        self.weights = weights
        self.fed = fed


class Earlier:
    """A graph as it was before some passes, which nobody changes any more.

    Args:
        graph: the graph.
        numbers: by a value's number in it, the one that the same value had when the passes began.
        weights: the graph's initializers.
        known_axes: the passes may have changed the shape of what a reader reads, so shapes have to
            be known to be the same; else they may be unknown.
    """

    def __init__(
        self, graph: Any, numbers: Mapping[int, int], weights: Weights, known_axes: bool
    ) -> None:
        self._graph = graph
        self._numbers = numbers
        self._weights = weights
        self._known_axes = known_axes

    def now(self, later: Later, missing: Set[int]) -> Dict[int, Found]:
        """What stands after the passes for values that are not there any more.

        Args:
            later: the graph after the passes.
            missing: the values, by the numbers that they had when the passes began.
        """
        made = (value for node in nodes(self._graph) for value in outputs(node))
        return {
            number: self._now(value, later)
            for value in (*self._graph.inputs(), *made)
            for number in [self._numbers.get(value.unique())]
            if number is not None and number in missing
        }

    def _now(self, value: Any, later: Later) -> Found:
        tensor = constant(value, self._weights)
        found = {}
        for one in self._read_now(value, later):
            other = constant(one, later.weights)
            if self._fits(value, tensor, one, other):
                found[one.unique()] = other
        if not found:
            return self._behind(value, tensor, later) or Found(None, self._why(value, later))
        first = min(found)
        if all(other == first or equal(found[first], found[other]) for other in found):
            return Found(first, tensor=found[first])
        return Found(None, "ambiguous")

    def _read_now(self, value: Any, later: Later) -> Iterator[Any]:
        """What operations that are what they were read now in the place of a value."""
        for use in value.uses():
            if use.user.kind() == RETURN:
                yield later.returned[use.offset]
            elif use.user.outputsSize():
                other = later.left.get(self._numbers.get(use.user.outputsAt(0).unique(), -1))
                if other is not None and _same(use.user, other):
                    yield other.inputsAt(use.offset)

    def _fits(self, value: Any, tensor: Any, other: Any, held: Any) -> bool:
        """Whether what a reader reads now can be the tensor that it read before."""
        if tensor is not None:
            return equal(tensor, held)
        if value.node().kind() == other.node().kind() == _INPUTS:
            return False  # perhaps a weight that was changed
        return _agree(_shape(value), _shape(other), self._known_axes)

    def _behind(self, value: Any, tensor: Any, later: Later) -> Optional[Found]:
        """What became of an operation that read a constant, if that is an equal constant.

        before: %b = Slice(%w);  %d = Add(%a, %b)    it keeps all of %w
        after:                   %d = Add(%a, %n)    %n stands for %w as well
        """
        for use in value.uses() if tensor is not None else ():
            if use.user.outputsSize() == 1:
                found = self._now(use.user.outputsAt(0), later)
                if found.number is not None and equal(tensor, found.tensor):
                    return found
        return None

    def _why(self, value: Any, later: Later) -> str:
        if not value.uses():
            return "unread"
        given = {one.unique() for one in list(self._graph.inputs())[: later.fed]}
        return "fused" if _reached(value, given) else "folded"


def _same(one: Any, other: Any) -> bool:
    """Whether an operation is what it was, but for what it reads."""
    if one.kind() != other.kind() or one.inputsSize() != other.inputsSize():
        return False
    names = set(one.attributeNames()) - _NAMES
    more = set(other.attributeNames()) - _NAMES - names
    return not more and all(_alike(one, other, name) for name in names)


def _alike(one: Any, other: Any, name: str) -> bool:
    """Whether two operations have the same attribute."""
    kind = one.kindOf(name)
    if not other.hasAttribute(name) or kind != other.kindOf(name) or kind in ("g", "gs", "ts"):
        return False
    given = getattr(one, kind)(name), getattr(other, kind)(name)
    return equal(*given) if kind == "t" else bool(given[0] == given[1])


def constant(value: Any, weights: Optional[Weights] = None) -> Any:
    """The tensor of a constant or initializer; None of anything else."""
    node = value.node()
    kind = node.kind()
    if kind == _INPUTS:
        return weights.get(value.debugName()) if weights else None
    if kind != _CONSTANT or not node.hasAttribute("value"):
        return None
    return node.t("value") if node.kindOf("value") == "t" else None


def equal(one: Any, other: Any) -> bool:
    """Whether two tensors have the same elements, of the same type."""
    import torch

    if one is None or other is None or one.dtype != other.dtype:
        return False
    return bool(torch.equal(one, other))


def _shape(value: Any) -> Optional[Shape]:
    """The type of the elements and the axes, as far as torch knows them; None for no tensor."""
    kind = value.type()
    if kind.kind() != "TensorType" or kind.scalarType() is None:
        return None
    axes = kind.varyingSizes()
    return None if axes is None else (kind.scalarType(), tuple(axes))


def _agree(one: Optional[Shape], other: Optional[Shape], known_axes: bool) -> bool:
    """Whether two shapes can be the same; if axes must be known, only if they surely are."""
    if one is None or other is None:
        return not known_axes
    if one[0] != other[0] or len(one[1]) != len(other[1]):
        return False
    return all(a == b if a and b else not known_axes for a, b in zip(one[1], other[1]))


def _reached(value: Any, given: Set[int]) -> bool:
    """Whether one of some values goes into a value."""
    pending, seen = [value], set()
    while pending:
        one = pending.pop()
        number = one.unique()
        if number in given:
            return True
        if number not in seen and one.node().kind() != _INPUTS:
            seen.add(number)
            pending.extend(inputs(one.node()))
    return False
