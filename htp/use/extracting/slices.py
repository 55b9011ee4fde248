"""What is reached from some values backwards, as far as a part reaches."""

from typing import Dict, FrozenSet, List, Optional, Sequence, Set

from htp.file.document import text_of
from htp.use.extracting.graphs import Graphs, Key, Source
from htp.use.extracting.sizes import Sizes
from htp.use.extracting.wish import RefusedError, Wish

__all__ = ["Slice"]

_MOST_COPIED = 32
"""Nodes of others that make of what a part takes what it reads, at most: more are others' work."""


class Slice:
    """What is reached from some values backwards, as far as the part reaches.

    Args:
        graphs: of the file.
        wish: what is to be cut out.
        stops: the values that it takes: nothing behind them is looked at.
        sizes: how sizes follow from shapes.

    Attributes:
        nodes: the numbers of the nodes of the part.
        weights: the initializers that it reads.
        stopped: those of ``stops`` that it reads.
        strange: what it reads and does not take: others make it.
        copied: those of the nodes that are others', and make of what it takes what it reads.
    """

    def __init__(self, graphs: Graphs, wish: Wish, stops: FrozenSet[Key], sizes: Sizes) -> None:
        self._graphs, self._sizes = graphs, sizes
        self._mine = wish.own | wish.merged
        self._fused, self._alone = wish.fused, wish.alone
        self._stops = stops
        self.nodes: Set[int] = set()
        self.weights: Dict[Key, Source] = {}
        self.stopped: Dict[Key, Source] = {}
        self.strange: Dict[Key, Source] = {}
        self.copied: Set[int] = set()

    def take(self, sources: Sequence[Source]) -> None:
        """Go backwards from values.

        Raises:
            RefusedError: some of its work is in a node that does others' work, too.
        """
        pending = list(reversed(sources))
        seen: Set[Key] = {*self.weights, *self.stopped, *self.strange}
        while pending:
            source = pending.pop()
            key = (source.graph, source.name)
            if key in seen:
                continue
            seen.add(key)
            if key in self._stops:
                self.stopped[key] = source
            elif source.weight:
                self.weights[key] = source
            elif not self._is_part(source):
                self._meet(source)
            elif source.node is not None and source.node not in self.nodes:
                self.nodes.add(source.node)
                pending += reversed(self._graphs.sources(source.node))

    def _is_part(self, source: Source) -> bool:
        node = source.node
        if node is None:
            return False
        if node in self._graphs.constant:
            return True
        if node in self._mine:
            return not self._alone or not self._is_shape_of_others(node)
        if node in self._fused and not self._sizes.is_size(source):
            op = text_of(self._graphs.nodes[node].op_type)
            raise RefusedError("fused", f"a node ({op}) does its work together with others'")
        return False

    def _is_shape_of_others(self, node: int) -> bool:
        """Whether it takes no more than the shape of what others make: that is a size of theirs."""
        if self._graphs.nodes[node].op_type not in ("Shape", "Size"):
            return False
        for source in self._graphs.sources(node):
            key = (source.graph, source.name)
            mine = (
                source.weight or source.node in self._mine or source.node in self._graphs.constant
            )
            if not mine and key not in self._stops and self._derived(source) is None:
                return True
        return False

    def _meet(self, source: Source) -> None:
        """Take in a value that others make: it may be made of what the part takes."""
        derived = self._derived(source)
        if derived is None:
            self.strange[(source.graph, source.name)] = source
            return
        self.copied |= derived - self.nodes
        self.nodes |= derived
        for node in derived:
            for each in self._graphs.sources(node):
                key = (each.graph, each.name)
                if key in self._stops:
                    self.stopped[key] = each
                elif each.weight:
                    self.weights[key] = each

    def _derived(self, source: Source) -> Optional[Set[int]]:
        """The nodes that make a value of what the part takes, and of sizes and axes; else None."""
        found: Set[int] = set()
        pending: List[Source] = [source]
        reached = False
        while pending:
            each = pending.pop()
            node = each.node
            if (each.graph, each.name) in self._stops:
                reached = True
            elif each.weight or node in self._graphs.constant:
                if not self._sizes.is_small(each) or len(found) > _MOST_COPIED:
                    return None
                if node is not None and node not in found:
                    found.add(node)
                    pending += self._graphs.sources(node)
            elif node is None or not self._can_copy(node):
                return None
            elif node not in found:
                found.add(node)
                if len(found) > _MOST_COPIED:
                    return None
                pending += self._graphs.sources(node)
        return found if reached else None

    def _can_copy(self, node: int) -> bool:
        graphs = self._graphs
        return node not in self._fused and bool(graphs.reads[node]) and not graphs.bodies(node)
