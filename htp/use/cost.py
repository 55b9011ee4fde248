"""What each module call costs: weights, multiply-accumulates, values, nodes.

A weight that several calls read is counted once in each of them and once above them, so that the
root has every weight once; ``shared`` says how much of a call's is also read elsewhere.
"""

from collections import Counter
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from htp.file.document import bodies_of, text_of
from htp.file.garbage import no_search
from htp.file.tags import origin_of
from htp.scope import ModuleCall
from htp.showing import folded
from htp.showing.frames import frame
from htp.showing.text import said
from htp.use.costs import CostRow, Figures, sheet
from htp.use.macs import macs_of
from htp.use.modules import Modules
from htp.use.places import FLOATS, FUNCTION, Placed, Weights, elements, placed
from htp.use.spots import Place, spots
from htp.use.types import Shapes, Value, infer
from htp.use.weight import Held, held_by

if TYPE_CHECKING:
    from pandas import DataFrame

    from htp.file.model_file import ModelFile

__all__ = ["Cost", "CostRow", "Figures", "cost"]


class Node(NamedTuple):
    """What one node costs."""

    places: FrozenSet[Place]
    others: FrozenSet[Place]
    op_type: str
    macs: Optional[int]
    activations: int
    reads: Tuple[str, ...]


def cost(file: "ModelFile", shapes: Optional[Shapes] = None) -> "Cost":
    """What each module call costs; see ``TaggedModel.cost``."""
    with no_search():
        rows = placed(file)
        values = infer(file.outline, shapes)
        return Cost(file, rows, values)


class Cost:
    """What the module calls of a file cost.

    Attributes:
        rows: one for each call, also of modules without nodes, in the order of the forward pass.
        total: of the whole file.
        unowned: of the nodes whose owner is not known; no row has them.
        remarks: what was counted in which way, or could not be.
    """

    def __init__(
        self, file: "ModelFile", rows: Sequence[Placed], values: Mapping[str, Value]
    ) -> None:
        weights = Weights(file.outline, rows)
        nodes, known_as = [row.node for row in rows], file.parameters()
        self._held: Dict[str, Held] = held_by(weights, nodes, known_as, lambda: _contents(file))
        self._readers: Dict[Tuple[str, ...], Set[int]] = {}
        for name, numbers in weights.readers.items():
            self._readers.setdefault(self._held[name].key, set()).update(numbers)
        several = len(file.origins) > 1
        known = {name: each.lengths for name, each in values.items() if each.lengths is not None}
        modules = Modules((row.tag for row in rows), file.origins)
        self._nodes = [_node(row, values, known, weights, modules, several) for row in rows]
        self._at: Dict[Place, List[int]] = {}
        self._beside: Dict[Place, List[int]] = {}
        for number, node in enumerate(self._nodes):
            for place in node.places:
                self._at.setdefault(place, []).append(number)
            for place in node.others:
                self._beside.setdefault(place, []).append(number)
        self.total = self._figures(range(len(self._nodes)))
        self.unowned = self._figures(n for n, node in enumerate(self._nodes) if not node.places)
        self.rows = tuple(self._places(file, rows, several))
        self.remarks = tuple(_remarks(rows, self.total))

    def of(self, calls: Iterable[ModuleCall], origin: str = "") -> Figures:
        """What several calls cost together: what they have in common is counted once."""
        places = [(origin, call) for call in calls]
        own = {number for place in places for number in self._at.get(place, ())}
        beside = {number for place in places for number in self._beside.get(place, ())} - own
        elsewhere = sum(self._nodes[number].macs or 0 for number in beside)
        return self._figures(own)._replace(elsewhere=elsewhere)

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": "htp.cost/1",
            "rows": [
                {
                    **row.call._asdict(),
                    **({"origin": row.origin} if row.origin else {}),
                    "depth": row.depth,
                    **_said(row.figures),
                }
                for row in self.rows
            ],
            "total": _said(self.total),
            "unowned": _said(self.unowned),
            "remarks": list(self.remarks),
        }

    def to_pandas(self) -> "DataFrame":
        """A row for each call, by ``path`` and ``call``.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(sheet(self.rows, self.total))

    def __repr__(self) -> str:
        return said(sheet(self.rows, self.total))

    def _repr_html_(self) -> str:
        ends = [f"Remark: {each}." for each in self.remarks]
        if self.unowned.nodes:
            ends.insert(0, f"{self.unowned.nodes} nodes have no known owner and stand in no row.")
        return folded.html(sheet(self.rows, self.total, ends, self._parents))

    def _places(self, file: "ModelFile", rows: Sequence[Placed], several: bool) -> List[CostRow]:
        stacks = ((origin_of(row.node) if several else "", row.tag.stack) for row in rows)
        found = spots(file.origins, stacks)
        self._parents = [spot.above for spot in found.values()]
        return [
            CostRow(call, spot.depth, self.of([call], mark), mark)
            for (mark, call), spot in found.items()
        ]

    def _figures(self, numbers: Iterable[int]) -> Figures:
        inside = set(numbers)
        nodes = [self._nodes[number] for number in sorted(inside)]
        read = dict.fromkeys(name for node in nodes for name in node.reads)
        held = [self._held[name] for name in read]
        once = {each.key: each for each in held}
        outside = [each for key, each in once.items() if not inside.issuperset(self._readers[key])]
        return Figures(
            sum(each.parameters for each in once.values()),
            sum(each.bytes for each in held),
            sum(each.parameters for each in outside),
            sum(each.parameters for each in once.values() if each.folded),
            sum(node.macs or 0 for node in nodes),
            0,
            sum(node.activations for node in nodes),
            len(nodes),
            sum(1 for node in nodes if node.macs is None),
            dict(Counter(node.op_type for node in nodes).most_common()),
        )


def _node(
    row: Placed,
    values: Mapping[str, Value],
    known: Mapping[str, Tuple[int, ...]],
    weights: Weights,
    modules: Modules,
    several: bool,
) -> Node:
    node = row.node
    mark = origin_of(node) if several else ""
    reads = () if row.place == FUNCTION else weights.read_by(node)
    seen = {} if row.place == FUNCTION else known
    macs = 0 if node.attribute and bodies_of(node) else macs_of(node, seen)
    made = [name for name in node.output if name in seen and values[name].type in FLOATS]
    made = [] if node.op_type == "Constant" else made
    places = frozenset((mark, call) for call in row.tag.stack)
    ways = {(mark, call) for other in row.tag.shared for call in modules.stack(other)}
    return Node(
        places,
        frozenset(ways - places),
        text_of(node.op_type),
        macs,
        sum(elements(seen[name]) for name in made),
        reads,
    )


def _contents(file: "ModelFile") -> Dict[str, str]:
    return {name: weight.contents for name, weight in file.weights().items()}


def _said(figures: Figures) -> Dict[str, Any]:
    return {**figures._asdict(), "operators": dict(figures.operators)}


def _remarks(rows: Sequence[Placed], total: Figures) -> Iterator[str]:
    if total.unknown:
        yield (
            f"of {total.unknown} nodes the multiply-accumulates are not known, because a shape or "
            "the operator is not: they are not in the sums"
        )
    nested = {row.node.op_type for row in rows if row.node.attribute and bodies_of(row.node)}
    if nested - {"If"}:
        yield f"bodies of {', '.join(sorted(nested - {'If'}))} are counted for one iteration"
    if "If" in nested:
        yield "both branches of If are counted"
    if total.shared:
        yield "a weight that several calls read is in each of them, and above them once"
