"""A diff as text: what is equal is folded away, and what is the same in many modules is one line.

encoder.layer.0.norm   attribute   ...          encoder.layer.{0,1}.norm   attribute   ...   x2
encoder.layer.1.norm   attribute   ...
"""

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from htp.comparing.row import DiffRow
from htp.printable import printable
from htp.scope import ModuleCall
from htp.showing.sheet import Column, Sheet
from htp.showing.text import lines

__all__ = ["COLUMNS", "Line", "drawn", "ending", "lines_of", "sheet"]

_NUMBER = re.compile(r"(?<![^.@])\d+(?![^.@])")
_SHOWN = 8


class Line(NamedTuple):
    """One line.

    Attributes:
        where: the module, or all modules of which it is true.
        kind: as in the rows.
        before: likewise.
        after: likewise.
        rows: for how many calls it stands.
    """

    where: str
    kind: str
    before: str
    after: str
    rows: int

    def cells(self) -> Tuple[str, str, str, str]:
        """The four cells of the table."""
        count = f" x{self.rows}" if self.rows > 1 else ""
        return (f"{self.where}{count}", self.kind, _cut(self.before), _cut(self.after))


def lines_of(rows: Sequence[DiffRow]) -> List[Line]:
    """The lines: rows that differ in nothing but the numbers in their paths are one."""
    groups: Dict[Tuple[str, ...], List[DiffRow]] = {}
    for row in rows:
        pattern = _NUMBER.sub("*", _place(row))
        told = [_plain(each, row) for each in (row.before, row.after)]
        if row.kind == "weight":
            told = ["weights"] if row.before and row.after else told
        groups.setdefault((pattern, row.kind, *told), []).append(row)
    return [_line(group) for group in groups.values()]


def _place(row: DiffRow) -> str:
    return "(unknown)" if row.call is None else str(row.call)


def _plain(text: Optional[str], row: DiffRow) -> str:
    """A text without the numbers of its module's own path."""
    return "" if text is None else _NUMBER.sub("*", text) if _NUMBER.search(_place(row)) else text


def _line(group: List[DiffRow]) -> Line:
    first = group[0]
    where = _together([_place(row) for row in group]) or "(root)"
    if first.kind == "weight":
        return Line(where, *_weights(group), len(group))
    return Line(where, first.kind, first.before or "-", first.after or "-", len(group))


def _weights(group: List[DiffRow]) -> Tuple[str, str, str]:
    """Kind, before and after of weights: all of those that one line stands for."""
    names = [name for row in group for name in row.names]
    paths = [f"{row.path}." if row.path else "" for row in group]
    own = {name[len(path) :] if name.startswith(path) else name for name, path in zip(names, paths)}
    kind = f"weight {own.pop()}" if len(own) == 1 else f"{len(names)} weights"
    pairs = {(row.before or "-", row.after or "-") for row in group}
    if len(pairs) == 1:
        return (kind, *pairs.pop())
    changes = [_CHANGED.search(row.after or "") for row in group]
    numbers = [each for each in changes if each is not None]
    if len(numbers) < len(group):
        return kind, f"{group[0].before}, ...", f"{group[0].after}, ..."
    count = sum(int(each.group(1)) for each in numbers)
    most = max(float(each.group(2)) for each in numbers)
    return kind, "", f"{count} elements differ, by {most:.3g} at most"


_CHANGED = re.compile(r", (\d+) differ, by (\S+) at most$")


def _together(paths: Sequence[str]) -> str:
    """Several paths that differ in numbers as one: ``layer.{0,1}.norm``."""
    if len(set(paths)) == 1:
        return paths[0]
    spelled = [_NUMBER.split(path) for path in paths]
    if any(each != spelled[0] for each in spelled):
        return f"{paths[0]} and {len(paths) - 1} more"
    found = [_NUMBER.findall(path) for path in paths]
    text = spelled[0][0]
    for column, after in zip(zip(*found), spelled[0][1:]):
        text += _numbers([int(each) for each in column]) + after
    return text


def _numbers(numbers: Sequence[int]) -> str:
    known = sorted(set(numbers))
    if len(known) == 1:
        return str(known[0])
    if known == list(range(known[0], known[-1] + 1)) and len(known) > 2:
        return f"{{{known[0]}-{known[-1]}}}"
    shown = ",".join(map(str, known[:_SHOWN]))
    return f"{{{shown},...}}" if len(known) > _SHOWN else f"{{{shown}}}"


def ending(
    rows: Sequence[DiffRow],
    nodes: Tuple[int, int],
    calls: int,
    equal: Sequence[ModuleCall],
    not_judged: Sequence[str],
) -> List[str]:
    """What is said below the lines; see ``Diff`` for what it is made of."""
    told: List[str] = []
    if rows:
        changed = len({(row.path, row.call) for row in rows})
        told.append(f"{len(rows)} differences in {changed} of {calls} module calls.")
        if equal:
            told.append(f"Equal with all below: {_listed(equal)}.")
    elif not not_judged:
        told.append(f"Equal: {nodes[0]} nodes in {calls} module calls.")
    told += [f"Not compared: {each}." for each in not_judged[:_SHOWN]]
    if len(not_judged) > _SHOWN:
        told.append(f"Not compared: {len(not_judged) - _SHOWN} more.")
    return told


def _listed(calls: Sequence[ModuleCall]) -> str:
    groups: Dict[str, List[str]] = {}
    for call in calls:
        name = str(call) or "(root)"
        groups.setdefault(_NUMBER.sub("*", name), []).append(name)
    named = list(map(_together, groups.values()))
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return ", ".join(named[:_SHOWN]) + more


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


_WIDEST = 72
"""Characters of a cell that are shown; ``to_json`` has all."""


_LINES: Tuple[Column[Line], ...] = (
    Column("module", lambda line: line.cells()[0]),
    Column("what", lambda line: line.kind),
    Column("before", lambda line: line.cells()[2]),
    Column("after", lambda line: line.cells()[3]),
)

COLUMNS: Tuple[Column[DiffRow], ...] = (
    Column(key="path", value=lambda row: row.path),
    Column(key="call", value=lambda row: row.call and row.call.call, dtype="Int64"),
    Column(key="type", value=lambda row: row.call and row.call.type, dtype="category"),
    Column(key="kind", value=lambda row: row.kind, dtype="category"),
    Column(key="before", value=lambda row: row.before),
    Column(key="after", value=lambda row: row.after),
    Column(key="names", value=lambda row: row.names, dtype="object"),
)
"""Of the rows themselves, in a data frame: no two of them are one line."""


def sheet(found: Sequence[DiffRow], title: str, summary: Sequence[str]) -> Sheet[Line]:
    """The whole as people read it."""
    return Sheet("Diff", title, _LINES, lines_of(found), ends=summary)


def drawn(found: Sequence[DiffRow], summary: Sequence[str]) -> List[str]:
    """The whole as lines of text."""
    rows = lines(sheet(found, "", summary)) if found else []
    return [*rows, *([""] if rows else []), *map(printable, summary)]
