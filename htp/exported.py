"""What is wanted and what is told of one export that takes place inside ``htp.tagging``."""

from dataclasses import dataclass
from typing import NamedTuple, Optional

from htp.scope import Coverage

__all__ = ["Exported", "Wishes"]


class Wishes(NamedTuple):
    """What whoever opened a context wants of the exports in it.

    Attributes:
        backend: the backend that alone listens; None for all that can run here.
        origin: whether models say what their graphs were.
        root: the path of what is exported in the whole that it is a part of; "" for the whole.
    """

    backend: Optional[str] = None
    origin: bool = True
    root: str = ""


@dataclass(frozen=True)
class Exported:
    """One export, and whether its nodes were tagged.

    Attributes:
        model: the class name of what was exported.
        path: the file that it was written to, absolute; None for a file object, and for a program
            that stays in memory.
        exporter: which exporter of torch's it was: ``"torchscript"``, ``"fx"``, or
            ``"dynamo_export"`` for that of the releases before 2.6, which nothing listens to.
        backend: the backend that listened; None when none did.
        coverage: how many nodes are known in which way; None when they were not tagged.
        nodes: how many nodes the model has; None when HTP did not see them.
        reason: in one line, why it was not tagged; None when it was.
    """

    model: str
    path: Optional[str]
    exporter: str
    backend: Optional[str] = None
    coverage: Optional[Coverage] = None
    nodes: Optional[int] = None
    reason: Optional[str] = None

    @property
    def tagged(self) -> bool:
        """Whether the nodes have tags."""
        return self.reason is None
