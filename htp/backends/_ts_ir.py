"""Asking the nodes of a TorchScript graph quickly, and letting go of them.

Making one of torch's iterators takes seven times as long as asking by index, and a graph has
thousands of nodes, so they are made only where there is something to iterate over.
"""

import contextlib
from typing import Any, Dict, Iterator, List, Optional

__all__ = ["blocks", "inputs", "let_go", "nodes", "outputs"]

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


def let_go(error: BaseException) -> None:
    """Forget the nodes and values that the frames behind an error of the exporter hold.

    Their graph is gone. On old releases the process may crash when such an object is shown, as
    tools that print local variables do, or collected later. Frames of the model keep theirs.
    """
    chain: Optional[BaseException] = error
    while chain is not None:
        place = chain.__traceback__
        while place is not None:
            if str(place.tb_frame.f_globals.get("__name__")).startswith(_HOLDERS):
                with contextlib.suppress(RuntimeError):  # it is running
                    place.tb_frame.clear()
            place = place.tb_next
        chain = chain.__cause__ or chain.__context__


_HOLDERS = ("torch.onnx", "torch.jit", "htp.")
"""Beginnings of the modules whose functions hold parts of graphs."""
