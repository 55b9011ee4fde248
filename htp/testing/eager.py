"""The truth, from an eager run that HTP has no part in.

``nn.Module.__call__`` is wrapped while the model runs once in plain PyTorch: that is what a module
call is. Of a class that has a ``__call__`` of its own, that is wrapped instead. Nothing here is
shared with a capture backend, and no exporter is involved.
"""

import contextlib
import threading
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import torch
from torch import nn

from htp.testing.case import Case, Marked, modules_of

__all__ = ["Call", "Mark", "Truth", "names_by_module", "truth_of", "type_name", "watched"]


class Call(NamedTuple):
    """A module call as the oracle knows it; compares equal to ``htp.ModuleCall``."""

    path: str
    type: str
    call: int

    @property
    def short(self) -> str:
        """``path``, or ``path@call`` from the second call on."""
        return f"{self.path}@{self.call}" if self.call else self.path


class Mark(NamedTuple):
    """One multiplication by a module's own factor.

    Attributes:
        factor: the factor.
        owner: the innermost call that it happened in, as ``path`` or ``path@call``.
        given: a digest of what was multiplied; None where no eager run has shown it.
    """

    factor: float
    owner: str
    given: Optional[int] = None


@dataclass(frozen=True)
class Truth:
    """What one forward pass did.

    Attributes:
        marks: every mark in the order of execution, with its owner as ``path`` or ``path@call``.
        stacks: the stack of every module call; empty where an eager run cannot show it.
    """

    marks: Tuple[Mark, ...]
    stacks: Set[Tuple[Call, ...]]

    @property
    def calls(self) -> Set[Tuple[str, int]]:
        """``(path, call)`` of every module call."""
        return {(stack[-1].path, stack[-1].call) for stack in self.stacks}


def type_name(module: nn.Module) -> str:
    """The qualified name of a module's class."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def names_by_module(model: nn.Module) -> Dict[int, List[str]]:
    """Every attribute path of each module object, in order of registration."""
    names: Dict[int, List[str]] = {}
    for path, module in modules_of(model):
        names.setdefault(id(module), []).append(path)
    return names


class _Watch:
    """Follows the module calls of a model."""

    def __init__(self, model: nn.Module) -> None:
        self.names = names_by_module(model)
        self.counts: Dict[int, int] = {}
        self.active: List[Call] = []
        self.marks: List[Mark] = []
        self.stacks: List[Tuple[Call, ...]] = []

    def path(self, module: nn.Module) -> str:
        """The alias below the innermost enclosing call that has one, else the first name."""
        names = self.names[id(module)]
        for call in reversed(self.active):
            below = [name for name in names if name.startswith(call.path + ".")]
            if below:
                return below[0]
        return names[0]

    def enter(self, module: nn.Module) -> None:
        call = self.counts.get(id(module), 0)
        self.counts[id(module)] = call + 1
        self.active.append(Call(self.path(module), type_name(module), call))
        self.stacks.append(tuple(self.active))

    def log(self, factor: float, value: torch.Tensor) -> None:
        array = value.detach().double().cpu().numpy()
        digest = hash((array.shape, array.tobytes()))
        self.marks.append(Mark(factor, self.active[-1].short, digest))


@contextlib.contextmanager
def watched(model: nn.Module) -> Iterator[_Watch]:
    """Record every call of the model's modules that this thread makes."""
    watch = _Watch(model)
    thread = threading.get_ident()
    modules = [module for _, module in modules_of(model)]
    kinds = {type(m) for m in modules if type(m).__call__ is not nn.Module.__call__}

    def noted(kind: Any, original: Any) -> Any:
        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            elsewhere = id(module) not in watch.names or threading.get_ident() != thread
            if elsewhere or kind is not (type(module) if type(module) in kinds else nn.Module):
                return original(module, *args, **kwargs)
            watch.enter(module)
            try:
                return original(module, *args, **kwargs)
            finally:
                watch.active.pop()

        return call

    marked = [module for module in modules if isinstance(module, Marked)]
    with contextlib.ExitStack() as stack:
        for kind in (*kinds, nn.Module):
            own = vars(kind).get("__call__")
            back = (delattr, kind, "__call__") if own is None else (setattr, kind, "__call__", own)
            stack.callback(*back)
            kind.__call__ = noted(kind, kind.__call__)
        for module in marked:
            module.log = watch.log
            stack.callback(module.__dict__.pop, "log", None)
        yield watch


def truth_of(case: Case) -> Truth:
    """What the model of a case does, from an eager run, or by hand where the case says so."""
    model, args, kwargs = case.example()
    if case.by_hand:
        return Truth(tuple(_by_hand(model, case)), set())
    with torch.no_grad(), watched(model) as watch:
        model(*args, **kwargs)
    return Truth(tuple(watch.marks), set(watch.stacks))


def _by_hand(model: nn.Module, case: Case) -> Iterator[Mark]:
    modules = dict(modules_of(model))
    for owner in case.marks:
        factor: Any = modules[owner.partition("@")[0]].factor
        yield Mark(factor, owner)
