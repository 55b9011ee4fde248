"""Backwards from what is known: what a matched node reads is what it read before."""

from typing import Dict, List, Optional, Sequence

from htp.matching.flat import Flat, Place, Reader
from htp.matching.state import State
from htp.matching.work import MOVERS, alike
from htp.scope import Evidence

__all__ = ["walk"]


def walk(state: State) -> None:
    """Take every new node from the outputs on."""
    exits: Dict[Place, int] = {place: value for value, place in state.old.exits}
    for node in reversed(state.new.order):
        for value in state.new.outputs[node]:
            if value >= 0 and state.value[value] < 0:
                state.value[value] = _read(state, value, exits)
        if state.node[node] < 0:
            _take(state, node)
        if state.node[node] < 0:
            _look_through(state, node)


def _read(state: State, value: int, exits: Dict[Place, int]) -> int:
    """What the readers of a value read before: what most of them say, -1 where none does."""
    votes: Dict[int, int] = {}
    for reader, place in state.new.readers[value]:
        read = -1
        if reader < 0:
            read = exits.get(state.new.exits[place][1], -1)
        elif state.node[reader] >= 0:
            mine, theirs = state.new.inputs[reader], state.old.inputs[state.node[reader]]
            if len(mine) == len(theirs):
                read = _at(place, [state.value[v] if v >= 0 else -1 for v in mine], theirs)
        if read >= 0:
            votes[read] = votes.get(read, 0) + 1
    return max(votes, key=lambda each: votes[each]) if votes else -1


def _at(place: int, mine: Sequence[int], theirs: Sequence[int]) -> int:
    """The old value at a place; where it went to another place, the one that has none.

    old   Add(%bias, %a)        new   Add(%n, %bias)        %n stands for %a
    """
    others = {value for at, value in enumerate(mine) if at != place and value >= 0}
    if theirs[place] not in others:
        return theirs[place]
    left = [value for value in theirs if value not in others]
    return left[0] if len(left) == 1 else theirs[place]


def _take(state: State, node: int) -> None:
    """The node that computes such a value is the old one that did, if it is of its operator."""
    record = state.new.nodes[node]
    for place, value in enumerate(state.new.outputs[node]):
        maker = _maker(state.old, state.value[value] if value >= 0 else -1)
        for _ in range(1 if record.op in MOVERS else 1 + _ABSORBED):
            if maker is None or maker[1] != place:
                break
            old = state.old.nodes[maker[0]]
            same = old.op == record.op and old.attributes == record.attributes
            if same and not _is_second(state, node, maker[0]):
                _match(state, node, maker[0])
                return
            maker = state.old.above(maker[0])


def _is_second(state: State, node: int, old: int) -> bool:
    """Whether a node hands on what one like it hands on, and the old one did not."""
    op = state.new.nodes[node].op
    if op not in MOVERS:
        return False
    above = _maker(state.new, state.new.inputs[node][0])
    before = _maker(state.old, state.old.inputs[old][0])
    is_second = above is not None and state.new.nodes[above[0]].op == op
    return is_second and (before is None or state.old.nodes[before[0]].op != op)


_ABSORBED = 1
"""How many nodes are passed that read nothing but one value: a tool may have absorbed them."""


def _maker(flat: Flat, value: int) -> Optional[Reader]:
    return flat.maker[value] if value >= 0 else None


def _match(state: State, node: int, old: int) -> None:
    """A node is an old one; what is known of its values stays."""
    outputs = list(map(state.value.__getitem__, state.new.outputs[node]))
    state.same(node, old, Evidence.REGION)
    for mine, known in zip(state.new.outputs[node], outputs):
        if mine >= 0 and known >= 0:
            state.value[mine] = known


def _look_through(state: State, node: int) -> None:
    """What a node hands on stands for the same value, if no old node handed it on so.

    And what a node of the same family works on stands for what the old one works on:

        old   Conv(x, w) -> y
        new   DynamicQuantizeLinear(x) -> q, s, z;  ConvInteger(q, w, z) -> i;  Cast, Mul, Add -> y
    """
    result = state.new.outputs[node][0] if state.new.outputs[node] else -1
    before = state.value[result] if result >= 0 else -1
    if before < 0 or not state.new.inputs[node]:
        return
    maker, record = _maker(state.old, before), state.new.nodes[node]
    is_another = maker is None or state.old.nodes[maker[0]].op != record.op
    if record.op in MOVERS and (is_another or (maker and _is_second(state, node, maker[0]))):
        source = state.new.inputs[node][0]
        if source >= 0 and state.value[source] < 0:
            state.value[source] = before
        return
    for _ in range(1 + _ABSORBED):
        if maker is None:
            return
        part = _part(state, node, state.old.nodes[maker[0]].op)
        if part >= 0:
            _operands(state, part, maker[0])
            return
        maker = state.old.above(maker[0])


def _part(state: State, node: int, op: str) -> int:
    """The nearest node of a family among a node and those before it that are not matched; -1."""
    seen, level = {node}, [node]
    while level and len(seen) <= _PARTS:
        own = [at for at in level if _is_kin(state.new.nodes[at].op, op)]
        if own:
            return own[0] if len(own) == 1 else -1
        made = [
            _maker(state.new, v) for at in level for v in state.new.inputs[at] if _free(state, v)
        ]
        level = list(dict.fromkeys(each[0] for each in made if each and state.node[each[0]] < 0))
        level = [at for at in level if at not in seen]
        seen.update(level)
    return -1


def _free(state: State, value: int) -> bool:
    return value >= 0 and state.value[value] < 0


def _is_kin(one: str, other: str) -> bool:
    return one != other and alike(one, other)


_PARTS = 12
"""How many new nodes one old one may have become, to be found so."""


def _operands(state: State, node: int, old: int) -> None:
    """What a node works on is what an old one works on, if both do on as many values."""
    new, before = _live(state.new, node), _live(state.old, old)
    roots = {made[0] if made else -1 - v for v in new for made in [_maker(state.new, v)]}
    pairs = list(zip(new, before)) if len(new) == len(before) else []
    if len(before) == 1 and len(roots) == 1:
        pairs = [(new[0], before[0])]
    for value, known in pairs:
        if state.value[value] < 0:
            state.value[value] = known


def _live(flat: Flat, node: int) -> List[int]:
    """The values that a node reads and that nodes compute, or that enter the graph."""
    weights = flat.side.weights
    return [v for v in flat.inputs[node] if v >= 0 and flat.names[v] not in weights]
