"""Functions, and when two module calls are calls of the same one.

Two calls have one body where their nodes are the same in every respect but names and weights: the
same class, the same operators in the same order on the same values, the same attributes, the same
modules within.

    layer.0:  h = MatMul(x, w0);  y = Relu(h)        Layer(x, w): h = MatMul(x, w);  y = Relu(h)
    layer.1:  g = MatMul(y, w1);  z = Relu(g)        y = Layer(x, w0);  z = Layer(y, w1)
"""

import re
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from htp.file.document import graphs_of, text_of, walk
from htp.scope import ModuleCall, Provenance, Sharing, Tag
from htp.use.outlining.items import Item, Row

if TYPE_CHECKING:
    import onnx

__all__ = ["Bodies", "Function", "Part"]


class Function:
    """A local function.

    Attributes:
        domain: of its operator.
        name: of its operator.
        inputs: the names of its inputs: values first, then weights.
        outputs: the names of its outputs.
        nodes: its nodes, as the first call had them.
        rows: for each call the tags of all nodes.
        calls: whose they are.
    """

    def __init__(self, domain: str, name: str, part: "Part") -> None:
        self.domain, self.name = domain, name
        self.inputs, self.outputs = part.inputs, part.outputs
        self.nodes = [each.node for each in part.items]
        self.rows: List[List[Row]] = []
        self.calls: List[ModuleCall] = []

    def tags(self) -> List[Row]:
        """The tags of its nodes: those of the first call, which name the others' as shared."""
        return [_together(rows) for rows in zip(*self.rows)]

    def proto(self, versions: Mapping[str, int]) -> "onnx.FunctionProto":
        """It, as a file holds it."""
        import onnx

        made = onnx.FunctionProto(domain=self.domain, name=self.name)
        made.input.extend(self.inputs)
        made.output.extend(self.outputs)
        made.node.extend(self.nodes)
        for domain in sorted({node.domain for node in walk(self.nodes)}):
            made.opset_import.add(domain=domain, version=versions.get(domain, 1))
        return made


def _together(rows: Sequence[Row]) -> Row:
    """The tag of one node that stands for the same node of several calls."""
    (first, mark), *others = rows
    if not others:
        return first, mark
    shared = dict.fromkeys(first.shared)
    for tag, _ in others:
        shared.update(dict.fromkeys((*tag.stack[-1:], *tag.shared)))
    shared.pop(first.owner, None)
    sharing = Sharing.MERGED if shared else None
    return Tag(first.stack, _weakest([tag for tag, _ in rows]), tuple(shared), sharing), mark


_ORDER = tuple(Provenance)


def _weakest(tags: Iterable[Tag]) -> Provenance:
    return max((tag.provenance for tag in tags), key=_ORDER.index)


class Part:
    """The nodes of a call, and what passes its border.

    Args:
        call: the call.
        items: its nodes in order.
        weights: the names of the initializers around it.
        read: the names that others read.
    """

    def __init__(
        self, call: ModuleCall, items: Sequence[Item], weights: Set[str], read: Set[str]
    ) -> None:
        self.call, self.items = call, items
        made = {name for each in items for name in each.makes}
        taken = dict.fromkeys(name for each in items for name in each.reads if name not in made)
        values = [name for name in taken if name not in weights]
        self.inputs = [*values, *(name for name in taken if name in weights)]
        self.outputs = [name for each in items for name in each.makes if name in read]
        self.values = len(values)
        depth = items[0].stack.index(call) + 1
        self.stack = items[0].stack[:depth]

    @property
    def rows(self) -> List[Row]:
        """The tags of all nodes."""
        return [row for each in self.items for row in each.rows]

    def row(self) -> Row:
        """The tag of the node that stands for it."""
        rows = self.rows
        return Tag(self.stack, _weakest([tag for tag, _ in rows])), rows[0][1]

    def key(self) -> Tuple[object, ...]:
        """What is equal where one body does for two calls."""
        known: Dict[str, object] = {name: at for at, name in enumerate(self.inputs)}
        nodes = tuple(_key(each.node, known) for each in self.items)
        results = tuple(known[name] for name in self.outputs)
        inner = tuple(self._within(tag) for tag, _ in self.rows)
        return self.call.type, len(self.inputs), self.values, nodes, results, inner

    def _within(self, tag: Tag) -> Tuple[object, ...]:
        before = f"{self.call.path}." if self.call.path else ""
        return tuple(
            (each.path[len(before) :] if each.path.startswith(before) else each.path, each.type)
            for each in tag.stack[len(self.stack) :]
        )


def _key(node: "onnx.NodeProto", known: Dict[str, object]) -> Tuple[object, ...]:
    """A node without names. Values that it makes become known."""
    reads = tuple(known.get(name, name) if name else None for name in node.input)
    attributes = tuple(sorted(_attribute(each, known) for each in node.attribute))
    makes = []
    for name in node.output:
        if name:
            known[name] = len(known)
        makes.append(bool(name))
    return node.domain, node.op_type, reads, attributes, tuple(makes)


def _attribute(attribute: Any, known: Dict[str, object]) -> Tuple[object, ...]:
    bodies = graphs_of(attribute)
    if bodies:
        return text_of(attribute.name), b"", tuple(_graph(body, known) for body in bodies)
    held = type(attribute).FromString(attribute.SerializeToString())
    held.ClearField("doc_string")
    return text_of(attribute.name), held.SerializeToString(), ()


def _graph(graph: "onnx.GraphProto", outer: Dict[str, object]) -> Tuple[object, ...]:
    known = dict(outer)
    known.update((value.name, ("input", at)) for at, value in enumerate(graph.input))
    held: List[bytes] = []
    for tensor in (*graph.initializer, *(each.values for each in graph.sparse_initializer)):
        known[tensor.name] = ("weight", len(held))
        plain = type(tensor).FromString(tensor.SerializeToString())
        for name in ("name", "doc_string", "metadata_props"):
            plain.ClearField(name)
        held.append(plain.SerializeToString())
    nodes = tuple(_key(node, known) for node in graph.node)
    results = tuple(known.get(value.name, value.name) for value in graph.output)
    return len(graph.input), tuple(held), nodes, results


class Bodies:
    """The functions of a file that are made, each for all calls that are alike.

    Args:
        domains: that the file has already.
        functions: domain and name of the functions that it has already.
    """

    def __init__(self, domains: Iterable[str], functions: Iterable[Tuple[str, str]]) -> None:
        self._domains = frozenset(domains)
        self._taken = set(functions)
        self._known: Dict[Tuple[object, ...], Function] = {}

    @property
    def functions(self) -> List[Function]:
        """Those that were made, each behind those that it calls."""
        return list(self._known.values())

    def of(self, part: Part) -> Function:
        """The function that a call is one of."""
        key = part.key()
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Function(*self._name(part.call), part)
        found.calls.append(part.call)
        found.rows.append(part.rows)
        return found

    def _name(self, call: ModuleCall) -> Tuple[str, str]:
        """As torch called its own: the class in the domain of its package."""
        package, _, name = call.type.rpartition(".")
        domain = re.sub(r"[^A-Za-z0-9_.]", "_", package) or "modules"
        if domain in self._domains or domain == "ai.onnx":
            domain = f"modules.{domain}"
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name) or "Module"
        found, number = plain, 0
        while (domain, found) in self._taken:
            number += 1
            found = f"{plain}_{number}"
        self._taken.add((domain, found))
        return domain, found
