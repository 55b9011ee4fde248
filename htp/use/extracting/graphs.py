"""The graphs of a model as what is cut out is looked for in: who makes each value, who reads it.

Names are looked up from the graph in which they are read outwards, so that two branches of an
``If`` may use the same ones.
"""

from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from htp.file.document import bodies_of, text_of

if TYPE_CHECKING:
    import onnx

__all__ = ["MAIN", "Graphs", "Key", "Place", "Readers", "Source"]

MAIN = 0
"""The number of the main graph."""


Key = Tuple[int, str]
"""A value, by the number of the graph in which it is made and its name."""
Readers = Callable[[], Dict[Key, List[int]]]
"""Gives who reads each value, see ``Graphs.readers``."""


class Place(NamedTuple):
    """A graph.

    Attributes:
        graph: the graph.
        above: the number of the graph in which the node stands that holds it; -1 of the main graph.
        holder: the number of that node; -1 likewise.
    """

    graph: "onnx.GraphProto"
    above: int
    holder: int


class Source(NamedTuple):
    """Where a value comes from.

    Attributes:
        name: its name.
        graph: the number of the graph in which it is made.
        node: the number of the node that makes it; None of an input or an initializer.
        weight: whether it is an initializer.
    """

    name: str
    graph: int
    node: Optional[int]
    weight: bool = False


class Graphs:
    """The main graph and all graphs nested in it.

    Args:
        graph: the main graph.

    Attributes:
        places: the graphs by their numbers, the main graph first.
        nodes: in document order: a node, then those of its bodies.
        home: for each node the number of its graph.
        place_of: for each node which one of its graph it is.
        ends: for each node the number behind those of its bodies.
        reads: for each node what it and its bodies read of what is made outside of it.
        constant: the numbers of the nodes that compute from constants alone.
    """

    def __init__(self, graph: "onnx.GraphProto") -> None:
        self.places: List[Place] = []
        self.nodes: List[onnx.NodeProto] = []
        self.home: List[int] = []
        self.place_of: List[int] = []
        self._count: List[int] = []
        self._bodies: Dict[int, List[int]] = {}
        self._made: List[Dict[str, Source]] = []
        self._walk(graph)
        self.ends = list(range(1, len(self.nodes) + 1))
        for at in reversed(range(len(self.nodes))):
            holder = self.places[self.home[at]].holder
            if holder >= 0:
                self.ends[holder] = max(self.ends[holder], self.ends[at])
        self.reads: List[Tuple[str, ...]] = [()] * len(self.nodes)
        self._gather()
        self.constant: Set[int] = set()
        for at in range(len(self.nodes)):
            if self._is_constant(at):
                self.constant.add(at)

    def _walk(self, graph: "onnx.GraphProto") -> None:
        pending: List[Iterator[Tuple[int, onnx.NodeProto]]] = [self._enter(graph, -1, -1)]
        while pending:
            for place, node in pending[-1]:
                at = len(self.nodes)
                self.nodes.append(node)
                self.home.append(place)
                self.place_of.append(self._count[place])
                self._count[place] += 1
                for name in map(text_of, node.output):
                    if name:
                        self._made[place].setdefault(name, Source(name, place, at))
                bodies = bodies_of(node) if node.attribute else ()
                if bodies:
                    entered = [self._enter(body, place, at) for body in bodies]
                    pending += reversed(entered)
                    break
            else:
                pending.pop()

    def _enter(
        self, graph: "onnx.GraphProto", above: int, holder: int
    ) -> "Iterator[Tuple[int, onnx.NodeProto]]":
        number = len(self.places)
        self.places.append(Place(graph, above, holder))
        self._bodies.setdefault(holder, []).append(number)
        made: Dict[str, Source] = {}
        for tensor in graph.initializer:
            made.setdefault(text_of(tensor.name), Source(text_of(tensor.name), number, None, True))
        for sparse in graph.sparse_initializer:
            name = text_of(sparse.values.name)
            made.setdefault(name, Source(name, number, None, True))
        for value in graph.input:
            made.setdefault(text_of(value.name), Source(text_of(value.name), number, None))
        self._made.append(made)
        self._count.append(0)
        return iter([(number, node) for node in graph.node])

    def _gather(self) -> None:
        """What each node reads; those of its bodies stand behind it, so the last comes first."""
        inner: List[List[int]] = [[] for _ in self.places]
        for at, place in enumerate(self.home):
            inner[place].append(at)
        for at in reversed(range(len(self.nodes))):
            found = dict.fromkeys(name for name in map(text_of, self.nodes[at].input) if name)
            for place in self._bodies.get(at, ()):
                made = self._made[place]
                for each in inner[place]:
                    found.update(dict.fromkeys(n for n in self.reads[each] if n not in made))
                results = (text_of(value.name) for value in self.places[place].graph.output)
                found.update(dict.fromkeys(name for name in results if name and name not in made))
            self.reads[at] = tuple(found)

    def _is_constant(self, at: int) -> bool:
        if at in self._bodies:
            return False
        reads = self.reads[at]
        if not reads:
            return self.nodes[at].op_type == "Constant"  # else it may be random
        place = self.home[at]
        return all(self.is_constant(self.find(name, place)) for name in reads)

    def is_constant(self, source: Optional[Source]) -> bool:
        """Whether a value is known before anything runs."""
        return source is not None and (source.weight or source.node in self.constant)

    def find(self, name: str, place: int) -> Optional[Source]:
        """Where the value comes from that has this name in this graph; None if it is not there."""
        while place >= 0:
            found = self._made[place].get(name)
            if found is not None:
                return found
            place = self.places[place].above
        return None

    def sources(self, at: int) -> List[Source]:
        """Where what a node reads comes from, as far as it is there."""
        found = [self.find(name, self.home[at]) for name in self.reads[at]]
        return [each for each in found if each is not None]

    def bodies(self, at: int) -> List[int]:
        """The numbers of the graphs that a node holds."""
        return self._bodies.get(at, [])

    def made_in(self, name: str) -> List[Source]:
        """All values of this name."""
        return [made[name] for made in self._made if name in made]

    def within(self, place: int) -> List[int]:
        """The numbers of a graph and of those around it."""
        found = []
        while place >= 0:
            found.append(place)
            place = self.places[place].above
        return found

    def standing_in(self, at: int, place: int) -> Optional[int]:
        """The node of this graph that a node is or stands within; None where it is elsewhere."""
        while at >= 0 and self.home[at] != place:
            at = self.places[self.home[at]].holder
        return at if at >= 0 else None

    def readers(self) -> Dict[Key, List[int]]:
        """For each value the nodes that read it, by the graph in which it is made and its name.

        The node is the one of that graph. -1 stands for the outputs of the graph.
        """
        found: Dict[Key, List[int]] = {}
        for at, names in enumerate(self.reads):
            place = self.home[at]
            for name in names:
                source = self._made[place].get(name)
                if source is not None:
                    found.setdefault((place, name), []).append(at)
        for number, place_ in enumerate(self.places):
            for value in place_.graph.output:
                found.setdefault((number, text_of(value.name)), []).append(-1)
        return found
