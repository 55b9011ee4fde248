"""Laying what was recorded beside the file that torch wrote."""

from htp.backends.torchscript import recorder as recording
from htp.backends.torchscript.recorder import Recorder
from htp.backends.torchscript.taken import Taken
from htp.errors import CaptureError
from htp.graph.records import Capture, GraphRecord

__all__ = ["assemble"]


def assemble(after: GraphRecord, recorder: Recorder, taken: Taken) -> Capture:
    """The capture of one export.

    Raises:
        CaptureError: the file and what was recorded differ, or nothing was recorded.
    """
    if recorder.final is None or recorder.first is None:
        raise CaptureError(
            "torch exported the model without passing through the functions that HTP records.",
            "run 'htp doctor'; this torch may be newer than any that HTP was tested with.",
        )
    owners = recording.final_owners(recorder)
    for node in after.walk():
        known = next((owners[name] for name in node.outputs if name in owners), None)
        if known is None or known.op != node.op.rpartition("::")[2]:
            found = "nothing" if known is None else f"a {known.op}"
            raise CaptureError(
                f"The file has a {node.op} that computes {node.outputs}, "
                f"but HTP recorded {found} there.",
                "this is a defect of HTP; please report it with the model.",
            )
        node.owner = known.owner
    tensors = recorder.log.names.tensors()
    after.parameters.update((name, tensors[name]) for name in after.initializers if name in tensors)
    names = recording.final_names(recorder)
    before = recording.rename(recorder.first, recorder, names)
    return Capture(after, before, taken.records(recorder.log.stacks, after))
