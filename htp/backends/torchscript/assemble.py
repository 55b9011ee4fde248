"""Laying what was recorded beside the file that torch wrote."""

from typing import Any, Iterator, Optional, Set, Tuple

from htp.backends.torchscript.ir import first_output
from htp.backends.torchscript.recorder import Recorder
from htp.backends.torchscript.taken import Taken
from htp.errors import CaptureError
from htp.graph.records import Capture, GraphRecord, NodeRecord
from htp.scope import Owner

__all__ = ["assemble"]

Read = Tuple[Any, str, Optional[Owner]]
"""A node of torch's graph, its kind and its owner."""


def assemble(after: GraphRecord, recorder: Recorder, taken: Taken) -> Capture:
    """The capture of one export.

    Raises:
        CaptureError: the file and what was recorded differ, the recording failed, or nothing was
            recorded.
    """
    recorder.check()
    if taken.final is None or recorder.reader.untold:
        raise CaptureError(
            "torch exported the model without passing through the functions that HTP records.",
            "run 'htp doctor'; this torch may be newer than any that HTP was tested with.",
        )
    _lay_beside(after, recorder.reader.owners(taken.final))
    tensors = recorder.log.names.tensors()
    after.parameters.update((name, tensors[name]) for name in after.initializers if name in tensors)
    before = recorder.reader.origin(taken.final, after, tensors)
    return Capture(after, before, taken.records(recorder.log.stacks, after))


def _lay_beside(after: GraphRecord, read: Iterator[Read]) -> None:
    """Give each node the owner of what computes the same values in torch's graph.

    Both are in the same order; torch's may hold nodes that are not written.

    Raises:
        CaptureError: there is no such node, or it is of another operator.
    """
    fitting: Set[Tuple[str, str]] = set()
    nodes = after.walk()
    node = next(nodes, None)
    for other, kind, owner in read:
        if node is None:
            return
        if first_output(other) != (node.outputs[0] if node.outputs else ""):
            continue
        if (kind, node.op) not in fitting:
            found = kind.partition("::")[2]
            if found != node.op.rpartition("::")[2]:
                raise _difference(node, found)
            fitting.add((kind, node.op))
        node.owner = owner
        node = next(nodes, None)
    if node is not None:
        raise _difference(node, "nothing")


def _difference(node: NodeRecord, found: str) -> CaptureError:
    return CaptureError(
        f"The file has a {node.op} that computes {node.outputs}, but HTP recorded {found} there.",
        "this is a defect of HTP; please report it with the model.",
    )
