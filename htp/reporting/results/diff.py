"""A diff: what differs between two files."""

from collections import Counter
from typing import Dict, List, Optional, Tuple

from htp.reporting.results.given import Given
from htp.reporting.results.result import BAD, GOOD, Column, Finding, Result, mark

__all__ = ["diff"]

COLUMNS = (
    Column("diff", "mark", "first", "Whether something of exactly this module differs."),
    Column("differences", "count", "sum", "How many."),
    Column("what", "text", "first", "The kinds of what differs."),
)

EQUAL = "equal with all below"

Key = Tuple[Optional[str], Optional[int]]


def diff(given: Given) -> Result:
    """Read what ``htp diff --json`` writes."""
    found: Dict[Key, List[Given]] = {}
    for row in given.each("rows"):
        path = row.maybe_text("path")
        found.setdefault((path, None if path is None else row.whole("call")), []).append(row)
    count, not_judged = sum(map(len, found.values())), given.texts("not_judged")
    equal = [
        Finding(call.text("path"), call.whole("call"), (mark(GOOD, EQUAL), None, None))
        for call in given.each("equal_calls")
    ]
    same = given.flag("equal")
    lines = ["the files are equal" if same else f"{count} differences"]
    lines.append(f"Compared: {' with '.join(given.texts('made_by'))}.")
    lines += [f"Not compared: {each}." for each in not_judged]
    findings = [_finding(key, rows) for key, rows in found.items()]
    state = GOOD if same else BAD
    return Result("diff", "Diff", tuple(lines), COLUMNS, (*findings, *equal), state)


def _finding(key: Key, rows: List[Given]) -> Finding:
    kinds = Counter(row.text("kind") for row in rows)
    told = ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in kinds.items())
    cells = (mark(BAD, "differs"), len(rows), told)
    return Finding(*key, cells, tuple(map(_note, rows)), True)


def _note(row: Given) -> Tuple[str, str]:
    before, after = (row.maybe_text(side) or "-" for side in ("before", "after"))
    names = row.texts("names")
    named = f" ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})" if names else ""
    return row.text("kind"), f"{before} \N{RIGHTWARDS ARROW} {after}{named}"
