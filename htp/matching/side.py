"""The two graphs that are matched: the tagged one, and what a tool made of it."""

from typing import Mapping, NamedTuple, Optional, Sequence

from htp.graph.records import GraphRecord, Weight
from htp.scope import Tag

__all__ = ["Side"]


class Side(NamedTuple):
    """One of the two.

    Attributes:
        graph: its record, with the fingerprints of attributes.
        tags: of every node, in the order of ``graph.walk()``. Of the tagged side, what is known; of
            the other, what survived, None where nothing did.
        weights: its initializers, nested graphs' included, by name.
    """

    graph: GraphRecord
    tags: Sequence[Optional[Tag]]
    weights: Mapping[str, Weight]
