"""htp.overflow: which modules would leave the range of float16."""

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from htp.errors import HTPError
from htp.printable import printable
from htp.proving.circuit import Circuit
from htp.proving.listing import listing_of
from htp.proving.measure import finite_or_text
from htp.proving.pairs import tagged_of
from htp.running.exposing import BUDGET, stream
from htp.running.prepared import Apart, apart, folders_of
from htp.running.samples import samples_of
from htp.running.session import AS_IT_IS, opened
from htp.showing.frames import frame
from htp.showing.sheet import Column, Sheet
from htp.showing.table import html
from htp.showing.text import lines, said
from htp.steps import step
from htp.use.places import GRAPH, placed
from htp.use.select import Listing

if TYPE_CHECKING:
    from pandas import DataFrame

    from htp.scope import Tag
    from htp.tagged import TaggedModel

__all__ = ["LARGEST", "Overflow", "OverflowRow", "overflow"]

LARGEST = 65504.0
"""The largest number of float16."""
LIMIT = 50000.0
_FRACTIONS = (1, 11)
"""``FLOAT`` and ``DOUBLE`` of ``onnx.TensorProto``."""


class OverflowRow(NamedTuple):
    """How large the numbers are that a module's own operations work on.

    Attributes:
        path: its path.
        type: its class.
        largest: the largest absolute value that its operations make or read, weights included;
            infinite where one is infinite or NaN.
        value: the value in which it is.
        over: whether it is beyond the limit.
    """

    path: str
    type: str
    largest: float
    value: str
    over: bool


class Overflow(NamedTuple):
    """Which modules come near to the largest number of float16.

    Attributes:
        rows: one for each module with operations, the largest first.
        limit: from where on a module is to be left in float32.
        samples: how many inputs were tried.
        remarks: what could not be told.
        tagged: the file.
    """

    rows: Tuple[OverflowRow, ...]
    limit: float
    samples: int
    remarks: Tuple[str, ...]
    tagged: "TaggedModel"

    @property
    def keep(self) -> Tuple[str, ...]:
        """The modules whose own operations are to be left in float32, the largest first."""
        return tuple(row.path for row in self.rows if row.over)

    def listed(self, format: str = "names") -> Listing:  # noqa: A002 - the command's word
        """The own operations of ``keep`` in a tool's form, as ``Selection.listed`` gives them.

        Raises:
            HTPError: there are none, or there is no such form.
        """
        return listing_of(self.tagged, (), set(self.keep), format)

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": "htp.overflow/1",
            "rows": [
                {**row._asdict(), "largest": finite_or_text(row.largest)} for row in self.rows
            ],
            "keep": list(self.keep),
            "limit": self.limit,
            "samples": self.samples,
            "remarks": list(self.remarks),
        }

    def to_pandas(self) -> "DataFrame":
        """A row for each module, by ``path``.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(_sheet(self))

    def __str__(self) -> str:
        over = ", ".join(path or "(root)" for path in self.keep)
        end = _title(self) + (f": {over}." if over else ".")
        ends = [end, *_remarks(self)]
        return "\n".join([*lines(_sheet(self)), "", *map(printable, ends)])

    def __repr__(self) -> str:
        return said(_sheet(self))

    def _repr_html_(self) -> str:
        return html(_sheet(self))


def overflow(model: Any, samples: Any, limit: float = LIMIT, *, budget: int = BUDGET) -> Overflow:
    """Find the modules whose numbers come near to 65504, the largest of float16.

    Args:
        model: the file in float: a ``TaggedModel``, or what ``htp.load`` takes.
        samples: inputs: a dict of arrays, several, or a path (see docs/sensitivity.md).
        limit: from where on a module is listed.
        budget: bytes of values that are held at a time.

    Raises:
        HTPError: the samples don't fit, the limit is none, or onnxruntime is missing.
        InvalidModelError: the file cannot be read or run.
    """
    if not 0 < limit <= LARGEST:
        raise HTPError(f"The limit is above 0 and at most {LARGEST:.0f}; found {limit!r}.")
    tagged = tagged_of(model)
    file = tagged.file
    light = apart(file.proto, folders_of(file))
    circuit = Circuit(light.model)
    given = samples_of(samples, opened(file, AS_IT_IS).inputs)
    sizes: Dict[str, float] = {}
    for feeds in given:
        for name, array in feeds.items():
            _note(sizes, name, array)
    tags = [row.tag for row in placed(file) if row.place == GRAPH]
    count = len(circuit.made_by) * len(given)
    step("running", 0, count)
    every = stream(file.proto, circuit.made_by, given, folders_of(file), AS_IT_IS, budget)
    for number, seen in enumerate(every):
        step("running", number, count, tags[circuit.made_by[seen.name]].path)
        _note(sizes, seen.name, seen.array)
    remarks = []
    inner = sum(1 for row in placed(file) if row.place != GRAPH)
    if inner:
        remarks.append(f"of {inner} nodes in nested graphs and functions the values are not seen")
    rows = _rows(circuit, tags, {**_weights(light), **sizes}, limit)
    lost = sum(1 for tag in tags if not tag.stack)
    if lost:
        remarks.append(f"{lost} nodes have no known owner and are in no row")
    return Overflow(tuple(rows), limit, len(given), tuple(remarks), tagged)


def _note(sizes: Dict[str, float], name: str, array: Any) -> None:
    size = _largest(array)
    if size is not None:
        sizes[name] = max(sizes.get(name, 0.0), size)


def _largest(array: Any) -> Optional[float]:
    """The largest absolute value of fractions; None of anything else.

    The lowest number that there is, or negative infinity, is a mask: it is the lowest in float16
    as well.
    """
    import numpy as np

    if getattr(getattr(array, "dtype", None), "kind", "") != "f":
        return None
    masked = array <= np.finfo(array.dtype).min
    sizes = np.abs(array[~masked] if masked.any() else array)
    size = float(sizes.max()) if sizes.size else 0.0
    return size if np.isfinite(size) else float("inf")


def _weights(light: Apart) -> Dict[str, float]:
    from onnx import numpy_helper

    found: Dict[str, float] = {}
    for tensor in light.model.graph.initializer:
        if tensor.data_type in _FRACTIONS:
            held = light.weights.get(tensor.name)
            _note(found, tensor.name, numpy_helper.to_array(tensor) if held is None else held)
    return found


def _rows(
    circuit: Circuit, tags: "Sequence[Tag]", sizes: Dict[str, float], limit: float
) -> List[OverflowRow]:
    largest: Dict[str, Tuple[float, str]] = {}
    types: Dict[str, str] = {}
    for number, tag in enumerate(tags):
        if not tag.stack:
            continue
        types[tag.path] = tag.type
        before = largest.setdefault(tag.path, (0.0, ""))
        names = (*circuit.nodes[number].output, *circuit.reads[number])
        size, name = max(((sizes.get(n, 0.0), n) for n in names), default=before)
        if size > before[0]:
            largest[tag.path] = size, name
    rows = [
        OverflowRow(path, types[path], size, name, size >= limit)
        for path, (size, name) in largest.items()
    ]
    return sorted(rows, key=lambda row: -row.largest)


_COLUMNS: Tuple[Column[OverflowRow], ...] = (
    Column("module", lambda row: row.path or "(root)", key="path", value=lambda row: row.path),
    Column(
        *("class", lambda row: row.type.rpartition(".")[2]),
        key="type",
        value=lambda row: row.type,
        dtype="category",
    ),
    Column(
        *("largest", lambda row: f"{row.largest:.4g}", True),
        *("largest", lambda row: row.largest, "float64"),
    ),
    Column("value", lambda row: row.value, key="value", value=lambda row: row.value),
    Column(
        *("", lambda row: "over" if row.over else ""),
        key="over",
        value=lambda row: row.over,
        dtype="bool",
    ),
)


def _sheet(found: Overflow) -> Sheet[OverflowRow]:
    return Sheet(
        *("Overflow", _title(found), _COLUMNS, found.rows, ("path",), _remarks(found)),
        mark=lambda row: "strong" if row.over else "",
    )


def _title(found: Overflow) -> str:
    title = f"{len(found.keep)} of {len(found.rows)} modules work on numbers of {found.limit:.0f} "
    return title + f"or more, over {found.samples} samples"


def _remarks(found: Overflow) -> List[str]:
    return [f"Remark: {each}." for each in found.remarks]
