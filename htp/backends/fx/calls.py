"""Which module calls run while ``torch.export`` traces, by the identity of the module that runs.

``torch.export`` writes down a module stack as well, but from strings: a module whose instance
``forward`` was replaced is known by its attribute name alone, bodies of ``torch.cond`` have no
stack, and the calls of 2.5 have no number. So HTP keeps its own stack and lays the innermost call
into ``node.meta`` under its own key as each FX node is created:

* non-strict capture runs the model: every module call passes ``_ModuleStackTracer.call_module``,
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/experimental/proxy_tensor.py#L1741
* strict capture, and the bodies of ``torch.cond`` and its kin, are read by dynamo, which announces
  each module in ``record_nn_module_stack``,
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/_dynamo/variables/nn_module.py#L85
* later passes trace the graph again with the node at hand in ``torch.fx.traceback``'s current meta,
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/proxy.py#L173
"""

import inspect
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from threading import get_ident
from typing import Any, Dict, Iterator, List, Optional

from htp.backends.common.modules import ModuleNames, type_name
from htp.backends.common.patching import replaced
from htp.backends.fx import views as _fx_views
from htp.backends.fx.meta import KEY, Attempt, Call, call_of_line, call_of_meta, is_body
from htp.scope import ModuleCall

__all__ = ["CallTracker", "missing_seam"]


class CallTracker:
    """Follows the module calls of one model.

    Args:
        model: the ``nn.Module`` that is exported.
        names: the names of its modules.
    """

    def __init__(self, model: Any, names: ModuleNames) -> None:
        self._names = names
        self._modules = {_identity(module): module for module in model.modules()}
        self._root = _identity(model)
        self._running: List[Call] = []
        self._bodies: List[Optional[Call]] = []
        """For each body that runs: the call of the node that is traced again around it."""
        self._strict: Optional[Call] = None
        """The root's call in strict capture, where nothing runs that could be seen."""
        self._replays: Dict[Call, Call] = {}

    def _new(
        self, module: int, parent: Optional[Call], attempt: Attempt, replayed: bool = False
    ) -> Call:
        number = attempt.count.get(module, 0)
        above = parent.stack if parent else ()
        path = self._names.path(self._modules[module], above)
        here = ModuleCall(path, type_name(self._modules[module]), number)
        call = Call((*above, here), parent, module, attempt, replayed)
        if not replayed:
            attempt.count[module] = number + 1
            attempt.calls.append(call)
        return call

    def _enter(self, module: Any, dynamo: bool) -> Optional[Call]:
        """The call that begins, or None for a module that the model does not hold."""
        key = _identity(module)
        if key not in self._modules:
            return None
        if self._running:
            above = self._running[-1]
            # Without an attempt of its own, dynamo reads a body for the attempt that is running.
            replayed = dynamo and (self._strict is None or above.attempt != self._strict.attempt)
            return self._new(key, above, above.attempt, replayed)
        if dynamo and self._strict is not None:
            if key == self._root:
                return self._strict
            return self._new(key, self._strict, self._strict.attempt)
        if not dynamo and key == self._root:
            return self._new(key, None, Attempt())
        again = call_of_meta()
        if again is not None:
            # dynamo left a module whole, and now it runs as one node of the graph that dynamo made.
            return again if again.module == key else self._new_late(key, again)
        return None

    def _is_innermost(self, module: Any) -> bool:
        return bool(self._running) and self._running[-1].module == _identity(module)

    def _new_late(self, module: int, parent: Call) -> Call:
        """A call seen after the fact, which belongs behind the others inside ``parent``."""
        calls = parent.attempt.calls
        inside = [
            place
            for place, one in enumerate(calls)
            if parent.stack == one.stack[: len(parent.stack)]
        ]
        call = self._new(module, parent, parent.attempt)
        calls.insert(inside[-1] + 1, calls.pop())
        return call

    @contextmanager
    def _run(self, module: Any, dynamo: bool) -> Iterator[None]:
        """Let ``module`` be the innermost one, if it is one of the model's."""
        call = self._enter(module, dynamo)
        if call is None:
            yield
            return
        depth = len(self._running)
        self._running.append(call)
        try:
            yield
        finally:
            del self._running[depth:]

    @contextmanager
    def _run_body(self) -> Iterator[None]:
        """Let the code run that torch wrote for a body, whose nodes know their calls."""
        self._bodies.append(call_of_meta())
        try:
            yield
        finally:
            self._bodies.pop()

    def _owner(self, op: str, dynamo: bool) -> Optional[Call]:
        """The call that a node belongs to which is being created.

        Args:
            op: the kind of node.
            dynamo: whether dynamo creates it.
        """
        running = self._running[-1] if self._running else None
        if dynamo:
            return running or self._strict
        before = call_of_meta()
        if self._bodies and before is self._bodies[-1]:
            before = call_of_line() or before
        if running is None:
            return before
        if before is not None and before.replayed:
            return self._replay(before, running)
        if before is not None:
            return running if running.stack[: len(before.stack)] == before.stack else before
        if op == "call_function":
            self._replays.clear()  # back outside the calls of a body
        return running

    def _replay(self, call: Call, running: Call) -> Call:
        """The call that ``call`` stands for in the body that is being traced now."""
        if not call.replayed:
            return running
        if call not in self._replays:
            parent = self._replay(call.parent, running) if call.parent else running
            again = self._new(call.module, parent, running.attempt)
            running.attempt.traced.append(again)
            self._replays[call] = again
        return self._replays[call]

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow the calls meanwhile. What torch had before is put back whatever happens."""
        from torch._dynamo.output_graph import OutputGraph, SubgraphTracer
        from torch._dynamo.variables import nn_module as dynamo_modules
        from torch.fx.experimental.proxy_tensor import _ModuleStackTracer as Tracer
        from torch.fx.proxy import TracerBase
        from torch.nn import Module

        tracker = self
        views = _fx_views.ViewTracker()
        thread = get_ident()  # another one may be compiling a model of its own
        create_node = TracerBase.create_node
        call_module = Tracer.call_module
        announce = dynamo_modules.record_nn_module_stack
        begin = OutputGraph.__init__
        methods = getattr(dynamo_modules.NNModuleVariable.call_method, "__code__", None)
        calling = [
            vars(Module)[name].__code__
            for name in ("_call_impl", "_wrapped_call_impl")
            if name in vars(Module)
        ]

        def htp_create_node(self: Any, *args: Any, **kwargs: Any) -> Any:
            node = create_node(self, *args, **kwargs)
            if get_ident() != thread:
                return node
            running = tracker._owner(node.op, isinstance(self, SubgraphTracer))
            call = views.earlier(node, self) or running
            if call is not None:
                node.meta[KEY] = call
            return node

        def htp_call_module(self: Any, m: Any, forward: Any, args: Any, kwargs: Any) -> Any:
            if get_ident() != thread:
                return call_module(self, m, forward, args, kwargs)
            with tracker._run_body() if is_body(m) else tracker._run(m, dynamo=False):
                return call_module(self, m, forward, args, kwargs)

        def htp_announce(module_key: Any, source: Any, tx: Any, mod: Any) -> Any:
            # A module may be announced twice: as it is called, and from within what calls forward.
            # And one is announced whose forward the model runs itself, which is no module call.
            twice = tx.f_code in calling and tracker._is_innermost(mod)
            direct = sys._getframe(1).f_code is methods
            follow = get_ident() == thread and not twice and not direct
            return announced(follow, mod, announce(module_key, source, tx, mod))

        @contextmanager
        def announced(follow: bool, mod: Any, plain: Any) -> Iterator[None]:
            with tracker._run(mod, dynamo=True) if follow else nullcontext(), plain:
                yield

        def htp_begin(self: Any, *args: Any, **kwargs: Any) -> None:
            # Once for each time that dynamo starts to read. Strict, if nothing is running.
            if get_ident() == thread and not tracker._running:
                tracker._strict = tracker._new(tracker._root, None, Attempt())
            begin(self, *args, **kwargs)

        with ExitStack() as seams:
            seams.enter_context(views.following())
            seams.enter_context(replaced(TracerBase, "create_node", htp_create_node))
            seams.enter_context(replaced(Tracer, "call_module", htp_call_module))
            seams.enter_context(replaced(dynamo_modules, "record_nn_module_stack", htp_announce))
            seams.enter_context(replaced(OutputGraph, "__init__", htp_begin))
            yield


def missing_seam() -> Optional[str]:
    """What ``following`` does not find in this torch, in words, or None.

    Raises:
        ImportError: a module of torch is not there.
    """
    from torch._dynamo.output_graph import OutputGraph, SubgraphTracer
    from torch._dynamo.variables import nn_module as dynamo_modules
    from torch.fx import proxy, traceback
    from torch.fx.experimental import proxy_tensor

    for owner, name in (
        (OutputGraph, "__init__"),
        (SubgraphTracer, "create_node"),
        (dynamo_modules, "record_nn_module_stack"),
        (proxy_tensor, "_ModuleStackTracer"),
        (getattr(proxy_tensor, "_ModuleStackTracer", None), "call_module"),
        (proxy.TracerBase, "create_node"),
        (traceback, "has_preserved_node_meta"),
        (traceback, "get_current_meta"),
    ):
        if not hasattr(owner, name):
            return f"{getattr(owner, '__name__', owner)}.{name}"
    announced = list(inspect.signature(dynamo_modules.record_nn_module_stack).parameters)
    if announced != ["module_key", "source", "tx", "mod"]:
        return f"the expected parameters of record_nn_module_stack, which has {announced}"
    return _fx_views.missing_seam()


def _identity(module: Any) -> int:
    # Non-strict capture hands out proxies of modules. They share the module's __dict__:
    # https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/experimental/proxy_tensor.py#L1602
    return id(module.__dict__)
