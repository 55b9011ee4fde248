"""Python's search for garbage, put off while much is made of which nothing is garbage."""

import contextlib
import gc
import threading
from typing import Iterator, List, Tuple

__all__ = ["no_search"]

_NEVER = 2**31 - 1
"""So many new objects begin a search: more than are ever made."""

_lock = threading.RLock()  # what is deleted meanwhile may come here again
_before: List[Tuple[int, int, int]] = []
"""The thresholds to go back to, one for each that puts the search off."""


@contextlib.contextmanager
def no_search() -> Iterator[None]:
    """Put the search off.

    It goes through all objects that are new each time their number grew by a quarter: reading the
    tags and the tree of 100,000 nodes takes a third longer with it. Whether the search is switched
    on is not touched, and thresholds that another thread sets meanwhile stay.
    """
    with _lock:
        now = gc.get_threshold()
        _before.append(_before[0] if _before else now)
        gc.set_threshold(_NEVER, *now[1:])
    try:
        yield
    finally:
        with _lock:
            back = _before.pop()
            if not _before and gc.get_threshold()[0] == _NEVER:
                gc.set_threshold(*back)
