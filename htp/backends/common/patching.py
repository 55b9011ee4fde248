"""Replacing torch's private names for the length of one export."""

import sys
from contextlib import contextmanager
from typing import Any, Iterator

_MISSING = object()


@contextmanager
def replaced(target: Any, name: str, value: Any) -> Iterator[Any]:
    """Set ``target.name`` to ``value``, and to what it was on leaving, whatever happens.

    A module that was first imported meanwhile may have taken the new value by that name (torch 2.5
    imports ``torch.onnx.__init__`` a second time for a custom ``autograd.Function``); it gets the
    old one, too.

    Yields:
        What was there before.
    """
    before = vars(target).get(name, _MISSING)
    known = set(sys.modules)
    setattr(target, name, value)
    try:
        yield None if before is _MISSING else before
    finally:
        if before is _MISSING:
            delattr(target, name)
        else:
            setattr(target, name, before)
            for module in [sys.modules[other] for other in set(sys.modules) - known]:
                if getattr(module, "__dict__", {}).get(name) is value:
                    setattr(module, name, before)
