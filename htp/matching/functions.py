"""Local functions that only one of the two files has: their calls stand for what is in them.

    old   y = layer(x)       layer(x): a = Relu(x), Exp(a)
    new   a_1 = Relu(x);  y = Exp(a_1)                          a tool inlined it

So the calls are inlined on both sides, and what is found is told of the nodes that there are: a
node of a function of what all its calls are, a call of all that it stands for. Functions that both
have under one name stay.
"""

from dataclasses import replace
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from htp.graph.records import GraphRecord, NodeRecord
from htp.matching.side import Side
from htp.scope import UNKNOWN, Tag

__all__ = ["Inlined", "inlined"]

_DEEPEST = 50
"""Calls within each other that are inlined."""


class Inlined(NamedTuple):
    """A side without the functions that the other has not.

    Attributes:
        side: it.
        origins: for each of its nodes the place of the node that it is in the side as it was; -1.
        calls: for each call that was inlined, by its place in the side as it was, the places of
            its nodes in this one.
    """

    side: Side
    origins: Sequence[int]
    calls: Mapping[int, Sequence[int]]


def inlined(side: Side, others: Set[str], most: int) -> Inlined:
    """Inline the functions that the other side has not.

    Args:
        side: the side.
        others: the names of the other's functions.
        most: how many nodes may come of it; calls beyond that stay calls.
    """
    functions = {each.name: each for each in side.graph.functions if each.name not in others}
    if not functions:
        return Inlined(side, range(len(side.tags)), {})
    return _Inliner(side, functions, most).run()


class _Inliner:
    def __init__(self, side: Side, functions: Dict[str, GraphRecord], most: int) -> None:
        self._side, self._functions, self._left = side, functions, most
        self._places = {id(node): at for at, node in enumerate(side.graph.walk())}
        self._made: Dict[int, Tuple[int, Optional[Tag]]] = {}
        self._inside: Dict[int, List[int]] = {}
        self._sizes = {name: sum(1 for _ in body.walk()) for name, body in functions.items()}

    def run(self) -> Inlined:
        graph = self._side.graph
        kept = [each for each in graph.functions if each.name not in self._functions]
        whole = replace(
            graph,
            nodes=self._nodes(graph.nodes, {}, "", (), 0),
            functions=[replace(f, nodes=self._nodes(f.nodes, {}, "", (), 0)) for f in kept],
        )
        nodes = list(whole.walk())
        told = [self._made[id(node)] for node in nodes]
        at = {id(node): place for place, node in enumerate(nodes)}
        calls = {call: [at[key] for key in keys] for call, keys in self._inside.items()}
        side = Side(whole, [tag for _, tag in told], self._side.weights)
        return Inlined(side, [origin for origin, _ in told], calls)

    def _nodes(
        self,
        nodes: Sequence[NodeRecord],
        names: Mapping[str, str],
        before: str,
        calls: Tuple[int, ...],
        depth: int,
    ) -> List[NodeRecord]:
        """Copies of nodes.

        Args:
            nodes: of a graph.
            names: what its values are called where it is inlined.
            before: stands before the names of all others.
            calls: the calls around it.
            depth: how many calls of functions are around it.
        """
        made: List[NodeRecord] = []
        for node in nodes:
            body = self._functions.get(node.op)
            if body is not None and depth < _DEEPEST and self._sizes[node.op] <= self._left:
                made += self._call(node, body, names, before, calls, depth)
                continue
            copy = self._copy(node, names, before)
            copy.bodies = [self._body(each, names, before, calls, depth) for each in node.bodies]
            self._tell(copy, self._places[id(node)], calls)
            made.append(copy)
        return made

    def _copy(self, node: NodeRecord, names: Mapping[str, str], before: str) -> NodeRecord:
        if not before:
            return replace(node)
        inputs = [value and names.get(value, before + value) for value in node.inputs]
        outputs = [value and names.get(value, before + value) for value in node.outputs]
        return replace(node, inputs=inputs, outputs=outputs, name="")

    def _body(
        self,
        body: GraphRecord,
        names: Mapping[str, str],
        before: str,
        calls: Tuple[int, ...],
        depth: int,
    ) -> GraphRecord:
        nodes = self._nodes(body.nodes, names, before, calls, depth)
        if not before:
            return replace(body, nodes=nodes)
        inputs = [value and names.get(value, before + value) for value in body.inputs]
        outputs = [value and names.get(value, before + value) for value in body.outputs]
        return replace(body, inputs=inputs, outputs=outputs, nodes=nodes)

    def _call(
        self,
        node: NodeRecord,
        body: GraphRecord,
        names: Mapping[str, str],
        before: str,
        calls: Tuple[int, ...],
        depth: int,
    ) -> List[NodeRecord]:
        self._left -= self._sizes[node.op]
        call = self._places[id(node)]
        self._inside.setdefault(call, [])
        around = self._copy(node, names, before)
        given = dict.fromkeys(body.inputs, "")
        given.update(zip(body.inputs, around.inputs))
        inside = {**dict(zip(body.outputs, around.outputs)), **given}
        made = self._nodes(body.nodes, inside, f"{self._left}/", (*calls, call), depth + 1)
        for value, result in zip(body.outputs, around.outputs):
            if value in given and result:  # it is handed through
                handed = NodeRecord("Identity", [given[value]], [result])
                self._tell(handed, -1, (*calls, call))
                made.append(handed)
        return made

    def _tell(self, copy: NodeRecord, origin: int, calls: Tuple[int, ...]) -> None:
        tag = self._side.tags[origin] if origin >= 0 else UNKNOWN
        for call in calls:
            tag = _of_call(tag, self._side.tags[call])
            self._inside[call].append(id(copy))
        self._made[id(copy)] = (origin, tag)


def _of_call(tag: Optional[Tag], call: Optional[Tag]) -> Optional[Tag]:
    """What a node of a function is in one of its calls, if it is told apart."""
    if tag is None or call is None or not call.stack or not tag.shared:
        return tag
    if call.owner in (tag.owner, *tag.shared):
        return Tag(call.stack, tag.provenance, (), None, tag.evidence)
    return tag
