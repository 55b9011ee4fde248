"""Goes through a model and makes function calls of module calls, the inner ones first."""

from typing import TYPE_CHECKING, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set

from htp.file.document import bodies_of, text_of
from htp.scope import ModuleCall, Stack, Tag
from htp.steps import step
from htp.use.outlining.bodies import Bodies, Part
from htp.use.outlining.contract import contracted
from htp.use.outlining.items import Item, Row, item
from htp.use.outlining.wanted import Refused

if TYPE_CHECKING:
    import onnx

__all__ = ["Outline"]


class Outline:
    """Makes functions in a model.

    Args:
        model: it; changed.
        rows: the tags of its nodes, in the order of ``htp.file.document.nodes_of``.
        wanted: the calls that become functions, with their stacks.
        fused: for calls whose work is done elsewhere in part, the tag of a node that does some.

    Attributes:
        bodies: the functions that were made.
        refused: the calls that cannot be functions.
        rows: the tags of the nodes as they stand now, but for those of the functions made here.
    """

    def __init__(
        self,
        model: "onnx.ModelProto",
        rows: Sequence[Row],
        wanted: Mapping[ModuleCall, Stack],
        fused: Mapping[ModuleCall, Tag],
    ) -> None:
        functions = [(each.domain, each.name) for each in model.functions]
        self.bodies = Bodies([each.domain for each in model.opset_import], functions)
        self.refused: List[Refused] = []
        self._model, self._given = model, iter(rows)
        self._names = _node_names(model.graph)
        self._left = dict(wanted)
        self._made, self._asked = 0, len(wanted)
        self._weights: Set[str] = set()
        places = _places(model.graph, iter(rows), self._left)
        for call in wanted:
            self._judge(call, places.get(call, set()), rows, fused.get(call))
        main = self._graph(model.graph, frozenset())
        self.rows = [row for each in main for row in each.rows]
        self.rows += self._given  # those of the functions that it had
        self._finish()

    def _judge(
        self, call: ModuleCall, places: Set[int], rows: Sequence[Row], fused: Optional[Tag]
    ) -> None:
        """Take a call out that cannot be a function, wherever others stand."""
        if fused is not None:
            owner = str(fused.owner) or "the root"
            why = f"some of its work is done in a node of {owner}, together with others'"
            self._refuse(call, "fused", why)
        elif len(places) > 1:
            self._refuse(call, "body", "its nodes stand in several bodies")
        elif not places:
            if any(call in tag.stack for tag, _ in rows):
                self._refuse(call, "function", "its nodes stand in the body of a function")
            else:
                self._refuse(call, "none", "it has no node")

    def _refuse(self, call: ModuleCall, reason: str, why: str) -> None:
        self.refused.append(Refused(call, reason, why))
        self._left.pop(call, None)

    def _graph(self, graph: "onnx.GraphProto", around: FrozenSet[ModuleCall]) -> List[Item]:
        """Outline a graph and all that is nested in it; its nodes as they are then.

        Args:
            graph: it.
            around: the calls of the node that has it, which become functions with it.
        """
        before = self._weights
        self._weights = before | {text_of(each.name) for each in graph.initializer}
        items: List[Item] = []
        for node in graph.node:
            rows = [next(self._given)]
            for body in bodies_of(node) if node.attribute else ():
                inner = around.union(rows[0][0].stack)
                rows += [row for each in self._graph(body, inner) for row in each.rows]
            items.append(item(node, rows))
        results = {text_of(value.name) for value in graph.output}
        calls = {c for each in items for c in each.stack if c in self._left} - around
        depths = {len(self._left[call]) for call in calls}
        for depth in sorted(depths, reverse=True):
            items = self._level(items, depth, results, calls)
        self._weights = before
        if depths:
            _replace(graph, items)
        return items

    def _level(
        self, items: List[Item], depth: int, results: Set[str], calls: Set[ModuleCall]
    ) -> List[Item]:
        """Make functions of the calls of one depth, of which none is within another."""
        groups: Dict[ModuleCall, List[int]] = {}
        for at, each in enumerate(items):
            call = each.stack[depth - 1] if len(each.stack) >= depth else None
            if call in calls and call in self._left:
                groups.setdefault(call, []).append(at)
        read = _read_outside(items, groups, results)
        for call in [call for call in groups if not read[call]]:
            del groups[call]
            self._refuse(call, "unread", "nothing reads what its nodes compute")

        def make(call: ModuleCall, mine: List[Item]) -> Item:
            step("making functions", self._made, self._asked, str(call))
            self._made += 1
            part = Part(call, mine, self._weights, read[call])
            return item(self._node(part), [part.row()])

        found = contracted(items, groups, make, self.refused)
        for refused in self.refused:
            self._left.pop(refused.call, None)
        return found

    def _node(self, part: Part) -> "onnx.NodeProto":
        """The call of a function."""
        import onnx

        function = self.bodies.of(part)
        name, number = str(part.call) or "model", 0
        while name in self._names:
            number += 1
            name = f"{str(part.call) or 'model'}_{number}"
        self._names.add(name)
        return onnx.NodeProto(
            op_type=function.name,
            domain=function.domain,
            name=name,
            input=part.inputs,
            output=part.outputs,
        )

    def _finish(self) -> None:
        """Write the functions into the model."""
        model = self._model
        versions = {each.domain: each.version for each in model.opset_import}
        for function in self.bodies.functions:
            if function.domain not in versions:
                versions[function.domain] = 1
                model.opset_import.add(domain=function.domain, version=1)
        for function in self.bodies.functions:
            model.functions.append(function.proto(versions))
            self.rows += function.tags()
        if self.bodies.functions:
            model.ir_version = max(model.ir_version, _FUNCTIONS_SINCE)


_FUNCTIONS_SINCE = 8
"""The IR version from which a model can hold functions:
https://github.com/onnx/onnx/blob/main/docs/IR.md"""


def _places(
    graph: "onnx.GraphProto", rows: Iterator[Row], wanted: Mapping[ModuleCall, Stack]
) -> Dict[ModuleCall, Set[int]]:
    """For each call the graphs in which its nodes stand, those within its own nodes left out."""
    found: Dict[ModuleCall, Set[int]] = {}
    count = [0]

    def visit(graph: "onnx.GraphProto", around: Set[ModuleCall]) -> None:
        place = count[0]
        count[0] += 1
        for node in graph.node:
            mine = {call for call in next(rows)[0].stack if call in wanted}
            for call in mine - around:
                found.setdefault(call, set()).add(place)
            for body in bodies_of(node) if node.attribute else ():
                visit(body, around | mine)

    visit(graph, set())
    return found


def _read_outside(
    items: Sequence[Item], groups: Mapping[ModuleCall, List[int]], results: Set[str]
) -> Dict[ModuleCall, Set[str]]:
    """For each call what its nodes make and others read."""
    whose = {at: call for call, places in groups.items() for at in places}
    made = {name: whose.get(at) for at, each in enumerate(items) for name in each.makes}
    found: Dict[ModuleCall, Set[str]] = {call: set() for call in groups}
    for at, each in enumerate(items):
        for name in each.reads:
            call = made.get(name)
            if call is not None and call != whose.get(at):
                found[call].add(name)
    for name in results:
        call = made.get(name)
        if call is not None:
            found[call].add(name)
    return found


def _replace(graph: "onnx.GraphProto", items: Sequence[Item]) -> None:
    """Give a graph other nodes, and take out what it says of values that are gone."""
    nodes = [each.node for each in items]
    kept = {name for each in items for name in (*each.makes, *each.reads)}
    del graph.node[:]
    graph.node.extend(nodes)
    types = [each for each in graph.value_info if each.name in kept]
    scales = [each for each in graph.quantization_annotation if each.tensor_name in kept]
    del graph.value_info[:], graph.quantization_annotation[:]
    graph.value_info.extend(types)
    graph.quantization_annotation.extend(scales)


def _node_names(graph: "onnx.GraphProto") -> Set[str]:
    found: Set[str] = set()
    pending = [graph]
    while pending:
        for node in pending.pop().node:
            found.add(text_of(node.name))
            pending += bodies_of(node) if node.attribute else []
    return found
