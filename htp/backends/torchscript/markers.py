"""Marks in a TorchScript graph that say where a module call begins and ends.

Markers are ``prim::Print`` nodes without operands: they have a side effect, so no pass moves or
drops them (torch/csrc/jit/passes/dead_code_elimination.cpp), and they compute no value, so no value
gets another number for their sake. They never run: they are taken out again before anything does.
"""

from typing import Any, Callable, Iterator

from htp.backends.torchscript.ir import blocks
from htp.scope import Stack

__all__ = ["EXIT", "is_marker", "marker", "take_out"]

EXIT = ""
_KIND, _ATTRIBUTE = "prim::Print", "htp"


def marker(graph: Any, text: str) -> Any:
    """A new marker, not yet inserted; ``EXIT`` ends the call that the last other one began."""
    node = graph.create(_KIND, [], 0)
    node.s_(_ATTRIBUTE, text)
    return node


def is_marker(node: Any) -> bool:
    """Whether a node is a marker of HTP's."""
    return bool(node.kind() == _KIND and node.hasAttribute(_ATTRIBUTE))


def take_out(
    graph: Any, stack: Stack, enter: Callable[[str, Stack], Stack]
) -> Iterator["tuple[Any, Stack]"]:
    """Every node with the stack that the markers around it give it; the markers are removed.

    Args:
        graph: the graph.
        stack: what holds outside every marker.
        enter: the stack inside a marker, from its text and the stack outside.
    """
    used = []

    def visit(block: Any, outer: Stack) -> Iterator[Any]:
        open_calls = [outer]
        for node in block.nodes():
            if is_marker(node):
                used.append(node)
                text = node.s(_ATTRIBUTE)
                if text == EXIT:
                    open_calls.pop()
                else:
                    open_calls.append(enter(text, open_calls[-1]))
                continue
            yield node, open_calls[-1]
            for inner in blocks(node):
                yield from visit(inner, open_calls[-1])

    yield from list(visit(graph, stack))
    for node in used:
        node.destroy()
