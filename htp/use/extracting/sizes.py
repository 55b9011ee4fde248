"""Sizes that others computed: made anew from what a part takes.

    others:   tokens -> Shape -> Gather(1) -> length         the part: hidden, length -> ...
    anew:     hidden -> Shape -> Gather(1) -> length         the part: hidden -> ...

A size is whole numbers that follow from shapes and constants alone. Of each shape in it every axis
must be a number, or have the name of an axis of something that the part takes.
"""

from typing import TYPE_CHECKING, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from htp.file.document import text_of
from htp.use.extracting.graphs import Graphs, Readers, Source
from htp.use.extracting.types import Types
from htp.use.places import elements
from htp.use.sizes import FOLLOWED, MOST, array_of

if TYPE_CHECKING:
    import onnx

__all__ = ["Anew", "Axis", "Sizes"]

_LONGEST = 256
"""Nodes of one size: more are no size."""

Axis = Tuple[Optional[int], str, int]
"""A length that is known; or the value and the axis that has it."""


class Anew(NamedTuple):
    """A size that is made anew.

    Attributes:
        nodes: the numbers of the nodes that compute it from shapes, and of the constants that they
            read.
        weights: the initializers that they read.
        shapes: for each node that takes a shape, the axes that it takes.
        reads: the values of the part whose shapes are taken as they are.
    """

    nodes: Set[int]
    weights: List[Source]
    shapes: Dict[int, List[Axis]]
    reads: List[Source]


class Sizes:
    """Finds out how sizes follow from shapes.

    Args:
        graphs: of the file.
        types: of its values.
        readers: gives who reads each value.
    """

    def __init__(self, graphs: Graphs, types: Types, readers: Readers) -> None:
        self._graphs, self._types, self._readers = graphs, types, readers

    def nodes_of(self, size: Source) -> Optional[List[int]]:
        """The nodes that compute a value from shapes; None of one that is no size."""
        found: Dict[int, None] = {}
        pending = [size]
        while pending:
            source = pending.pop()
            node = source.node
            if source.weight or node in self._graphs.constant:
                if not self.is_small(source):
                    return None
            elif node is None:
                return None
            elif node not in found:
                found[node] = None
                here = self._graphs.nodes[node]
                if here.domain not in ("", "ai.onnx") or len(found) > _LONGEST:
                    return None
                if here.op_type in ("Shape", "Size"):
                    continue
                if here.op_type not in FOLLOWED:
                    return None
                pending += self._graphs.sources(node)
        return sorted(found) if any(self._takes_shape(at) for at in found) else None

    def _takes_shape(self, at: int) -> bool:
        return self._graphs.nodes[at].op_type in ("Shape", "Size")

    def is_small(self, source: Source) -> bool:
        """Whether a constant holds no more than sizes or axes."""
        dims = self._types.dims(source.name)
        if dims is None:
            return True  # a constant of a node: its type is not said
        lengths = [each for each in dims if isinstance(each, int)]
        return len(lengths) == len(dims) and elements(lengths) <= MOST

    def is_size(self, source: Source) -> bool:
        """Whether it is whole numbers that follow from shapes."""
        return self.nodes_of(source) is not None

    def anew(self, size: Source, taken: Sequence[Source], has: Set[int]) -> Optional[Anew]:
        """How a size is made from what a part takes; None where it cannot be.

        Args:
            size: the size.
            taken: what the part takes.
            has: the numbers of its nodes.
        """
        nodes = self.nodes_of(size)
        if nodes is None:
            return None
        made = Anew(set(), [], {}, [])
        known = {(each.graph, each.name) for each in taken}
        for at in nodes:
            made.nodes.add(at)
            if not self._takes_shape(at):
                self._copy_constants(at, made)
                continue
            source = next(iter(self._graphs.sources(at)), None)
            if source is not None and ((source.graph, source.name) in known or source.node in has):
                made.reads.append(source)
                continue
            axes = None if source is None else self._axes(at, source, taken)
            if axes is None:
                return None
            made.shapes[at] = axes
        return made

    def _copy_constants(self, at: int, made: Anew) -> None:
        pending = self._graphs.sources(at)
        while pending:
            source = pending.pop()
            if source.weight:
                made.weights.append(source)
            elif source.node in self._graphs.constant and source.node not in made.nodes:
                made.nodes.add(source.node)
                pending += self._graphs.sources(source.node)

    def _axes(self, at: int, source: Source, taken: Sequence[Source]) -> Optional[List[Axis]]:
        """The axes that a node takes of a shape, each from elsewhere."""
        node = self._graphs.nodes[at]
        if node.op_type == "Size":
            return None
        dims = self._types.dims(source.name)
        if dims is None:
            return None
        bounds = {text_of(each.name): each.i for each in node.attribute}
        whole = range(len(dims))[bounds.get("start") : bounds.get("end")]
        needed = self._needed(at, len(whole))
        found: List[Axis] = []
        for place, axis in enumerate(whole):
            length = dims[axis]
            if isinstance(length, int):
                found.append((length, "", 0))
                continue
            there = None if length is None else self._named(length, taken)
            if there is None and place in needed:
                return None
            found.append((None, *there) if there else (1, "", 0))  # nobody looks at that one
        return found

    def _needed(self, at: int, count: int) -> Set[int]:
        """Which elements of a shape are looked at: all, unless only single ones are gathered."""
        needed: Set[int] = set()
        name = text_of(self._graphs.nodes[at].output[0])
        for reader_at in self._readers().get((self._graphs.home[at], name), ()):
            reader = self._graphs.nodes[reader_at]
            gathers = reader_at >= 0 and reader.op_type == "Gather" and reader.input[0] == name
            place = self._constant_index(reader, reader_at) if gathers else None
            if place is None or not -count <= place < count:
                return set(range(count))
            needed.add(place % count)
        return needed

    def _constant_index(self, reader: "onnx.NodeProto", at: int) -> Optional[int]:
        if len(reader.input) < 2:
            return None
        source = self._graphs.find(text_of(reader.input[1]), self._graphs.home[at])
        tensor = None
        if source is not None and source.weight:
            held = self._graphs.places[source.graph].graph.initializer
            tensor = next((each for each in held if each.name == source.name), None)
        elif source is not None and source.node is not None:
            maker = self._graphs.nodes[source.node]
            held_by = [each for each in maker.attribute if each.name == "value"]
            tensor = held_by[0].t if maker.op_type == "Constant" and held_by else None
        array = None if tensor is None else array_of(tensor)
        return int(array.reshape(())) if array is not None and array.size == 1 else None

    def _named(self, name: str, taken: Sequence[Source]) -> Optional[Tuple[str, int]]:
        """What the part takes that has an axis of this name, and which."""
        for source in taken:
            for axis, length in enumerate(self._types.dims(source.name) or ()):
                if length == name:
                    return source.name, axis
        return None
