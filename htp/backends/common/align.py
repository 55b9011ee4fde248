"""Laying what was recorded beside the file that torch wrote, node for node."""

from itertools import zip_longest
from typing import Iterable, Optional

from htp.errors import CaptureError
from htp.graph.records import GraphRecord, NodeRecord

__all__ = ["align"]

_DEFECT = "this is a defect of HTP; please report it with the model."


def align(written: GraphRecord, recorded: Iterable[Optional[NodeRecord]], mark: str = "") -> None:
    """Give the nodes of a file the owners of the nodes that were recorded in their places.

    Args:
        written: the file's graph.
        recorded: what was recorded of each node of the file in document order; None for nothing.
        mark: what the names of HTP's own metadata begin with, none of which may be left in the
            file; "" where there is none.

    Raises:
        htp.CaptureError: a node's operator or outputs are not the recorded ones, or it has a mark.
    """
    for node, known in zip_longest(written.walk(), recorded):
        if node is None or known is None or not _agree(node, known):
            raise CaptureError(
                f"The file has {_told(node)}, but HTP recorded {_told(known)} there.", _DEFECT
            )
        left = [key for key in node.keys if mark and key.startswith(mark)]
        if left:
            raise CaptureError(f"The file still has HTP's mark {left[0]!r}.", _DEFECT)
        node.owner = known.owner


def _agree(node: NodeRecord, known: NodeRecord) -> bool:
    return node.op == known.op and node.outputs == known.outputs


def _told(node: Optional[NodeRecord]) -> str:
    return "nothing" if node is None else f"a {node.op} that computes {node.outputs}"
