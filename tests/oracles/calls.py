"""An eager run in which something is done around every module call.

It lies inside ``watched``, so that a call is counted and has its stack before the work begins.
"""

import contextlib
import functools
from typing import Any, Callable, Iterator, List, Optional, Tuple

import torch
from torch import nn

from htp.testing.eager import Call, watched
from oracles.subject import Exported

__all__ = ["Around", "Stack", "key", "operation_by_operation", "run_watched"]

Stack = Tuple[Call, ...]

Around = Callable[[int, Callable[..., Any], Tuple[Any, ...], Any], Any]
"""Makes a call: its number in the order of entering, the function to call, and its arguments."""


def key(call: Any) -> Tuple[str, int]:
    """What tells calls apart, for the calls of a tag and of an eager run alike."""
    return call.path, call.call


def run_watched(exported: Exported, around: Around) -> List[Stack]:
    """Run the model once with ``around`` around each call of its modules.

    Returns:
        The stack of each call, in the order of entering: ``around`` gets the place in this list.
    """
    original: Any = nn.Module.__call__
    watch: Any = None

    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if watch is None or id(module) not in watch.names:
            return original(module, *args, **kwargs)
        made = functools.partial(original, module)
        return around(len(watch.stacks) - 1, made, args, kwargs)

    nn.Module.__call__ = call
    try:
        with operation_by_operation(), watched(exported.model) as watch:
            exported.model(*exported.args, **exported.kwargs)
    finally:
        nn.Module.__call__ = original
    return list(watch.stacks)


@contextlib.contextmanager
def operation_by_operation() -> Iterator[None]:
    """Keep torch's layers off the fused path that no exporter takes.

    Releases without a switch for it (1.12 to 2.0) stay off it while gradients are recorded.
    """
    mha: Optional[Any] = getattr(torch.backends, "mha", None)
    before = mha.get_fastpath_enabled() if mha is not None else None
    if mha is not None:
        mha.set_fastpath_enabled(False)
    try:
        with torch.set_grad_enabled(mha is None):
            yield
    finally:
        if mha is not None:
            mha.set_fastpath_enabled(before)
