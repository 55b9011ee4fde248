"""What a quantised or float16 file loses by each module, and which modules would overflow."""

from htp.reporting.results.given import Given, digits
from htp.reporting.results.result import BAD, GOOD, OPEN, Column, Finding, Result, mark

__all__ = ["overflow", "sensitivity"]

SHARES = (
    Column("leave in float", "mark", "first", "Whether it is on the short list."),
    Column("share of loss", "share", "first", "What is gained when it is left, of all that is."),
    Column("gain", "number", "first", "The same in decibels, or in the caller's own measure."),
    Column("modules", "count", "first", "For how many modules with operations it stands."),
)
LARGEST = (
    Column("float16", "mark", "first", "Whether its numbers are beyond the limit."),
    Column("largest number", "number", "first", "That its operations make or read."),
    Column("in the value", "text", "first", "In which it is."),
)


def sensitivity(given: Given) -> Result:
    """Read what ``htp sensitivity --json`` writes."""
    keep, own = given.texts("keep"), set(given.texts("own"))
    findings = []
    for row in given.each("rows"):
        path, alone = row.text("path"), row.flag("own")
        kept = path in keep and (path in own) == alone
        verdict = mark(BAD, "leave") if kept else None
        cells = (verdict, row.number("share"), row.number("effect"), row.whole("size"))
        told = (("of this", "its own operations, without what it calls"),) if alone else ()
        findings.append(Finding(path, None, cells, told, kept))
    for each in given.each("not_swapped"):
        told = (("not tried", each.text("reason")),)
        findings.append(Finding(each.text("path"), None, (mark(OPEN, "not tried"),) + (None,) * 3,
                                told))  # fmt: skip
    measured = given.text("measured")
    unit = " dB" if measured == "SQNR" else ""
    before, after = (f"{digits(given.number(at))}{unit}" for at in ("before", "after"))
    shares = (digits(given.number(share)) for share in ("recovered", "target"))
    lines = [
        f"leave {_modules(len(keep))}" if keep else "no module is worth leaving",
        f"{measured} is {before} as it is and {after} with these left.",
        "They recover {} of what was lost; {} was wanted.".format(*shares),
        f"{given.whole('samples')} samples, {given.whole('runs')} runs.",
    ]
    lines += given.remarks()
    return Result("sensitivity", "Sensitivity", tuple(lines), SHARES, tuple(findings))


def overflow(given: Given) -> Result:
    """Read what ``htp sensitivity --overflow --json`` writes."""
    findings = []
    for row in given.each("rows"):
        over = row.flag("over")
        verdict = mark(BAD, "leave in float32") if over else mark(GOOD, "fits")
        cells = (verdict, row.number("largest"), row.text("value"))
        findings.append(Finding(row.text("path"), None, cells, (), over))
    keep = given.texts("keep")
    lines = [
        f"{_modules(len(keep))} beyond the limit" if keep else "float16 holds all numbers",
        f"Beyond {digits(given.number('limit'))}, over {given.whole('samples')} samples.",
    ]
    lines += given.remarks()
    state = BAD if keep else GOOD
    return Result("overflow", "Overflow", tuple(lines), LARGEST, tuple(findings), state)


def _modules(count: int) -> str:
    return "1 module" if count == 1 else f"{count} modules"
