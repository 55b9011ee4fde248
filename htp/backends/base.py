"""The contract between HTP and a capture backend.

A Protocol and not a base class, because a backend from another package should need nothing of HTP
but this page and the records of ``htp.graph.records``. Selection by version and the probe are kept
apart on purpose: the row in the registry says which torch releases the backend is meant for, the
probe says whether this very installation can run it, and if not, what is missing.

A backend listens, it does not call. Torch's exporter is run by ``htp.export``, or by any library
inside ``htp.tagging``, with arguments that the backend never sees. While it listens it hears every
export that its exporter makes, whoever asked for it and however often; it touches torch's private
names only meanwhile and restores each of them whatever happens. The row says which version of this
page the backend speaks (``htp.registry.PROTOCOL``).

``htp.tagging`` stands at the entrance of each exporter itself, so that tags are in the file when
torch's function returns; it gives each export to ``Listener.hear``, and backends know nothing of
files or tags.

The export is somebody else's. What goes wrong in the listening is kept, and raised by
``Heard.capture``; torch's own result and torch's own errors pass through as they are.
"""

from typing import Any, Callable, ContextManager, List, NamedTuple, Optional, Protocol

from htp.graph.records import Capture, GraphRecord
from htp.scope import Stack

__all__ = ["Capture", "CaptureBackend", "Heard", "Listener", "Where"]


class Where(NamedTuple):
    """What an export is busy with.

    Attributes:
        running: the module call that is running; empty when none is.
        converting: the call that the operation belongs to which is being converted to ONNX; empty
            when none is.
        operator: the operation that is being converted, in torch's words: ``aten::add``; or "".
    """

    running: Stack = ()
    converting: Stack = ()
    operator: str = ""


class Heard(Protocol):
    """One export that came to its end.

    Attributes:
        model: what was exported, as torch's exporter was given it.
    """

    model: Any

    def capture(self, written: GraphRecord) -> Capture:
        """Lay what was heard beside the file that torch wrote.

        Args:
            written: the file's graph, node for node in document order, without owners. The capture
                may take it over.

        Raises:
            htp.CaptureError: they differ, or the listening went wrong; the text says how.
        """
        ...


class Listener(Protocol):
    """Hears every export of one exporter."""

    def hear(self, export: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run one export by the exporter's entrance, with these arguments, and record it.

        Returns:
            What torch's own function ``export`` returns; what that raises passes through.
        """
        ...

    def take(self) -> List[Heard]:
        """The exports that ended since this was last asked, in order; those that failed are not."""
        ...

    def where(self) -> Where:
        """What the export is busy with that is running; after one that failed, where it failed."""
        ...


class CaptureBackend(Protocol):
    """A mechanism that records the owner of each node as torch's exporter builds it."""

    name: str

    def probe(self) -> Optional[str]:
        """Why this backend cannot run here, in one line, or None when it can."""
        ...

    def listen(self) -> ContextManager[Listener]:
        """Hear every export of the exporter until the context ends."""
        ...

    def listener(self) -> Listener:
        """What hears only the exports that it is given to run."""
        ...
