"""One node in the place of several, where no other lies between them.

a1 -> other -> a2       cannot be one node: other needs a1, and a2 needs other
a1 -> a2, a1 -> other   can:  a -> other
"""

from typing import Callable, Dict, List, Sequence, Set, Tuple

from htp.scope import ModuleCall
from htp.use.outlining.items import Item, ordered
from htp.use.outlining.wanted import Refused

__all__ = ["contracted"]

Groups = Dict[ModuleCall, List[int]]
Make = Callable[[ModuleCall, List[Item]], Item]


def contracted(
    items: Sequence[Item], groups: Groups, make: Make, refused: List[Refused]
) -> List[Item]:
    """The nodes of a graph in order, some of them as one.

    Args:
        items: the nodes.
        groups: for each call the places of its nodes; no node is of two. Those that cannot be one
            node are taken out.
        make: gives the node in the place of several.
        refused: gets those that cannot be one node.
    """
    while True:
        vertices = list(range(len(items)))
        for places in groups.values():
            for at in places:
                vertices[at] = places[0]
        order, core = ordered(items, vertices)
        wrong = _wrong(items, {c: p for c, p in groups.items() if p[0] in core})
        if not wrong:
            break
        for call in wrong:
            del groups[call]
            why = "nodes of others need what it computes, and it needs what they compute"
            refused.append(Refused(call, "between", why))
    known = set(order)
    circle = [vertex for vertex in dict.fromkeys(vertices) if vertex not in known]  # the file's own
    calls = {places[0]: call for call, places in groups.items()}
    found: List[Item] = []
    for vertex in (*order, *circle):
        if vertex in calls:
            found.append(make(calls[vertex], _sorted(items, groups[calls[vertex]])))
        else:
            found.append(items[vertex])
    return found


def _sorted(items: Sequence[Item], places: Sequence[int]) -> List[Item]:
    mine = [items[at] for at in places]
    order, _ = ordered(mine, range(len(mine)))
    return [mine[at] for at in order] if len(order) == len(mine) else mine


def _wrong(items: Sequence[Item], groups: Groups) -> List[ModuleCall]:
    """Of calls that go round in a circle those that do so alone; else the last of them."""
    alone = [call for call, places in groups.items() if _is_pierced(items, places)]
    return alone or list(groups)[-1:]


def _is_pierced(items: Sequence[Item], places: Sequence[int]) -> bool:
    """Whether a node outside needs what these compute, and one of these needs what it computes."""
    order, _ = ordered(items, range(len(items)))
    inside, behind = set(places), _Behind()
    for at in order:
        each = items[at]
        if at in inside:
            if behind.touches(each.reads):
                return True
            behind.own.update(each.makes)
        elif behind.touches(each.reads) or not behind.own.isdisjoint(each.reads):
            behind.others.update(each.makes)
    return False


class _Behind:
    """What is computed from what some nodes compute."""

    def __init__(self) -> None:
        self.own: Set[str] = set()
        self.others: Set[str] = set()

    def touches(self, reads: Tuple[str, ...]) -> bool:
        """Whether some of it is read that others made."""
        return not self.others.isdisjoint(reads)
