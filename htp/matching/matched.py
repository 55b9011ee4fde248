"""What a match of two graphs tells."""

from enum import Enum
from typing import Dict, List, NamedTuple, Sequence, Tuple

from htp.scope import Tag

__all__ = ["Change", "Matched"]


class Change(str, Enum):
    """What became of an operation, as a node of the rewritten graph shows it."""

    KEPT = "kept"
    """It is there under its name."""
    RENAMED = "renamed"
    """It is there under another name."""
    FUSED = "fused"
    """Another operation stands for it, for several mostly; or one for several equal ones."""
    ADDED = "added"
    """The node stands for none: a tool put it in."""
    UNRESOLVED = "unresolved"
    """Nothing is known of the node."""

    def __str__(self) -> str:
        return self.value


class Matched(NamedTuple):
    """Whose the nodes of the rewritten graph are, and what became of those of the tagged one.

    Attributes:
        tags: of every node of the rewritten graph, in the order of ``graph.walk()``.
        stands_for: for each of them the nodes of the tagged graph for which it stands, by their
            place in that order: the one that it is, several that became one, none.
        parameters: for each initializer of the rewritten graph that holds any: the parameters.
        changes: what became of the operation of each node.
        beside: for each that stands for none those beside which it works.
        stranger: why the one cannot have been made from the other; ``""`` where it may have been.
    """

    tags: List[Tag]
    stands_for: List[Tuple[int, ...]]
    parameters: Dict[str, Tuple[str, ...]]
    changes: Sequence[Change] = ()
    beside: Sequence[Tuple[int, ...]] = ()
    stranger: str = ""
