"""What computes in a region and stands for none does a part of what the others there stand for.

    old   MatMul(x, w) -> y
    new   DynamicQuantizeLinear(x) -> q, s     MatMulInteger(q, k) -> i     stands for MatMul
                                               Mul(s, t) -> f               helps: only %y reads it
                                               Mul(i, f) -> y               helps: it works on %i

What only hands on its input belongs with that (``htp.matching.inserted``).
"""

from typing import List

from htp.matching.state import State
from htp.scope import Evidence

__all__ = ["resolve"]

_STEPS = 3
"""How many nodes one behind the other are gone through that only hand on a value."""


def resolve(state: State, nodes: List[int]) -> None:
    """Give new nodes the old ones beside which they work.

    Args:
        state: what is known; changed.
        nodes: of one region, in order, those that stand for none.
    """
    computing = [node for node in nodes if not state.work[1].moves(node)]
    for node in computing:
        value = _source(state, node)
        maker = state.new.maker[value] if value >= 0 else None
        if maker is not None:
            _help(state, node, [maker[0]])
    for node in reversed(computing):
        values = [value for value in state.new.outputs[node] if value >= 0]
        readers = [reader for value in values for reader, _ in state.new.readers[value]]
        if not state.beside[node] and -1 not in readers:
            _help(state, node, readers)


def _help(state: State, node: int, others: List[int]) -> None:
    told = [state.region[each] or state.beside[each] for each in others]
    if told and all(told):
        found = dict.fromkeys(old for each in told for old in each)
        state.beside[node], state.how[node] = tuple(found), Evidence.REGION


def _source(state: State, node: int) -> int:
    """The first value that a node works on, before what only handed it on; -1."""
    work = state.work[1]
    value = work.source(node)
    for _ in range(_STEPS):
        maker = state.new.maker[value] if value >= 0 else None
        if maker is None or not work.moves(maker[0]) or state.value[value] >= 0:
            break
        value = work.source(maker[0])
    return value
