"""The nodes of a parsed model with the graph that each stands in, and who reads its weights."""

from typing import TYPE_CHECKING, Dict, Iterable, Iterator, List, NamedTuple, Tuple

from htp.file.document import bodies_of, text_of, walk

if TYPE_CHECKING:
    import onnx

    from htp.file.model_file import ModelFile
    from htp.scope import Tag

__all__ = [
    "BODY",
    "FLOATS",
    "FUNCTION",
    "GRAPH",
    "Placed",
    "Weights",
    "distinct",
    "elements",
    "placed",
]

GRAPH, BODY, FUNCTION = "graph", "body", "function"
"""Where a node stands: in the main graph, in a graph nested in it, in the body of a function."""


FLOATS = frozenset((1, 10, 11, 16, 17, 18, 19, 20, 23, 24))
"""Element types that hold fractions: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""


class Placed(NamedTuple):
    """A node.

    Attributes:
        node: the node, without large weights.
        tag: its tag.
        place: where it stands.
    """

    node: "onnx.NodeProto"
    tag: "Tag"
    place: str


def placed(file: "ModelFile") -> List[Placed]:
    """Every node in document order."""
    places = _places(file.outline)
    return [Placed(node, tag, next(places, FUNCTION)) for node, tag in file.seen()]


def _places(model: "onnx.ModelProto") -> Iterator[str]:
    for node in model.graph.node:
        yield GRAPH
        if node.attribute and bodies_of(node):
            yield from [BODY] * (sum(1 for _ in walk([node])) - 1)


_TOGETHER = 8
"""Of how many initializers a value is made, at most, to be followed: one with its scale, or the
weight and the bias of several layers."""


class Weights:
    """The initializers of a model, those of nested graphs included, and who reads them.

    Args:
        model: the model.
        rows: its nodes.

    Attributes:
        tensors: by name.
        readers: for each the nodes that read it, or what is made of initializers alone, as numbers
            in document order. Nodes of functions read none.
    """

    def __init__(self, model: "onnx.ModelProto", rows: Iterable[Placed]) -> None:
        self.tensors = {text_of(tensor.name): tensor for tensor in _initializers(model)}
        self.readers: Dict[str, List[int]] = {name: [] for name in self.tensors}
        self._sources: Dict[str, Tuple[str, ...]] = {name: (name,) for name in self.tensors}
        for number, (node, _, place) in enumerate(rows):
            if place != FUNCTION:
                self._follow(node)
                for name in self.read_by(node):
                    self.readers[name].append(number)

    def _follow(self, node: "onnx.NodeProto") -> None:
        """Note of which initializers a value is made, if of them alone: it is still a weight."""
        names = [name for name in node.input if name]
        if node.attribute and bodies_of(node):
            return
        if names and all(name in self._sources for name in names):
            made = self.read_by(node)
            if len(made) <= _TOGETHER:
                self._sources.update((name, made) for name in node.output if name)
        elif not names and node.op_type == "Constant":
            self._sources.update((name, ()) for name in node.output)

    def read_by(self, node: "onnx.NodeProto") -> Tuple[str, ...]:
        """The initializers that a node reads, as they are or transposed, unpacked and the like."""
        return distinct(each for name in node.input for each in self._sources.get(name, ()))

    def is_weight(self, name: str) -> bool:
        """Whether it holds several fractions, and so no size, axis or factor."""
        tensor = self.tensors[name]
        return tensor.data_type in FLOATS and elements(tensor.dims) > 1


def elements(shape: Iterable[int]) -> int:
    """How many elements a tensor of this shape has."""
    count = 1
    for length in shape:
        count *= length
    return count


def _initializers(model: "onnx.ModelProto") -> Iterator["onnx.TensorProto"]:
    pending: List[onnx.GraphProto] = [model.graph]
    while pending:
        graph = pending.pop()
        yield from graph.initializer
        for node in graph.node:
            if node.attribute:
                pending += bodies_of(node)


def distinct(names: Iterable[str]) -> Tuple[str, ...]:
    """Each name once, without ``""``."""
    return tuple(name for name in dict.fromkeys(names) if name)
