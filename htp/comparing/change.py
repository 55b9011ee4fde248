"""Something that is not equal in two files, before it is told."""

from typing import NamedTuple, Optional, Tuple

__all__ = ["Change"]


class Change(NamedTuple):
    """Something that is not equal.

    Attributes:
        owner: the number of the call in which it is.
        kind: what it is.
        before: how it was in the first file; None where it was not.
        after: how it is in the second; likewise.
        names: of the nodes, weights or values that it is about.
    """

    owner: int
    kind: str
    before: Optional[str]
    after: Optional[str]
    names: Tuple[str, ...] = ()
