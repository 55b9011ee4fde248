"""Which parameters and buffers an initializer of the written graph was made from."""

from typing import Dict, Tuple

from htp.graph.index import GraphIndex
from htp.graph.records import Capture, GraphRecord

__all__ = ["parameters"]

Names = Tuple[str, ...]


def parameters(capture: Capture) -> Dict[str, Names]:
    """For each initializer, the full names of the parameters and buffers that it was made from.

    An initializer that torch folded (a transposed weight) stands where a reader used to read
    something computed from parameters: those are its names.

    before: ``%t = Transpose(weight);  %y = MatMul(%x, %t)``
    after:  ``%y = MatMul(%x, folded)``, and folded was made from weight.
    """
    names = _named(capture.after)
    if capture.before is None:
        return names
    origins = _Origins(capture.before)
    before, after = origins.index, GraphIndex(capture.after)
    readers = {node.outputs[0]: node for node in before.nodes if node.outputs}
    found: Dict[str, Dict[str, None]] = {}
    for node in after.nodes:
        earlier = readers.get(node.outputs[0]) if node.outputs else None
        if earlier is None or len(earlier.inputs) != len(node.inputs):
            continue
        for new, old in zip(node.inputs, earlier.inputs):
            folded = new != old or new in before.makers
            if new and folded and new not in names and new not in after.makers:
                found.setdefault(new, {}).update(dict.fromkeys(origins.of(old)))
    names.update((name, tuple(origin)) for name, origin in found.items() if origin)
    return names


def _named(graph: GraphRecord) -> Dict[str, Names]:
    return {name: origin for body in graph.graphs() for name, origin in body.parameters.items()}


class _Origins:
    """The parameters that the values of a graph are computed from."""

    def __init__(self, graph: GraphRecord) -> None:
        self.index = GraphIndex(graph)
        self._named = _named(graph)
        self._found: Dict[str, Names] = {}

    def of(self, value: str) -> Names:
        """The parameters behind a value, without recursion: chains may be long."""
        if value not in self._found:
            found: Dict[str, None] = {}
            seen = set()
            pending = [value]
            while pending:
                name = pending.pop()
                if name in seen:
                    continue
                seen.add(name)
                if name in self._named:
                    found.update(dict.fromkeys(self._named[name]))
                elif name in self.index.makers:
                    pending.extend(reversed(self.index.makers[name].inputs))
            self._found[value] = tuple(found)
        return self._found[value]
