"""The shortest list of modules to leave as they are in the reference, so that a target is reached.

Modules are taken in the order of what each recovers for its size, so many at a time that the target
is reached; then each is tried to be left out again. What counts is always a run of the whole.
"""

from typing import Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

__all__ = ["Choice", "Kept", "keep"]


class Choice(NamedTuple):
    """A module that can be left.

    Attributes:
        path: its path.
        own: whether it is the module's own operations only, without the modules that it calls.
        nodes: what it has.
        size: for how many modules it stands.
        share: of what was lost, how much it recovers by itself.
    """

    path: str
    own: bool
    nodes: FrozenSet[int]
    size: int
    share: float


class Kept(NamedTuple):
    """A list.

    Attributes:
        choices: the modules, the one that recovers most first.
        share: of what was lost, how much they recover together.
    """

    choices: Tuple[Choice, ...]
    share: float


def keep(
    choices: Sequence[Choice], recovers: Callable[[FrozenSet[int]], Optional[float]], target: float
) -> Kept:
    """A short list that reaches a target, or the one that came nearest to it.

    Args:
        choices: all modules that can be left.
        recovers: the share of what was lost that these nodes recover together; None where that
            cannot be told.
        target: the share that is wanted.
    """
    order = _without_parts(sorted(choices, key=lambda each: -each.share / max(each.size, 1)))
    known: Dict[int, float] = {0: 0.0}

    def share_of(count: int) -> float:
        if count not in known:
            known[count] = _share(order[:count], recovers)
        return known[count]

    count = _first(len(order), lambda number: share_of(number) >= target)
    if count is None:
        best = max(known, key=lambda number: (known[number], -number))
        return _sorted(order[:best], known[best])
    return _thinned(order[:count], known[count], recovers, target)


def _first(most: int, reaches: Callable[[int], bool]) -> Optional[int]:
    """The smallest number that reaches, looked for among few; None where none was found."""
    low, high = 0, 1
    while high < most and not reaches(high):
        low, high = high, min(2 * high, most)
    if not most or not reaches(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _without_parts(order: Sequence[Choice]) -> List[Choice]:
    """Each module unless one that holds it stands before it; nor what recovers nothing."""
    found: List[Choice] = []
    for each in order:
        if each.share > 0 and not any(each.nodes <= other.nodes for other in found):
            found.append(each)
    return found


def _thinned(
    choices: Sequence[Choice],
    share: float,
    recovers: Callable[[FrozenSet[int]], Optional[float]],
    target: float,
) -> Kept:
    """Leave out whatever is not needed, the least first."""
    left = list(choices)
    for each in sorted(choices, key=lambda one: one.share / max(one.size, 1)):
        fewer = [one for one in left if one is not each]
        covered = any(each.nodes <= one.nodes for one in fewer)
        found = share if covered else _share(fewer, recovers) if fewer else 0.0
        if found >= target:
            left, share = fewer, found
    return _sorted(left, share)


def _share(
    choices: Sequence[Choice], recovers: Callable[[FrozenSet[int]], Optional[float]]
) -> float:
    found = recovers(frozenset().union(*(each.nodes for each in choices)))
    return float("-inf") if found is None else found


def _sorted(choices: Sequence[Choice], share: float) -> Kept:
    return Kept(tuple(sorted(choices, key=lambda each: -each.share)), share)
