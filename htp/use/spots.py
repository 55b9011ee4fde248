"""Where the module calls of a file stand: every one, with the call above it."""

from typing import Dict, Iterable, List, NamedTuple, Sequence, Tuple

from htp.file.origin import Origin
from htp.scope import ModuleCall, Stack

__all__ = ["Place", "Spot", "spots"]

Place = Tuple[str, ModuleCall]
"""A call of one of the exports in the file, which is told by its fingerprint."""


class Spot(NamedTuple):
    """Where a call stands.

    Attributes:
        depth: how many calls are above it.
        above: the number of the one above it, which comes before it; -1 where there is none.
    """

    depth: int
    above: int


def spots(origins: Sequence[Origin], stacks: Iterable[Tuple[str, Stack]] = ()) -> Dict[Place, Spot]:
    """Every call with its spot, in the order of the forward pass.

    Args:
        origins: of the file.
        stacks: of its nodes, each with the fingerprint of its export; ``""`` where there is only
            one. Calls that no origin knows follow in their order.
    """
    found: Dict[Place, Spot] = {}
    numbers: Dict[Place, int] = {}

    def add(place: Place, depth: int, above: int) -> int:
        number = numbers.setdefault(place, len(found))
        found.setdefault(place, Spot(depth, above))
        return number

    for origin in origins:
        mark = origin.fingerprint if len(origins) > 1 else ""
        way: List[int] = []
        for call, depth in origin.calls:
            del way[depth:]
            way.append(add((mark, call), depth, way[-1] if way else -1))
    for mark, stack in stacks:
        above = -1
        for depth, call in enumerate(stack):
            above = add((mark, call), depth, above)
    return found
