"""Calls that no source tells apart: a module that is left and entered again is called again.

node      1    2    3    4    5    6
ran in    a.b  a.b  a.c  a.b  a.c  d        b: 1 2, 4;   c: 3, 5;   a: 1 to 5, which is
                                            as often as b and c were called in turn: twice
"""

from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

__all__ = ["Visit", "visits_of"]

Place = Tuple[int, int]


class Visit:
    """From where a module is entered to where it is left.

    Attributes:
        level: the number of its chain, see ``Levels``.
        first: the first node in it.
        last: the last one, those of modules below it included.
        own: the nodes that run in no module below it.
        below: the visits within it, by their chains.
    """

    def __init__(self, level: int, first: int) -> None:
        self.level, self.first, self.last = level, first, first
        self.own: List[int] = []
        self.below: Dict[int, List[Visit]] = {}

    def walk(self) -> Iterator["Visit"]:
        """This visit and all within it, the outer ones first."""
        pending = [self]
        while pending:
            visit = pending.pop()
            yield visit
            pending += [inner for group in visit.below.values() for inner in group]


def visits_of(
    chains: Sequence[Optional[int]],
    lead: Callable[[int], List[int]],
    helps: Callable[[int], Optional[Sequence[int]]],
) -> Optional[Visit]:
    """The visit of the root, with all others; None where no node tells of any.

    Args:
        chains: of each node the number of its chain; None where it is not known.
        lead: the chains that a chain begins with.
        helps: of a node that computes nothing from other nodes, the nodes that read it; else None.
            Such a node may stand anywhere: it tells nothing of the order, and belongs to the visit
            that reads it.
    """
    entered: List[Visit] = []
    root: Optional[Visit] = None
    places: Dict[int, List[Visit]] = {}
    helpers: List[Tuple[int, Sequence[int]]] = []
    for at, chain in enumerate(chains):
        readers = None if chain is None else helps(at)
        if chain is None or readers is not None:
            helpers += [] if readers is None else [(at, readers)]
            continue
        entered = _entered(entered, lead(chain), at)
        root = root or entered[0]
        entered[-1].own.append(at)
        places[at] = entered
    if root is None:
        return None
    for at, readers in reversed(helpers):
        chain = chains[at]
        visits = [each for reader in readers for each in places.get(reader, ())]
        own = next((each for each in visits if each.level == chain), None)
        if own is not None:
            own.own.append(at)
            places[at] = [own]
    return _apart(root)[0]


def _entered(before: List[Visit], levels: Sequence[int], at: int) -> List[Visit]:
    """The visits that a node of a chain is in, those from before as far as they are the same."""
    found: List[Visit] = []
    for depth, level in enumerate(levels):
        goes_on = depth == 0 or before[depth - 1 : depth] == found[-1:]
        if goes_on and depth < len(before) and before[depth].level == level:
            found.append(before[depth])
            before[depth].last = at
            continue
        visit = Visit(level, at)
        if found:
            found[-1].below.setdefault(level, []).append(visit)
        found.append(visit)
    return found


def _apart(visit: Visit, is_root: bool = True) -> List[Visit]:
    """A visit in which all modules below are visited equally often is as many visits.

    Where that is but one module, it may be called again and again by one call, or so may be the
    whole: nodes between its visits are then of neither.
    """
    for level, group in visit.below.items():
        visit.below[level] = [part for inner in group for part in _apart(inner, False)]
    counts = {len(group) for group in visit.below.values()}
    number = counts.pop() if len(counts) == 1 else 1
    if is_root or number == 1:
        return [visit]
    if len(visit.below) == 1:
        (group,) = visit.below.values()
        visit.own = [at for at in visit.own if at < group[0].first]
        return [visit]
    return _parts(visit, number)


def _parts(visit: Visit, number: int) -> List[Visit]:
    found = []
    for which in range(number):
        inner = [group[which] for group in visit.below.values()]
        part = Visit(visit.level, min(each.first for each in inner))
        part.last = max(each.last for each in inner)
        part.below = {each.level: [each] for each in inner}
        found.append(part)
    found[0].first, found[-1].last = visit.first, visit.last
    at = 0
    for node in sorted(visit.own):
        while at + 1 < number and found[at + 1].first <= node:
            at += 1
        if found[at].first <= node <= found[at].last:  # else it may be of the next one as well
            found[at].own.append(node)
    return found
