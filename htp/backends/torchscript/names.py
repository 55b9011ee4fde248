"""What torch calls the values of the traced graph.

It calls a value as a variable of the model's code is called that holds the tensor: it looks at the
frame above the one that runs an operation, https://github.com/pytorch/pytorch/blob/v1.8.0/torch/jit/_trace.py#L31.
Frames of HTP's stand between some of these, and are left out here.
"""

import sys
from types import CodeType, FrameType
from typing import Any, Callable, Optional, Set, TypeVar

__all__ = ["around_names", "hands_on"]

Function = TypeVar("Function", bound=Callable[..., Any])

_HANDING_ON: Set[CodeType] = set()


def hands_on(function: Function) -> Function:
    """A function stands in for one of torch's that is not written in Python, and runs that."""
    _HANDING_ON.add(function.__code__)
    return function


def around_names(_: object, create: Any) -> Any:
    """Torch's maker of the function that it asks for a name."""

    def create_interpreter_name_lookup_fn(frames_up: int = 1) -> Callable[[Any], str]:
        def lookup(var: Any) -> str:
            asking: Optional[FrameType] = sys._getframe(1)
            ours = 1  # this frame
            if asking is not None and asking.f_code in _HANDING_ON:
                asking = asking.f_back
                ours += 1
            elif _is_ours(asking):
                return ""  # HTP looks at a value, which gives it no name
            name: str = create(frames_up + ours + _ours(asking, frames_up))(var)
            return name

        return lookup

    return create_interpreter_name_lookup_fn


def _is_ours(frame: Optional[FrameType]) -> bool:
    return frame is not None and frame.f_globals.get("__name__", "").startswith("htp.backends.")


def _ours(frame: Optional[FrameType], frames_up: int) -> int:
    """How many of HTP's frames stand between the operation's frame and that of the names."""
    steps, ours = 0, 0
    while frame is not None and steps < frames_up:
        frame = frame.f_back
        if _is_ours(frame):
            ours += 1
        else:
            steps += 1
    return ours
