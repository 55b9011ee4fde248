"""What a comparison by module found: a row for each call, and where the error begins."""

from typing import TYPE_CHECKING, Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from htp.printable import printable
from htp.proving.measure import Measure, excess, finite_or_text
from htp.scope import ModuleCall
from htp.showing.frames import frame
from htp.showing.sheet import INDEX, Column, Sheet, of_call
from htp.showing.table import html
from htp.showing.text import brief, lines, said

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["NotJudged", "Tolerance", "Verification", "VerificationRow", "in_order", "name_of"]


class Tolerance(NamedTuple):
    """How far a value may be from what it should be, absolutely and in relation to its size."""

    atol: float
    rtol: float

    def broken_by(self, measure: Measure) -> bool:
        """Whether a difference is more than that."""
        return measure.beyond(self.atol, self.rtol)

    def excess(self, reference: Any, other: Any) -> float:
        """The largest difference of two arrays in relation to what is allowed; see ``excess``."""
        return excess(reference, other, self.atol, self.rtol)


class NotJudged(NamedTuple):
    """A module call of which nothing can be said.

    Attributes:
        call: the call.
        reason: why.
    """

    call: ModuleCall
    reason: str


class VerificationRow(NamedTuple):
    """One module call, and how far it is from what it should be.

    Attributes:
        call: the call.
        measure: of all values that it returns, as the file computes them from the inputs of the
            whole.
        own: of what its own operations compute when they get what they should: not what it calls,
            nor what was computed before. None where nobody looked, because what it returns is
            right, or where it could not be told.
        tolerance: what its values are allowed.
        excess: the largest difference of a value that it returns, in relation to that.
        diverges: whether a value that it returns, or its own operations compute, is further away
            than that.
        arises: whether the error begins in it: its own operations go wrong on right inputs.
        group: other calls whose operations the file does together with this one's, so that an error
            may as well be theirs.
        reason: why it was said that the error begins here, or only passes through.
    """

    call: ModuleCall
    measure: Measure
    own: Optional[Measure]
    tolerance: Tolerance
    excess: float
    diverges: bool
    arises: bool = False
    group: Tuple[ModuleCall, ...] = ()
    reason: str = ""

    @property
    def max_abs(self) -> float:
        """The largest absolute difference of a value that it returns."""
        return self.measure.max_abs

    @property
    def max_rel(self) -> float:
        """The largest difference in relation to the element that should be there."""
        return self.measure.max_rel

    @property
    def cosine(self) -> float:
        """The cosine of the angle between what it returns and what it should."""
        return self.measure.cosine

    @property
    def sqnr(self) -> float:
        """Signal to noise of what it returns, in decibels."""
        return self.measure.sqnr

    @property
    def own_error(self) -> Optional[float]:
        """The largest absolute difference that its own operations make on right inputs."""
        return None if self.own is None else self.own.max_abs

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            **self.call._asdict(),
            **self.measure.to_json(),
            "own_error": finite_or_text(self.own_error),
            "own_sqnr": None if self.own is None else finite_or_text(self.own.sqnr),
            "diverges": self.diverges,
            "arises": self.arises,
            "group": [call._asdict() for call in self.group],
            "reason": self.reason,
            **self.tolerance._asdict(),
        }


class Verification(NamedTuple):
    """What a file computes, module by module, beside what it should.

    Attributes:
        rows: one for each call that can be judged: those in which an error arises first, in the
            order of the forward pass, then others that diverge, the worst first, then the rest.
        not_judged: the calls that cannot be, each with the reason.
        outputs: how far the results of the whole are from what they should be; None where they
            could not be compared.
        samples: how many inputs were tried.
        remarks: what is to be known of how it was found.
    """

    rows: Tuple[VerificationRow, ...]
    not_judged: Tuple[NotJudged, ...]
    outputs: Optional[Measure]
    samples: int
    remarks: Tuple[str, ...] = ()

    @property
    def culprits(self) -> Tuple[VerificationRow, ...]:
        """The rows in which an error arises, in the order of the forward pass."""
        return tuple(row for row in self.rows if row.arises)

    @property
    def first(self) -> Optional[ModuleCall]:
        """The first call in which an error arises, or None."""
        return next((row.call for row in self.culprits), None)

    @property
    def reason(self) -> str:
        """Why it is that call; ``""`` where there is none."""
        return next((row.reason for row in self.culprits), "")

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": "htp.verify/1",
            "first": None if self.first is None else self.first._asdict(),
            "reason": self.reason,
            "rows": [row.to_json() for row in self.rows],
            "not_judged": [
                {**each.call._asdict(), "reason": each.reason} for each in self.not_judged
            ],
            "outputs": None if self.outputs is None else self.outputs.to_json(),
            "samples": self.samples,
            "remarks": list(self.remarks),
        }

    def to_pandas(self) -> "DataFrame":
        """A row for each call that was judged, by ``path`` and ``call``.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(_sheet(self))

    def __str__(self) -> str:
        return "\n".join([*lines(_sheet(self)), "", *map(printable, _ends(self))])

    def __repr__(self) -> str:
        return said(_sheet(self))

    def _repr_html_(self) -> str:
        return html(_sheet(self))


def in_order(rows: Iterable[VerificationRow]) -> Tuple[VerificationRow, ...]:
    """Rows as people read them.

    Args:
        rows: in the order of the forward pass.
    """
    listed = list(rows)
    return tuple(
        sorted(
            listed,
            key=lambda row: (
                (0, 0.0) if row.arises else (1, -row.excess) if row.diverges else (2, 0.0)
            ),
        )
    )


def name_of(call: ModuleCall) -> str:
    """How a table calls it."""
    return printable(str(call)) or "(root)"


def _module(row: VerificationRow) -> str:
    group = (f" + {name_of(call)}" for call in row.group if row.arises)
    return name_of(row.call) + "".join(group)


def _said(row: VerificationRow) -> str:
    return "arises here" if row.arises else "passes through" if row.diverges else ""


def _figure(heading: str, key: str, form: str = "{:.2g}") -> Column[VerificationRow]:
    def value(row: VerificationRow) -> Any:
        return getattr(row, key)

    def text(row: VerificationRow) -> str:
        return "" if value(row) is None else form.format(value(row))

    return Column(heading, text, True, key, value, "float64")


_COLUMNS: Tuple[Column[VerificationRow], ...] = (
    *of_call(lambda row: row.call),
    Column("module", _module),
    Column("class", lambda row: row.call.class_name),
    _figure("max abs", "max_abs"),
    _figure("max rel", "max_rel"),
    _figure("cosine", "cosine", "{:.6f}"),
    _figure("SQNR", "sqnr", "{:.0f} dB"),
    _figure("own error", "own_error"),
    Column("", _said),
    Column(key="diverges", value=lambda row: row.diverges, dtype="bool"),
    Column(key="arises", value=lambda row: row.arises, dtype="bool"),
    Column(key="reason", value=lambda row: row.reason),
)


def _sheet(found: Verification) -> Sheet[VerificationRow]:
    wrong = sum(1 for row in found.rows if row.diverges)
    marks = {"arises here": "strong", "passes through": "weak"}
    return Sheet(
        "Verification",
        _title(found, wrong),
        _COLUMNS,
        found.rows,
        INDEX,
        _ends(found)[found.first is None :],  # that none arises, the title says
        lambda row: marks.get(_said(row), ""),
        wrong or None,
    )


def _title(found: Verification, wrong: int) -> str:
    count = f"{len(found.rows)} calls judged, {len(found.not_judged)} not"
    if found.first is not None:
        return f"an error first arises in {brief(name_of(found.first))}; {wrong} diverge of {count}"
    return f"no error arises; {f'{wrong} diverge of ' if wrong else ''}{count}"


def _ends(found: Verification) -> List[str]:
    if found.first is None:
        end = [f"No error arises in any of {len(found.rows)} module calls."]
    else:
        end = [f"An error first arises in {name_of(found.first)}: {found.reason}."]
    if found.not_judged:
        end.append(f"{len(found.not_judged)} calls could not be judged:")
        end += [f"  {name_of(each.call)}: {each.reason}" for each in found.not_judged]
    return end + [f"Remark: {each}." for each in found.remarks]
