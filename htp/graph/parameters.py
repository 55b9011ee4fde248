"""Which parameters and buffers an initializer of the written graph was made from."""

from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from htp.graph.index import GraphIndex
from htp.graph.records import Capture, GraphRecord, NodeRecord

__all__ = ["parameters"]

Names = Tuple[str, ...]

_FACTORS = {"BatchNormalization": (1, 4)}
"""Of an operation that scales and shifts, the inputs that the scale is computed from: here the
weight and the running variance (https://onnx.ai/onnx/operators/onnx__BatchNormalization.html). Of
any other operation all inputs may be."""

_SHAPE = "Shape"
"""What it gives was made from no weight, whose contents it does not read."""

_WEIGHT = 1
"""Which input of a convolution or linear operation is multiplied; those behind it are added."""


def parameters(capture: Capture) -> Dict[str, Names]:
    """For each initializer, the full names of the parameters and buffers that it was made from.

    An initializer that torch folded (a transposed weight) stands where a reader used to read
    something computed from parameters: those are its names.

    before: ``%t = Transpose(weight);  %y = MatMul(%x, %t)``
    after:  ``%y = MatMul(%x, folded)``, and folded was made from weight.

    Where an operation took over another one, its weights were made from those of both.

    before: ``%c = Conv(%x, w, b);  %y = BatchNormalization(%c, scale, shift, mean, var)``
    after:  ``%y = Conv(%x, v, c)``: v was made from w, scale and var, and c from all but w.
    """
    names = _named(capture.after)
    if capture.before is None:
        return names
    origins = _Origins(capture.before, capture.after)
    before, after = origins.index, GraphIndex(capture.after)
    readers = {node.outputs[0]: node for node in before.nodes if node.outputs}
    found: Dict[str, Dict[str, None]] = {}
    for node in after.nodes:
        took = _taken_over(node, before, after, readers)
        earlier = took.operation if took else readers.get(node.outputs[0] if node.outputs else "")
        if earlier is None or (not took and len(earlier.inputs) != len(node.inputs)):
            continue
        for at, new in enumerate(node.inputs):
            old = earlier.inputs[at] if at < len(earlier.inputs) else ""
            if not new or new in after.makers:
                continue
            known = (
                found.setdefault(new, {}) if _was_folded(new, old, names, before, took) else None
            )
            if known is not None:
                known.update(dict.fromkeys(origins.of(old) if old else ()))
                for value in took.absorbed(at) if took else ():
                    known.update(dict.fromkeys(origins.of(value)))
    names.update((name, tuple(origin)) for name, origin in found.items() if origin)
    return names


def _was_folded(
    new: str, old: str, names: Dict[str, Names], before: GraphIndex, took: "Optional[_TakenOver]"
) -> bool:
    """Whether an initializer is not what its reader read before."""
    if took is not None:  # its name may be that of the weight which it was made from
        return new in names or new not in before.readers
    return new not in names and (new != old or new in before.makers)


class _TakenOver(NamedTuple):
    """An operation and others behind it, in whose place there is one now.

    Attributes:
        operation: the one that has stayed.
        others: the ones behind it, and which of its inputs is computed by the one before it.
    """

    operation: NodeRecord
    others: List[Tuple[NodeRecord, int]]

    def absorbed(self, at: int) -> Iterator[str]:
        """What the others read that went into an input of the operation that has stayed."""
        for node, through in self.others:
            factors = _FACTORS.get(_kind(node), range(len(node.inputs)))
            for place, value in enumerate(node.inputs):
                if value and place != through and (at > _WEIGHT or place in factors):
                    yield value


def _taken_over(
    node: NodeRecord, before: GraphIndex, after: GraphIndex, earlier: Dict[str, NodeRecord]
) -> Optional[_TakenOver]:
    """What a node that reads initializers took over, if it did."""
    if len(node.inputs) <= _WEIGHT or len(node.outputs) != 1:
        return None
    if all(not value or value in after.makers for value in node.inputs[_WEIGHT:]):
        return None
    others: List[Tuple[NodeRecord, int]] = []
    value = _replaced(node.outputs[0], before, after, earlier)
    while value in before.makers:
        one = before.makers[value]
        if _kind(one) == _kind(node):
            return _TakenOver(one, others) if others else None
        made = [at for at, read in enumerate(one.inputs) if read in before.makers]
        if len(made) != 1 or (value in after.makers and others):
            return None
        others.append((one, made[0]))
        value = one.inputs[made[0]]
    return None


def _replaced(
    value: str, before: GraphIndex, after: GraphIndex, earlier: Dict[str, NodeRecord]
) -> str:
    """What the readers of a value read before, where all that is gone; else the value itself."""
    for reader in after.readers.get(value, ()):
        if reader is None:
            pairs = list(zip(before.graph.outputs, after.graph.outputs))
        elif reader.outputs and reader.outputs[0] in earlier:
            pairs = list(zip(earlier[reader.outputs[0]].inputs, reader.inputs))
        else:
            continue
        for old, new in pairs:
            if new == value and old != value and old not in after.makers and old in before.makers:
                return old
    return value


def _kind(node: NodeRecord) -> str:
    return node.op.rpartition("::")[2]


def _named(graph: GraphRecord) -> Dict[str, Names]:
    return {name: origin for body in graph.graphs() for name, origin in body.parameters.items()}


class _Origins:
    """The parameters that the values of a graph are computed from.

    What is still computed from the model's inputs went into no initializer, but for its type or
    shape.
    """

    def __init__(self, graph: GraphRecord, written: GraphRecord) -> None:
        self.index = GraphIndex(graph)
        given = set(written.inputs).difference(written.initializers)
        dynamic = {name for name in graph.inputs if name in given}
        for node in self.index.nodes:
            if not dynamic.isdisjoint(node.inputs):
                dynamic.update(node.outputs)
        left = given.union(name for node in written.walk() for name in node.outputs)
        self._computed = dynamic & left
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
                if name in seen or name in self._computed:
                    continue
                seen.add(name)
                if name in self._named:
                    found.update(dict.fromkeys(self._named[name]))
                elif name in self.index.makers and _kind(self.index.makers[name]) != _SHAPE:
                    pending.extend(reversed(self.index.makers[name].inputs))
            self._found[value] = tuple(found)
        return self._found[value]
