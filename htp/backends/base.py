"""The contract between HTP and a capture backend.

A Protocol and not a base class, because a backend from another package should need nothing of HTP
but this page: two methods, a name, and the records of ``htp.graph.records``. Selection by version and
the probe are kept apart on purpose. The row in the registry says which torch releases the backend
is meant for; the probe says whether this very installation can run it, and if not, what is missing.

A backend touches torch's private names only inside ``capture``, restores each of them whatever
happens, and runs torch's own exporter exactly once. It never falls back to another mechanism.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Protocol, Sequence, Tuple

from htp.graph.records import Capture

__all__ = ["Capture", "CaptureBackend", "ExportRequest"]


@dataclass(frozen=True)
class ExportRequest:
    """What the user asked for, checked and in one form.

    Attributes:
        model: an ``nn.Module``, a ``ScriptModule`` or, for ``fx``, an ``ExportedProgram``.
        args: positional example inputs of ``forward``.
        kwargs: keyword example inputs of ``forward``.
        input_names: names of the graph's inputs, or None.
        output_names: names of the graph's outputs, or None.
        dynamic_shapes: ``{input_name: {axis: "name"}}``, or None when every shape is static.
        opset_version: the opset, or None for torch's default.
        options: passed through to ``torch.onnx.export``.
        path: where torch shall write, in a folder that belongs to this export alone, so that data
            files land beside it. None: hand the bytes back and write nothing.
    """

    model: Any
    args: Tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    input_names: Optional[Sequence[str]] = None
    output_names: Optional[Sequence[str]] = None
    dynamic_shapes: Optional[Dict[str, Dict[int, str]]] = None
    opset_version: Optional[int] = None
    options: Mapping[str, Any] = field(default_factory=dict)
    path: Optional[str] = None


class CaptureBackend(Protocol):
    """A mechanism that exports and records the owner of each node as it is built."""

    name: str

    def probe(self) -> Optional[str]:
        """Why this backend cannot run here, in one line, or None when it can."""
        ...

    def capture(self, request: ExportRequest) -> Capture:
        """Run torch's exporter once and say which module call owns each node.

        When ``request.path`` is given, torch writes there (and data files beside it); the main
        file may then be left unwritten, since ``Capture.data`` holds its bytes.

        Raises:
            htp.CaptureError: the exporter failed, or its graph does not fit what was recorded.
        """
        ...
