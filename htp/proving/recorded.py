"""What a forward pass of PyTorch was: each module call with the tensors that it took and gave."""

from typing import Dict, List, NamedTuple, Optional, Tuple

from htp.scope import ModuleCall, Stack

__all__ = ["Place", "Recording", "Seen", "SeenCall"]

Place = Tuple[str, ...]
"""Where a tensor stands among arguments or results, as in ``htp.graph.records.ValueRecord``."""


class Seen(NamedTuple):
    """A tensor at a border between modules; one that several calls pass on is one.

    Attributes:
        laid: its number on the tape; None for what has no numbers that can be compared.
        maker: the call whose own operations computed it, as the number of the call; -1 for what
            was there before: an argument of the model, a parameter or a buffer.
    """

    laid: Optional[int]
    maker: int


class SeenCall(NamedTuple):
    """One module call.

    Attributes:
        stack: from the root to the call.
        taken: the tensors that it took, as numbers of ``Recording.tensors``, by their places.
        given: those that it returned.
    """

    stack: Stack
    taken: Dict[Place, int]
    given: Dict[Place, int]

    @property
    def call(self) -> ModuleCall:
        """The call itself."""
        return self.stack[-1]


class Recording(NamedTuple):
    """A forward pass.

    Attributes:
        calls: in the order in which they began.
        tensors: in the order in which they were first seen.
        results: the tensors of what the model returned, in order, as numbers of ``tensors``.
        closed: calls into which nobody could look, as numbers of ``calls``, and why.
    """

    calls: List[SeenCall]
    tensors: List[Seen]
    results: List[int]
    closed: Dict[int, str]
