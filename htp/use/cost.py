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
from htp.use.macs import macs_of
from htp.use.modules import Modules
from htp.use.places import FLOATS, FUNCTION, Placed, Weights, elements, placed
from htp.use.types import Shapes, Value, infer
from htp.use.weight import Held, held_by

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile

__all__ = ["Cost", "CostRow", "Figures", "cost"]

Place = Tuple[str, ModuleCall]
"""A call of one of the exports in the file, which is told by its fingerprint."""


class Figures(NamedTuple):
    """What some nodes cost.

    Attributes:
        parameters: elements of the parameters and buffers that they read, each once.
        bytes: of all initializers that they read, each once: scales of quantised weights, and what
            was computed while exporting, are among them.
        shared: how many of the parameters nodes elsewhere read as well.
        folded: how many of the parameters were made from several of the model's.
        macs: multiply-accumulates of their matrix products and convolutions, as far as known.
        elsewhere: those of nodes that are owned elsewhere and stand for these calls, too: what was
            fused with others is counted where it is owned, and only there.
        activations: elements of the values with fractions that they compute, as far as known.
        nodes: how many they are.
        unknown: how many nodes' multiply-accumulates are not known, because a shape is not.
        operators: how many nodes there are of each type.
    """

    parameters: int = 0
    bytes: int = 0
    shared: int = 0
    folded: int = 0
    macs: int = 0
    elsewhere: int = 0
    activations: int = 0
    nodes: int = 0
    unknown: int = 0
    operators: Mapping[str, int] = {}


class CostRow(NamedTuple):
    """What one module call costs, with all that it calls.

    Attributes:
        call: the call.
        depth: how many calls are above it.
        figures: what it costs.
        origin: fingerprint of the export; ``""`` where there is only one.
    """

    call: ModuleCall
    depth: int
    figures: Figures
    origin: str = ""

    @property
    def parameters(self) -> int:
        """Elements of the parameters and buffers that its nodes read, each once."""
        return self.figures.parameters

    @property
    def bytes(self) -> int:
        """Of all initializers that its nodes read, each once."""
        return self.figures.bytes

    @property
    def macs(self) -> int:
        """Multiply-accumulates, as far as known; see ``unknown``."""
        return self.figures.macs

    @property
    def nodes(self) -> int:
        """How many nodes it has."""
        return self.figures.nodes

    @property
    def activations(self) -> int:
        """Elements of the values that its nodes compute, as far as known."""
        return self.figures.activations

    @property
    def unknown(self) -> int:
        """Of how many nodes the multiply-accumulates are not known."""
        return self.figures.unknown

    @property
    def operators(self) -> Mapping[str, int]:
        """How many nodes it has of each type."""
        return self.figures.operators


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
        self.rows = tuple(self._rows(file, rows, several))
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

    def _rows(self, file: "ModelFile", rows: Sequence[Placed], several: bool) -> Iterator[CostRow]:
        depths: Dict[Place, int] = {}
        for origin in file.origins:
            for call, depth in origin.calls:
                depths.setdefault((origin.fingerprint if several else "", call), depth)
        for row in rows:
            mark = origin_of(row.node) if several else ""
            for depth, call in enumerate(row.tag.stack):
                depths.setdefault((mark, call), depth)
        for (mark, call), depth in depths.items():
            yield CostRow(call, depth, self.of([call], mark), mark)

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
