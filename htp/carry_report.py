"""What became of the operations of a file that a tool rewrote, module by module."""

from dataclasses import dataclass, field
from typing import Any, Counter, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp.printable import printable
from htp.scope import UNKNOWN, Coverage, Evidence, ModuleCall, Tag

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


@dataclass(frozen=True)
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
    nodes: Tuple[CarriedNode, ...] = field(default=(), repr=False)

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
        said = [f"{count} by {each}" for each, count in self.evidence.items()]
        lines = [str(self.coverage), f"matched: {', '.join(said) or 'none'}"]
        if self.unresolved:
            lines.append(f"{len(self.unresolved)} unresolved")
        return lines

    def __str__(self) -> str:
        rows: List[Tuple[str, ...]] = [("module", *CHANGES)]
        for each in self.modules:
            name = printable(str(each.call) or "(root)")
            rows.append((name, *(str(getattr(each, what) or "") for what in CHANGES)))
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [_line(row, widths) for row in rows]
        return "\n".join([*lines, "", *self.summary()])


def _line(row: Tuple[str, ...], widths: List[int]) -> str:
    first, *others = zip(row, widths)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "  ".join(cells).rstrip()
