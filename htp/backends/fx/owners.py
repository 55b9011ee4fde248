"""Whose the nodes of the graph are that torch first built."""

from typing import Any, Callable, Dict, List, Optional, Tuple

from htp.backends.fx.ir import identifier, walk_function
from htp.scope import ModuleCall, Owner, Stack

__all__ = ["Nodes", "Owners", "function_owners", "owners_of", "shared_constants"]

Nodes = List[Tuple[Any, Any]]
"""Every node with the node that encloses it."""

Owners = Dict[int, Optional[Stack]]
"""The owner of each node, by its ``id``."""


def owners_of(nodes: Nodes, owner_of: Callable[[Any], Optional[Stack]]) -> Owners:
    """The owner of every node, by ``id``. A node inside a node's body was made with that node."""
    owners: Owners = {}
    for node, parent in nodes:
        owner = owner_of(node)
        if owner is None and parent is not None:
            owner = owners[id(parent)]
        owners[id(node)] = owner
    return owners


def function_owners(model: Any, nodes: Nodes, owners: Owners) -> Dict[int, Optional[Owner]]:
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


def shared_constants(nodes: Nodes, owners: Owners) -> Dict[int, Tuple[ModuleCall, ...]]:
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
