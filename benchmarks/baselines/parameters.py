"""Owners from parameters: a node belongs to the module whose weights it reads.

This is what was first proposed for HTP. The exporter renames weights (``onnx::MatMul_123``), so
they are also known again by their values, transposed ones too. A node that reads none takes the
owner of its neighbours: the common ancestor of the nearest nodes before and behind it that have
one, which is the best that data flow can say without knowing where modules begin and end.
"""

from typing import Callable, Dict, List, Mapping, Optional, Sequence, Set

import numpy as np
import onnx
from onnx import numpy_helper

from baselines.answer import Answer, Guess, nodes_of

__all__ = ["by_parameters"]


def by_parameters(model: onnx.ModelProto, states: Mapping[str, "np.ndarray"]) -> Answer:
    """Guess the owners.

    Args:
        model: the exported model.
        states: parameters and buffers by their full names, as ``state_dict`` gives them.
    """
    nodes = list(nodes_of(model))
    holders = _holders(model, states)
    owners: Dict[int, str] = {}
    for node in nodes:
        found = [holders[name] for name in node.input if name in holders]
        if found:
            owners[id(node)] = found[0]
    made = {name: node for node in nodes for name in node.output}
    used: Dict[str, List[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            used.setdefault(name, []).append(node)

    def before_it(node: onnx.NodeProto) -> List[onnx.NodeProto]:
        return [made[name] for name in node.input if name in made]

    def behind_it(node: onnx.NodeProto) -> List[onnx.NodeProto]:
        return [user for name in node.output for user in used.get(name, ())]

    guesses = []
    for node in nodes:
        path = owners.get(id(node))
        if path is None:
            nearest = [_nearest(node, owners, way) for way in (before_it, behind_it)]
            path = _common([*nearest[0], *nearest[1]])
        guesses.append(None if path is None else Guess(path))
    return Answer(model, guesses)


def _holders(model: onnx.ModelProto, states: Mapping[str, "np.ndarray"]) -> Dict[str, str]:
    """For each initializer that is a weight of the model: the path of the module that has it."""
    holders = {}
    for tensor in model.graph.initializer:
        name: Optional[str] = tensor.name if tensor.name in states else None
        if name is None:
            array = numpy_helper.to_array(tensor)
            name = next((n for n, state in states.items() if _equal(array, state)), None)
        if name is not None:
            holders[tensor.name] = name.rpartition(".")[0]
    return holders


def _equal(array: "np.ndarray", state: "np.ndarray") -> bool:
    if array.size < 2 or array.size != state.size:
        return False
    if array.shape == state.shape and np.array_equal(array, state):
        return True
    return array.shape == state.T.shape and bool(np.array_equal(array, state.T))


Neighbours = Callable[[onnx.NodeProto], List[onnx.NodeProto]]


def _nearest(node: onnx.NodeProto, owners: Mapping[int, str], neighbours: Neighbours) -> Set[str]:
    """Owners of the nearest nodes in one direction that have one."""
    found, seen = set(), {id(node)}
    pending = list(neighbours(node))
    while pending:
        other = pending.pop()
        if id(other) in seen:
            continue
        seen.add(id(other))
        if id(other) in owners:
            found.add(owners[id(other)])
        else:
            pending += neighbours(other)
    return found


def _common(paths: Sequence[str]) -> Optional[str]:
    """The deepest path that all of them lie below."""
    if not paths:
        return None
    parts = [path.split(".") if path else [] for path in paths]
    shared = []
    for names in zip(*parts):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return ".".join(shared)
