"""Laying what was recorded beside the file that torch wrote."""

from typing import Any, Dict, List, Optional, Tuple

from htp.backends.torchscript.ir import nodes, outputs
from htp.backends.torchscript.recorder import Recorder
from htp.errors import CaptureError
from htp.graph.records import CallRecord, Capture, GraphRecord
from htp.scope import Owner

__all__ = ["assemble"]


def assemble(after: GraphRecord, recorder: Recorder) -> Capture:
    """The capture of one export.

    Raises:
        CaptureError: the file and what was recorded differ, the recording failed, or nothing was
            recorded.
    """
    recorder.check()
    if recorder.final is None or recorder.reader.untold:
        raise CaptureError(
            "torch exported the model without passing through the functions that HTP records.",
            "run 'htp doctor'; this torch may be newer than any that HTP was tested with.",
        )
    known = _by_value(recorder.final, recorder.reader.owners(recorder.final))
    for node in after.walk():
        op, owner = next((known[name] for name in node.outputs if name in known), ("", None))
        if op != node.op.rpartition("::")[2]:
            found = f"a {op}" if op else "nothing"
            raise CaptureError(
                f"The file has a {node.op} that computes {node.outputs}, "
                f"but HTP recorded {found} there.",
                "this is a defect of HTP; please report it with the model.",
            )
        node.owner = owner
    tensors = recorder.log.names.tensors()
    after.parameters.update((name, tensors[name]) for name in after.initializers if name in tensors)
    before = recorder.reader.origin(recorder.final, after)
    return Capture(after, before, tuple(map(CallRecord, recorder.log.stacks)))


def _by_value(graph: Any, owners: List[Optional[Owner]]) -> Dict[str, Tuple[str, Optional[Owner]]]:
    """Operator and owner of every node of the written graph, by the name of each output."""
    found: Dict[str, Tuple[str, Optional[Owner]]] = {}
    for node, owner in zip(nodes(graph), owners):
        told = (node.kind().partition("::")[2], owner)
        for value in outputs(node):
            found[value.debugName()] = told
    return found
