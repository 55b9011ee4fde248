"""What became of the operations of a file that a tool rewrote, module by module."""

from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Counter,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from htp.scope import UNKNOWN, Coverage, Evidence, ModuleCall, Tag
from htp.showing.frames import frame
from htp.showing.sheet import INDEX, Column, Sheet, of_call
from htp.showing.table import html
from htp.showing.text import figure, lines, said

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CHANGES", "CarriedNode", "CarryReport", "ModuleChanges"]

CHANGES = ("kept", "renamed", "fused", "added", "lost")
"""What is counted for each module."""

SCHEMA = "htp.carry/1"


@dataclass(frozen=True)
class ModuleChanges:
    """What became of the operations of one module call. All figures count nodes.

    Attributes:
        call: the module call.
        kept: nodes of the rewritten file that are operations of the tagged one, under their names.
        renamed: the same under another name.
        fused: nodes that stand for several operations, or for one of another operator.
        added: nodes that a tool put in.
        lost: operations of the tagged file for which no node stands.
    """

    call: ModuleCall
    kept: int = 0
    renamed: int = 0
    fused: int = 0
    added: int = 0
    lost: int = 0


class CarriedNode(NamedTuple):
    """One node of a rewritten graph.

    Attributes:
        name: its name, or that of its first value.
        tag: its tag now.
        change: what became of the operation, one of ``CHANGES`` where the owner is known.
        stands_for: the nodes of the tagged graph for which it stands, by their place.
    """

    name: str
    tag: Tag
    change: str
    stands_for: Tuple[int, ...]


@dataclass(frozen=True, repr=False)
class CarryReport:
    """How the tags of a file were carried onto what a tool made of it.

    Attributes:
        evidence: how many nodes were found in which way.
        coverage: how many are known in which way now.
        modules: what became of each module's operations, in the order of the forward pass; where
            that is not known, in that of the tagged file's nodes.
        unresolved: the names of the nodes of which nothing is known; of one without a name, that
            of its first value.
        lost: how many operations of the tagged file, of which nothing was known, no node stands
            for.
        nodes: the nodes of the rewritten file, in document order.
    """

    evidence: Mapping[Evidence, int]
    coverage: Coverage
    modules: Tuple[ModuleChanges, ...]
    unresolved: Tuple[str, ...] = ()
    lost: int = 0
    nodes: Tuple[CarriedNode, ...] = ()

    @classmethod
    def of(
        cls,
        before: Sequence[Optional[Tag]],
        now: Sequence["CarriedNode"],
        calls: Sequence[ModuleCall] = (),
    ) -> "CarryReport":
        """Count.

        Args:
            before: the tags of the tagged graph, None for what is no part of the model.
            now: the nodes of the rewritten one.
            calls: those of the forward pass in their order, as far as they are known.
        """
        rows: Dict[ModuleCall, Dict[str, int]] = {}
        for tag in filter(None, before):
            rows.setdefault(tag.owner, dict.fromkeys(CHANGES, 0))
        for node in now:
            if node.tag.stack:
                rows.setdefault(node.tag.owner, dict.fromkeys(CHANGES, 0))[node.change] += 1
        found = {old for node in now for old in node.stands_for}
        lost = [tag for at, tag in enumerate(before) if tag is not None and at not in found]
        for tag in lost:
            rows[tag.owner]["lost"] += 1
        unknown = rows.pop(UNKNOWN.owner, {"lost": 0})
        evidence = Counter(node.tag.evidence for node in now if node.tag.evidence)
        ordered = {call: rows[call] for call in (*calls, *rows) if call in rows}
        return cls(
            {each: evidence[each] for each in Evidence if evidence[each]},
            Coverage.of(node.tag for node in now),
            tuple(ModuleChanges(call, **counts) for call, counts in ordered.items()),
            tuple(node.name for node in now if not node.tag.stack),
            unknown["lost"],
            tuple(now),
        )

    def to_json(self) -> Dict[str, Any]:
        """All of it as JSON holds it."""
        return {
            "schema": SCHEMA,
            "nodes": self.coverage.total,
            "evidence": {str(each): self.evidence.get(each, 0) for each in Evidence},
            "provenance": {str(provenance): count for provenance, count in self.coverage},
            "modules": [
                {**row.call._asdict(), **{what: getattr(row, what) for what in CHANGES}}
                for row in self.modules
            ],
            "unresolved": list(self.unresolved),
            "lost": self.lost + sum(row.lost for row in self.modules),
        }

    def summary(self) -> List[str]:
        """What there is to say of all nodes, a line each."""
        ways = [f"{count} by {each}" for each, count in self.evidence.items()]
        told = [str(self.coverage), f"matched: {', '.join(ways) or 'none'}"]
        if self.unresolved:
            told.append(f"{len(self.unresolved)} unresolved")
        return told

    def to_pandas(self) -> "DataFrame":
        """A row for each module call, by ``path`` and ``call``.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(_sheet(self))

    def __str__(self) -> str:
        return "\n".join([*lines(_sheet(self)), "", *self.summary()])

    def __repr__(self) -> str:
        return said(_sheet(self))

    def _repr_html_(self) -> str:
        return html(_sheet(self))


def _counted(what: str) -> Column[ModuleChanges]:
    def count(row: ModuleChanges) -> int:
        return int(getattr(row, what))

    return Column(what, lambda row: figure(count(row)), True, what, count, "int64")


_COLUMNS: Tuple[Column[ModuleChanges], ...] = (
    *of_call(lambda row: row.call),
    Column("module", lambda row: str(row.call) or "(root)"),
    *map(_counted, CHANGES),
)


def _sheet(report: CarryReport) -> Sheet[ModuleChanges]:
    title = f"{report.coverage}; {len(report.unresolved)} unresolved"
    return Sheet("CarryReport", title, _COLUMNS, report.modules, INDEX, report.summary()[1:])
