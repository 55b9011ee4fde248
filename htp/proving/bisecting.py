"""Finding the modules to blame in few runs.

Swapping modules makes the result right or not; a smallest set that makes it right is looked for. It
is halved again and again, so that each module to blame costs as many runs as the number of modules
has digits in base two, or twice that::

    swapped: all          right        the error is in one of them
    swapped: A B          wrong        so some of C D is to blame, whatever A B are
    swapped: A B and C    right        C is, and D is not
    swapped: C            right        and nothing of A B
"""

from typing import Callable, FrozenSet, List, Sequence

from htp.proving.grouping import Group
from htp.steps import step

__all__ = ["DiffuseError", "blamed"]


class DiffuseError(Exception):
    """More groups are to blame than were to be looked for."""


def blamed(
    groups: Sequence[Group], is_right: Callable[[FrozenSet[int]], bool], most: int
) -> List[Group]:
    """A smallest set of groups of which none can be left out if the result is to be right.

    Args:
        groups: of nodes; with all of them swapped it is right, with none it is not.
        is_right: whether it is with these nodes swapped. What makes it right does so beside others.
        most: how many groups are looked for.

    Raises:
        DiffuseError: there are more.
    """
    found: List[Group] = []
    decided = 0

    def search(swapped: FrozenSet[int], is_new: bool, left: Sequence[Group]) -> List[Group]:
        """Those of ``left`` that are needed beside what is swapped."""
        nonlocal decided
        step("bisecting", decided, len(groups), _named(left))
        if is_new and is_right(swapped):
            decided += len(left)
            return []
        if len(left) == 1:
            decided += 1
            found.append(left[0])
            if len(found) > most:
                raise DiffuseError
            return list(left)
        half = len(left) // 2
        first, second = left[:half], left[half:]
        late = search(swapped | _nodes(first), True, second)
        early = search(swapped | _nodes(late), bool(late), first)
        return [*early, *late]

    return search(frozenset(), False, groups)


def _named(groups: Sequence[Group]) -> str:
    """The first module that is in question, and how many are beside it."""
    first = " + ".join(path or "(root)" for path in groups[0].paths)
    return f"{first} and {len(groups) - 1} more" if len(groups) > 1 else first


def _nodes(groups: Sequence[Group]) -> FrozenSet[int]:
    return frozenset().union(*(group.nodes for group in groups))
