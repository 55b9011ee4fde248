"""What is to be cut out: nodes, and what they are to take and give."""

from typing import FrozenSet, NamedTuple, Optional, Tuple

from htp.graph.records import ValueRecord
from htp.scope import ModuleCall
from htp.use.extracting.folded import NOTHING, Folded

__all__ = ["RefusedError", "Wish"]


class Wish(NamedTuple):
    """What is to be cut out.

    Attributes:
        name: what it is called in what is said of it.
        calls: the module calls that it is made of.
        own: the numbers of the nodes that are its own.
        merged: of nodes that do equal work for it and for others, and that others own.
        fused: of nodes into which some of its work went together with others'.
        inner: how many of its nodes stand in bodies of functions.
        inputs: what it takes; None where the graph has to tell.
        outputs: what it gives; likewise.
        alone: whether it is one module call, which has arguments and results of its own.
        folded: what the exporter did in advance.
    """

    name: str
    calls: Tuple[ModuleCall, ...]
    own: FrozenSet[int]
    merged: FrozenSet[int] = frozenset()
    fused: FrozenSet[int] = frozenset()
    inner: int = 0
    inputs: Optional[Tuple[ValueRecord, ...]] = None
    outputs: Optional[Tuple[ValueRecord, ...]] = None
    alone: bool = True
    folded: Folded = NOTHING


class RefusedError(Exception):
    """It cannot be cut out.

    Args:
        reason: why, in one word; see ``ExtractionError``.
        why: the same in a sentence.
    """

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason, self.why = reason, why
