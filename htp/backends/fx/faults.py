"""Keeping what goes wrong in the listening out of torch's export."""

from typing import Any, Callable, Optional, TypeVar

__all__ = ["Faults"]

T = TypeVar("T")


class Faults:
    """The first thing that went wrong. Nothing is recorded any more after that.

    Attributes:
        first: the exception, or None.
    """

    def __init__(self) -> None:
        self.first: Optional[Exception] = None

    def guard(self, record: Callable[..., T], *args: Any, **kwargs: Any) -> Optional[T]:
        """Call one of HTP's own functions; None if that goes wrong, or something did before."""
        if self.first is not None:
            return None
        try:
            return record(*args, **kwargs)
        except Exception as error:  # kept, and raised by Heard.capture
            self.first = error
            return None
