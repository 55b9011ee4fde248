"""Graphs of the ONNX IR as records, and marks that carry a node's identity through the optimiser.

The IR is ``onnx_ir`` (once ``onnxscript.ir``). Nothing of it is imported: which of the two a torch
uses is torch's business, and both look alike from outside.

Each node of the graph as first built is marked with a metadata key of its own. Where onnxscript
fuses nodes it merges their metadata, key by key and the first value winning, so that the keys of
all of them stand on the new node:
https://github.com/microsoft/onnxscript/blob/v0.5.7/onnxscript/rewriter/_rewrite_rule.py
The marks are gone before torch writes the file, and the order of torch's own keys is untouched.
"""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from htp.records import GraphRecord, NodeRecord
from htp.scope import ModuleCall, Stack, common_stack

__all__ = ["MARK", "Marks", "record", "walk"]

MARK = "pkg.htp.from."
"""Prefix of the metadata keys that mark nodes while torch optimises. The node's number follows."""

Owner = Tuple[Optional[Stack], Tuple[ModuleCall, ...]]
"""The owner of a node and the other calls that it stands for."""


def bodies(node: Any) -> Iterator[Any]:
    """The nested graphs of an IR node, in the order of its attributes."""
    for attribute in node.attributes.values():
        kind = getattr(attribute.type, "name", "")
        if kind == "GRAPH" and attribute.value is not None:
            yield attribute.value
        elif kind == "GRAPHS" and attribute.value is not None:
            yield from attribute.value


def _nodes(graph: Any, parent: Any) -> Iterator[Tuple[Any, Any]]:
    for node in graph:
        yield node, parent
        for body in bodies(node):
            yield from _nodes(body, node)


def walk(model: Any) -> Iterator[Tuple[Any, Any]]:
    """Every node of an IR model with the node that encloses it, in document order."""
    yield from _nodes(model.graph, None)
    for function in model.functions.values():
        yield from _nodes(function, None)


class _Names:
    """Names of values. One without a name gets one that ONNX could not have."""

    def __init__(self) -> None:
        self._made: Dict[int, str] = {}

    def __call__(self, value: Any) -> str:
        if value is None:
            return ""
        if value.name:
            return str(value.name)
        return self._made.setdefault(id(value), f"%{len(self._made)}")


def _operator(node: Any) -> str:
    domain = node.domain
    return f"{domain}::{node.op_type}" if domain not in ("", "ai.onnx") else str(node.op_type)


def record(model: Any, owner_of: Callable[[Any], Owner]) -> GraphRecord:
    """The record of an IR model, node for node in document order.

    Args:
        model: an ``onnx_ir.Model``.
        owner_of: the owner of a node and the other calls that it stands for.
    """
    names = _Names()

    def graph_record(graph: Any) -> GraphRecord:
        nodes = []
        for node in graph:
            owner, shared = owner_of(node)
            nodes.append(
                NodeRecord(
                    op=_operator(node),
                    inputs=[names(value) for value in node.inputs],
                    outputs=[names(value) for value in node.outputs],
                    owner=owner,
                    shared=shared,
                    bodies=[graph_record(body) for body in bodies(node)],
                    name=str(node.name or ""),
                    keys=tuple(node.metadata_props),
                )
            )
        return GraphRecord(
            inputs=[names(value) for value in graph.inputs],
            outputs=[names(value) for value in graph.outputs],
            nodes=nodes,
        )

    whole = graph_record(model.graph)
    whole.functions = [graph_record(function) for function in model.functions.values()]
    return whole


@dataclass
class _Marked:
    owner: Optional[Stack]
    shared: Tuple[ModuleCall, ...]
    weak: bool
    """Says nothing where another mark stands beside it: a constant, which may belong to anybody,
    or the call of a function, whose body was marked itself before it was inlined."""


class Marks:
    """The marks of one graph, from its building to its end.

    Args:
        model: the IR model as first built.
        owner_of: the owner of a node that was lowered from an FX node, else None.
    """

    def __init__(self, model: Any, owner_of: Callable[[Any], Optional[Stack]]) -> None:
        self._marked: List[_Marked] = []
        self._numbers: Dict[int, int] = {}
        owners = _owners(model, owner_of)
        functions = set(model.functions)
        shared = _constants(model, owners)
        for node, _ in walk(model):
            identifier = (node.domain, node.op_type, getattr(node, "overload", ""))
            weak = identifier in functions or node.op_type == "Constant"
            number = len(self._marked)
            owner = owners[id(node)]
            self._marked.append(_Marked(owner, shared.get(id(node), ()), weak))
            self._numbers[id(node)] = number
            if owner is not None:
                node.metadata_props[f"{MARK}{number}"] = ""
        self.before = record(model, self._original)
        self._numbers.clear()  # the nodes may go, and their ids with them

    def _original(self, node: Any) -> Owner:
        marked = self._marked[self._numbers[id(node)]]
        return marked.owner, marked.shared

    def collect(self, model: Any) -> Tuple[GraphRecord, bool]:
        """Take the marks off and read from them who owns the nodes of the finished model.

        Returns:
            The record, and whether each node is still the one that was built in its place.
        """
        found: Dict[int, List[int]] = {}
        for node, _ in walk(model):
            found[id(node)] = _take(node.metadata_props)
            for value in node.outputs:
                _take(value.metadata_props)
        for graph in (model.graph, *model.functions.values()):
            _take(graph.metadata_props)
        for value in model.graph.initializers.values():
            _take(value.metadata_props)
        _take(model.metadata_props)

        same = len(found) == len(self._marked) and all(
            numbers == ([place] if self._marked[place].owner is not None else [])
            for place, numbers in enumerate(found.values())
        )
        return record(model, lambda node: self._merged(found[id(node)])), same

    def _merged(self, numbers: List[int]) -> Owner:
        marked = [self._marked[number] for number in numbers]
        strong = [mark for mark in marked if not mark.weak] or marked
        stacks: List[Stack] = []
        for mark in strong:
            if mark.owner is not None and mark.owner not in stacks:
                stacks.append(mark.owner)
        if not stacks:
            return None, ()
        owner = common_stack(stacks)
        others = [stack[-1] for stack in stacks if stack != owner]
        others.extend(call for mark in strong for call in mark.shared)
        return owner, tuple(dict.fromkeys(others))


def _take(properties: Any) -> List[int]:
    keys = [key for key in properties if key.startswith(MARK)]
    for key in keys:
        del properties[key]
    return [int(key[len(MARK) :]) for key in keys]


def _owners(model: Any, owner_of: Callable[[Any], Optional[Stack]]) -> Dict[int, Optional[Stack]]:
    """The owner of every node, by ``id``. A node inside a node's body was made with that node."""
    owners: Dict[int, Optional[Stack]] = {}
    for node, parent in walk(model):
        owner = owner_of(node)
        if owner is None and parent is not None:
            owner = owners[id(parent)]
        owners[id(node)] = owner
    return owners


def _constants(model: Any, owners: Dict[int, Optional[Stack]]) -> Dict[int, Tuple[ModuleCall, ...]]:
    """For constants that torch made once for several operations: the calls of the other ones.

    https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_building.py#L530
    """
    shared: Dict[int, Tuple[ModuleCall, ...]] = {}
    users: Dict[int, List[Stack]] = {}
    for node, _ in walk(model):
        owner = owners[id(node)]
        for value in node.inputs:
            if owner is not None and value is not None:
                users.setdefault(id(value), []).append(owner)
    for node, _ in walk(model):
        owner = owners[id(node)]
        origin = node.meta.get("node")
        if node.op_type != "Constant" or owner is None or origin is None:
            continue
        output = node.outputs[0]
        if output.name == origin.name:
            continue  # an operation of its own, whose result others use
        others = [user[-1] for user in users.get(id(output), []) if user != owner]
        if others:
            shared[id(node)] = tuple(dict.fromkeys(others))
    return shared
