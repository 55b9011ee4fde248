"""Asking the nodes of a TorchScript graph quickly.

Making one of torch's iterators takes seven times as long as asking by index, and a graph has
thousands of nodes, so they are made only where there is something to iterate over.
"""

from typing import Any, Dict, Iterator, List

__all__ = ["blocks", "inputs", "nodes", "outputs"]

_nests: Dict[str, bool] = {}
"""Which kinds of nodes have blocks: all nodes of one kind have, or none."""


def inputs(node: Any) -> List[Any]:
    """The values that a node reads."""
    return [node.inputsAt(at) for at in range(node.inputsSize())]


def outputs(node: Any) -> List[Any]:
    """The values that a node computes."""
    return [node.outputsAt(at) for at in range(node.outputsSize())]


def blocks(node: Any) -> List[Any]:
    """The nested blocks of a node."""
    kind = node.kind()
    if kind not in _nests:
        _nests[kind] = any(True for _ in node.blocks())
    return list(node.blocks()) if _nests[kind] else []


def nodes(block: Any) -> Iterator[Any]:
    """Every node of a graph or block in document order."""
    for node in block.nodes():
        yield node
        for inner in blocks(node):
            yield from nodes(inner)
