"""The graph as torch first built it, which its optimiser then changes."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from htp.backends.fx.ir import walk
from htp.backends.fx.marks import Marks
from htp.scope import Stack

__all__ = ["Built", "BuiltGraph"]


class Built(NamedTuple):
    """A node of the graph that torch first built.

    Attributes:
        node: the node, which may be gone since.
        inputs: what it read.
        outputs: what it computed.
        owner: the call that it belongs to, None where that is not known.
        kind: equal for nodes that compute the same.
        varies: whether that depends on what the model is given.
    """

    node: Any
    inputs: Sequence[Any]
    outputs: Sequence[Any]
    owner: Optional[Stack]
    kind: int
    varies: bool


class BuiltGraph:
    """What is remembered of the main graph as torch first built it.

    Args:
        model: the IR model.
    """

    def __init__(self, model: Any) -> None:
        self._left = [node for node, _ in walk(model)]
        self._nodes = [(list(node.inputs), list(node.outputs)) for node in self._left]
        self.opsets: Dict[str, int] = dict(model.opset_imports)
        self._outputs = list(model.graph.outputs)
        self._inputs = {id(value) for value in model.graph.inputs}
        self._made = {id(value) for _, outputs in self._nodes for value in outputs}
        self._made |= self._inputs
        self._both: Optional[Tuple[Set[int], Set[int]]] = None

    def __contains__(self, value: Any) -> bool:
        return id(value) in self._made

    def why_gone(self, value: Any) -> str:
        """Why a value is in the graph no more."""
        read, varying = self._flows()
        if id(value) not in read:
            return "unread"
        return "rewritten" if id(value) in varying else "folded"

    def varies(self, value: Any) -> bool:
        """Whether a value depends on what the model is given."""
        return id(value) in self._flows()[1]

    def _flows(self) -> Tuple[Set[int], Set[int]]:
        if self._both is None:
            self._both = self._flow()
        return self._both

    def nodes(self, marks: Marks) -> List[Built]:
        """Its nodes, as they were."""
        _, varying = self._flows()
        rows = zip(self._left, self._nodes, marks.told())
        return [
            Built(node, read, made, *told, any(id(value) in varying for value in made))
            for node, (read, made), told in rows
        ]

    def _flow(self) -> Tuple[Set[int], Set[int]]:
        """What an output of the graph depends on, and what depends on an input of the graph."""
        read = {id(value) for value in self._outputs}
        for inputs, outputs in reversed(self._nodes):
            if any(id(value) in read for value in outputs):
                read.update(id(value) for value in inputs if value is not None)
        varying = set(self._inputs)
        for inputs, outputs in self._nodes:
            if any(id(value) in varying for value in inputs):
                varying.update(id(value) for value in outputs)
        return read, varying
