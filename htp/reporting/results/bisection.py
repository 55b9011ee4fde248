"""A bisection: which modules make the results of two files differ."""

from typing import List

from htp.reporting.results.given import Given
from htp.reporting.results.result import BAD, GOOD, NOTE, Column, Finding, Result, mark

__all__ = ["bisection"]

COLUMNS = (Column("bisect", "mark", "first", "Whether this module makes the results differ."),)


def bisection(given: Given) -> Result:
    """Read what ``htp bisect --json`` writes."""
    modules, differs = given.texts("modules"), given.flag("differs")
    findings: List[Finding] = []
    for group in given.groups("groups"):
        for path in group:
            others = [other or "(root)" for other in group if other != path]
            told = tuple(("together with", other) for other in others)
            findings.append(Finding(path, None, (mark(BAD, "to blame"),), told, True))
    lines = [_ending(given, len(modules), differs)]
    lines.append(f"{given.whole('runs')} runs for {given.whole('candidates')} modules.")
    lines += [f"Not swapped: {each}." for each in given.texts("not_swapped")]
    lines += given.remarks()
    state = (BAD if modules else NOTE) if differs else GOOD
    return Result("bisect", "Bisection", tuple(lines), COLUMNS, tuple(findings), state)


def _ending(given: Given, count: int, differs: bool) -> str:
    if not differs:
        return "the results agree"
    if given.flag("diffuse"):
        return "the error is diffuse"
    named = "module is" if count == 1 else "modules are"
    return f"{count} {named} to blame" if count else "no module found"
