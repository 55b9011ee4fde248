"""The mechanism: what HTP calls for each export."""

from typing import Optional

from htp.backends.base import Capture, ExportRequest
from htp.backends.torchscript import TorchScriptBackend

__all__ = ["ExampleBackend"]


class ExampleBackend:
    """Hands the work on to HTP's own TorchScript mechanism.

    A backend of yours runs torch's exporter once in ``capture`` and says for every node of the
    file which module call owns it. ``htp.backends.base`` is the whole contract; no base class.
    """

    name = "example"

    def __init__(self) -> None:
        self._mechanism = TorchScriptBackend()

    def probe(self) -> Optional[str]:
        """Why this backend cannot run here, in one line, or None when it can."""
        return self._mechanism.probe()

    def capture(self, request: ExportRequest) -> Capture:
        """Run torch's exporter once and say which module call owns each node."""
        return self._mechanism.capture(request)
