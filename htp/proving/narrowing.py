"""Finds borders that lost their names, within nodes of several calls that go wrong together.

A tool may have laid a value out in another shape under another name. Two things prove that a value
within such nodes is a tensor of PyTorch, whatever it is called::

    a -> [ q -> r -> s -> v ]    from right inputs r is what PyTorch has for a lost tensor:
                                 q and r are right, and s or v is not
    a -> [ q -> r -> s -> v ]    r is not, but with PyTorch's numbers in its place v is right:
                                 q or r is not, and s and v are right
"""

from itertools import islice
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from htp.errors import HTPError
from htp.proving.pieces import Bench
from htp.proving.verification import Tolerance

__all__ = ["Narrowed", "Narrowing"]

TRIALS = 64
"""How many values are put in place of others, at most, for one error."""
FEWEST = 4
"""Elements that a value must have to be recognised by them."""


class Narrowed(NamedTuple):
    """Where within some nodes an error arises.

    Attributes:
        tensor: the first tensor that is wrong; None where it is the one that was known.
        behind: the nodes that compute it from what is right.
    """

    tensor: Optional[int]
    behind: Sequence[int]


class Narrowing:
    """Narrows down which nodes are wrong.

    Args:
        bench: where pieces are run.
        lost: the tensors of PyTorch that have no name in the file, as they were first seen.
        tensor: gives the numbers of one.
        names: the values that are known.
        should_be: gives what should be there.
    """

    def __init__(
        self,
        bench: Bench,
        lost: Iterable[int],
        tensor: Callable[[int], Any],
        names: Set[str],
        should_be: Callable[[str], Any],
    ) -> None:
        self._bench, self._circuit = bench, bench.circuit
        self._lost, self._tensor = list(lost), tensor
        self._alive: List[int] = []
        self._names, self._should_be = names, should_be

    def of(self, name: str, between: Tuple[int, int], tolerance: Tolerance) -> Narrowed:
        """Narrow down why a value is wrong though it is computed from right ones.

        Args:
            name: the value.
            between: of the tensors that it is computed from the first, and that which it is.
            tolerance: what is allowed.
        """
        self._alive = [each for each in self._lost if between[0] <= each < between[1]]
        wrong = _Wrong(name, self._should_be(name), None)
        found: Dict[str, Any] = {}
        try:
            while True:
                behind = self._behind(wrong, found)
                if len(behind) < 2:
                    break
                found.update(self._right(behind, wrong, found, tolerance))
                behind = self._behind(wrong, found)
                earlier = self._earlier(behind, wrong, found, tolerance)
                if earlier is None:
                    break
                wrong = earlier
        except HTPError:  # a part of them cannot be run by itself
            pass
        return Narrowed(wrong.tensor, behind)

    def _behind(self, wrong: "_Wrong", found: Mapping[str, Any]) -> List[int]:
        known = (self._names | set(found)) - {wrong.name}
        return self._circuit.behind(wrong.name, known)[0]

    def _run(
        self, behind: Sequence[int], wanted: Sequence[str], given: Mapping[str, Any]
    ) -> Dict[str, Any]:
        """What some nodes compute.

        Args:
            behind: the nodes.
            wanted: the values that are asked for.
            given: values that are not as they are known from the start.
        """

        def value(name: str) -> Any:
            return given[name] if name in given else self._should_be(name)

        names = (self._names | set(given)) - set(wanted)
        return self._bench.some(behind, wanted, names, value)

    def _inside(self, behind: Sequence[int], wrong: "_Wrong") -> List[str]:
        made = [name for number in behind for name in self._circuit.nodes[number].output if name]
        return [name for name in made if name != wrong.name]

    def _right(
        self,
        behind: Sequence[int],
        wrong: "_Wrong",
        found: Mapping[str, Any],
        tolerance: Tolerance,
    ) -> Dict[str, Any]:
        """The values among these nodes that are what PyTorch has for a lost tensor."""
        inside = self._inside(behind, wrong)
        computed = self._run(behind, inside, found)
        right, done = {}, set()
        for name, array in computed.items():
            for number, should in self._alike(array):
                if tolerance.excess(should, array) <= 1:
                    right[name] = should
                    done.add(number)
        self._alive = [each for each in self._alive if each not in done]
        return right

    def _earlier(
        self,
        behind: Sequence[int],
        wrong: "_Wrong",
        found: Mapping[str, Any],
        tolerance: Tolerance,
    ) -> "Optional[_Wrong]":
        """A value among these nodes with which all behind it is right, if it is a lost tensor."""
        inside = self._inside(behind, wrong)
        computed = self._run(behind, inside, found)
        trials = ((n, t, s) for n in reversed(inside) for t, s in self._alike(computed[n]))
        for name, tensor, should in islice(trials, TRIALS):
            result = self._run(behind, [wrong.name], {**found, name: should})[wrong.name]
            if tolerance.excess(wrong.should, result) <= 1:
                return _Wrong(name, should, tensor)
        return None

    def _alike(self, array: Any) -> Iterator[Tuple[int, Any]]:
        """The lost tensors that have as many elements, in the shape of this value."""
        if not _tells(array):
            return
        for number in list(self._alive):
            tensor = self._tensor(number)
            if tensor.size == array.size and tensor.dtype.kind == array.dtype.kind:
                yield number, tensor.reshape(array.shape).astype(array.dtype, copy=False)


class _Wrong(NamedTuple):
    """A value that is wrong, what it should be, and which lost tensor that is."""

    name: str
    should: Any
    tensor: Optional[int]


def _tells(array: Any) -> bool:
    """Whether a value can be recognised by its numbers."""
    plain = hasattr(array, "dtype") and array.dtype.kind == "f" and array.size >= FEWEST
    return plain and bool((array != array.flat[0]).any())
