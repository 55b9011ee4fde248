"""Marks that carry the identity of a node through torch's optimiser.

Each node of the graph as first built is marked with a metadata key of its own. Where onnxscript
fuses nodes it merges their metadata, key by key and the first value winning, so that the keys of
all of them stand on the new node (0.7.2 does, 0.5.7 does not yet: there a fused node has no mark):
https://github.com/microsoft/onnxscript/blob/v0.7.2/onnxscript/utils/metadata_merger.py
The marks are gone before torch writes the file, and the order of torch's own keys is untouched.
"""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from htp.backends.fx.ir import (
    MARK,
    identifier,
    record,
    rename_ends,
    walk,
    walk_function,
)
from htp.graph.records import GraphRecord
from htp.scope import ModuleCall, Owner, Sharing, Stack

__all__ = ["Marks"]

_OPERATION, _HELPER, _FUNCTION = range(3)
"""How much a mark says where several stand on one node; the first kind that is there decides.
A helper is a constant, which others may use too, or the call of a function, whose body has marks of
its own before it is inlined; the body of a function of the exporter's says least."""

_SET = "1"
"""The value of a mark. onnxscript drops keys without one when it merges."""


@dataclass
class _Built:
    """A node of the graph as first built.

    Attributes:
        owner: its owner, or None where it is not known.
        rank: how much its mark says.
        kind: equal for nodes that compute the same.
    """

    owner: Optional[Owner]
    rank: int
    kind: int


class Marks:
    """The marks of one graph, from its building to its end.

    Args:
        model: the IR model as first built.
        owner_of: the owner of a node that was lowered from an FX node, else None.
    """

    def __init__(self, model: Any, owner_of: Callable[[Any], Optional[Stack]]) -> None:
        self._built: List[_Built] = []
        nodes = list(walk(model))
        owners = _owners(nodes, owner_of)
        made_of = _function_owners(model, nodes, owners)
        shared = _shared_constants(nodes, owners)
        kinds = _Kinds(model)
        numbers: Dict[int, int] = {}
        for node, _ in nodes:
            number = len(self._built)
            numbers[id(node)] = number
            rank = _OPERATION
            owner = _with_users(owners[id(node)], shared.get(id(node), ()))
            if id(node) in made_of:
                owner, rank = made_of[id(node)], _FUNCTION
            elif node.op_type == "Constant" or identifier(node) in model.functions:
                rank = _HELPER
            self._built.append(_Built(owner, rank, kinds.kind(node)))
            if owner is not None:
                node.metadata_props[f"{MARK}{number}"] = _SET
        self.before = record(model, lambda node: self._built[numbers[id(node)]].owner)

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

        same = len(found) == len(self._built) and all(
            numbers == ([place] if self._built[place].owner is not None else [])
            for place, numbers in enumerate(found.values())
        )
        merged = self._merged_away(found)
        after = record(model, lambda node: self._owner(found[id(node)], merged))
        rename_ends(self.before, after)
        return after, same

    def _merged_away(self, found: Dict[int, List[int]]) -> Dict[int, List[int]]:
        """By kind, the nodes that are gone while one that computes the same has stayed."""
        left = {number for numbers in found.values() for number in numbers}
        kept = {self._built[number].kind for number in left}
        gone: Dict[int, List[int]] = {}
        for number, built in enumerate(self._built):
            if number not in left and built.kind in kept and built.rank == _OPERATION:
                gone.setdefault(built.kind, []).append(number)
        return gone

    def _owner(self, numbers: List[int], merged: Dict[int, List[int]]) -> Optional[Owner]:
        if not numbers:
            return None
        rank = min(self._built[number].rank for number in numbers)
        built = [self._built[number] for number in numbers if self._built[number].rank == rank]
        owners = [one.owner for one in built if one.owner is not None]
        fused = Owner.fused(owner.stack for owner in owners)
        if fused is None:
            return None
        others = [*fused.others, *(call for owner in owners for call in owner.others)]
        for one in built:
            gone = (self._built[number].owner for number in merged.get(one.kind, ()))
            others.extend(each.stack[-1] for each in gone if each and each.stack != fused.stack)
        sharing = fused.sharing or (Sharing.MERGED if others else None)
        return Owner(fused.stack, tuple(dict.fromkeys(others)), sharing)


def _with_users(stack: Optional[Stack], users: Tuple[ModuleCall, ...]) -> Optional[Owner]:
    return Owner(stack, users, Sharing.MERGED if users else None) if stack else None


def _take(properties: Any) -> List[int]:
    keys = [key for key in properties if key.startswith(MARK)]
    for key in keys:
        del properties[key]
    return sorted(int(key[len(MARK) :]) for key in keys)


_Nodes = List[Tuple[Any, Any]]
"""Every node with the node that encloses it."""

_Owners = Dict[int, Optional[Stack]]
"""The owner of each node, by its ``id``."""


def _owners(nodes: _Nodes, owner_of: Callable[[Any], Optional[Stack]]) -> _Owners:
    """The owner of every node, by ``id``. A node inside a node's body was made with that node."""
    owners: _Owners = {}
    for node, parent in nodes:
        owner = owner_of(node)
        if owner is None and parent is not None:
            owner = owners[id(parent)]
        owners[id(node)] = owner
    return owners


def _function_owners(model: Any, nodes: _Nodes, owners: _Owners) -> Dict[int, Optional[Owner]]:
    """For the bodies of functions that the exporter made itself: who calls them, by node."""
    callers: Dict[Tuple[str, str, str], List[Stack]] = {}
    for node, _ in nodes:
        if identifier(node) in model.functions:
            stack = owners[id(node)]
            if stack is not None:
                callers.setdefault(identifier(node), []).append(stack)
    made_of: Dict[int, Optional[Owner]] = {}
    waiting = list(model.functions.items())
    while True:  # a function may call another one: the outermost has to be known first
        ready = [(key, function) for key, function in waiting if key in callers]
        if not ready:
            return made_of
        waiting = [(key, function) for key, function in waiting if key not in callers]
        for key, function in ready:
            stacks = list(dict.fromkeys(callers[key]))
            owner = Owner.fused(stacks)
            for node in walk_function(function):
                if owners[id(node)] is None:
                    made_of[id(node)] = owner
                    if identifier(node) in model.functions:
                        callers.setdefault(identifier(node), []).extend(stacks)


def _shared_constants(nodes: _Nodes, owners: _Owners) -> Dict[int, Tuple[ModuleCall, ...]]:
    """For constants that torch made once for several operations: the calls of the other ones.

    https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_building.py#L245
    """
    users: Dict[int, List[Stack]] = {}
    for node, _ in nodes:
        stack = owners[id(node)]
        for value in node.inputs:
            if stack is not None and value is not None:
                users.setdefault(id(value), []).append(stack)
    shared: Dict[int, Tuple[ModuleCall, ...]] = {}
    for node, _ in nodes:
        origin = node.meta.get("node")
        if node.op_type != "Constant" or origin is None or node.outputs[0].name == origin.name:
            continue  # the last: an operation of its own, whose result others use
        others = [
            user[-1] for user in users.get(id(node.outputs[0]), ()) if user != owners[id(node)]
        ]
        if others:
            shared[id(node)] = tuple(dict.fromkeys(others))
    return shared


class _Kinds:
    """Numbers that are equal for nodes of one graph that compute the same from the same.

    That is what the elimination of common subexpressions merges, without a trace of what is gone:
    https://github.com/microsoft/onnxscript/blob/v0.5.7/onnxscript/optimizer/_optimizer.py#L66
    """

    def __init__(self, model: Any) -> None:
        self._functions: Set[Any] = set(model.functions)
        self._known: Dict[Any, int] = {}
        self._values: Dict[int, Any] = {}

    def kind(self, node: Any) -> int:
        """The number of a node. Ask for the nodes in topological order."""
        attributes = tuple(sorted(_attribute(each) for each in node.attributes.values()))
        inputs = tuple(self._value(value) for value in node.inputs)
        random = node.op_type.startswith(("Random", "Bernoulli", "Multinomial", "Dropout"))
        unique = random or any(kind in ("GRAPH", "GRAPHS") for _, kind, _ in attributes)
        key = (identifier(node), id(node.graph), inputs, attributes, id(node) if unique else 0)
        kind = self._known.setdefault(key, len(self._known))
        for place, value in enumerate(node.outputs):
            self._values[id(value)] = (kind, place)
        return kind

    def _value(self, value: Any) -> Any:
        """Equal for values that are equal. Initializers of equal contents are merged as well.

        https://github.com/onnx/ir-py/blob/v0.1.16/src/onnx_ir/passes/common/initializer_deduplication.py
        """
        if id(value) not in self._values:
            tensor = getattr(value, "const_value", None)
            alike = None if tensor is None or value.producer() is not None else _contents(tensor)
            self._values[id(value)] = alike or id(value)
        return self._values[id(value)]


def _contents(tensor: Any) -> Any:
    """What equal small tensors have in common; None of a large one, and of one without contents."""
    if tensor.size > _SMALL:
        return None
    try:
        return (str(tensor.dtype), tuple(tensor.shape), bytes(tensor.tobytes()))
    except TypeError:  # exported under a FakeTensorMode, weights have none
        return None


def _attribute(attribute: Any) -> Tuple[str, str, str]:
    kind = str(getattr(attribute.type, "name", ""))
    if getattr(attribute, "ref_attr_name", None):
        return str(attribute.name), kind, f"@{attribute.ref_attr_name}"
    value = attribute.value
    if kind == "TENSOR":
        small = value.size <= _SMALL
        return (
            str(attribute.name),
            kind,
            f"{value.dtype}{value.shape}" + (repr(value.tobytes()) if small else str(id(value))),
        )
    return str(attribute.name), kind, repr(value) if kind not in ("GRAPH", "GRAPHS") else ""


_SMALL = 1024
"""Elements up to which constants and initializers are compared, as torch's optimiser does."""
