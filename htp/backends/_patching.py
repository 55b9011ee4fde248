"""Replacing torch's private names for the length of one export."""

from contextlib import contextmanager
from typing import Any, Iterator

_MISSING = object()


@contextmanager
def replaced(target: Any, name: str, value: Any) -> Iterator[Any]:
    """Set ``target.name`` to ``value``, and to what it was on leaving, whatever happens.

    Yields:
        What was there before.
    """
    before = vars(target).get(name, _MISSING)
    setattr(target, name, value)
    try:
        yield None if before is _MISSING else before
    finally:
        if before is _MISSING:
            delattr(target, name)
        else:
            setattr(target, name, before)
