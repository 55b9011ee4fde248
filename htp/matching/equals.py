"""Which of several equal old nodes a new one is: its name tells, and who reads it.

%a = Constant(1)   of one      %a = Constant(1)    read by both readers: it stands for both
%b = Constant(1)   of other
%c = Add(%x, %a)               %c = Add(%x, %a)
%d = Add(%y, %b)               %d = Add(%y, %a)
"""

from typing import Dict, List, Set, Tuple

from htp.matching.flat import Place
from htp.matching.state import State

__all__ = ["choose"]


def choose(state: State, group: List[int], members: Dict[int, List[int]]) -> bool:
    """Choose for every new node that computes what several old ones do.

    Args:
        state: what is known; changed.
        group: the number of each new node that computes what old ones do; -1.
        members: the old nodes of each number.

    Returns:
        Whether for some nothing but their order told.
    """
    exits = {place: value for value, place in state.old.exits}
    taken: Set[int] = set()
    left: Dict[int, List[int]] = {}
    for node in reversed(state.new.order):
        if group[node] < 0:
            taken.add(state.node[node])
            continue
        equal = members[group[node]]
        if len(equal) == 1:
            continue
        votes = _votes(state, node, exits, equal)
        named = _named(state, node, equal)
        if not votes:
            if named:
                votes = named
            else:
                left.setdefault(group[node], []).append(node)
                continue
        first, *others = sorted(votes)
        _is(state, node, first, tuple(others))
        taken.update(votes)
    for number, nodes in left.items():
        _in_order(state, sorted(nodes), [old for old in members[number] if old not in taken])
    return bool(left)


def _votes(state: State, node: int, exits: Dict[Place, int], equal: List[int]) -> List[int]:
    """Those whose readers are now this node's."""
    found: Dict[int, None] = {}
    for value in state.new.outputs[node]:
        for reader, place in state.new.readers[value] if value >= 0 else ():
            if reader < 0:
                read = exits.get(state.new.exits[place][1], -1)
            else:
                before = state.node[reader]
                inputs = state.old.inputs[before] if before >= 0 else []
                read = inputs[place] if place < len(inputs) else -1
            maker = state.old.maker[read] if read >= 0 else None
            if maker is not None:
                found[maker[0]] = None
    among = set(equal)
    return [old for old in found if old in among]


def _named(state: State, node: int, equal: List[int]) -> List[int]:
    names = state.new.nodes[node].outputs
    return [old for old in equal if any(map(names.__contains__, state.old.nodes[old].outputs))][:1]


def _in_order(state: State, nodes: List[int], free: List[int]) -> None:
    """Nothing tells them apart but their order."""
    for at, node in enumerate(nodes):
        if free:
            _is(state, node, free[min(at, len(free) - 1)], ())


def _is(state: State, node: int, old: int, others: Tuple[int, ...]) -> None:
    how = state.how[node]
    assert how is not None
    state.same(node, old, how)
    state.others[node] = others
