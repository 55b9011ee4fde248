"""Nodes of which nobody tells: whose are the nodes around them?

A node whose inputs one call computed and whose outputs the same call reads belongs to that call;
what computes from no other node was made for those that read it. Beyond that data flow tells
nothing: on an edge from one module into another a node may be of either, or of what holds both.

    Relu  of a            Erf is between two nodes of a: of a, too
    Erf   nobody knows
    Sigmoid of a          were Sigmoid of b: unknown
"""

from typing import Callable, Dict, FrozenSet, Iterable, Iterator, List, Optional, Sequence, Set

from htp.graph.index import GraphIndex
from htp.graph.records import NodeRecord
from htp.scope import Owner, Stack

__all__ = ["by_flow", "readers_of"]

Near = FrozenSet[Stack]
_MOST = 4
"""Calls around a node: where there are more, it is between none of them."""


def readers_of(index: GraphIndex, node: NodeRecord) -> List[NodeRecord]:
    """The nodes that read what a node computes, but for the one whose body it is in."""
    found = (reader for name in node.outputs for reader in index.readers.get(name, ()))
    around = index.parents.get(id(node))
    return [reader for reader in found if reader is not None and reader is not around]


def by_flow(
    index: GraphIndex, stacks: Sequence[Optional[Stack]], computes: Callable[[int], bool]
) -> Dict[int, Owner]:
    """The owners of nodes without a stack, by place, as far as data flow tells them.

    Args:
        index: the graph.
        stacks: of every node, None where it is not known.
        computes: whether a node computes something from what is fed to the graph, or from others.
    """
    nodes = index.nodes
    place = {id(node): at for at, node in enumerate(nodes)}
    parents = [index.parents.get(id(node)) for node in nodes]

    def makers_of(node: NodeRecord) -> Iterator[int]:
        """Those in the same body: what flows in from outside tells nothing of where it ran."""
        for name in node.inputs:
            at = place[id(index.makers[name])] if name in index.makers else None
            if at is not None and parents[at] is index.parents.get(id(node)):
                yield at

    makers = [list(makers_of(node)) for node in nodes]
    readers = [[place[id(each)] for each in readers_of(index, node)] for node in nodes]
    found: Dict[int, Owner] = {}
    known = list(stacks)

    def add(at: int, owner: Optional[Owner]) -> None:
        if owner is not None and known[at] is None:
            found[at], known[at] = owner, owner.stack

    helpers = [at for at in range(len(nodes)) if not makers[at] and not computes(at)]
    for at in helpers:
        add(at, _helper([known[reader] for reader in readers[at]]))
    before = _near(stacks, makers, range(len(nodes)))
    behind = _near(stacks, readers, reversed(range(len(nodes))))
    for at in range(len(nodes)):
        add(at, _between(before[at], behind[at]) if before[at] else None)
    for at in helpers:  # of those that have just been found
        add(at, _helper([known[reader] for reader in readers[at]]))
    return found


def _near(
    stacks: Sequence[Optional[Stack]], onward: Sequence[Sequence[int]], order: Iterable[int]
) -> List[Near]:
    """The nearest known calls in one direction, beyond nodes that are not known."""
    near: List[Near] = [frozenset()] * len(stacks)
    for at in order:
        found: Set[Stack] = set()
        for other in onward[at]:
            stack = stacks[other]
            found |= near[other] if stack is None else {stack}
        near[at] = frozenset(found) if len(found) <= _MOST else frozenset(list(found)[:_MOST])
    return near


def _between(before: Near, behind: Near) -> Optional[Owner]:
    both = before & behind
    return Owner(next(iter(both))) if len(both) == 1 else None


def _helper(readers: Sequence[Optional[Stack]]) -> Optional[Owner]:
    """A node that computes from no other was made for those that read it, the first of all."""
    return None if None in readers else Owner.merged(each for each in readers if each)
