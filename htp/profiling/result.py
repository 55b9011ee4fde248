"""What a profile tells of the module calls of a file."""

from dataclasses import asdict, replace
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
)

from htp.printable import printable
from htp.profiling import flame, table
from htp.profiling.kernels import OwnedKernel
from htp.profiling.placement import Placement
from htp.profiling.rows import ProfileRow, Times
from htp.scope import ModuleCall
from htp.showing import folded
from htp.showing.frames import frame
from htp.showing.sheet import Sheet
from htp.showing.text import brief, lines
from htp.use.modules import Modules
from htp.use.spots import Place, spots

if TYPE_CHECKING:
    from pandas import DataFrame

    from htp.file.model_file import ModelFile

__all__ = ["Profile"]

SCHEMA = "htp.profile/1"


class Profile:
    """How long the module calls of a file take.

    Args:
        file: the file that was profiled, as it was run.
        kernels: what was timed, each with its owner.
        runs: how many runs it is of.
        tool: whose times these are.
        remarks: what could not be taken or judged.
        placement: which provider took which node, where that was asked for.

    Attributes:
        rows: one for each call, also of modules without kernels, in the order of the forward pass.
        kernels: what was timed, the longest first, each with its owner.
        total: of all kernels.
        unowned: of those whose owner is not known; no row has them.
        runs: how many runs it is of; 0 where the report does not say.
        tool: whose times these are.
        remarks: what could not be taken or judged.
        placement: which provider took which node; None where that was not asked for.
    """

    def __init__(
        self,
        file: "ModelFile",
        kernels: Sequence[OwnedKernel],
        runs: int,
        tool: str,
        remarks: Sequence[str] = (),
        placement: Optional[Placement] = None,
    ) -> None:
        self._in_order = tuple(kernels)
        self.kernels = tuple(sorted(kernels, key=lambda each: -each.kernel.seconds))
        self.runs, self.tool, self.placement = runs, tool, placement
        self._modules = Modules([each.tag for each in self.kernels], file.origins)
        self._at: Dict[Place, List[int]] = {}
        self._own: Dict[Place, float] = {}
        self._beside: Dict[Place, List[int]] = {}
        for number, each in enumerate(self.kernels):
            self._take(number, each)
        self.total = self._times(range(len(self.kernels)))
        lost = [number for number, each in enumerate(self.kernels) if not each.tag.stack]
        self.unowned = self._times(lost)
        self.rows = tuple(self._places(file))
        self.remarks = (*remarks, *table.remarks(self.kernels, self.total.seconds))

    def _take(self, number: int, each: OwnedKernel) -> None:
        for call in each.tag.stack:
            self._at.setdefault((each.origin, call), []).append(number)
        if each.tag.stack:
            owner = (each.origin, each.tag.owner)
            self._own[owner] = self._own.get(owner, 0.0) + each.kernel.seconds
        ways = {c for other in each.tag.shared for c in self._modules.stack(other)}
        for call in ways:
            self._beside.setdefault((each.origin, call), []).append(number)

    @property
    def seconds(self) -> float:
        """Of all kernels, in one run."""
        return self.total.seconds

    @property
    def attributed(self) -> float:
        """The share of the kernels' time whose owner is known, from 0 to 1."""
        return 1 - self._part(self.unowned.seconds) if self.seconds else 1.0

    @property
    def exact(self) -> float:
        """The share of the time of kernels of which all operations are known, from 0 to 1.

        The owner of such a kernel is the true common ancestor of what it stands for; that of
        another one was chosen by what is known.
        """
        return self._part(self.total.exact) if self.seconds else 1.0

    @property
    def summary(self) -> str:
        """What there is to say of all kernels, in a line."""
        runs = {0: "one run", 1: "one run"}.get(self.runs, f"the median of {self.runs} runs")
        known = f"{table.percent(self.attributed)} attributed, {table.percent(self.exact)} exact"
        spent = f"{table.duration(self.seconds)} in {len(self.kernels)} kernels"
        return f"{spent} ({printable(self.tool)}, {runs}): {known}"

    def _part(self, seconds: float) -> float:
        return min(max(seconds / self.seconds, 0.0), 1.0) if self.seconds else 0.0

    def of(self, calls: Iterable[ModuleCall], origin: str = "") -> Times:
        """How long several calls take together: what they have in common is counted once."""
        places = [(origin, call) for call in calls]
        own = {number for place in places for number in self._at.get(place, ())}
        beside = {number for place in places for number in self._beside.get(place, ())} - own
        shared = sum(self.kernels[number].kernel.seconds for number in sorted(beside))
        return replace(self._times(sorted(own)), shared=shared)

    def own(self, calls: Iterable[ModuleCall], origin: str = "") -> float:
        """The seconds of the kernels that exactly these calls own."""
        return sum(self._own.get((origin, call), 0.0) for call in calls)

    def collapsed(self) -> str:
        """A flame graph as collapsed stacks: a line each, its weight in nanoseconds."""
        return flame.collapsed(self._in_order)

    def speedscope(self) -> Dict[str, Any]:
        """A flame graph as a document of speedscope's file format."""
        return flame.speedscope(self._in_order, self.tool)

    def to_pandas(self) -> "DataFrame":
        """A row for each call, by ``path`` and ``call``; times in seconds of one run.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(self._sheet())

    def __str__(self) -> str:
        sheet = self._sheet()
        return "\n".join([*lines(sheet), "", self.summary, *sheet.ends])

    def __repr__(self) -> str:
        return f"<Profile of {len(self.kernels)} kernels: {brief(self.summary)}>"

    def _repr_html_(self) -> str:
        return folded.html(self._sheet())

    def _sheet(self) -> Sheet[ProfileRow]:
        ends = [f"Remark: {each}." for each in self.remarks]
        return table.sheet(self.rows, self.summary, ends, self._parents)

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": SCHEMA,
            "tool": self.tool,
            "runs": self.runs,
            "attributed": self.attributed,
            "exact": self.exact,
            "rows": [_row_json(row) for row in self.rows],
            "kernels": [_kernel_json(each) for each in self.kernels],
            "total": _times_json(self.total),
            "unowned": _times_json(self.unowned),
            "placement": None if self.placement is None else self.placement.to_json(),
            "remarks": list(self.remarks),
        }

    def _places(self, file: "ModelFile") -> Iterator[ProfileRow]:
        stacks = (
            (each.origin, stack)
            for each in self.kernels
            for stack in (each.tag.stack, *map(self._modules.stack, each.tag.shared))
        )
        found = spots(file.origins, stacks)
        self._parents = [spot.above for spot in found.values()]
        for (mark, call), spot in found.items():
            times = self.of([call], mark)
            own, share = self._own.get((mark, call), 0.0), self._part(times.seconds)
            yield ProfileRow(call, spot.depth, times, own, share, mark)

    def _times(self, numbers: Iterable[int]) -> Times:
        rows = [self.kernels[number] for number in numbers]
        providers: Dict[str, float] = {}
        operators: Dict[str, float] = {}
        for row in rows:
            name, seconds = row.kernel.provider, row.kernel.seconds
            providers[name] = providers.get(name, 0.0) + seconds
            operators[row.kernel.operator] = operators.get(row.kernel.operator, 0.0) + seconds
        return Times(
            sum(row.kernel.seconds for row in rows),
            sum(row.kernel.count for row in rows),
            sum(row.kernel.seconds for row in rows if row.exact),
            0.0,
            _longest_first(providers),
            _longest_first(operators),
        )


def _longest_first(times: Mapping[str, float]) -> Dict[str, float]:
    return dict(sorted(times.items(), key=lambda each: -each[1]))


def _times_json(times: Times) -> Dict[str, Any]:
    return asdict(times)


def _row_json(row: ProfileRow) -> Dict[str, Any]:
    return {
        **row.call._asdict(),
        **({"origin": row.origin} if row.origin else {}),
        "depth": row.depth,
        "share": row.share,
        "own": row.own,
        **_times_json(row.times),
    }


def _kernel_json(each: OwnedKernel) -> Dict[str, Any]:
    tag = each.tag
    return {
        **asdict(each.kernel),
        "path": tag.path if tag.stack else None,
        "call": tag.call if tag.stack else None,
        "stack": [call._asdict() for call in tag.stack],
        "shared": [call._asdict() for call in tag.shared],
        "sharing": tag.sharing and str(tag.sharing),
        "exact": each.exact,
        "reason": each.reason,
    }
