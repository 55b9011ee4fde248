"""The order of the stages: the most certain first."""

from typing import List, Tuple

from htp.matching import backwards, equals, inserted
from htp.matching.anchors import Anchors
from htp.matching.apart import told_apart
from htp.matching.flat import Flat
from htp.matching.forward import Forward
from htp.matching.functions import inlined
from htp.matching.lone import Lone
from htp.matching.matched import Change, Matched
from htp.matching.names import Names
from htp.matching.parameters import parameters_of
from htp.matching.regions import Regions
from htp.matching.related import stranger
from htp.matching.side import Side
from htp.matching.state import State
from htp.matching.tags import tags_of
from htp.matching.weigh import weigh
from htp.steps import step

__all__ = ["match"]

_ROUNDS = 4
"""How often everything is gone through: each time what was found before tells more."""

_MORE = 64
"""And as often again, as long as a round finds one node of so many: of a layer that runs several
times, each call is found when the one before is."""


def match(old: Side, new: Side) -> Matched:
    """Whose the nodes of ``new`` are, which a tool made of ``old``."""
    before, now = ({each.name for each in side.graph.functions} for side in (old, new))
    if before == now:
        return _match(old, new)
    most = _MOST * (len(old.tags) + len(new.tags))
    one, other = inlined(old, now, most), inlined(new, before, most)
    return told_apart(_match(one.side, other.side), one, other, len(new.tags))


_MOST = 4
"""How many nodes functions may become that are inlined, for each node of the two files."""


def _match(old: Side, new: Side) -> Matched:
    state = State(Flat(old), Flat(new))
    forward = Forward(state, Names(state.old, state.new))
    anchors = Anchors(state)
    lone = Lone(state, forward.numbers)
    for number in range(_ROUNDS + _MORE):
        step("matching by structure")
        before = state.node.count(-1)
        forward.walk()
        guessed = equals.choose(state, forward.group, forward.members)
        unmatched = state.node.count(-1)
        step("matching by what reads it")
        backwards.walk(state)
        fewer = state.node.count(-1) < unmatched
        found = anchors.walk()
        found = lone.walk() or found
        if not found and not (guessed and fewer):
            break
        if number >= _ROUNDS and (before - state.node.count(-1)) * _MORE < len(state.node):
            break
    step("matching by region")
    regions = Regions(state)
    regions.resolve()
    inserted.resolve(state)
    weigh(state, forward.numbers, regions)
    return _told(state)


def _told(state: State) -> Matched:
    nodes = range(len(state.new.nodes))
    tags = tags_of(state)
    return Matched(
        tags,
        [_stands_for(state, node) for node in nodes],
        parameters_of(state),
        [_change(state, node) if tags[node].stack else Change.UNRESOLVED for node in nodes],
        state.beside,
        stranger(state),
    )


def _stands_for(state: State, node: int) -> Tuple[int, ...]:
    if state.node[node] >= 0:
        return (state.node[node], *state.others[node])
    return state.region[node]


def _change(state: State, node: int) -> Change:
    old = state.node[node]
    if old < 0:
        return Change.FUSED if state.region[node] else Change.ADDED
    if state.others[node]:
        return Change.FUSED
    return Change.KEPT if _is_called(state, node, old) else Change.RENAMED


def _is_called(state: State, node: int, old: int) -> bool:
    """Whether a node has its name, or a value that it computes."""
    mine, theirs = state.new.nodes[node], state.old.nodes[old]
    shared: List[str] = [name for name in mine.outputs if name and name in theirs.outputs]
    return bool(shared) or bool(mine.name and mine.name == theirs.name)
