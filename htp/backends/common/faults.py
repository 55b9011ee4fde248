"""Errors of HTP's own while it listens: the export is somebody else's, so they are kept."""

from typing import Any, Callable, Optional

__all__ = ["Faults", "without_frames"]


class Faults:
    """The first error in the listening to one export; nothing is noted after it.

    Attributes:
        first: the error, without its frames; None while all is well.
        step: the function that it arose in.
    """

    def __init__(self) -> None:
        self.first: Optional[Exception] = None
        self.step = ""

    def safely(self, step: Callable[..., Any], *given: Any) -> Any:
        """What a step returns; None when it fails, or one failed before and it is not run."""
        if self.first is None:
            try:
                return step(*given)
            except Exception as error:
                self.keep(error, getattr(step, "__name__", repr(step)))
        return None

    def keep(self, error: Exception, step: str) -> None:
        """Keep an error that arose in ``step``, unless there was one before."""
        if self.first is None:
            self.first, self.step = without_frames(error), step


def without_frames(error: Exception) -> Exception:
    """An error of HTP's own that is kept while the export goes on, without what its frames hold.

    A node that is still held ends the run of an old release, and breaks the export of others.
    """
    chain: Optional[BaseException] = error
    while chain is not None:
        chain.__traceback__ = None
        chain = chain.__cause__ or chain.__context__
    return error
