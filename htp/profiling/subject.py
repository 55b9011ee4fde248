"""A file as a profile is joined to it: its nodes by place and by name, and whose they are."""

from typing import TYPE_CHECKING, Dict, Iterable, List, Optional, Sequence, Tuple, TypeVar

from htp.file.records import record_model
from htp.file.tags import origin_of
from htp.graph.records import GraphRecord
from htp.graph.used import aligned
from htp.matching.flat import Flat
from htp.matching.side import Side
from htp.matching.work import Work
from htp.scope import UNKNOWN, Provenance, Sharing, Tag, common_stack

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile

__all__ = ["Subject"]

Told = TypeVar("Told")


class Subject:
    """A file.

    Attributes:
        flat: its nodes and values by number; a node's is its place in the order of the record.
        work: what the nodes do.
        weights: the initializers, by name.
        tags: theirs.
        marks: for each the fingerprint of the export that it comes from; ``""`` where there is
            only one.
        scopes: the graphs: their nodes in order. The main graph is the first.
        bodies: for each node that has any: the scopes nested in it.
    """

    def __init__(self, file: "ModelFile") -> None:
        record = record_model(file.outline)
        several = len(file.origins) > 1
        told = aligned(record, ((tag, origin_of(node)) for node, tag in file.seen()))
        self.tags: List[Tag] = [each[0] if each else UNKNOWN for each in told]
        self.marks = [each[1] if each and several else "" for each in told]
        self._record = record
        self.weights = file.weights()
        self.flat = Flat(Side(record, self.tags, self.weights))
        self.work = Work(self.flat)
        self.functions = {function.name for function in record.functions}
        self.scopes: List[List[int]] = []
        self.bodies: Dict[int, List[int]] = {}
        self._lay_out(record)
        self._by_name: Dict[str, List[int]] = {}
        for place, node in enumerate(self.flat.nodes):
            if node.name:
                self._by_name.setdefault(node.name, []).append(place)

    def _lay_out(self, record: GraphRecord) -> None:
        """Number the nodes as ``record.walk()`` gives them, graph by graph."""
        places = {id(node): place for place, node in enumerate(self.flat.nodes)}
        for top in (record, *record.functions):
            pending = [(top, -1)]
            while pending:
                graph, parent = pending.pop()
                if parent >= 0:
                    self.bodies.setdefault(parent, []).append(len(self.scopes))
                self.scopes.append([places[id(node)] for node in graph.nodes])
                for node in reversed(graph.nodes):
                    pending += [(body, places[id(node)]) for body in reversed(node.bodies)]

    def told(self, rows: Iterable[Told]) -> "List[Optional[Told]]":
        """For every node what is told of those that are used; None for the others."""
        return aligned(self._record, rows)

    def named(self, name: str) -> Tuple[int, ...]:
        """The nodes of this name; where there is none, that which computes a value of this name."""
        found = self._by_name.get(name)
        if found is not None:
            return tuple(found)
        value = self.flat.number.get(name, -1)
        maker = self.flat.maker[value] if value >= 0 else None
        return () if maker is None else (maker[0],)

    def owner(self, nodes: Sequence[int]) -> Tag:
        """The tag of what stands for all these nodes: the common owner of those that compute."""
        known = [self.tags[node] for node in nodes if self.tags[node].stack]
        if len(set(known)) == 1:
            return known[0]
        computing = [self.tags[node].stack for node in self.work.computing(list(nodes))]
        stack = common_stack([each for each in computing if each] or [t.stack for t in known])
        if not stack:
            return UNKNOWN
        calls = dict.fromkeys(call for tag in known for call in (tag.owner, *tag.shared))
        shared = tuple(call for call in calls if call != stack[-1])
        worst = max((tag.provenance for tag in known), key=list(Provenance).index)
        return Tag(stack, worst, shared, Sharing.FUSED if shared else None)
