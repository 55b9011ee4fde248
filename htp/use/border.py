"""The border of a set of nodes: what they read from outside, and what others read of them."""

from typing import TYPE_CHECKING, Dict, Iterable, List, Sequence, Set, Tuple

from htp.file.document import bodies_of, text_of, walk

if TYPE_CHECKING:
    import onnx

__all__ = ["Border", "Whole"]


class Whole:
    """Who reads what in a graph and in all that is nested in it, and what is constant.

    Args:
        graph: the main graph.

    Attributes:
        names: of all values.
        constant: those that are computed from constants alone.
        read: how often each is read.
    """

    def __init__(self, graph: "onnx.GraphProto") -> None:
        self.names: Set[str] = set()
        self.constant: Set[str] = set()
        self.read: Dict[str, int] = {}
        self._visit(graph)

    def _visit(self, graph: "onnx.GraphProto") -> None:
        """Take in who reads what, and what is constant."""
        pending = [graph]
        while pending:
            each = pending.pop()
            weights = {text_of(tensor.name) for tensor in each.initializer}
            self.constant |= weights
            self.names |= weights
            self.names |= {text_of(value.name) for value in each.input}
            for value in each.output:
                name = text_of(value.name)
                self.read[name] = self.read.get(name, 0) + 1
            for node in each.node:
                bodies = bodies_of(node) if node.attribute else []
                pending += bodies
                self._take(node, bool(bodies))

    def _take(self, node: "onnx.NodeProto", nested: bool) -> None:
        names = [text_of(name) for name in node.input if name]
        for name in names:
            self.read[name] = self.read.get(name, 0) + 1
        made = [text_of(name) for name in node.output if name]
        self.names.update(made)
        held = node.op_type == "Constant" if not names else not nested  # else it may be random
        if held and all(name in self.constant for name in names):
            self.constant.update(made)


class Border:
    """The border of some nodes of a graph.

    What is computed from constants alone is no value that a module takes or returns: it is part of
    whatever reads it.

    Args:
        whole: the graph that they stand in.
        own: nodes of it or of graphs nested in it; what is nested in them is theirs.

    Attributes:
        inputs: what they read and do not make, in the order in which they read it.
        outputs: what they make and others read, in the order in which they make it.
    """

    def __init__(self, whole: Whole, own: Sequence["onnx.NodeProto"]) -> None:
        inner = {id(node): node for each in own for node in walk([each])}
        reads, makes, formal = _reads(inner.values())
        inside = set(makes) | formal
        self.inputs = tuple(
            name for name in reads if name not in inside and name not in whole.constant
        )
        left = {name: whole.read.get(name, 0) - reads.get(name, 0) for name in makes}
        seen = [name for name in makes if left[name] > 0]
        self.outputs = tuple(name for name in seen if name not in whole.constant) or tuple(seen)


def _reads(
    own: Iterable["onnx.NodeProto"],
) -> Tuple[Dict[str, int], List[str], Set[str]]:
    """How often nodes read each value, what they make, and the inputs of the graphs in them."""
    reads: Dict[str, int] = {}
    makes: Dict[str, None] = {}
    formal: Set[str] = set()
    for node in own:
        for name in map(text_of, node.input):
            if name:
                reads[name] = reads.get(name, 0) + 1
        makes.update(dict.fromkeys(name for name in map(text_of, node.output) if name))
        for body in bodies_of(node) if node.attribute else ():
            formal.update(text_of(value.name) for value in body.input)
            for value in body.output:
                reads[text_of(value.name)] = reads.get(text_of(value.name), 0) + 1
    return reads, list(makes), formal
