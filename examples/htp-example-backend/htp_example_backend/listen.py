"""The mechanism: what HTP asks to listen to each export."""

from typing import ContextManager, Optional

from htp.backends.base import Listener
from htp.backends.torchscript.listen import TorchScriptBackend

__all__ = ["ExampleBackend"]


class ExampleBackend:
    """Hands the work on to HTP's own TorchScript mechanism.

    A backend of yours hears every export by torch's exporter in ``listen`` and says for every node
    of the file which module call owns it. ``htp.backends.base`` is the whole contract; no base
    class.
    """

    name = "example"

    def __init__(self) -> None:
        self._mechanism = TorchScriptBackend()

    def probe(self) -> Optional[str]:
        """Why this backend cannot run here, in one line, or None when it can."""
        return self._mechanism.probe()

    def listen(self) -> ContextManager[Listener]:
        """Listen until the context ends."""
        return self._mechanism.listen()

    def listener(self) -> Listener:
        """What hears only the exports that it is given to run."""
        return self._mechanism.listener()
