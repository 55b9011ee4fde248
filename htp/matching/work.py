"""Which nodes of a graph compute something, and which only hand it on."""

from typing import Dict, List, Set

from htp.matching.flat import Flat

__all__ = ["CASTS", "LAYOUT", "MOVERS", "Work", "alike", "operator", "read_as", "readers_of"]

MOVERS = frozenset(
    (
        *("Cast", "CastLike", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose"),
        *("Unsqueeze", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
        *("com.microsoft.nchwc::ReorderInput", "com.microsoft.nchwc::ReorderOutput"),
    )
)
"""Operators whose first output holds the elements of their first input and no others:
https://onnx.ai/onnx/operators/, and two of onnxruntime's that lay out channels in blocks. That they
compute nothing is what their definition says; a graph does not show it."""

CASTS = frozenset(("Cast", "CastLike"))
"""Those of which an attribute, or what they read, says to which type: where a tool changes types,
that is another one."""

LAYOUT = MOVERS - {
    "Cast",
    "CastLike",
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
}
"""Those that leave each element as it is."""

_SIZES = frozenset(("Shape", "Size"))
"""What they tell of a value is not computed from its elements."""


class Work:
    """What the nodes of one side do.

    Attributes:
        live: for each value whether it depends on the elements of an input of the graph.
    """

    def __init__(self, flat: Flat) -> None:
        self._flat = flat
        self.live = bytearray(len(flat.names))
        for value in flat.entries:
            self.live[value] = flat.names[value] not in flat.side.weights
        for node in flat.order:
            if self.source(node) >= 0 and flat.nodes[node].op not in _SIZES:
                for value in flat.outputs[node]:
                    if value >= 0:
                        self.live[value] = 1

    def source(self, node: int) -> int:
        """The first value that a node reads and that depends on the graph's inputs; -1."""
        live = self.live
        return next((v for v in self._flat.inputs[node] if v >= 0 and live[v]), -1)

    def moves(self, node: int) -> bool:
        """Whether a node hands on the elements that it is given."""
        return self._flat.nodes[node].op in MOVERS

    def computes(self, node: int) -> bool:
        """Whether a node computes new elements from those of the graph's inputs."""
        return not self.moves(node) and self.source(node) >= 0

    def computing(self, nodes: List[int]) -> List[int]:
        """Those of some nodes that compute; where none does, those that work on live values."""
        found = [node for node in nodes if self.computes(node)]
        return found or [node for node in nodes if self.source(node) >= 0] or nodes


def operator(op: str) -> str:
    """The name of an operator without its domain."""
    return op.rpartition("::")[2]


def alike(new: str, old: str) -> bool:
    """Whether an operator is of an old one's family, as its name tells: QLinearConv of Conv."""
    return operator(old) in operator(new)


def read_as(flat: Flat, value: int) -> Set[str]:
    """The operators that read a value, also behind nodes that only hand it on."""
    return {flat.nodes[reader].op for reader in readers_of(flat, value)}


def readers_of(flat: Flat, value: int) -> List[int]:
    """The nodes that read a value, also behind nodes that only hand it on."""
    found: Dict[int, None] = {}
    pending = [value]
    for _ in range(_NEAR):
        if not pending:
            break
        for reader, _ in flat.readers[pending.pop()]:
            if reader >= 0 and flat.nodes[reader].op in MOVERS:
                pending.extend(each for each in flat.outputs[reader][:1] if each >= 0)
            elif reader >= 0:
                found[reader] = None
    return list(found)


_NEAR = 16
"""How many values are looked at for their readers."""
