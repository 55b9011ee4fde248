"""Comparing two records of one TorchScript graph: what took the place of what?

Values keep their numbers through a pass, so an operation that was there before and after tells by
what it reads. What is found so is followed through the operations that are new.
"""

from typing import Dict, Iterator, List, Mapping, Tuple

from htp.graph.records import GraphRecord, NodeRecord
from htp.scope import Stack

__all__ = ["counterpart", "moved_uses", "region", "replacements"]

Pair = Tuple[str, str]


def moved_uses(before: GraphRecord, after: GraphRecord) -> Iterator[Pair]:
    """Values that a consumer or a graph's outputs read before, and what they read now."""
    consumers = {tuple(node.outputs): node for node in before.walk()}
    for node in after.walk():
        earlier = consumers.get(tuple(node.outputs))
        if earlier is not None:
            yield from _reads(earlier, node)
    yield from _differing(before.outputs, after.outputs)


def _reads(old: NodeRecord, new: NodeRecord) -> Iterator[Pair]:
    """What two nodes read at the same place, and what their bodies hand out at the same place."""
    yield from _differing(old.inputs, new.inputs)
    if len(old.bodies) == len(new.bodies):
        for one, other in zip(old.bodies, new.bodies):
            yield from _differing(one.outputs, other.outputs)


def _differing(old: List[str], new: List[str]) -> Iterator[Pair]:
    if len(old) == len(new):
        yield from ((o, n) for o, n in zip(old, new) if o != n and o and n)


def replacements(before: GraphRecord, after: GraphRecord, merging: bool = False) -> Iterator[Pair]:
    """Values of ``before`` and the values of ``after`` that took their place, chains included.

    Where an operation without effect was left out (a dropout), its input is what was replaced.
    A chain goes on through new operations, and through those that were there before only if the
    pass was ``merging`` equal ones: else what one of them reads stands for nothing else.
    """
    old_made = {name: node for node in before.walk() for name in node.outputs}
    new_made = {name: node for node in after.walk() for name in node.outputs}
    pending, seen = list(moved_uses(before, after)), set()
    while pending:
        old_name, new_name = pending.pop()
        new = new_made.get(new_name)
        if new is not None and new_name not in old_made:
            old_name = counterpart(old_name, new, old_made, new_made)
        if (old_name, new_name) in seen or old_name == new_name:
            continue
        seen.add((old_name, new_name))
        if old_name in new_made and new_name in old_made:
            continue  # another value is read there, and both are what they were
        yield old_name, new_name
        old = old_made.get(old_name)
        if old is not None and new is not None and (merging or new_name not in old_made):
            pending.extend(_reads(old, new))


def counterpart(
    name: str, new: NodeRecord, old_made: Dict[str, NodeRecord], left: Mapping[str, NodeRecord]
) -> str:
    """The vanished value behind ``name`` that was computed by the same operation as ``new``."""
    pending, seen = [name], {name}
    for value in pending:  # grows while it is walked: breadth first
        node = old_made.get(value)
        if node is None or value in left:
            continue
        if node.op.rstrip("_") == new.op:
            return value
        fresh = [v for v in node.inputs if v and v not in seen]
        seen.update(fresh)
        pending.extend(fresh)
    return name


def region(
    value: str, made: Dict[str, NodeRecord], left: Mapping[str, NodeRecord], last: str
) -> Iterator[Stack]:
    """Owners of the vanished nodes that ``value`` was computed by, the first computed first.

    ``last`` is computed by the operation that has stayed: what is behind it was not fused.
    """
    order: List[Stack] = []
    pending, seen = [value], {value}
    while pending:
        node = made.get(pending.pop())
        if node is None:
            continue
        if node.owner:
            order.append(node.owner.stack)
        if last != value and last in node.outputs:
            continue
        for name in node.inputs:
            if name and name not in left and name not in seen:
                seen.add(name)
                pending.append(name)
    yield from reversed(order)
