"""Where the messages of a graph stand in a serialised model, so that they can be taken as they are.

Nothing of them is parsed, so weights cost nothing until they are copied.
"""

from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

from htp.file.protobuf import damaged, fields, text

__all__ = ["GraphSpans", "Span", "Spans", "field_of"]

Span = Tuple[int, int]
"""From where to where the value of a field goes."""

_GRAPH, _FUNCTION = 7, 25  # of a model
_NODE, _TENSOR, _SPARSE = 1, 5, 15  # of a graph
_ATTRIBUTE = 5  # of a node
_BODY, _BODIES = 6, 11  # of an attribute
_NAME = 8  # of a tensor
_VALUES = 1  # of a sparse tensor


class GraphSpans(NamedTuple):
    """Where the messages of one graph stand.

    Attributes:
        nodes: in order.
        tensors: its initializers by name.
        sparse: those that are sparse.
    """

    nodes: Sequence[Span]
    tensors: Dict[str, Span]
    sparse: Dict[str, Span]


class Spans:
    """Where the messages of a serialised ``ModelProto`` stand.

    Args:
        data: the model.

    Attributes:
        data: the same.
        main: the main graph.
        functions: the local functions, in order.

    Raises:
        InvalidModelError: the bytes are no model.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        graphs: List[Span] = []
        self.functions: List[Span] = []
        for field, _, at, end in fields(data, 0, len(data)):
            if field == _GRAPH:
                graphs.append((at, end))
            elif field == _FUNCTION:
                self.functions.append((at, end))
        if len(graphs) != 1:
            raise damaged(f"it has {len(graphs)} graphs")
        self.main = self._graph(graphs[0])

    def _graph(self, span: Span) -> GraphSpans:
        data = self.data
        found = GraphSpans([], {}, {})
        nodes: List[Span] = []
        for field, _, at, end in fields(data, *span):
            if field == _NODE:
                nodes.append((at, end))
            elif field == _TENSOR:
                found.tensors.setdefault(text(data, at, end, _NAME), (at, end))
            elif field == _SPARSE:
                found.sparse.setdefault(self._sparse_name(at, end), (at, end))
        return found._replace(nodes=nodes)

    def _sparse_name(self, at: int, end: int) -> str:
        for field, _, start, stop in fields(self.data, at, end):
            if field == _VALUES:
                return text(self.data, start, stop, _NAME)
        return ""

    def bodies(self, node: Span) -> List[GraphSpans]:
        """The graphs that a node holds, in the order of ``htp.file.document.bodies_of``."""
        found: List[GraphSpans] = []
        for field, _, at, end in fields(self.data, *node):
            if field == _ATTRIBUTE:
                found += map(self._graph, self._held(at, end))
        return found

    def _held(self, at: int, end: int) -> Iterator[Span]:
        for wanted in (_BODY, _BODIES):
            for field, _, start, stop in fields(self.data, at, end):
                if field == wanted:
                    yield start, stop


def field_of(kind: str) -> int:
    """The number of the field in which a message stands: of a model's graph, or of a graph."""
    return {"graph": _GRAPH, "function": _FUNCTION, "node": _NODE, "tensor": _TENSOR}.get(
        kind, _SPARSE
    )
