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
    watch: Any = None
    kinds = {type(module) for module in exported.model.modules()}
    own = {kind for kind in kinds if kind.__call__ is not nn.Module.__call__}

    def noted(kind: Any, original: Any) -> Any:
        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            # Of a class with a __call__ of its own, that is the call, and what it leads to is not.
            here = kind is (type(module) if type(module) in own else nn.Module)
            if watch is None or id(module) not in watch.names or not here:
                return original(module, *args, **kwargs)
            made = functools.partial(original, module)
            return around(len(watch.stacks) - 1, made, args, kwargs)

        return call

    with contextlib.ExitStack() as stack:
        for kind in (*own, nn.Module):
            before = vars(kind).get("__call__")
            back = (setattr, kind, "__call__", before) if before else (delattr, kind, "__call__")
            stack.callback(*back)
            kind.__call__ = noted(kind, kind.__call__)  # type: ignore[method-assign]
        with operation_by_operation(), watched(exported.model) as watch:
            exported.model(*exported.args, **exported.kwargs)
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
