"""A file as what it computes: operations on values, without names, Identity nodes and order.

A constant is a value like a weight, whether a node or an initializer holds it. An Identity computes
nothing, so the value that it gives is the one that it takes:

    h = Identity(w);  y = Add(x, h)      is      y = Add(x, w)
"""

from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence, Tuple

from htp.comparing.attributes import attributes_of, constant_of, defaults
from htp.comparing.contents import Contents
from htp.comparing.operation import Entry, Leaf, Made, Operation
from htp.comparing.owners import Owners
from htp.errors import InvalidModelError
from htp.file import keys
from htp.file.document import called, graphs_of, text_of
from htp.scope import Tag

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile

__all__ = ["Graph"]

_STANDARD = ("", "ai.onnx")


class Scope:
    """The names of a graph, and those of the graphs around it."""

    def __init__(self, outer: "Optional[Scope]" = None) -> None:
        self.outer = outer
        self.names: Dict[str, int] = {}

    def find(self, name: str) -> Optional[int]:
        """The value of this name."""
        scope: Optional[Scope] = self
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                return found
            scope = scope.outer
        return None


class Graph:
    """A file, ready to be compared.

    Args:
        file: the file.
        tags: of its nodes.
        owners: gives the owners numbers.

    Attributes:
        operations: its nodes, but for constants and Identity.
        maker: what computes each value, or None.
        leaves: what values are weights and constants, by their number.
        entries: where values enter that nothing computes.
        exits: the values that leave the graph and its functions, with the place of each.
        inputs: names of the main graph's inputs, in order.
        outputs: names of its outputs.
        types: element type and axes of values, as far as the file tells.
        readers: which operations read each value, and in which place; ``(-1, n)`` is exit n.
        opsets: versions of the operators' domains.
        contents: of its tensors.
    """

    def __init__(self, file: "ModelFile", tags: Iterable[Tag], owners: Owners) -> None:
        self.contents = Contents(file)
        self.operations: List[Operation] = []
        self.maker: List[Optional[Made]] = []
        self.leaves: Dict[int, Leaf] = {}
        self.entries: Dict[int, Entry] = {}
        self.exits: List[Tuple[int, Tuple[str, int]]] = []
        self.types: Dict[int, Tuple[int, Optional[Tuple[Any, ...]]]] = {}
        self._owners = owners
        self._tags = iter(tags)
        self._alias: Dict[int, int] = {}
        self._outside = Scope()
        self._build(file.outline)
        self._resolve()
        self.readers = self._read()

    def _build(self, model: Any) -> None:
        self.opsets = {text_of(each.domain): each.version for each in model.opset_import}
        self._versions = self.opsets
        graph = model.graph
        named = dict.fromkeys(text_of(each.name) for each in graph.input)  # each name once
        weights = {text_of(each.name) for each in graph.initializer}
        self.inputs = [name for name in named if name not in weights]
        self.outputs = [text_of(each.name) for each in graph.output]
        scope = Scope(self._outside)
        made = self._graph(graph, scope, "", [("input", name) for name in self.inputs])
        self.exits += [(value, ("", place)) for place, value in enumerate(made)]
        for function in called(model):
            name = f"{text_of(function.domain)}::{text_of(function.name)}"
            self._versions = {text_of(each.domain): each.version for each in function.opset_import}
            entries = [("function", name, place) for place in range(len(function.input))]
            made = self._graph(function, Scope(), f"{name}/", entries)
            self.exits += [(value, (name, place)) for place, value in enumerate(made)]

    def _value(self, name: str, scope: Scope) -> int:
        number = len(self.maker)
        self.maker.append(None)
        if name:
            scope.names[name] = number
        return number

    def _graph(self, graph: Any, scope: Scope, label: str, entries: Sequence[Entry]) -> List[int]:
        """Take in a graph with everything in it; the values that leave it."""
        for tensor in getattr(graph, "initializer", ()):
            self._weight(tensor, self._value(text_of(tensor.name), scope))
        for sparse in getattr(graph, "sparse_initializer", ()):
            self._weight(sparse.values, self._value(text_of(sparse.values.name), scope))
        given = iter(entries)
        for each in graph.input:
            name = text_of(getattr(each, "name", each))
            if name not in scope.names:
                self.entries[self._value(name, scope)] = next(given, ("input", name))
        for node in graph.node:
            for name in node.output:
                if name:
                    self._value(text_of(name), scope)
        for node in graph.node:
            self._node(node, scope, label)
        for each in (*graph.value_info, *getattr(graph, "output", ()), *graph.input):
            self._type(each, scope)
        return [self._found(text_of(getattr(each, "name", each)), scope) for each in graph.output]

    def _found(self, name: str, scope: Scope) -> int:
        if not name:
            return -1
        value = scope.find(name)
        if value is None:  # nothing makes it: the file is not valid, and says so by this name
            value = self._value(name, self._outside)
            self.entries[value] = ("name", name)
        return value

    def _weight(self, tensor: Any, value: int) -> None:
        told = [prop.value for prop in tensor.metadata_props if prop.key == keys.PARAMETER]
        made = keys.decode_parameter(told[0]) if told else ()
        digest = self.contents.digest(tensor)
        self.leaves[value] = Leaf(digest, tensor, text_of(tensor.name), None, made)

    def _type(self, info: Any, scope: Scope) -> None:
        value = scope.names.get(getattr(info, "name", ""))
        if value is None or not info.type.HasField("tensor_type"):
            return
        held = info.type.tensor_type
        axes = None
        if held.HasField("shape"):
            axes = tuple(
                each.dim_value if each.HasField("dim_value") else each.dim_param or None
                for each in held.shape.dim
            )
        self.types[value] = (held.elem_type, axes)

    def _node(self, node: Any, scope: Scope, label: str) -> None:
        tag = next(self._tags)
        op, domain = text_of(node.op_type), text_of(node.domain)
        standard = domain in _STANDARD
        gives_one = len(node.output) == 1 and bool(node.output[0])
        if standard and op == "Identity" and len(node.input) == 1 and gives_one:
            self._alias[scope.names[node.output[0]]] = self._found(text_of(node.input[0]), scope)
            return
        owner = self._owners.of(tag)
        tensor = constant_of(node) if standard and op == "Constant" else None
        if tensor is not None and gives_one:
            name = text_of(node.output[0])
            digest = self.contents.digest(tensor)
            self.leaves[scope.names[name]] = Leaf(digest, tensor, name, owner, ())
            return
        usual = defaults(op, domain, self._versions.get(domain, 1)) if node.attribute else {}
        held = attributes_of(node, usual, self.contents.digest) if node.attribute else ()
        made = Operation(op if standard else f"{domain}::{op}", held, label, owner, tag)
        self._take(made, node, scope, label)

    def _take(self, made: Operation, node: Any, scope: Scope, label: str) -> None:
        number = len(self.operations)
        self.operations.append(made)
        made.name = text_of(node.name) or next(map(text_of, filter(None, node.output)), "")
        made.inputs = [self._found(text_of(name), scope) for name in node.input]
        while made.inputs and made.inputs[-1] < 0:
            made.inputs.pop()
        made.own = len(made.inputs)
        made.outputs = [scope.names[name] if name else -1 for name in node.output]
        for place, value in enumerate(made.outputs):
            if value >= 0:
                self.maker[value] = (number, place)
        if node.attribute:
            self._bodies(made, number, node, scope, label)

    def _bodies(self, made: Operation, number: int, node: Any, scope: Scope, label: str) -> None:
        given: List[Tuple[str, int]] = []
        for attribute in node.attribute:
            for which, body in enumerate(graphs_of(attribute)):
                name = f"{text_of(attribute.name)}{which or ''}"
                entries = [("body", number, name, at) for at in range(len(body.input))]
                inner = f"{label}{made.op}.{name}/"
                values = self._graph(body, Scope(scope), inner, entries)
                given += [(f"{name} {place}", value) for place, value in enumerate(values)]
        given.sort(key=lambda each: each[0])
        made.places = [name for name, _ in given]
        made.inputs += [value for _, value in given]

    def _resolve(self) -> None:
        """Take every Identity out."""
        alias = self._alias
        if not alias:
            return
        for first in list(alias):
            way, value = [first], alias[first]
            while value in alias:
                way.append(value)
                value = alias[value]
                if len(way) > len(alias):
                    raise InvalidModelError("Identity nodes of this file go round in a circle.")
            alias.update(dict.fromkeys(way, value))
        for each in self.operations:
            each.inputs = [alias.get(value, value) for value in each.inputs]
        self.exits = [(alias.get(value, value), place) for value, place in self.exits]
        for value, source in alias.items():
            if value in self.types:
                self.types.setdefault(source, self.types[value])

    def _read(self) -> List[List[Made]]:
        readers: List[List[Made]] = [[] for _ in self.maker]
        for number, operation in enumerate(self.operations):
            for place, value in enumerate(operation.inputs):
                if value >= 0:
                    readers[value].append((number, place))
        for number, (value, _) in enumerate(self.exits):
            if value >= 0:
                readers[value].append((-1, number))
        return readers
