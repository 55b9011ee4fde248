"""Modules that can be swapped: those that a tool fused with each other only together."""

from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple

from htp.proving.circuit import Circuit
from htp.proving.drafts import RefusedError
from htp.proving.swapping import Swapper
from htp.proving.units import Units, readers_of

__all__ = ["Group", "grouped"]


class Group(NamedTuple):
    """Modules that are swapped together.

    Attributes:
        paths: of the modules; none for nodes without a known owner.
        nodes: what they have, without the modules that they call.
    """

    paths: Tuple[str, ...]
    nodes: FrozenSet[int]


def grouped(swapper: Swapper, units: Units, circuit: Circuit) -> Tuple[List[Group], List[str]]:
    """All nodes of the reference in groups that can be swapped one by one.

    What cannot be swapped by itself, because the candidate has not a value at its border, goes
    together with those on the other side of that border.

    Returns:
        The groups, in the order of the graph, and for each module that cannot be swapped why.
    """
    groups = [Group((path,), nodes) for path, nodes in units.own.items()]
    groups += [Group((), frozenset([number])) for number in sorted(units.unknown)]
    readers = readers_of(circuit)
    refused: List[str] = []
    at = 0
    while at < len(groups):
        error = _refusal(swapper, groups[at])
        if error is None:
            at += 1
            continue
        others = _beside(groups, at, error.value, circuit, readers)
        if others:
            groups[at] = _joined([groups[at], *(groups[each] for each in others)])
            at -= sum(1 for each in others if each < at)
            groups = [g for n, g in enumerate(groups) if n not in others]
        else:
            refused += [f"{path or '(root)'}: {error}" for path in groups[at].paths]
            del groups[at]
    return groups, refused


def _refusal(swapper: Swapper, group: Group) -> Optional[RefusedError]:
    try:
        swapper.plan(group.nodes)
    except RefusedError as error:
        return error
    return None


def _beside(
    groups: Sequence[Group],
    at: int,
    value: str,
    circuit: Circuit,
    readers: Dict[str, Set[int]],
) -> Set[int]:
    """The groups that make or read a value, but for one."""
    nodes = {*readers.get(value, ()), circuit.made_by.get(value, -1)}
    return {n for n, group in enumerate(groups) if n != at and group.nodes & nodes}


def _joined(groups: Sequence[Group]) -> Group:
    paths = dict.fromkeys(path for group in groups for path in group.paths)
    return Group(tuple(paths), frozenset().union(*(group.nodes for group in groups)))
