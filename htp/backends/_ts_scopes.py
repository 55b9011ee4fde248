"""A scope for every module call while TorchScript traces.

``nn.Module._slow_forward`` looks up ``torch.jit._trace._trace_module_map[self]`` and pushes what it
finds as a scope, so a map of our own sees every call and may answer each with another name
(https://github.com/pytorch/pytorch/blob/v2.0.1/torch/nn/modules/module.py#L1477). From 1.13 torch
fills the map itself with ``class::variable``, and names nodes after the part behind ``::`` only
(torch/csrc/jit/passes/onnx/naming.cpp), so the class may carry a token and no name changes.
"""

import re
from typing import Any, Callable, Dict, List, Mapping, Optional

from htp.backends._modules import ModuleNames, type_name
from htp.scope import ModuleCall, Stack

_TOKEN = re.compile(r"#htp(\d+)#")


class CallLog:
    """Every module call of one forward pass, in order; a token is an index into it."""

    def __init__(self, names: ModuleNames) -> None:
        self.names = names
        self.stacks: List[Stack] = []
        self._counts: Dict[int, int] = {}

    def enter(self, module: Any, enclosing: Stack) -> str:
        """Note a call and hand out its token."""
        count = self._counts.get(id(module), 0)
        self._counts[id(module)] = count + 1
        path = self.names.path(module, enclosing) if enclosing else ""
        self.stacks.append((*enclosing, ModuleCall(path, type_name(module), count)))
        return f"#htp{len(self.stacks) - 1}#"

    def stack(self, scope: str) -> Stack:
        """The stack of the innermost token in a scope name; empty when it holds none."""
        tokens = _TOKEN.findall(scope)
        return self.stacks[int(tokens[-1])] if tokens else ()


class TraceModuleMap:
    """Stands in for torch's map from module to scope name.

    Args:
        log: where calls are noted.
        plain: torch's own map, or None where it would have none.
        current_scope: names the innermost active scope.
    """

    def __init__(
        self,
        log: CallLog,
        plain: Optional[Mapping[Any, str]],
        current_scope: Callable[[], str],
    ) -> None:
        self._log = log
        self._plain = plain
        self._current_scope = current_scope

    def __contains__(self, module: Any) -> bool:
        return module in self._log.names if self._plain is None else module in self._plain

    def __getitem__(self, module: Any) -> str:
        if module not in self:
            raise KeyError(module)
        token = self._log.enter(module, self._log.stack(self._current_scope()))
        if self._plain is None:
            return token
        kind, separator, variable = self._plain[module].partition("::")
        return f"{token}{separator}{variable}" if separator else kind

    def get(self, module: Any, default: Optional[str] = None) -> Optional[str]:
        """As of a mapping; newer releases look names up with it."""
        if module not in self:
            return default
        return self[module]
