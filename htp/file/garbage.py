"""Python's search for garbage, put off while much is made of which nothing is garbage."""

import contextlib
import gc
from typing import Iterator

__all__ = ["no_search"]


@contextlib.contextmanager
def no_search() -> Iterator[None]:
    """Put the search off.

    It goes through all objects that are new each time their number grew by a quarter, which takes
    as long as making them: tags and trees of 100,000 nodes in half the time without it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
