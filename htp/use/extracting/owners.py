"""Which nodes are whose: of each module call its own, and those that it shares with others."""

from typing import AbstractSet, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from htp.file.origin import Origin
from htp.file.tags import origin_of
from htp.graph.records import CallRecord
from htp.scope import ModuleCall, Sharing, Tag
from htp.use.modules import Modules
from htp.use.places import FUNCTION, Placed

__all__ = ["Owned", "Owners"]

Key = Tuple[str, ModuleCall]


class Owned(NamedTuple):
    """The nodes of a module call, by their numbers.

    Attributes:
        own: those whose stack holds it.
        merged: those that do equal work of several calls once, this one's included, and that
            another owns.
        fused: those into which its operations went together with others', and that are not its own.
        inner: how many of its own stand in bodies of functions.
    """

    own: Set[int]
    merged: Set[int]
    fused: Set[int]
    inner: int

    @classmethod
    def none(cls) -> "Owned":
        """Of a call without any."""
        return cls(set(), set(), set(), 0)


class Owners:
    """Which nodes are whose in a file.

    Args:
        rows: its nodes in document order, those of functions last.
        origins: of the file.

    Attributes:
        tags: of the nodes that stand in no function.
        marks: for each of those the fingerprint of the export that it comes from, ``""`` for all
            where the file has no more than one.
    """

    def __init__(self, rows: Sequence[Placed], origins: Sequence[Origin]) -> None:
        several = len(origins) > 1
        self.tags: List[Tag] = [row.tag for row in rows if row.place != FUNCTION]
        self.marks = [
            origin_of(row.node) if several else "" for row in rows if row.place != FUNCTION
        ]
        self._modules = Modules((row.tag for row in rows), origins)
        self._several = several
        self._known: Dict[Key, Owned] = {}
        self._records: Dict[Key, CallRecord] = {}
        self._origins = origins
        self._stacks: Dict[ModuleCall, Tuple[ModuleCall, ...]] = {}
        for tag in {id(row.tag): row.tag for row in rows}.values():
            for depth, call in enumerate(tag.stack):
                self._stacks.setdefault(call, tag.stack[: depth + 1])
        for at, (tag, mark) in enumerate(zip(self.tags, self.marks)):
            self._take(at, tag, mark)
        for row in rows[len(self.tags) :]:
            for call in row.tag.stack:
                key = (origin_of(row.node) if several else "", call)
                old = self._known.get(key) or Owned.none()
                self._known[key] = old._replace(inner=old.inner + 1)

    def _take(self, at: int, tag: Tag, mark: str) -> None:
        for call in tag.stack:
            self._owned(mark, call).own.add(at)
        if tag.shared:
            merged = tag.sharing is Sharing.MERGED
            for other in tag.shared:
                for call in self._modules.stack(other):
                    if call not in tag.stack:
                        owned = self._owned(mark, call)
                        (owned.merged if merged else owned.fused).add(at)

    def _owned(self, mark: str, call: ModuleCall) -> Owned:
        return self._known.setdefault((mark, call), Owned.none())

    def of(self, call: ModuleCall, origin: Optional[Origin]) -> Owned:
        """The nodes of a call."""
        return self._known.get((self.mark(origin), call)) or Owned.none()

    def within(self, nodes: AbstractSet[int]) -> List[ModuleCall]:
        """The calls all of whose nodes are among some."""
        return [
            call for (_, call), owned in self._known.items() if owned.own and owned.own <= nodes
        ]

    def mark(self, origin: Optional[Origin]) -> str:
        """What the nodes of an export say of themselves here."""
        return origin.fingerprint if origin is not None and self._several else ""

    def record(self, call: ModuleCall, origin: Optional[Origin]) -> Optional[CallRecord]:
        """What the capture knew of a call; None where nothing is known."""
        if not self._records:
            for each in self._origins:
                for record in each.records():
                    self._records.setdefault((each.fingerprint, record.stack[-1]), record)
        return None if origin is None else self._records.get((origin.fingerprint, call))

    def stack(self, call: ModuleCall) -> Tuple[ModuleCall, ...]:
        """The calls from the root to this one."""
        return self._stacks.get(call) or self._modules.stack(call)
