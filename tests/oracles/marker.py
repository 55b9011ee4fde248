"""The marker oracle: what multiplies by a module's own number was done in a call of that module.

``forward`` of every class in the model is wrapped while the model runs, once in plain PyTorch and
once under the exporter: it multiplies the first floating tensor that it returns by a number that
belongs to the module object and is exact in 32 bits. The plain run says in which calls, and in
which order, each number was used. In the exported graph the number is a constant, which no
exporter can move to another operation without changing what the model computes.
"""

import contextlib
import functools
from collections import Counter
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

import torch
from torch import Tensor, nn

from htp.testing.case import modules_of
from htp.testing.eager import Truth, watched
from htp.testing.oracle import Verdict, verdicts
from oracles.calls import operation_by_operation
from oracles.subject import Exported, Report, Subject, export

__all__ = ["marked_export", "marker", "report_of"]

_STEP = 2.0**-13
"""Odd multiples of it above 1 are the numbers, which the models of the suite don't use themselves.
Numbers much closer to 1 would not do: torch's optimiser drops multiplications by them."""

_FACTOR = "_marker_factor"


def marker(subject: Subject, backend: str, folder: str) -> Report:
    """Export a subject with every module marked, and look whether each mark is its call's."""
    exported, truth = marked_export(subject, backend, folder)
    return report_of(exported.tagged, truth)


def marked_export(subject: Subject, backend: str, folder: str) -> Tuple[Exported, Truth]:
    """The export of the marked model, and what an eager run did."""
    model, args, kwargs = subject.build()
    with marking(model) as log, operation_by_operation():
        with watched(model) as watch:
            log.append(watch.log)
            try:
                model(*args, **kwargs)
            finally:
                log.clear()
        truth = Truth(tuple(watch.marks), set(watch.stacks))
        same = Subject(subject.name, lambda: (model, args, kwargs), subject.options)
        return export(same, backend, folder), truth


def report_of(tagged: Any, truth: Truth) -> Report:
    """What the marks in a graph say of its tags."""
    found: List[Verdict] = verdicts(tagged, truth)
    wrong = [
        f"{verdict.node} belongs to {' and '.join(verdict.owners)}, the tag says {verdict.found}"
        for verdict in found
        if not verdict.right
    ]
    left = Counter(mark.owner for mark in truth.marks)
    left -= Counter(owner for verdict in found for owner in verdict.owners)
    undecided = [f"{owner}: its mark is not in the graph" for owner in sorted(left)]
    return Report(len(found), tuple(wrong), tuple(undecided))


@contextlib.contextmanager
def marking(model: nn.Module) -> Iterator[List[Callable[[float, Tensor], None]]]:
    """Let every module of the model mark what it returns.

    Yields:
        Who is told of each mark; empty unless an eager run is watched.
    """
    log: List[Callable[[float, Tensor], None]] = []
    factors: Dict[int, float] = {}
    held: List[nn.Module] = []
    for _, module in modules_of(model):
        if id(module) not in factors and not isinstance(module, torch.jit.ScriptModule):
            factors[id(module)] = 1 + (2 * len(factors) + 3) * _STEP
            held.append(module)
    with contextlib.ExitStack() as stack:
        for module in held:
            module.__dict__[_FACTOR] = factors[id(module)]
            stack.callback(module.__dict__.pop, _FACTOR)
        for cls in dict.fromkeys(type(module) for module in held):
            stack.enter_context(_wrapped(cls, log))
        yield log


@contextlib.contextmanager
def _wrapped(cls: type, log: List[Callable[[float, Tensor], None]]) -> Iterator[None]:
    owner: Any = cls
    plain, own = owner.forward, "forward" in vars(cls)

    @functools.wraps(plain)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        result = plain(self, *args, **kwargs)
        factor: Optional[float] = self.__dict__.get(_FACTOR)
        if factor is None:  # a module of the same class that is not the model's
            return result
        marked, done = _marked(result, factor)
        if done is not None and log:
            log[0](factor, done)
        return marked

    owner.forward = forward
    try:
        yield
    finally:
        if own:
            owner.forward = plain
        else:
            del owner.forward


def _marked(result: Any, factor: float) -> Tuple[Any, Optional[Tensor]]:
    """The same result with its first floating tensor multiplied, and that tensor as it was."""
    if isinstance(result, Tensor):
        if not result.is_floating_point():
            return result, None
        return result * factor, result
    if isinstance(result, (tuple, list)):
        items = list(result)
        for at, item in enumerate(items):
            items[at], done = _marked(item, factor)
            if done is not None:
                made = type(result)
                return (made(*items) if hasattr(result, "_fields") else made(items)), done
    if isinstance(result, Mapping):
        for key in list(result):
            value, done = _marked(result[key], factor)
            if done is not None:
                return type(result)(**{**result, key: value}), done
    return result, None
