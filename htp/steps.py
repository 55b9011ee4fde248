"""What a verb is busy with, for whoever wants to show it: a notebook, a window, a terminal.

    with htp.progress(print):
        htp.verify(model, args, tagged)

The verbs say each step (``step``), and know nothing of who listens. Where nobody does, a step costs
a look at a context variable. So each thread, and each task of ``asyncio``, has a listener of its
own: https://docs.python.org/3/library/contextvars.html
"""

from contextlib import contextmanager
from contextvars import ContextVar
from typing import Callable, Iterator, NamedTuple, Optional

__all__ = ["Listener", "Step", "progress", "step", "unheard"]


class Step(NamedTuple):
    """What begins now.

    Attributes:
        stage: what is done, as in ``comparing``.
        done: how many of the steps of this stage are behind it.
        total: how many there are; None where nobody knows.
        what: the module, file or value that it is done to, as the file spells it: text that is
            made safe by whoever prints it.
        still: whether what runs until the next step is measured, so that a listener does nothing
            of its own meanwhile.
    """

    stage: str
    done: int = 0
    total: Optional[int] = None
    what: str = ""
    still: bool = False


Listener = Callable[[Step], object]

_listener: "ContextVar[Optional[Listener]]" = ContextVar("htp_listener", default=None)


@contextmanager
def progress(listener: Callable[[Step], object]) -> Iterator[None]:
    """Have a listener told of every step that HTP takes in this thread meanwhile.

    Exports of other libraries, in ``htp.tagging``, say nothing.

    Args:
        listener: is called with a ``Step``, at once and in the same thread; it should be quick.
            What it raises ends the work, as an error or Ctrl-C does: nothing is left half written.
            Within another ``progress`` it stands in the place of that one's.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def unheard() -> Iterator[None]:
    """Say nothing meanwhile: what runs is a part of somebody else's work."""
    token = _listener.set(None)
    try:
        yield
    finally:
        _listener.reset(token)


def step(
    stage: str, done: int = 0, total: Optional[int] = None, what: str = "", still: bool = False
) -> None:
    """Say what begins now; see ``Step``."""
    listener = _listener.get()
    if listener is not None:
        listener(Step(stage, done, total, what, still))
