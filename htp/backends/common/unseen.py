"""Functions that stand between torch's own and are not counted when one of those warns.

``warnings.warn(stacklevel=3)`` of torch's means the user's line. Python leaves out the frames of
its import machinery when it counts, and knows them by the name of their file:
https://github.com/python/cpython/blob/v3.8.0/Lib/warnings.py#L258
"""

from types import FrameType
from typing import Any, Callable, TypeVar, cast

__all__ = ["is_counted", "unseen"]

_INTERNAL = ("importlib", "_bootstrap")

Function = TypeVar("Function", bound=Callable[..., Any])


def unseen(function: Function) -> Function:
    """Let the frames of a function not be counted."""
    code = cast(Any, function).__code__
    name = f"{code.co_filename} (not counted, as {'.'.join(_INTERNAL)})"
    cast(Any, function).__code__ = code.replace(co_filename=name)
    return function


def is_counted(frame: FrameType) -> bool:
    """Whether Python counts a frame."""
    return not all(part in frame.f_code.co_filename for part in _INTERNAL)
