"""Which operation of one file is which of the other.

What is computed from the same in both is paired first, then what is read by the same; so a single
change leaves alone the operation that was changed. Where there are several, what lies between them
is found from what is paired already, forwards and backwards:

    x -> Conv -> Relu -> Conv' -> y      Relu: its input is paired, and all else is equal
    x -> Conv*-> Relu -> Conv* -> y      Conv*: their operators and one of their sides are

A pair says only which are compared: whatever is not equal in it is told (``htp.comparing.rows``),
and what has no partner, too. So a wrong pair may tell a difference in another way, but hides none.
"""

from typing import List

from htp.comparing.graph import Graph
from htp.comparing.numbers import backward
from htp.comparing.pairs import Pairs
from htp.comparing.sweep import Sweep, context_of, leaves_of

__all__ = ["paired"]

_ROUNDS = 6


def paired(one: Graph, other: Graph, backwards: bool = False) -> Pairs:
    """The pairs of two files.

    Args:
        one: the first file.
        other: the second.
        backwards: first what is read by the same, and then what is computed from the same.
    """
    pairs = Pairs(one, other)
    if not backwards:
        pairs.group(*pairs.numbers)
    if pairs.left:
        orders, table = pairs.orders, pairs.table
        ends = backward(one, orders[0], table), backward(other, orders[1], table)
        for owned in (True, False):
            pairs.group(*ends, even=True, owned=owned)
            pairs.group(*pairs.numbers, owned=owned)
    for _ in range(_ROUNDS):
        left = pairs.left
        if left:
            Sweep(pairs).run()
        for around in (True, False):  # nothing that is paired tells
            if left and pairs.left == left:
                looks = _looks(pairs, one, around), _looks(pairs, other, around)
                pairs.group(*looks, even=True)
        if pairs.left == left:
            break
    return pairs


def _looks(pairs: Pairs, graph: Graph, around: bool) -> List[int]:
    """The numbers of operations by what they are, whatever they read but weights.

    Args:
        pairs: of the files.
        graph: one of them.
        around: told apart by the owners of what they read, and of those that read them.
    """
    found: List[int] = []
    for at, made in enumerate(graph.operations):
        key = ("looks", made.op, made.attributes, made.scope, made.own, *leaves_of(graph, made))
        found.append(pairs.table.number((*key, *context_of(graph, at)) if around else key))
    return found
