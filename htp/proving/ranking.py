"""What the modules of a file cost, as a table and for programs."""

from typing import TYPE_CHECKING, Any, Dict, FrozenSet, List, NamedTuple, Tuple

from htp.printable import printable
from htp.proving.listing import listing_of
from htp.proving.measure import finite_or_text
from htp.showing.frames import frame
from htp.showing.sheet import Column, Sheet
from htp.showing.table import html
from htp.showing.text import lines, listed, said
from htp.use.select import Listing

if TYPE_CHECKING:
    from pandas import DataFrame

    from htp.tagged import TaggedModel

__all__ = ["NotSwapped", "Sensitivity", "SensitivityRow"]


class SensitivityRow(NamedTuple):
    """What one module costs.

    Attributes:
        path: its path; all below it is swapped with it.
        own: whether it is without all below: its own operations only.
        type: its class.
        effect: what is gained when it is taken from the reference: decibels of SQNR, or the
            caller's own measure.
        share: the same as a share of all that was lost; of SQNR the share of the noise.
        size: for how many modules with operations it stands.
    """

    path: str
    own: bool
    type: str
    effect: float
    share: float
    size: int


class NotSwapped(NamedTuple):
    """A module of which nothing can be said.

    Attributes:
        path: its path.
        reason: why.
    """

    path: str
    reason: str


class Sensitivity(NamedTuple):
    """What the modules of a file cost its results.

    Attributes:
        rows: the dearest first.
        keep: the modules to leave as they are in the reference: tried together in a run of the
            whole. Each stands for all below it, unless it is in ``own``.
        own: those of them of which only the module's own operations are to be left, without the
            modules that it calls.
        recovered: the share of what was lost that these recover together.
        target: the share that was wanted.
        size: for how many modules with operations they stand.
        among: of how many.
        before: SQNR of the results, or the caller's own measure, of the candidate as it is.
        after: the same with ``keep`` left.
        measured: ``"SQNR"``, or ``"metric"``.
        not_swapped: the modules that could not be swapped.
        samples: how many inputs were tried.
        runs: how many candidates were run.
        remarks: what is to be known of it.
        tagged: the reference.
    """

    rows: Tuple[SensitivityRow, ...]
    keep: Tuple[str, ...]
    own: FrozenSet[str]
    recovered: float
    target: float
    size: int
    among: int
    before: float
    after: float
    measured: str
    not_swapped: Tuple[NotSwapped, ...]
    samples: int
    runs: int
    remarks: Tuple[str, ...]
    tagged: "TaggedModel"

    @property
    def reached(self) -> bool:
        """Whether the list recovers as much as was wanted."""
        return self.recovered >= self.target

    def listed(self, format: str = "names") -> Listing:  # noqa: A002 - the command's word
        """The nodes of ``keep`` in a tool's own form, as ``Selection.listed`` gives them.

        Raises:
            HTPError: there is no such form.
        """
        whole = [path for path in self.keep if path not in self.own]
        return listing_of(self.tagged, whole, self.own, format)

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": "htp.sensitivity/1",
            "rows": [{**row._asdict(), "effect": finite_or_text(row.effect)} for row in self.rows],
            "keep": list(self.keep),
            "own": sorted(self.own),
            "recovered": finite_or_text(self.recovered),
            "target": self.target,
            "reached": self.reached,
            "size": self.size,
            "among": self.among,
            "before": finite_or_text(self.before),
            "after": finite_or_text(self.after),
            "measured": self.measured,
            "not_swapped": [each._asdict() for each in self.not_swapped],
            "samples": self.samples,
            "runs": self.runs,
            "remarks": list(self.remarks),
        }

    def to_pandas(self) -> "DataFrame":
        """A row for each module, by ``path``; ``own`` says that it is without all below.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(_sheet(self))

    def __str__(self) -> str:
        sheet = _sheet(self)
        return "\n".join([*lines(sheet), "", *map(printable, sheet.ends)])

    def __repr__(self) -> str:
        return said(_sheet(self))

    def _repr_html_(self) -> str:
        return html(_sheet(self))


def _columns(unit: str) -> Tuple[Column[SensitivityRow], ...]:
    return (
        Column("module", lambda row: _named(row.path, row.own)),
        Column(key="path", value=lambda row: row.path),
        Column(key="own", value=lambda row: row.own, dtype="bool"),
        Column(
            *("class", lambda row: row.type.rpartition(".")[2]),
            key="type",
            value=lambda row: row.type,
            dtype="category",
        ),
        Column(
            *("gain", lambda row: f"{row.effect:+.2f}{unit}", True),
            *("effect", lambda row: row.effect, "float64"),
        ),
        Column(
            *("share", lambda row: f"{row.share:.1%}", True),
            *("share", lambda row: row.share, "float64"),
            bar=lambda row: row.share,
        ),
        Column(
            *("modules", lambda row: str(row.size), True),
            *("size", lambda row: row.size, "int64"),
        ),
    )


def _sheet(found: Sensitivity) -> Sheet[SensitivityRow]:
    unit = " dB" if found.measured == "SQNR" else ""
    ends = _ends(found, unit)
    if found.not_swapped:
        ends.append(f"{len(found.not_swapped)} modules could not be swapped:")
        ends += [f"  {each.path or '(root)'}: {each.reason}" for each in found.not_swapped]
    ends += [f"Remark: {each}." for each in found.remarks]
    kept = {(path, path in found.own) for path in found.keep}
    return Sheet(
        *("Sensitivity", _title(found, unit), _columns(unit), found.rows, ("path",), ends),
        mark=lambda row: "strong" if (row.path, row.own) in kept else "",
    )


def _title(found: Sensitivity, unit: str) -> str:
    ranked = f"{found.measured} {found.before:.2f}{unit}; {len(found.rows)} modules ranked"
    kept = listed([_named(path, path in found.own) for path in found.keep])
    return f"{ranked}; {f'leave {kept}' if kept else 'none is worth leaving'}"


def _named(path: str, own: bool) -> str:
    return (path or "(root)") + (" (own)" if own else "")


def _ends(found: Sensitivity, unit: str) -> List[str]:
    of_what = "noise" if found.measured == "SQNR" else "loss"
    lines = [f"{found.measured} {found.before:.2f}{unit} over {found.samples} samples."]
    if found.keep:
        kept = ", ".join(_named(path, path in found.own) for path in found.keep)
        lines.append(
            f"Leave {kept}: {found.size} of {found.among} modules; tried together "
            f"they give {found.after:.2f}{unit} and take away {found.recovered:.1%} of the "
            f"{of_what} ({found.target:.0%} wanted)."
        )
    else:
        lines.append("No module is worth leaving.")
    return [*lines, f"{found.runs} runs."]
