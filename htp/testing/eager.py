"""The truth, from an eager run that HTP has no part in.

``nn.Module.__call__`` is wrapped while the model runs once in plain PyTorch: that is what a module
call is; of a class that has a ``__call__`` of its own, that is wrapped instead.
``nn.Module.__getattr__`` is wrapped as well, which is how a module reaches another: of a module
that has several names it tells the one that was really used. Nothing here is shared with a capture
backend, and no exporter is involved.
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
    """Follows the module calls of a model, and the attributes through which modules are reached."""

    def __init__(self, model: nn.Module) -> None:
        self.names = names_by_module(model)
        self.counts: Dict[int, int] = {}
        self.active: List[Call] = []
        self.marks: List[Mark] = []
        self.stacks: List[Tuple[Call, ...]] = []
        self._modules = dict(modules_of(model))
        self._reached: Dict[int, Tuple[nn.Module, str, Optional[nn.Module]]] = {}
        self._running: List[nn.Module] = []

    def reach(self, parent: nn.Module, name: str, child: nn.Module) -> None:
        """``parent`` looked up its attribute ``name``, which is ``child``.

        Of two names of one parent the first one stands for both.
        """
        same = (other for other, module in parent._modules.items() if module is child)
        running = self._running[-1] if self._running else None
        self._reached[id(child)] = parent, next(same, name), running

    def path(self, module: nn.Module) -> str:
        """The name through which a module was reached, or the first one where nobody saw it."""
        names = self.names[id(module)]
        if len(names) == 1:
            return names[0]
        for running, call in zip(reversed(self._running), reversed(self.active)):
            if module is running:
                return call.path
        parent, name, by = self._reached.get(id(module), (None, "", None))
        if parent is not None and by in self._running[-1:]:
            return self._below(parent, name)
        for each in names:
            above, _, item = each.rpartition(".")
            if self._holds(self._modules[above]):
                return self._below(self._modules[above], item)
        if parent is not None:  # looked up by one that is further out
            return self._below(parent, name)
        return self._lent(names)

    def _lent(self, names: List[str]) -> str:
        """The name of a module that nobody looked up: the first below the innermost such call.

        The product has the same rule, so this alone would not see it broken: the owners that cases
        write by hand do (``lent_by_two``, ``lent_from_outside``).
        """
        for call in reversed(self.active):
            below = [name for name in names if name.startswith(call.path + ".")]
            if below:
                return below[0]
        return names[0]

    def _below(self, parent: nn.Module, name: str) -> str:
        above = self.path(parent)
        return f"{above}.{name}" if above else name

    def _holds(self, holder: nn.Module) -> bool:
        """Whether what runs can have reached an item of ``holder`` without a look-up.

        It is the sequence that is running, or a list that this looked up.
        """
        if not isinstance(holder, (nn.ModuleList, nn.ModuleDict)):
            return holder in self._running[-1:]
        return id(holder) in self._reached and self._reached[id(holder)][0] in self._running[-1:]

    def enter(self, module: nn.Module) -> None:
        call = self.counts.get(id(module), 0)
        self.counts[id(module)] = call + 1
        self.active.append(Call(self.path(module), type_name(module), call))
        self._running.append(module)
        self._reached.pop(id(module), None)  # who keeps it and calls it again is not seen
        self.stacks.append(tuple(self.active))

    def leave(self) -> None:
        self.active.pop()
        ended = self._running.pop()
        # What it looked up and did not call is not what a later call went through.
        self._reached = {key: at for key, at in self._reached.items() if at[2] is not ended}

    def log(self, factor: float, value: torch.Tensor) -> None:
        array = value.detach().double().cpu().numpy()
        digest = hash((array.shape, array.tobytes()))
        self.marks.append(Mark(factor, self.active[-1].short, digest))


def _around_call(watch: _Watch, original: Any, kind: Any, kinds: Set[Any]) -> Any:
    """``__call__`` of a class, or of all that have none of their own, with each call noted."""
    thread = threading.get_ident()

    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        elsewhere = id(module) not in watch.names or threading.get_ident() != thread
        if elsewhere or kind is not (type(module) if type(module) in kinds else nn.Module):
            return original(module, *args, **kwargs)
        watch.enter(module)
        try:
            return original(module, *args, **kwargs)
        finally:
            watch.leave()

    return call


def _around_look_up(watch: _Watch, original: Any) -> Any:
    def look_up(module: nn.Module, name: str) -> Any:
        found = original(module, name)
        if isinstance(found, nn.Module) and id(module) in watch.names:
            watch.reach(module, name, found)
        return found

    return look_up


@contextlib.contextmanager
def watched(model: nn.Module) -> Iterator[_Watch]:
    """Record every call of the model's modules that this thread makes."""
    watch = _Watch(model)
    modules = [module for _, module in modules_of(model)]
    kinds = {type(m) for m in modules if type(m).__call__ is not nn.Module.__call__}
    marked = [module for module in modules if isinstance(module, Marked)]
    with contextlib.ExitStack() as stack:
        for kind in (*kinds, nn.Module):
            own = vars(kind).get("__call__")
            back = (delattr, kind, "__call__") if own is None else (setattr, kind, "__call__", own)
            stack.callback(*back)
            kind.__call__ = _around_call(watch, kind.__call__, kind, kinds)
        look_up: Any = nn.Module.__getattr__
        stack.callback(setattr, nn.Module, "__getattr__", look_up)
        nn.Module.__getattr__ = _around_look_up(watch, look_up)
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
