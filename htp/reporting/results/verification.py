"""A verification: which module computes something else than it should."""

from typing import Dict, List, Tuple

from htp.reporting.results.given import Given, digits
from htp.reporting.results.result import BAD, GOOD, NOTE, OPEN, Column, Finding, Result, mark
from htp.scope import ModuleCall

__all__ = ["verification"]

COLUMNS = (
    Column("verdict", "mark", "first", "Where the error begins, and where it passes through."),
    Column("largest difference", "number", "most", "Of a value that it returns."),
    Column("own error", "number", "most", "What its own operations make of right inputs."),
    Column("SQNR", "decibels", "least", "Signal to noise of what it returns."),
    Column("cosine", "number", "least", "Of the angle to what it should return."),
)


def verification(given: Given) -> Result:
    """Read what ``htp verify --json`` writes, against PyTorch or between two files."""
    rows = [_finding(row) for row in given.each("rows")]
    left = [
        Finding(each.text("path"), each.whole("call"), (mark(OPEN, "not judged"),) + (None,) * 4,
                (("not judged", each.text("reason")),))
        for each in given.each("not_judged")
    ]  # fmt: skip
    first = given.maybe("first")
    if first is None:
        lines = ["no error arises", f"In none of {len(rows)} module calls that could be judged."]
    else:
        lines = [f"error in {_end(_named(first))}"]
        lines.append(f"An error first arises in {_named(first)}: {given.text('reason')}.")
    lines += _more(given, left)
    state = GOOD if first is None else BAD
    return Result(
        "verify", "Verification", tuple(lines), COLUMNS, (*_worst_first(rows), *left), state
    )


def _worst_first(rows: List[Finding]) -> List[Finding]:
    """As they are, but for what stands for several calls: the first verdict has to be the worst."""
    rank: Dict[str, int] = {BAD: 0, NOTE: 1, GOOD: 2}
    return sorted(rows, key=lambda row: rank[row.cells[0][0]])


def _more(given: Given, left: List[Finding]) -> List[str]:
    samples, outputs = given.whole("samples"), given.maybe("outputs")
    lines = [f"{samples} {'sample' if samples == 1 else 'samples'}."]
    if outputs is not None:
        lines.append(
            f"The results of the whole are off by {digits(outputs.number('max_abs'))} at most."
        )
    if left:
        lines.append(f"{len(left)} calls could not be judged.")
    return lines + given.remarks()


def _named(call: Given) -> str:
    return str(ModuleCall(call.text("path"), call.text("type"), call.whole("call"))) or "(root)"


def _end(path: str) -> str:
    """The last two names of a path, which tell most of it."""
    names = path.split(".")
    return path if len(names) < 3 else f"\N{HORIZONTAL ELLIPSIS}{'.'.join(names[-2:])}"


def _finding(row: Given) -> Finding:
    arises, diverges = row.flag("arises"), row.flag("diverges")
    verdict = mark(GOOD, "right")
    if arises:
        verdict = mark(BAD, "arises here")
    elif diverges:
        verdict = mark(NOTE, "passes through")
    cells = (verdict, *(row.number(key) for key in ("max_abs", "own_error", "sqnr", "cosine")))
    return Finding(row.text("path"), row.whole("call"), cells, tuple(_notes(row)), arises)


def _notes(row: Given) -> List[Tuple[str, str]]:
    told = [("why", row.text("reason"))] if row.text("reason") else []
    told += [("together with", _named(call)) for call in row.each("group")]
    told.append(("largest relative difference", digits(row.number("max_rel"))))
    atol, rtol = digits(row.number("atol")), digits(row.number("rtol"))
    told.append(("allowed", f"{atol} and {rtol} of the largest element"))
    return told
