"""A graph as something to be cut: who makes and reads each value, and pieces that run alone.

A piece may be given values that it would compute itself. Such a value gets another name where it is
computed, so that both can be had, and everything behind it works on what was given:

    x -> A -> v -> B -> y        given v:   x -> A -> v'      v -> B -> y
"""

from typing import TYPE_CHECKING, Any, Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple

from htp.file.document import bodies_of, text_of

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Circuit", "Piece"]

_BESIDE = "/computed"


class Piece(NamedTuple):
    """A part of a graph, as a model.

    Attributes:
        model: the model, without the types of its inputs.
        reads: the values that it has to be given.
        gives: what it calls the values that were asked for.
    """

    model: "onnx.ModelProto"
    reads: Tuple[str, ...]
    gives: Dict[str, str]


class Circuit:
    """The main graph of a model.

    Args:
        model: with its weights; nested graphs go with their nodes, functions with every piece.

    Attributes:
        nodes: in order.
        made_by: for each value the number of the node that computes it.
        reads: for each node the values that it reads, those that its nested graphs read included.
        constants: the initializers by name.
        inputs: the names of what the model is given.
        outputs: the names of what it gives.
    """

    def __init__(self, model: "onnx.ModelProto") -> None:
        self._model = model
        graph = model.graph
        self.nodes: List[onnx.NodeProto] = list(graph.node)
        self.made_by: Dict[str, int] = {}
        self.reads: List[Tuple[str, ...]] = []
        for number, node in enumerate(self.nodes):
            self.reads.append(tuple(_read(node)))
            self.made_by.update((text_of(name), number) for name in node.output if name)
        self.constants = {text_of(tensor.name): tensor for tensor in graph.initializer}
        self._sparse = {text_of(each.values.name): each for each in graph.sparse_initializer}
        names = [text_of(value.name) for value in graph.input]
        self.inputs = tuple(name for name in names if name not in self.constants)
        self.outputs = tuple(text_of(value.name) for value in graph.output)

    def __contains__(self, name: str) -> bool:
        return name in self.made_by or name in self.constants or name in self.inputs

    def behind(self, name: str, known: Set[str]) -> Tuple[List[int], Set[str]]:
        """The nodes that compute a value from known ones, and the known ones that they read.

        Args:
            name: of a value that a node computes.
            known: values that are not looked behind; what the model is given is always known.
        """
        found: Set[int] = set()
        read: Set[str] = set()
        pending = [self.made_by[name]]
        while pending:
            number = pending.pop()
            if number in found:
                continue
            found.add(number)
            for each in self.reads[number]:
                if each in known or each in self.inputs:
                    read.add(each)
                elif each in self.made_by:
                    pending.append(self.made_by[each])
        return sorted(found), read

    def piece(self, numbers: Iterable[int], wanted: Sequence[str], given: Set[str]) -> Piece:
        """Some nodes as a model of their own.

        Args:
            numbers: of the nodes.
            wanted: values that these nodes compute.
            given: values that are given, also where these nodes compute them.
        """
        import onnx

        chosen = sorted(set(numbers))
        model = onnx.ModelProto(ir_version=self._model.ir_version)
        model.opset_import.extend(self._model.opset_import)
        model.functions.extend(self._model.functions)
        graph = model.graph
        graph.name = "piece"
        made = {name for number in chosen for name in self.nodes[number].output if name}
        reads = dict.fromkeys(name for number in chosen for name in self.reads[number])
        new = {name: self._beside(name) for name in made & given}
        for number in chosen:
            node = graph.node.add()
            node.CopyFrom(self.nodes[number])
            for at, name in enumerate(node.output):
                node.output[at] = new.get(name, name)
        taken = [name for name in reads if name in given or name not in made]
        for name in taken:
            if name in self.constants and name not in given:
                graph.initializer.add().CopyFrom(self.constants[name])
            elif name in self._sparse and name not in given:
                graph.sparse_initializer.add().CopyFrom(self._sparse[name])
        own = {*self.constants, *self._sparse} - given
        gives = {name: new.get(name, name) for name in wanted}
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in gives.values())
        return Piece(model, tuple(name for name in taken if name not in own), gives)

    def held(self, name: str) -> Piece:
        """A model that gives nothing but an initializer."""
        import onnx

        model = onnx.ModelProto(ir_version=self._model.ir_version)
        model.opset_import.extend(self._model.opset_import)
        model.graph.name = "held"
        model.graph.initializer.add().CopyFrom(self.constants[name])
        given = self._beside(name)
        model.graph.node.add(op_type="Identity", input=[name], output=[given])
        model.graph.output.append(onnx.ValueInfoProto(name=given))
        return Piece(model, (), {name: given})

    def _beside(self, name: str) -> str:
        name += _BESIDE
        while name in self:
            name += "_"
        return name


def _read(node: "onnx.NodeProto") -> Iterable[str]:
    """The values that a node reads from around it, in order."""
    found = dict.fromkeys(text_of(name) for name in node.input if name)
    pending: List[Tuple[Any, Set[str]]] = [(body, set()) for body in _bodies(node)]
    while pending:
        body, outer = pending.pop()
        own = outer | {text_of(each.name) for each in (*body.input, *body.initializer)}
        own |= {text_of(name) for inner in body.node for name in inner.output}
        for inner in body.node:
            found.update(dict.fromkeys(n for n in map(text_of, inner.input) if n and n not in own))
            pending += [(each, own) for each in _bodies(inner)]
        ends = (text_of(value.name) for value in body.output)
        found.update(dict.fromkeys(name for name in ends if name not in own))
    return found


def _bodies(node: "onnx.NodeProto") -> "List[onnx.GraphProto]":
    return bodies_of(node) if node.attribute else []
