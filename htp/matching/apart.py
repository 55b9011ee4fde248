"""What was found of inlined graphs, told of the graphs as they are."""

from typing import Dict, List, Sequence, Tuple

from htp.matching.functions import Inlined
from htp.matching.matched import Change, Matched
from htp.matching.tags import all_of, one_of
from htp.scope import Tag

__all__ = ["told_apart"]


def told_apart(matched: Matched, old: Inlined, new: Inlined, count: int) -> Matched:
    """The match of two sides from that of what they are with functions inlined.

    Args:
        matched: that.
        old: the tagged side, inlined.
        new: the rewritten one, inlined.
        count: how many nodes the rewritten one has.
    """
    calls: Dict[int, List[int]] = {}
    for call, nodes in old.calls.items():
        for each in nodes:
            calls.setdefault(each, []).append(call)

    def before(places: Sequence[int]) -> Tuple[int, ...]:
        found = [old.origins[each] for each in places if old.origins[each] >= 0]
        found += [call for each in places for call in calls.get(each, ())]
        return tuple(dict.fromkeys(found))

    homes: Dict[int, List[int]] = {}
    for place, origin in enumerate(new.origins):
        homes.setdefault(origin, []).append(place)
    tags: List[Tag] = []
    changes: List[Change] = []
    stands: List[Tuple[int, ...]] = []
    for node in range(count):
        inside = new.calls.get(node)
        places = homes.get(node, []) if inside is None else list(inside)
        known = [matched.tags[each] for each in places]
        tags.append(one_of(known) if inside is None else all_of(known))
        stands.append(before([old for each in places for old in matched.stands_for[each]]))
        changes.append(_change([matched.changes[each] for each in places], inside is not None))
    resolved = [c if t.stack else Change.UNRESOLVED for c, t in zip(changes, tags)]
    beside = [
        before([one for each in homes.get(node, ()) for one in matched.beside[each]])
        for node in range(count)
    ]
    return matched._replace(tags=tags, stands_for=stands, changes=resolved, beside=beside)


def _change(changes: Sequence[Change], is_call: bool) -> Change:
    if not changes:
        return Change.UNRESOLVED
    if is_call:
        return Change.FUSED
    return changes[0] if len(set(changes)) == 1 else Change.FUSED
