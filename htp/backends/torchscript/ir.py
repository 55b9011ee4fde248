"""Asking the nodes of a TorchScript graph quickly, and letting go of them.

Making one of torch's iterators takes seven times as long as asking by index, and a graph has
thousands of nodes, so they are made only where there is something to iterate over.
"""

import contextlib
import sys
from typing import Any, Dict, Iterator, List, Optional, Tuple

__all__ = [
    "FRESH",
    "NOT_HELD",
    "blocks",
    "census",
    "copied",
    "first_output",
    "inputs",
    "is_held",
    "kinds",
    "let_go",
    "nodes",
    "outputs",
]

_nests: Dict[str, bool] = {}
"""Which kinds of nodes have blocks: all nodes of one kind have, or none."""

_EITHER = "prim::PythonOp"
"""The one kind of which only some nodes have blocks: those torch recorded the inside of."""


def inputs(node: Any) -> List[Any]:
    """The values that a node reads."""
    return [node.inputsAt(at) for at in range(node.inputsSize())]


def outputs(node: Any) -> List[Any]:
    """The values that a node computes."""
    return [node.outputsAt(at) for at in range(node.outputsSize())]


def blocks(node: Any) -> List[Any]:
    """The nested blocks of a node."""
    kind = node.kind()
    if kind == _EITHER:
        return list(node.blocks())
    if kind not in _nests:
        _nests[kind] = any(True for _ in node.blocks())
    return list(node.blocks()) if _nests[kind] else []


def first_output(node: Any) -> str:
    """The name of the first value that a node computes, or ""."""
    return str(node.outputsAt(0).debugName()) if node.outputsSize() else ""


def nodes(block: Any) -> Iterator[Any]:
    """Every node of a graph or block in document order."""
    return (node for node, _ in kinds(block))


def kinds(block: Any) -> Iterator[Tuple[Any, str]]:
    """Every node of a graph or block in document order, and its kind."""
    for node in block.nodes():
        kind = node.kind()
        yield node, kind
        if _nests.get(kind, True):
            for inner in blocks(node):
                yield from kinds(inner)


def census(graph: Any, kind: str) -> Optional[Tuple[int, List[int]]]:
    """How many nodes of other kinds a graph has, and the numbers of the first values of ``kind``.

    None when one of its nodes has blocks.
    """
    others, numbers = 0, []
    for node in graph.nodes():
        found = node.kind()
        if found == kind:
            numbers.append(node.outputsAt(0).unique())
            continue
        others += 1
        if _nests.get(found, True) and blocks(node):
            return None
    return others, numbers


NOT_HELD = "a part of torch's graph of an earlier export that failed is still held"
"""Why a graph cannot be touched."""


def _fresh() -> int:
    one = object()
    return sys.getrefcount(one)


FRESH = _fresh()
"""What ``sys.getrefcount`` tells of an object that only one variable holds."""


def is_held(graph: Any) -> bool:
    """Whether an object of a graph that torch has just made keeps the graph alive.

    An exception that is kept holds the frames of a failed export, and objects of its dead graph. A
    new graph at the same address is handed out as such an object, which does not own it: touching
    it ends the process. Torch looks before it works on a graph
    (https://github.com/pybind/pybind11/blob/v2.6.2/include/pybind11/cast.h#L1582), so it is asked
    to check one: where it refuses, it refuses the export as well, a moment later.

    It takes a while: ask only for objects that have more references than ``FRESH``.
    """
    import torch

    if not isinstance(graph, torch._C.Graph):
        return True
    try:
        torch._C._jit_pass_lint(graph)
    except RuntimeError as error:
        return "non-held" not in str(error)
    return True


def copied(graph: Any) -> Any:
    """A copy of a graph, at an address of which nobody has an object.

    Raises:
        RuntimeError: there is none.
    """
    import torch

    occupied = []
    for _ in range(16):
        copy = graph.copy()
        if sys.getrefcount(copy) <= FRESH or is_held(copy):
            return copy
        occupied.append(torch._C.Graph())
    raise RuntimeError(NOT_HELD)


def let_go(error: BaseException) -> None:
    """Forget the nodes and values that the frames behind an error of the exporter hold.

    Their graph is gone. On old releases the process crashes when such an object is shown, as tools
    that print local variables do, or when it still lives in a later export. The model's own frames
    keep their variables, unless they are those of a symbolic method.
    """
    chain: Optional[BaseException] = error
    while chain is not None:
        place = chain.__traceback__
        while place is not None:
            frame = place.tb_frame
            inner = str(frame.f_globals.get("__name__")).startswith(_EXPORTERS)
            if inner or any(map(_is_part, list(frame.f_locals.values()))):
                with contextlib.suppress(RuntimeError):  # it is running
                    frame.clear()
                    len(frame.f_locals)  # before Python 3.13 this was a copy: bring it up to date
            place = place.tb_next
        chain = chain.__cause__ or chain.__context__


_EXPORTERS = ("torch.onnx", "torch.jit", "htp.")
"""Beginnings of the modules whose functions hold parts of graphs in closures and lists as well."""


def _is_part(value: Any) -> bool:
    """Whether a value is, or a list of any depth holds, a part of a graph or what holds one."""
    pending, seen = [value], set()
    while pending:
        one = pending.pop()
        if not isinstance(one, (tuple, list)):
            if type(one).__module__.startswith(("torch._C", "torch.onnx")):
                return True
        elif id(one) not in seen:  # a list may hold itself
            seen.add(id(one))
            pending.extend(one)
    return False
