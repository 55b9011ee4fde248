"""A profile: how long each module takes."""

from typing import List, Tuple

from htp.profiling.table import duration, percent, short
from htp.reporting.results.given import Given
from htp.reporting.results.result import Column, Finding, Result

__all__ = ["profile"]

COLUMNS = (
    Column("time", "seconds", "sum", "Of its kernels and of those of all below it, in one run."),
    Column("share", "share", "sum", "Of the time of all kernels."),
    Column("own time", "seconds", "sum", "Of the kernels that exactly this module owns."),
    Column("kernels", "count", "sum", "How often its kernels run, in one run."),
    Column("most in", "text", "first", "The operator that takes most of its time."),
)
LISTED = 4
"""Operators of a module that are told."""


def profile(given: Given) -> Result:
    """Read what ``htp profile --json`` writes."""
    total, unowned = given.one("total"), given.one("unowned")
    runs, seconds = given.whole("runs"), total.finite("seconds")
    of_what = f"median of {runs} runs" if runs > 1 else "one run"
    lines = [
        f"{duration(seconds)} in one run",
        f"{given.text('tool')}, {of_what}.",
        f"{percent(given.finite('attributed'))} of it is attributed to modules.",
        f"{percent(given.finite('exact'))} of it exactly.",
    ]
    if unowned.finite("seconds"):
        lines.append(f"{duration(unowned.finite('seconds'))} have no known owner.")
    lines += given.remarks()
    findings = tuple(_finding(row) for row in given.each("rows"))
    return Result("profile", "Profile", tuple(lines), COLUMNS, findings)


def _finding(row: Given) -> Finding:
    count = row.finite("count")
    operators, providers = row.numbers("operators"), row.numbers("providers")
    most = operators[0][0] if operators else None
    seconds = row.finite("seconds")
    cells = (seconds, row.finite("share"), row.finite("own") or None, count, most)
    return Finding(
        row.text("path"),
        row.whole("call"),
        cells if count else (None,) * len(COLUMNS),
        _notes(operators, providers, row.finite("shared")),
        origin=row.maybe_text("origin") or "",
    )


def _notes(
    operators: List[Tuple[str, float]], providers: List[Tuple[str, float]], shared: float
) -> Tuple[Tuple[str, str], ...]:
    notes = [(f"in {name}", duration(spent)) for name, spent in operators[:LISTED]]
    notes += [(f"on {short(name)}", duration(spent)) for name, spent in providers]
    if shared:
        notes.append(("in kernels of others that stand for it, too", duration(shared)))
    return tuple(notes)
