"""What was put in belongs with the value that it works on: whoever computes that owns it.

    %a = Conv(%x, %w)                of conv
    %b = QuantizeLinear(%a, ...)     so this, too
    %c = DequantizeLinear(%b, ...)   and this

What works on an input of the graph, or on a weight, belongs with those that read it.
"""

from typing import Callable, List

from htp.matching.state import State
from htp.scope import Evidence

__all__ = ["resolve"]


def resolve(state: State) -> None:
    """Give the nodes that stand for none the old nodes beside which they work."""
    _pass(state, state.new.order, lambda node: _before(state, node))
    _pass(state, list(reversed(state.new.order)), lambda node: _behind(state, node))


def _pass(state: State, order: List[int], beside: Callable[[int], List[int]]) -> None:
    for node in order:
        if node not in state.unknown and not _known(state, node):
            found = dict.fromkeys(beside(node))
            if found:
                state.beside[node], state.how[node] = tuple(found), Evidence.REGION


def _known(state: State, node: int) -> List[int]:
    """What a node stands for, or works beside."""
    if state.node[node] >= 0:
        return [state.node[node]]
    return list(state.region[node] or state.beside[node])


def _before(state: State, node: int) -> List[int]:
    """What computes that on which a node works: in the old graph, where it stands for one of that.

    Where what it makes stands for an old value, and what it takes for none, it is a part of that.
    """
    source = state.work[1].source(node)
    made = state.new.maker[source] if source >= 0 else None
    if made is not None and not state.region[made[0]] and _known(state, made[0]):
        return _known(state, made[0])
    for value in (source, *state.new.outputs[node]):
        old = state.value[value] if value >= 0 else -1
        if old >= 0 and state.work[0].live[old]:
            maker = state.old.maker[old]
            if maker is not None:
                return [maker[0]]
            return [reader for reader, _ in state.old.readers[old] if reader >= 0]
    return [] if made is None else _known(state, made[0])


def _behind(state: State, node: int) -> List[int]:
    """What reads the values of a node."""
    values = [value for value in state.new.outputs[node] if value >= 0]
    readers = [reader for value in values for reader, _ in state.new.readers[value] if reader >= 0]
    return [old for reader in readers for old in _known(state, reader)]
