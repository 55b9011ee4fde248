"""Modules with a ``__call__`` of their own, while torch traces.

What such a ``__call__`` computes has the scope of its caller, as what hooks compute, and is marked
as that is (``calls.Calls``). And torch calls the inputs of the graph as the variables
of the calling function are called: it looks at the frame above the one that runs the operation,
which is HTP's then.
"""

import inspect
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType
from typing import Any, Callable, Iterator, Optional

from htp.backends.common.overriding import kinds_of, overridden
from htp.backends.common.patching import PatchPoint, installed
from htp.backends.torchscript.calls import watched
from htp.backends.torchscript.recorder import Recorder
from htp.backends.torchscript.taken import Taken

__all__ = ["overriding_calls"]


def _around_names(_: Recorder, create: Any) -> Any:
    def create_interpreter_name_lookup_fn(frames_up: int = 1) -> Callable[[Any], str]:
        def lookup(var: Any) -> str:
            frame = inspect.currentframe()
            asking = frame.f_back if frame is not None else None
            if _is_ours(asking):
                return ""  # HTP looks at a value, which gives it no name
            name: str = create(frames_up + 1 + _ours(asking, frames_up))(var)
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


_NAMES = (
    # https://github.com/pytorch/pytorch/blob/v1.8.0/torch/jit/_trace.py#L31
    PatchPoint("_create_interpreter_name_lookup_fn", ("torch.jit._trace",), _around_names),
)


@contextmanager
def overriding_calls(model: Any, recorder: Recorder, taken: Taken) -> Iterator[None]:
    """Watch the calls of such modules, and what they take and return, until the context ends."""
    import torch

    with ExitStack() as patches:

        def put_in() -> None:
            kinds = kinds_of(model.modules()) if isinstance(model, torch.nn.Module) else ()
            if kinds:
                patches.enter_context(installed(_NAMES, recorder))
                patches.enter_context(overridden(kinds, partial(watched, taken, overriding=True)))

        recorder.faults.safely(put_in)
        yield
