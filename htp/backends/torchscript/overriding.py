"""Modules with a ``__call__`` of their own, while torch traces.

What such a ``__call__`` computes has the scope of its caller, as what hooks compute, and is marked
as that is (``calls.Calls``).
"""

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Iterator

from htp.backends.common.overriding import kinds_of, overridden
from htp.backends.torchscript.calls import watched
from htp.backends.torchscript.recorder import Recorder
from htp.backends.torchscript.taken import Taken

__all__ = ["overriding_calls"]


@contextmanager
def overriding_calls(model: Any, recorder: Recorder, taken: Taken) -> Iterator[None]:
    """Watch the calls of such modules, and what they take and return, until the context ends."""
    import torch

    with ExitStack() as patches:

        def put_in() -> None:
            kinds = kinds_of(model.modules()) if isinstance(model, torch.nn.Module) else ()
            if kinds:
                patches.enter_context(overridden(kinds, partial(watched, taken, overriding=True)))

        recorder.faults.safely(put_in)
        yield
