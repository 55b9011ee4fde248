"""What a graph is made of: operations, and weights and constants."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from htp.comparing.attributes import Attribute
from htp.scope import Tag

__all__ = ["Entry", "Leaf", "Made", "Operation"]

_COMMUTATIVE = frozenset(
    (
        *("Add", "And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Equal", "Max", "Mean", "Min"),
        *("Mul", "Or", "Sum", "Xor"),
    )
)
"""Operators of two inputs that give the same numbers when these are swapped, as one exporter has
them and another has not: https://onnx.ai/onnx/operators/"""

Entry = Tuple[Any, ...]
"""Where a value enters: the main graph, a body (of which node and attribute), a function."""
Made = Tuple[int, int]
"""Which operation computes a value, and which of its outputs it is."""


class Operation:
    """A node.

    Attributes:
        op: its operator, with its domain.
        attributes: but for nested graphs.
        scope: in which kinds of bodies it stands: ``If.then_branch/``.
        inputs: the values that it reads, -1 for one left out; then the outputs of its bodies.
        own: how many of those are its own.
        places: of each input of the bodies' which body's it is, and the how manieth.
        outputs: the values that it computes.
        owner: the number of its owner.
        tag: its tag.
        name: the node's name.
    """

    __slots__ = (
        *("attributes", "inputs", "name", "op", "outputs", "own", "owner", "places", "scope"),
        "tag",
    )

    def __init__(
        self, op: str, attributes: Tuple[Attribute, ...], scope: str, owner: int, tag: Tag
    ) -> None:
        self.op, self.attributes, self.scope, self.owner, self.tag = (
            op,
            attributes,
            scope,
            owner,
            tag,
        )
        self.inputs: List[int] = []
        self.outputs: List[int] = []
        self.own = 0
        self.places: Sequence[str] = ()
        self.name = ""

    @property
    def title(self) -> str:
        """What to call it."""
        return self.op.rpartition("::")[2]

    @property
    def commutes(self) -> bool:
        """Whether what it reads may stand in any order."""
        return self.op in _COMMUTATIVE and self.own == 2

    def ordered(self, operands: Tuple[int, ...]) -> Tuple[int, ...]:
        """What it reads, in an order that means something."""
        return tuple(sorted(operands)) if self.commutes else operands

    def place(self, at: int) -> int:
        """The place of an input, as far as it means something."""
        return 0 if self.commutes else at


class Leaf(NamedTuple):
    """A weight or a constant.

    Attributes:
        digest: hash of its type, shape and contents; ``""`` where those can't be read.
        tensor: it, without its contents where these are large.
        name: of its value.
        owner: of a constant the number of its owner; None of an initializer.
        parameters: of an initializer what it was made from.
    """

    digest: str
    tensor: Any
    name: str
    owner: Optional[int]
    parameters: Tuple[str, ...]
