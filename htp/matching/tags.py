"""From what a new node stands for to its tag: its evidence, and how much of it is still known."""

from dataclasses import replace
from typing import List, Sequence, Tuple

from htp.matching.state import State
from htp.scope import (
    UNKNOWN,
    Evidence,
    ModuleCall,
    Provenance,
    Sharing,
    Stack,
    Tag,
    common_stack,
)

__all__ = ["all_of", "one_of", "tags_of"]

_ORDER = list(Provenance)

_RANK = list(Evidence)

_MOST = {
    Evidence.KEPT: Provenance.CAPTURED,
    Evidence.STRUCTURE: Provenance.CAPTURED,
    Evidence.REGION: Provenance.PROPAGATED,
    Evidence.NAME: Provenance.INFERRED,
    Evidence.CONTENTS: Provenance.INFERRED,
}
"""The best that a tag can be that was carried so."""


def tags_of(state: State) -> List[Tag]:
    """The tag of every new node."""
    return [_tag(state, node) for node in range(len(state.new.nodes))]


def _tag(state: State, node: int) -> Tag:
    how = state.how[node]
    if how is None:
        return UNKNOWN
    if state.node[node] < 0:
        if state.region[node]:
            nodes = list(state.region[node])
            return _limited(_fused(state, nodes, state.work[0].computing(nodes)), how)
        return _limited(_beside(state, state.beside[node]), how)
    known = _old(state, state.node[node])
    survived = state.new.tags[node]
    if survived is not None and _is_same(survived, known) and state.firm[node]:
        how = Evidence.KEPT
    if state.others[node]:
        known = _merged(known, [_old(state, other) for other in state.others[node]])
    return _limited(known, how)


def _old(state: State, node: int) -> Tag:
    return state.old.tags[node] or UNKNOWN


def _is_same(one: Tag, other: Tag) -> bool:
    return one.stack == other.stack and one.shared == other.shared


def _limited(tag: Tag, how: Evidence) -> Tag:
    """The tag, known no better than its evidence allows, nor than it was."""
    if not tag.stack:
        return UNKNOWN
    provenance = max(tag.provenance, _MOST[how], key=_ORDER.index)
    return Tag(tag.stack, provenance, tag.shared, tag.sharing, how)


def _merged(first: Tag, others: Sequence[Tag]) -> Tag:
    calls = _calls([first, *others], first.stack)
    sharing = first.sharing or (Sharing.MERGED if calls else None)
    return Tag(first.stack, first.provenance, calls, sharing)


def _fused(state: State, nodes: List[int], computing: List[int]) -> Tag:
    """Of several that became one: the common owner of those that compute; all others share it."""
    known = [tag for tag in (_old(state, node) for node in nodes) if tag.stack]
    stacks = [stack for stack in (_old(state, node).stack for node in computing) if stack]
    stack = common_stack(stacks or [tag.stack for tag in known])
    if not stack:
        return UNKNOWN
    calls = _calls(known, stack)
    worst = max((tag.provenance for tag in known), key=_ORDER.index)
    return Tag(stack, worst, calls, Sharing.FUSED if calls else None)


def one_of(tags: Sequence[Tag]) -> Tag:
    """The tag of a node that stands in several places: the first's, with all others."""
    known = [tag for tag in tags if tag.stack]
    if len(known) < 2 or known.count(known[0]) == len(known):
        return known[0] if known else UNKNOWN
    return _weakest(_merged(known[0], known[1:]), known)


def all_of(tags: Sequence[Tag]) -> Tag:
    """The tag of a node that stands for nodes of all these tags."""
    known = [tag for tag in tags if tag.stack]
    stack = common_stack([tag.stack for tag in known])
    if not stack:
        return UNKNOWN
    calls = _calls(known, stack)
    return _weakest(Tag(stack, Provenance.CAPTURED, calls, Sharing.FUSED if calls else None), known)


def _weakest(tag: Tag, known: Sequence[Tag]) -> Tag:
    """The tag, known no better than the least of those that it was made of."""
    how = max((each.evidence or Evidence.CONTENTS for each in known), key=_RANK.index)
    worst = max((tag, *known), key=lambda each: _ORDER.index(each.provenance))
    return _limited(replace(tag, provenance=worst.provenance), how)


def _beside(state: State, nodes: Sequence[int]) -> Tag:
    """Of a node that was put in: what those have in common beside which it works."""
    known = [tag for tag in (_old(state, node) for node in nodes) if tag.stack]
    stack = common_stack([tag.stack for tag in known])
    return Tag(stack, known[0].provenance) if stack else UNKNOWN


def _calls(tags: Sequence[Tag], stack: Stack) -> Tuple[ModuleCall, ...]:
    """The calls that own the nodes of these tags or share them, but for the owner itself."""
    found = dict.fromkeys(call for tag in tags for call in (tag.owner, *tag.shared))
    return tuple(call for call in found if not stack or call != stack[-1])
