"""A carry report: what became of each module's operations in a file that a tool rewrote."""

from htp.carry_report import CHANGES
from htp.reporting.results.given import Given
from htp.reporting.results.result import GOOD, NOTE, Column, Finding, Result

__all__ = ["carried"]

HELP = {
    "kept": "Operations of the tagged file, under their names.",
    "renamed": "The same under another name.",
    "fused": "Nodes that stand for several operations, or for one of another operator.",
    "added": "Nodes that a tool put in.",
    "lost": "Operations of the tagged file for which no node stands.",
}
COLUMNS = tuple(Column(change, "count", "sum", HELP[change]) for change in CHANGES)


def carried(given: Given) -> Result:
    """Read what ``htp carry --report --json`` writes."""
    findings = [
        Finding(
            row.text("path"),
            row.whole("call"),
            tuple(row.whole(change) or None for change in CHANGES),
        )
        for row in given.each("modules")
    ]
    unresolved = given.texts("unresolved")
    evidence = [f"{int(count)} by {kind}" for kind, count in given.numbers("evidence") if count]
    lines = [
        f"{len(unresolved)} unresolved" if unresolved else "all resolved",
        f"{given.whole('nodes')} nodes; matched: {', '.join(evidence) or 'none'}.",
        f"For {given.whole('lost')} operations of the tagged file no node stands.",
    ]
    state = NOTE if unresolved else GOOD
    return Result("carry", "Carried", tuple(lines), COLUMNS, tuple(findings), state)
