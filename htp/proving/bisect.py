"""htp.bisect: which modules make the results of two files differ."""

from typing import TYPE_CHECKING, Any, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

from htp.errors import HTPError
from htp.printable import printable
from htp.proving.bisecting import DiffuseError, blamed
from htp.proving.grouping import Group, grouped
from htp.proving.measure import Measure, finite_or_text
from htp.proving.pairs import INSIDE, Pair
from htp.proving.trials import Score, Trials
from htp.proving.units import units_of
from htp.proving.verification import Tolerance
from htp.showing.frames import frame
from htp.showing.sheet import Column, Sheet
from htp.showing.table import html
from htp.showing.text import listed, said
from htp.steps import step

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Bisection", "bisect"]


class Bisection(NamedTuple):
    """Which modules are to blame.

    Attributes:
        modules: their paths, ``""`` for the root's own operations: with these taken from the
            reference, and not with fewer of them, the results are right.
        groups: the same; modules of which a tool fused operations stand together, and not all of
            them need be to blame. One without paths is of nodes without a known owner.
        runs: how often a candidate was run.
        candidates: among how many modules was looked.
        before: for each result how far the candidate is from the reference.
        after: the same with these modules swapped; None where nothing was to be found, or it was
            not.
        tolerance: what was allowed.
        diffuse: whether so many modules are to blame that no few of them can be named.
        not_swapped: the modules that could not be swapped, each with the reason.
        remarks: what could not be told.
    """

    modules: Tuple[str, ...]
    groups: Tuple[Tuple[str, ...], ...]
    runs: int
    candidates: int
    before: Dict[str, Measure]
    after: Optional[Dict[str, Measure]]
    tolerance: Tolerance
    diffuse: bool = False
    not_swapped: Tuple[str, ...] = ()
    remarks: Tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the candidate is further from the reference than was allowed."""
        return Score(self.before).breaks(self.tolerance)

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": "htp.bisect/1",
            "differs": self.differs,
            "diffuse": self.diffuse,
            "modules": list(self.modules),
            "groups": [list(group) for group in self.groups],
            "runs": self.runs,
            "candidates": self.candidates,
            "before": _figures(self.before),
            "after": None if self.after is None else _figures(self.after),
            **self.tolerance._asdict(),
            "not_swapped": list(self.not_swapped),
            "remarks": list(self.remarks),
        }

    def to_pandas(self) -> "DataFrame":
        """A row for each module that is to blame; those that a tool fused have the same ``group``.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(_sheet(self))

    def __str__(self) -> str:
        return "\n".join(map(printable, _lines(self)))

    def __repr__(self) -> str:
        return said(_sheet(self))

    def _repr_html_(self) -> str:
        return html(_sheet(self))


def bisect(
    reference: Any,
    candidate: Any,
    samples: Any,
    *,
    atol: float = 1e-4,
    rtol: float = 1e-3,
    most: int = 8,
) -> Bisection:
    """Find the modules that make the results of a file wrong, in few runs of the whole.

    Modules of the candidate are replaced by the reference's until the results are right: for each
    module to blame about twice the logarithm of all modules to the base two.

    Args:
        reference: the file that is right: a ``TaggedModel``, or what ``htp.load`` takes.
        candidate: what a tool made of it, or another export of it; it needs no tags.
        samples: inputs: a dict of arrays, several, or a path (see docs/verify.md).
        atol: how far a result may be from the reference's. NaN and infinity where the reference has
            neither are always too far.
        rtol: the same in relation to the largest element of the result.
        most: how many modules are looked for. Where more are to blame, the error is called diffuse.

    Raises:
        HTPError: the samples don't fit, or onnxruntime is missing.
        InvalidModelError: a file cannot be read or run, or they are of different models.
    """
    pair, tolerance = Pair(reference, candidate), Tolerance(atol, rtol)
    trials = Trials(pair, samples)
    units = units_of(pair.one.circuit, pair.tags)
    step("running the candidate")
    before = trials.score(frozenset())
    count = len(units.own)
    if not before.breaks(tolerance):
        return Bisection((), (), trials.runs, count, before.outputs, None, tolerance)
    groups, refused = grouped(trials.swapper, units, pair.one.circuit)
    refused += [f"{path}: {INSIDE}" for path in pair.inside]
    known = _Found(before, tolerance, count, tuple(refused), pair.remarks)
    return _search(trials, groups, known, most)


class _Found(NamedTuple):
    """What is known before the search."""

    before: Score
    tolerance: Tolerance
    among: int
    refused: Tuple[str, ...]
    remarks: Tuple[str, ...]

    def told(
        self,
        trials: Trials,
        groups: Sequence[Group] = (),
        after: Optional[Score] = None,
        diffuse: bool = False,
        remarks: Sequence[str] = (),
    ) -> Bisection:
        paths = [group.paths for group in groups]
        return Bisection(
            tuple(dict.fromkeys(path for group in paths for path in group)),
            tuple(paths),
            trials.runs,
            self.among,
            self.before.outputs,
            None if after is None else after.outputs,
            self.tolerance,
            diffuse,
            self.refused,
            (*self.remarks, *remarks),
        )


def _search(trials: Trials, groups: List[Group], known: _Found, most: int) -> Bisection:
    failed: List[str] = []

    def is_right(nodes: FrozenSet[int]) -> bool:
        try:
            return not trials.score(nodes).breaks(known.tolerance)
        except HTPError as error:
            failed.append(str(error).split("\n", 1)[0])
            return False

    step("running with every module swapped")
    everything = frozenset().union(*(group.nodes for group in groups))
    if not groups or not is_right(everything):
        why = failed[0] if failed else "the results differ with every module swapped"
        remark = f"{why}: what makes them differ is in none of the modules that can be swapped"
        return known.told(trials, remarks=[remark])
    try:
        found = blamed(groups, is_right, most)
    except DiffuseError:
        return known.told(trials, diffuse=True, remarks=_failures(failed))
    after = trials.score(frozenset().union(*(group.nodes for group in found)))
    return known.told(trials, found, after, remarks=_failures(failed))


def _failures(failed: Sequence[str]) -> List[str]:
    told = dict.fromkeys(failed)
    return [f"in {len(failed)} runs nothing could be told: {next(iter(told))}"] if told else []


def _figures(measures: Dict[str, Measure]) -> Dict[str, Any]:
    return {
        name: {"max_abs": finite_or_text(each.max_abs), "sqnr": finite_or_text(each.sqnr)}
        for name, each in measures.items()
    }


def _lines(found: Bisection) -> List[str]:
    if found.groups:
        lines = ["to blame", *("  " + _named(group) for group in found.groups)]
    else:
        lines = _outcome(found)
    return [*lines, "", *_ends(found)]


def _outcome(found: Bisection) -> List[str]:
    """What is said where no module is named."""
    if not found.differs:
        return [f"The results agree within {_allowed(found.tolerance)}."]
    if found.diffuse:
        return [
            f"The error is diffuse: more modules are to blame than a few of {found.candidates}.",
            "htp sensitivity ranks them by what each costs.",
        ]
    return ["The results differ, and no module could be found that makes them."]


def _ends(found: Bisection) -> List[str]:
    lines = [_result(found, name) for name in found.before]
    lines.append(f"{found.runs} runs for {found.candidates} modules.")
    if found.not_swapped:
        lines.append(f"{len(found.not_swapped)} modules could not be swapped:")
        lines += [f"  {each}" for each in found.not_swapped]
    return lines + [f"Remark: {each}." for each in found.remarks]


_Blamed = Tuple[int, str]
"""The number of a group, and the path of a module in it."""

_COLUMNS: Tuple[Column[_Blamed], ...] = (
    Column("group", lambda row: str(row[0]), True, "group", lambda row: row[0], "int64"),
    Column("to blame", lambda row: row[1] or "(root)", key="path", value=lambda row: row[1]),
)


def _sheet(found: Bisection) -> Sheet[_Blamed]:
    rows = [(at, path) for at, group in enumerate(found.groups) for path in group]
    if found.groups:
        title = f"to blame: {listed(list(map(_named, found.groups)))}"
    else:
        title = _outcome(found)[0].rstrip(".")
    title += f"; {found.runs} runs for {found.candidates} modules"
    return Sheet("Bisection", title, _COLUMNS, rows, ends=[*_outcome(found)[1:], *_ends(found)])


def _named(group: Sequence[str]) -> str:
    return " + ".join(path or "(root)" for path in group) or "(nodes without a known owner)"


def _allowed(tolerance: Tolerance) -> str:
    return f"{tolerance.atol:.2g} and {tolerance.rtol:.2g} of the largest element"


def _result(found: Bisection, name: str) -> str:
    line = f"{name}: up to {found.before[name].max_abs:.2g} from the reference's"
    if found.after is not None:
        line += f", with these swapped {found.after[name].max_abs:.2g}"
    return line + "."
