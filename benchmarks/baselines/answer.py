"""What a way of telling owners answers, in the form that the oracles judge."""

from typing import Dict, Iterator, NamedTuple, Optional, Sequence, Tuple

import onnx

from htp.scope import ModuleCall, Provenance, Tag

__all__ = ["NOTHING", "Answer", "Guess", "nodes_of"]

NOTHING = "?"
"""The path of the owner where a way has no answer. No module can have it."""


class Guess(NamedTuple):
    """An owner: path of the module, and which of its calls."""

    path: str
    call: int = 0


class Answer:
    """A model with a guess for each of its nodes, to be read like an ``htp.TaggedModel``."""

    def __init__(self, model: onnx.ModelProto, guesses: Sequence[Optional[Guess]]) -> None:
        self.model = model
        self._guesses = guesses

    def nodes(self) -> Iterator[Tuple[onnx.NodeProto, Tag]]:
        """Every node with its guess as a tag."""
        for node, guess in zip(nodes_of(self.model), self._guesses):
            path, call = guess or Guess(NOTHING)
            yield node, Tag((ModuleCall(path, "", call),), Provenance.INFERRED)


def nodes_of(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node in document order: a node, then its bodies; functions that are called last."""
    called: Dict[Tuple[str, str], None] = {}
    pending = [list(_nodes(model.graph.node))]
    while pending:
        for node in pending.pop():
            key = (node.domain, node.op_type)
            if key not in called:
                called[key] = None
                pending += [
                    list(_nodes(body.node))
                    for body in model.functions
                    if (body.domain, body.name) == key
                ]
    yield from _nodes(model.graph.node)
    for function in model.functions:
        if (function.domain, function.name) in called:
            yield from _nodes(function.node)


def _nodes(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _nodes(graph.node)
