"""A forward pass that leaves no trace: neither in the model nor in torch nor in random numbers."""

import random
from contextlib import ExitStack, contextmanager
from typing import Any, Iterator, List, Tuple

from htp.backends.common.undisturbed import undisturbed

__all__ = ["as_it_was", "uncompiled"]


@contextmanager
def as_it_was(model: Any, evaluating: bool) -> Iterator[None]:
    """Run a model inside, without gradients; then all is as it was, whatever happened.

    Args:
        model: an ``nn.Module``.
        evaluating: whether it is run in evaluation mode; else as it is.
    """
    with ExitStack() as stack:
        stack.enter_context(undisturbed(model))
        stack.enter_context(_random_numbers())
        stack.enter_context(_buffers(model))
        stack.enter_context(_flags(model, evaluating))
        stack.enter_context(_operation_by_operation())
        yield


@contextmanager
def _random_numbers() -> Iterator[None]:
    import numpy as np
    import torch

    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    plain, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - what models may use
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def _buffers(model: Any) -> Iterator[None]:
    """Statistics and caches: the same objects with the same numbers."""
    import torch

    held: List[Tuple[Any, Any, List[Tuple[str, Any, Any]]]] = []
    for module in model.modules():
        table = getattr(module, "_buffers", {})
        rows = [(name, b, None if b is None else b.detach().clone()) for name, b in table.items()]
        held.append((module, table, rows))
    try:
        yield
    finally:
        with torch.no_grad():
            for _, table, rows in held:
                for _, tensor, numbers in rows:
                    if tensor is not None and not _equal(tensor, numbers):
                        tensor.copy_(numbers)
                if [(name, id(b)) for name, b in table.items()] != [(n, id(b)) for n, b, _ in rows]:
                    table.clear()
                    table.update((name, tensor) for name, tensor, _ in rows)


def _equal(one: Any, two: Any) -> bool:
    import torch

    same: bool = one.shape == two.shape and bool(torch.equal(one, two))
    return same


@contextmanager
def _flags(model: Any, evaluating: bool) -> Iterator[None]:
    before = [(module, module.training) for module in model.modules()]
    try:
        if evaluating and any(flag for _, flag in before):
            model.eval()
        yield
    finally:
        for module, flag in before:
            if module.training != flag:
                module.training = flag


@contextmanager
def _operation_by_operation() -> Iterator[None]:
    """Keep torch's layers off the fused path that no exporter takes.

    Releases without a switch for it (1.12 to 2.0) stay off it while gradients are recorded.
    """
    import torch

    mha: Any = getattr(torch.backends, "mha", None)
    before = mha.get_fastpath_enabled() if mha is not None else None
    if mha is not None:
        mha.set_fastpath_enabled(False)
    try:
        with torch.set_grad_enabled(mha is None):
            yield
    finally:
        if mha is not None:
            mha.set_fastpath_enabled(before)


@contextmanager
def uncompiled() -> Iterator[None]:
    """Let what is compiled as it runs (``torch.cond``, ``torch.compile``) run plainly instead.

    Nothing is changed on releases that cannot be told so (before 2.6).
    """
    import torch

    stance: Any = getattr(getattr(torch, "compiler", None), "set_stance", None)
    with ExitStack() as stack:
        if stance is not None:
            stack.enter_context(stance("force_eager"))
        yield
