"""How sure what was found is: evidence, once all is matched, from the inputs on.

A node is the same operation on the same values only if each of these is known to be the same: it is
an input or a weight of equal contents, is computed by such a node, or leaves a region of which all
that enters it is known to be the same. Where only the data flow agrees, or only a name, it says so.
"""

from typing import List, Optional, Sequence, Tuple

from htp.graph.records import Weight
from htp.matching.flat import Flat
from htp.matching.regions import Region, Regions
from htp.matching.state import State
from htp.matching.work import LAYOUT
from htp.scope import Evidence

__all__ = ["weigh"]


def weigh(state: State, numbers: Sequence[int], regions: Regions) -> None:
    """Set the evidence of every matched node anew.

    Args:
        state: what was found; changed.
        numbers: of the old values.
        regions: what new nodes stand for old ones together.
    """
    sure = bytearray(len(state.new.names))
    for value, maker in enumerate(state.new.maker):
        sure[value] = maker is None and state.proven[value]
    live = state.work[0].live
    for node in state.new.order:
        if state.node[node] >= 0:
            state.how[node], state.firm[node] = _evidence(state, numbers, sure, node)
            proven = state.how[node] is Evidence.STRUCTURE
        else:
            region = regions.of.get(node)
            proven = _lays_out(state, sure, node) or (
                region is not None and _closed(state, sure, live, region)
            )
        if proven:
            for value in state.new.outputs[node]:
                if value >= 0 and state.value[value] >= 0:
                    sure[value] = True


def _evidence(
    state: State, numbers: Sequence[int], sure: Sequence[int], node: int
) -> Tuple[Evidence, bool]:
    how = state.how[node]
    assert how is not None
    mine, theirs = state.new.inputs[node], state.old.inputs[state.node[node]]
    if not (_is_same(state, node) and _agree(state, numbers, mine, theirs)):
        return (Evidence.REGION if how is Evidence.STRUCTURE else how), False
    read = [value for value in mine if value >= 0]
    if all(sure[value] for value in read):
        return Evidence.STRUCTURE, True
    firm = all(sure[value] or _is_kept(state, value) for value in read)
    return Evidence.REGION, firm


def _is_same(state: State, node: int) -> bool:
    new, old = state.new.nodes[node], state.old.nodes[state.node[node]]
    return new.op == old.op and new.attributes == old.attributes


def _agree(
    state: State, numbers: Sequence[int], mine: Sequence[int], theirs: Sequence[int]
) -> bool:
    """Whether each value that is read stands in the place of the one that was."""
    if len(mine) != len(theirs):
        return False
    for value, old in zip(mine, theirs):
        here = state.value[value] if value >= 0 else -1
        if here != old and (here < 0 or old < 0 or numbers[here] != numbers[old]):
            return False
    return True


def _is_kept(state: State, value: int) -> bool:
    """Whether a value is computed by the node that did."""
    maker = state.new.maker[value]
    if maker is None or state.node[maker[0]] < 0:
        return False
    outputs = state.old.outputs[state.node[maker[0]]]
    return maker[1] < len(outputs) and outputs[maker[1]] == state.value[value]


def _lays_out(state: State, sure: Sequence[int], node: int) -> bool:
    """Whether a node that was put in only lays out what is the same."""
    if state.new.nodes[node].op not in LAYOUT or not state.new.outputs[node]:
        return False
    source, result = state.new.inputs[node][0], state.new.outputs[node][0]
    known = source >= 0 and result >= 0 and state.value[source] >= 0
    return known and bool(sure[source]) and state.value[source] == state.value[result]


def _closed(state: State, sure: Sequence[int], live: Sequence[int], region: Region) -> bool:
    """Whether all that enters a region is the same as before."""
    entering = _entering(state.new, region.new)
    if not all(sure[value] for value in entering):
        return False
    known = {state.value[value] for value in entering}
    before = _entering(state.old, region.old)
    weights = state.old.side.weights
    return bool(region.old) and all(
        value in known or not (live[value] or _is_large(weights.get(state.old.names[value])))
        for value in before
    )


def _is_large(weight: Optional[Weight]) -> bool:
    """Whether a weight is more than a number, which may have become an attribute."""
    return weight is not None and any(length > 1 for length in weight.shape)


def _entering(flat: Flat, nodes: Sequence[int]) -> List[int]:
    """The values that enter a region, but for those that only tell the layout of others."""
    made = {value for node in nodes for value in flat.outputs[node]}
    found = []
    for node in nodes:
        read = flat.inputs[node][:1] if flat.nodes[node].op in LAYOUT else flat.inputs[node]
        found += [value for value in read if value >= 0 and value not in made]
    return found
