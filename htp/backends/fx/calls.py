"""Which module calls run while ``torch.export`` traces, by the identity of the module that runs.

``torch.export`` writes down a module stack as well, but from strings: a module whose instance
``forward`` was replaced is known by its attribute name alone, bodies of ``torch.cond`` have no
stack, and the calls of 2.5 have no number. So HTP keeps its own stack and lays the innermost call
into ``node.meta`` under its own key as each FX node is created.

There are three ways in which a call is seen:

* the model runs: every call enters and leaves;
* dynamo reads the model, all of it in strict capture, and otherwise the bodies of ``torch.cond``
  and its kin;
* a graph that was made in one of these ways is traced again (``_Replay``), and the node at hand
  says whose it is.
"""

from typing import Any, Dict, List, Optional

from htp.backends.common.modules import ModuleNames, compiled_inside, type_name
from htp.backends.fx.meta import KEY as _CALL
from htp.backends.fx.meta import Attempt, Call, call_of_meta, node_of_line
from htp.scope import ModuleCall, Stack

__all__ = ["CallTracker"]


class CallTracker:
    """Follows the module calls of one model."""

    def __init__(self) -> None:
        self._modules: Dict[int, Any] = {}
        self._names: Optional[ModuleNames] = None
        self._root = 0
        self._running: List[Call] = []
        self._strict: Optional[Call] = None
        """The root's call in strict capture, where nothing runs that could be seen."""
        self._unheard: List[Call] = []
        self._replay = _Replay(self._new)

    def follow(self, model: Any, names: ModuleNames) -> None:
        """Follow the calls of this ``nn.Module``, whose modules have these names."""
        self._modules = {_identity(module): module for module in model.modules()}
        self._names = names
        self._root = _identity(model)

    def _new(
        self, module: int, parent: Optional[Call], attempt: Attempt, replayed: bool = False
    ) -> Call:
        assert self._names is not None
        number = attempt.count.get(module, 0)
        above = parent.stack if parent else ()
        path = self._names.path(self._modules[module], above)
        here = ModuleCall(path, type_name(self._modules[module]), number)
        call = Call((*above, here), parent, module, attempt, replayed)
        if not replayed:
            attempt.count[module] = number + 1
            attempt.add(call)
        return call

    def begin_reading(self) -> None:
        """Dynamo starts to read. In strict capture nothing is running then."""
        if not self._running:
            root = self._new(self._root, None, Attempt())
            self._strict = self._inside(root) or root

    def enter(self, module: Any, dynamo: bool) -> Optional[Call]:
        """A call begins and is the innermost one; None for a module that the model does not hold.

        Args:
            module: the module that is called.
            dynamo: whether dynamo reads the call; else it runs.
        """
        key = _identity(module)
        call = self._begun(key, dynamo) if key in self._modules else None
        if call is not None:
            self._running.append(call)
            inner = self._inside(call)
            if inner is not None:
                self._running.append(inner)
        return call

    def _inside(self, call: Call) -> Optional[Call]:
        """The call of what ``torch.compile`` wrapped, which begins unheard inside the wrapper's."""
        wrapped = compiled_inside(self._modules[call.module])
        if wrapped is None or _identity(wrapped) not in self._modules:
            return None
        self._unheard.append(self._new(_identity(wrapped), call, call.attempt, call.replayed))
        return self._unheard[-1]

    def _begun(self, key: int, dynamo: bool) -> Optional[Call]:
        root = self._strict
        for one in (self._running[-1] if self._running else None, root):
            if one is not None and one.module == key and one in self._unheard:
                self._unheard.remove(one)  # it was heard after all
                return one
        if self._running:
            above = self._running[-1]
            # Without an attempt of its own, dynamo reads a body for the attempt that is running.
            replayed = dynamo and (root is None or above.attempt != root.attempt)
            return self._new(key, above, above.attempt, replayed)
        if dynamo and root is not None:
            return root if key == self._root else self._new(key, root, root.attempt)
        if not dynamo and key == self._root:
            return self._new(key, None, Attempt())
        again = call_of_meta()
        if again is not None:
            # dynamo left a module whole, and now it runs as one node of the graph that dynamo made.
            return again if again.module == key else self._new(key, again, again.attempt)
        return None

    def leave(self, call: Optional[Call]) -> None:
        """The call is over, and whatever was called in it."""
        if call is None:
            return
        while self._running and self._running.pop() is not call:
            pass

    def is_innermost(self, module: Any) -> bool:
        """Whether the innermost call is one of this module."""
        return bool(self._running) and self._running[-1].module == _identity(module)

    def running(self) -> Stack:
        """The innermost call that runs."""
        return self._running[-1].stack if self._running else ()

    def read_root(self) -> Stack:
        """The root's call, if dynamo has read it."""
        return self._strict.stack if self._strict is not None else ()

    def in_body(self) -> bool:
        """Whether such code runs."""
        return bool(self._replay.bodies)

    def enter_body(self) -> None:
        """The code begins to run that torch wrote for a body, whose nodes know their calls."""
        self._replay.bodies.append(call_of_meta())

    def leave_body(self) -> None:
        """It has run."""
        self._replay.bodies.pop()

    def owner(self, op: str, dynamo: bool) -> Optional[Call]:
        """The call that a node belongs to which is being created.

        Args:
            op: the kind of node.
            dynamo: whether dynamo creates it.
        """
        running = self._running[-1] if self._running else None
        if dynamo:
            return running or self._strict
        before = self._replay.before()
        if running is None:
            return before
        if before is not None and before.replayed:
            return self._replay.of(before, running)
        if before is not None:
            return running if running.stack[: len(before.stack)] == before.stack else before
        if op == "call_function":
            self._replay.forget()  # back outside the calls of a body
        return running


class _Replay:
    """A graph is traced again.

    Args:
        new: makes a call: module, parent, attempt.

    Attributes:
        bodies: for each body that runs: the call of the node that is traced again around it.
    """

    def __init__(self, new: Any) -> None:
        self._new = new
        self._calls: Dict[Call, Call] = {}
        self.bodies: List[Optional[Call]] = []

    def before(self) -> Optional[Call]:
        """The call of the node that is traced again."""
        before = call_of_meta()
        if self.bodies and before is self.bodies[-1]:
            line = node_of_line()
            return (line.meta.get(_CALL) if line is not None else None) or before
        return before

    def of(self, call: Call, running: Call) -> Call:
        """The call that ``call`` stands for in the body that is being traced now."""
        if not call.replayed:
            return running
        if call not in self._calls:
            parent = self.of(call.parent, running) if call.parent else running
            again: Call = self._new(call.module, parent, running.attempt)
            running.attempt.traced.append(again)
            self._calls[call] = again
        return self._calls[call]

    def forget(self) -> None:
        """What is traced from now on is another body."""
        self._calls.clear()


def _identity(module: Any) -> int:
    # Non-strict capture hands out proxies of modules. They share the module's __dict__:
    # https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/experimental/proxy_tensor.py#L1602
    return id(module.__dict__)
