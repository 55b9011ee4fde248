"""Whether a file can have been made from the other at all.

Names and operators of unlike models are alike: every one has a ``linear_1``. Weights are not. Where
a tool changed every weight (another element type), their shapes and the graph have to tell; where
no weight is left (a tool dropped those that only bodies read), the graph alone.
"""

from collections import Counter
from typing import Counter as Counts
from typing import Iterable, Mapping, Optional, Set, Tuple

from htp.graph.records import Weight
from htp.matching.state import State
from htp.matching.weights import FEW

__all__ = ["stranger"]

_LEAST = 0.5
"""The share that must be found again where no weight is: of the weights by their names or their
shapes, and of the old nodes that compute."""


def stranger(state: State) -> str:
    """Why the new graph was not made from the old one; ``""`` where it may have been."""
    old, new = state.old.side.weights, state.new.side.weights
    known = _distinctive(old.values())
    if known and any(weight.contents in known for weight in new.values()):
        return ""
    others = [name for name, weight in new.items() if _is_another(weight, old.get(name))]
    if others:
        return f"{len(others)} weights have the same names, and none the same contents"
    left = any(weight.elements > FEW for weight in new.values())
    if left and max(_shared(old, new), _named(old, new)) < _LEAST:
        return "the weights have other names, shapes and contents"
    found = _found(state, alike=not left)
    return "" if found >= _LEAST else f"{found:.0%} of the operations are found again"


def _distinctive(weights: Iterable[Weight]) -> Set[str]:
    """Contents that only one weight has: of many that are all 0, none tells anything."""
    counts = Counter(weight.contents for weight in weights if weight.elements > FEW)
    return {contents for contents, count in counts.items() if contents and count == 1}


def _is_another(weight: Weight, old: Optional[Weight]) -> bool:
    return (
        old is not None
        and weight.elements > FEW
        and (weight.shape, weight.dtype) == (old.shape, old.dtype)
        and bool(weight.contents and old.contents)
        and weight.contents != old.contents
    )


def _shared(old: Mapping[str, Weight], new: Mapping[str, Weight]) -> float:
    """The share of the old weights whose shapes are found again."""
    before, now = _shapes(old.values()), _shapes(new.values())
    count = sum(before.values())
    return sum((before & now).values()) / count if count else 1.0


def _named(old: Mapping[str, Weight], new: Mapping[str, Weight]) -> float:
    """The share of the old weights whose names are found again, with as many elements."""
    large = {name: weight for name, weight in old.items() if weight.elements > FEW}
    same = [n for n, w in large.items() if n in new and new[n].elements == w.elements]
    return len(same) / len(large) if large else 1.0


def _shapes(weights: Iterable[Weight]) -> Counts[Tuple[int, ...]]:
    large = (weight for weight in weights if weight.elements > FEW)
    return Counter(tuple(sorted(n for n in weight.shape if n != 1)) for weight in large)


def _found(state: State, alike: bool) -> float:
    """The share of the computing old nodes for which a new one stands.

    Args:
        state: what was matched.
        alike: count only those of the same operator, for nothing else tells.
    """
    work = state.work[0]
    computing = {node for node in range(len(state.old.nodes)) if work.computes(node)}
    found = state.claimed()
    for region, new in zip(state.region, state.new.nodes):
        found.update(old for old in region if not alike or state.old.nodes[old].op == new.op)
    if not computing:
        return 1.0 if found or not state.new.nodes else 0.0
    return len(computing & found) / len(computing)
