"""What is said of a node: module calls, tags, provenance and coverage.

Values only. Nothing here imports onnx or torch, so every other file may import this one.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Dict, Iterable, Iterator, NamedTuple, Optional, Sequence, Tuple

__all__ = [
    "UNKNOWN",
    "Coverage",
    "Evidence",
    "ModuleCall",
    "Owner",
    "Provenance",
    "Sharing",
    "Stack",
    "Tag",
    "common_stack",
]


class ModuleCall(NamedTuple):
    """One execution of ``module.__call__`` during the export's forward pass.

    Attributes:
        path: attribute path that ``model.get_submodule(path)`` accepts; ``""`` is the root.
        type: qualified class name, for example ``torch.nn.modules.linear.Linear``.
        call: which call of that module object this is, counted from 0.
    """

    path: str
    type: str
    call: int

    @property
    def class_name(self) -> str:
        """The class's own name without the package, as in ``Linear``."""
        return self.type.rpartition(".")[2]

    def __str__(self) -> str:
        return f"{self.path}@{self.call}" if self.call else self.path


Stack = Tuple[ModuleCall, ...]
"""Module calls from the root (first) to the owner (last). Empty: nothing is known."""


class Provenance(str, Enum):
    """How a tag is known. The four are never counted together."""

    CAPTURED = "captured"
    """Recorded while the exporter ran."""
    PROPAGATED = "propagated"
    """Derived from captured neighbours by data flow."""
    INFERRED = "inferred"
    """Read from parameter names, node names or another tool's metadata."""
    UNKNOWN = "unknown"
    """Nothing is known."""

    def __str__(self) -> str:
        return self.value


class Sharing(str, Enum):
    """Why one node stands for the operations of several calls."""

    MERGED = "merged"
    """Equal work of several calls is done once; the first call owns it."""
    FUSED = "fused"
    """Several calls' work became one operation; their lowest common ancestor owns it."""

    def __str__(self) -> str:
        return self.value


class Evidence(str, Enum):
    """How a tag was carried onto a node of a rewritten file, the most certain first."""

    KEPT = "kept"
    """The tag survived in the node, which still stands for the same operation."""
    STRUCTURE = "structure"
    """The same operation on the same values, down to what those are computed from."""
    NAME = "name"
    """The name of the node, or of a value that it computes, and the same operator."""
    REGION = "region"
    """The operations between matched values for which this one stands, or beside which it works."""
    CONTENTS = "contents"
    """The contents of weights, where names are gone."""

    def __str__(self) -> str:
        return self.value


class Owner(NamedTuple):
    """Whose a node is, and for which other calls it stands.

    Attributes:
        stack: module calls from the root to the owner; never empty.
        others: further calls whose operations the node stands for, each once.
        sharing: how they came to share it; None when there are no others.
    """

    stack: Stack
    others: Tuple[ModuleCall, ...] = ()
    sharing: Optional[Sharing] = None

    @classmethod
    def merged(cls, stacks: Iterable[Stack]) -> Optional["Owner"]:
        """Of equal work that is done once: the first of ``stacks`` owns it."""
        known = _distinct(stacks)
        return cls._of(known[0], known, Sharing.MERGED) if known else None

    @classmethod
    def fused(cls, stacks: Iterable[Stack]) -> Optional["Owner"]:
        """Of work that became one operation: the common ancestor of ``stacks`` owns it."""
        known = _distinct(stacks)
        common = common_stack(known)
        return cls._of(common, known, Sharing.FUSED) if common else None

    @classmethod
    def _of(cls, stack: Stack, stacks: Iterable[Stack], sharing: Sharing) -> "Owner":
        others = tuple(dict.fromkeys(other[-1] for other in stacks if other != stack))
        return cls(stack, others, sharing if others else None)


def _distinct(stacks: Iterable[Stack]) -> Tuple[Stack, ...]:
    return tuple(dict.fromkeys(stack for stack in stacks if stack))


@dataclass(frozen=True)
class Tag:
    """Which module call an ONNX node came from.

    Attributes:
        stack: module calls from the root to the owner; empty when nothing is known.
        provenance: how the owner is known.
        shared: further module calls whose operations this node stands for as well, because the
            exporter merged equal operations or fused different ones.
        sharing: which of the two; None when ``shared`` is empty, or in a file that does not tell.
        evidence: how the tag was carried onto this node; None in a fresh export, and where nothing
            could be carried.
    """

    stack: Stack = ()
    provenance: Provenance = Provenance.UNKNOWN
    shared: Tuple[ModuleCall, ...] = ()
    sharing: Optional[Sharing] = None
    evidence: Optional[Evidence] = None

    @classmethod
    def of(cls, owner: Owner, provenance: Provenance) -> "Tag":
        """The tag of a node whose owner is known."""
        return cls(owner.stack, provenance, owner.others, owner.sharing)

    @property
    def owner(self) -> ModuleCall:
        """The innermost module call. An unknown owner is ``ModuleCall("", "", 0)``."""
        return self.stack[-1] if self.stack else ModuleCall("", "", 0)

    @property
    def path(self) -> str:
        """Attribute path of the owner; ``""`` for the root and for an unknown owner."""
        return self.owner.path

    @property
    def type(self) -> str:
        """Qualified class name of the owner; ``""`` for an unknown owner."""
        return self.owner.type

    @property
    def call(self) -> int:
        """Which call of the owner this is, counted from 0."""
        return self.owner.call


UNKNOWN = Tag()


@dataclass(frozen=True)
class Coverage:
    """How many nodes are known in which way. All figures count nodes.

    A tag at the root because nothing better was known is ``unknown``, never coverage.
    """

    captured: int = 0
    propagated: int = 0
    inferred: int = 0
    unknown: int = 0

    @classmethod
    def of(cls, tags: Iterable[Tag]) -> "Coverage":
        """Count the provenance of ``tags``."""
        counts: Dict[str, int] = {}
        for tag in tags:
            counts[tag.provenance.value] = counts.get(tag.provenance.value, 0) + 1
        return cls(**counts)

    @property
    def total(self) -> int:
        """All nodes."""
        return self.captured + self.propagated + self.inferred + self.unknown

    def __iter__(self) -> Iterator[Tuple[Provenance, int]]:
        for provenance in Provenance:
            yield provenance, getattr(self, provenance.value)

    def __str__(self) -> str:
        known = [f"{count} {provenance}" for provenance, count in self if count]
        return f"{self.total} nodes: " + (", ".join(known) if known else "none")


def common_stack(stacks: Sequence[Stack]) -> Stack:
    """The calls that all ``stacks`` begin with: the stack of their lowest common ancestor."""
    if not stacks:
        return ()
    shortest = min(stacks, key=len)
    for depth, call in enumerate(shortest):
        if any(stack[depth] != call for stack in stacks):
            return shortest[:depth]
    return shortest
