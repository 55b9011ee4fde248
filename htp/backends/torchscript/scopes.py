"""A scope for every module call while TorchScript traces.

``nn.Module._slow_forward`` looks up ``torch.jit._trace._trace_module_map[self]`` and pushes what it
finds as a scope, so a map of our own may answer each call with another name
(https://github.com/pytorch/pytorch/blob/v2.0.1/torch/nn/modules/module.py#L1477). From 1.13 torch
fills the map itself with ``class::variable``, and names nodes after the part behind ``::`` only
(torch/csrc/jit/passes/onnx/naming.cpp), so the class may carry a token and no name changes.

The scope begins behind the forward pre-hooks and ends before the forward hooks. What hooks compute
belongs to the call as well, so calls of modules that have hooks are marked in the graph besides.

A function that was scripted or traced before is one node of the trace, with the scope of the module
that calls it, and torch puts the function's own nodes in its place, which have none. So such calls
are marked as well:

      = prim::Print[htp="1"]()                  scope: #htp0#::/#htp1#::a
    %3 = aten::erf(%1)                          what the function does, which a called
      = prim::Print[htp=""]()
    %4 = aten::sigmoid(%3)                      scope: #htp0#::/#htp2#::b
"""

import re
from threading import get_ident
from typing import Any, Dict, List, Mapping, Optional

from htp.backends.base import Where
from htp.backends.common.faults import Faults
from htp.backends.common.modules import ModuleNames, type_name
from htp.backends.torchscript.failing import forward_failed
from htp.scope import ModuleCall, Stack

_MARK = "#htp"
_TOKEN = re.compile(_MARK + r"(\d+)#")


class CallLog:
    """Every module call of one forward pass, in order; a token is an index into it.

    Attributes:
        names: the paths of the model's modules.
        thread: the thread that exports; what others call is not the model's forward pass.
        stacks: the stack of each call.
        marked: whether calls are marked in the graph: of modules with hooks, of scripted functions.
        kinds: what torch itself calls the class of each token's scope.
        silenced: torch was told to print nothing until the conversion has ended (``printed``).
        faults: what went wrong in the recording of the export.
    """

    def __init__(self, names: ModuleNames) -> None:
        self.names = names
        self.thread = get_ident()
        self.stacks: List[Stack] = []
        self._counts: Dict[int, int] = {}
        self._running: List[int] = []
        self._modules: List[Any] = []
        self._failed = Where()
        self._types: Dict[type, str] = {}
        self.marked = False
        self.kinds: Dict[str, str] = {}
        self.silenced = False
        self.faults = Faults()

    def enter(self, module: Any, enclosing: Stack) -> int:
        """Note a call and hand out its token."""
        key = id(module)
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        path = self.names.path(module, enclosing) if enclosing else ""
        self.stacks.append((*enclosing, ModuleCall(path, self._type(module), count)))
        self._modules.append(module)
        return len(self.stacks) - 1

    def _type(self, module: Any) -> str:
        """The name of a module's class; scripted modules of one class have different ones."""
        kind = type(module)
        if kind in self._types:
            return self._types[kind]
        name = type_name(module)
        if not hasattr(module, "_c"):
            self._types[kind] = name
        return name

    def begin(self, module: Any) -> Optional[int]:
        """A call begins; those that begin before ``end`` are made by it.

        Returns:
            Its token, or None when the recording of calls failed, now or before.
        """
        if self.faults.first is None:
            try:
                token = self.enter(module, self.running())
            except Exception as error:  # kept: the forward pass is somebody else's
                self.faults.keep(error, "enter")
                return None
            self._running.append(token)
            return token
        return None

    def end(self) -> None:
        """The call that began last ends well."""
        self._running.pop()
        self._failed = Where()  # whatever went wrong within was caught

    def fail(self, error: BaseException) -> None:
        """The call that began last ends with an error."""
        # Whoever is still running may catch it. Of the outermost call, it is how the trace ends.
        self._failed = forward_failed(error, self) if len(self._running) == 1 else Where()
        self._running.pop()

    def innermost(self) -> Optional[int]:
        """The token of the innermost call that is running; None when none is, or after a fault."""
        return self._running[-1] if self._running and self.faults.first is None else None

    def is_innermost(self, module: Any) -> bool:
        """Whether the innermost call that is running is one of this module."""
        return bool(self._running) and self._modules[self._running[-1]] is module

    def running(self) -> Stack:
        """The innermost call that is running; empty when none is."""
        return self.stacks[self._running[-1]] if self._running else ()

    def where(self) -> Where:
        """The innermost call that is running, or the one in which the forward pass failed."""
        return Where(self.running()) if self._running else self._failed

    def scope_token(self, module: Any) -> str:
        """What the scope name of a call that is running carries."""
        if self.faults.first is not None:
            return ""
        running = self._running[-1] if self._running else None
        if running is None or self._modules[running] is not module:
            running = self.faults.safely(self.enter, module, self.running())
        return "" if running is None else f"{_MARK}{running}#"

    def stack(self, scope: str) -> Stack:
        """The stack of the innermost token in a scope name, the last; empty when it holds none."""
        at = scope.rfind(_MARK)
        while at >= 0:
            token = _TOKEN.match(scope, at)
            if token is not None:
                return self.stacks[int(token[1])]
            at = scope.rfind(_MARK, 0, at)
        return ()


class TraceModuleMap:
    """Stands in for torch's map from module to scope name.

    Args:
        log: where calls are noted.
        plain: torch's own map, or None where it would have none.
    """

    def __init__(self, log: CallLog, plain: Optional[Mapping[Any, str]]) -> None:
        self._log = log
        self._plain = plain

    def __contains__(self, module: Any) -> bool:
        return module in self._log.names if self._plain is None else module in self._plain

    def __getitem__(self, module: Any) -> str:
        if self._plain is None:
            if module not in self._log.names:
                raise KeyError(module)
            return self._log.scope_token(module)
        kind, separator, variable = self._plain[module].partition("::")
        token = self._log.scope_token(module)
        self._log.kinds[token] = kind
        return f"{token}{separator}{variable}" if separator else kind

    def get(self, module: Any, default: Optional[str] = None) -> Optional[str]:
        """As of a mapping; newer releases look names up with it."""
        if module not in self:
            return default
        return self[module]
