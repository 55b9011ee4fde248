"""Which call of a module each node is of, and the stack of calls around it.

Sources tell of a node in which modules it ran; the TorchScript exporter's names also tell nodes of
one call from those of another. What is missing follows from the order of the nodes, in which
PyTorch ran them:

    encoder    lin  lin  act  lin  lin        lin and act are left and entered again:
               ------  ----   ------          their second calls, in the one call of encoder
"""

from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp.annotating.subject import Chain, Told
from htp.annotating.visits import visits_of
from htp.scope import ModuleCall, Stack

__all__ = ["Levels", "Numbering", "stacks_of"]

Place = Tuple[int, int]
"""A call as the file shows it: a chain of modules by its number, and which of its calls."""


class Levels:
    """Chains of modules, numbered so that a chain comes behind those that it begins with."""

    def __init__(self) -> None:
        self.paths: List[str] = []
        self.above: List[int] = []
        self._known: Dict[Tuple[int, str], int] = {}
        self._whole: Dict[Chain, int] = {}

    def of(self, chain: Chain) -> int:
        """The number of a chain."""
        found = self._whole.get(chain)
        if found is None:
            found = -1
            for path in chain:
                found = self._below(found, path)
            self._whole[chain] = found
        return found

    def _below(self, above: int, path: str) -> int:
        key = (above, path)
        if key not in self._known:
            self._known[key] = len(self.paths)
            self.paths.append(path)
            self.above.append(above)
        return self._known[key]

    def lead(self, level: int) -> List[int]:
        """The chains that a chain begins with, itself last."""
        found = []
        while level >= 0:
            found.append(level)
            level = self.above[level]
        return found[::-1]


class Numbering(NamedTuple):
    """The calls of each chain, before those of all chains that lead to one module are counted.

    Attributes:
        places: of each node the call, where it is known.
        firsts: for each chain, where each of its calls begins.
        above: for each call the one that made it; left out where that is not known.
    """

    places: Mapping[int, Place]
    firsts: Sequence[Sequence[int]]
    above: Mapping[Place, Place]


def stacks_of(
    told: Sequence[Optional[Told]],
    helps: Callable[[int], Optional[Sequence[int]]],
    same: Callable[[str], str],
    types: Callable[[str], str],
) -> List[Optional[Stack]]:
    """The stack of every node, where it is known.

    Args:
        told: of each node in document order, what a source tells.
        helps: of a node that computes nothing from other nodes, the nodes that read it; else None.
        same: the first path of the module that has a path.
        types: its class.
    """
    levels = Levels()
    chains = [None if each is None else levels.of(each.chain) for each in told]
    if any(each is not None and each.turn is not None for each in told):
        numbering = _by_turns(chains, [each and each.turn for each in told], levels)
    else:
        numbering = _by_visits(chains, levels, helps)
    return _Counted(numbering, levels, same, types).stacks(len(told))


class _Counted:
    """Counts the calls of each module, whatever chain leads to it, in the order of the file."""

    def __init__(
        self,
        numbering: Numbering,
        levels: Levels,
        same: Callable[[str], str],
        types: Callable[[str], str],
    ) -> None:
        self._numbering, self._levels, self._types = numbering, levels, types
        self._stacks: Dict[Place, Optional[Stack]] = {}
        calls: Dict[str, List[Tuple[int, int, int]]] = {}
        for level, firsts in enumerate(numbering.firsts):
            module = calls.setdefault(same(levels.paths[level]), [])
            module += ((first, level, which) for which, first in enumerate(firsts))
        self._calls = {
            (level, which): call
            for module in calls.values()
            for call, (_, level, which) in enumerate(sorted(module))
        }

    def stacks(self, count: int) -> List[Optional[Stack]]:
        """Of each of the nodes, the stack."""
        places = self._numbering.places
        return [self._stack(places[at]) if at in places else None for at in range(count)]

    def _stack(self, place: Place) -> Optional[Stack]:
        way: List[Place] = []
        at: Optional[Place] = place
        while at is not None and at not in self._stacks:
            way.append(at)
            at = self._numbering.above.get(at)
        for each in reversed(way):
            level = each[0]
            path = self._levels.paths[level]
            above: Optional[Stack] = ()
            if self._levels.above[level] >= 0:
                maker = self._numbering.above.get(each)
                above = None if maker is None else self._stacks[maker]
            call = ModuleCall(path, self._types(path), self._calls.get(each, 0))
            self._stacks[each] = None if above is None else (*above, call)
        return self._stacks[place]


def _by_visits(
    chains: Sequence[Optional[int]],
    levels: Levels,
    helps: Callable[[int], Optional[Sequence[int]]],
) -> Numbering:
    """Calls that no source tells apart."""
    root = visits_of(chains, levels.lead, helps)
    visits = [] if root is None else sorted(root.walk(), key=lambda visit: visit.first)
    firsts: List[List[int]] = [[] for _ in levels.paths]
    place: Dict[int, Place] = {}
    for visit in visits:
        place[id(visit)] = (visit.level, len(firsts[visit.level]))
        firsts[visit.level].append(visit.first)
    places = {at: place[id(visit)] for visit in visits for at in visit.own}
    inner = [(each, visit) for visit in visits for group in visit.below.values() for each in group]
    return Numbering(places, firsts, {place[id(each)]: place[id(visit)] for each, visit in inner})


def _by_turns(
    chains: Sequence[Optional[int]], turns: Sequence[Optional[str]], levels: Levels
) -> Numbering:
    """Calls that a source tells apart."""
    own: List[Dict[Optional[str], int]] = [{} for _ in levels.paths]
    which: Dict[int, Tuple[int, Optional[str]]] = {}
    for at, (chain, turn) in enumerate(zip(chains, turns)):
        if chain is not None and turn is not None:
            own[chain].setdefault(turn, at)
            which[at] = (chain, turn)
    for at, (chain, turn) in enumerate(zip(chains, turns)):
        if chain is not None and turn is None:  # told by something else than its name
            if not own[chain]:
                own[chain][None] = at
            if len(own[chain]) == 1:
                which[at] = (chain, next(iter(own[chain])))
    order = [
        {turn: at for at, turn in enumerate(sorted(each, key=each.__getitem__))} for each in own
    ]
    firsts, above = _nested([sorted(each.values()) for each in own], levels)
    places = {at: (chain, order[chain][turn]) for at, (chain, turn) in which.items()}
    return Numbering(places, firsts, above)


def _nested(own: Sequence[List[int]], levels: Levels) -> Tuple[List[List[int]], Dict[Place, Place]]:
    """How often each chain was called, and by which call of the chain above.

    Nodes of its own tell of a module how often it was called; else the modules that it calls do,
    each of which it calls equally often in every call.
    """
    below: List[List[int]] = [[] for _ in own]
    firsts: List[List[int]] = [list(each) for each in own]
    above: Dict[Place, Place] = {}
    for level in reversed(range(len(own))):
        found = firsts[level]
        counts = [len(firsts[each]) for each in below[level]]
        if level == 0:
            found[1:] = []
        if not found:
            least = min(counts)
            number = least if not any(count % least for count in counts) and level else 1
            found += [_LATE] * number
        for each, count in zip(below[level], counts):
            for which in range(count):
                place = which * len(found) // count if count % len(found) == 0 else None
                if place is not None:
                    above[each, which] = (level, place)
                    found[place] = min(found[place], firsts[each][which])
        if levels.above[level] >= 0:
            below[levels.above[level]].append(level)
    return firsts, above


_LATE = 1 << 62
"""Behind every node."""
