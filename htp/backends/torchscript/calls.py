"""Noting the calls of modules while TorchScript traces: when each runs, what it takes and returns.

torch says of every operation that it traces where in Python it came from, and goes through all the
frames of the stack for it. So each call of a module is noted in one frame of HTP's, by all who want
to know of it:

    Module.__call__  >  HTP  >  torch's own __call__  >  forward  >  Module.__call__  >  HTP  > ...
"""

from threading import get_ident
from typing import Any, Callable, Mapping, Optional, Set, Tuple

from htp.backends.common.overriding import overrides
from htp.backends.torchscript.markers import EXIT, marker
from htp.backends.torchscript.names import hands_on
from htp.backends.torchscript.scopes import CallLog
from htp.backends.torchscript.taken import Taken

__all__ = ["watched", "watched_function"]


class Calls:
    """Tells of the calls of one export.

    Args:
        taken: of the export.
        overriding: whether these are calls of modules that have a ``__call__`` of their own. Their
            scope begins where that reaches the plain one, if it does, so all of them are marked.

    Attributes:
        log: where the calls are noted.
    """

    def __init__(self, taken: Taken, overriding: bool) -> None:
        import torch

        self.log = taken.log
        self._taken = taken
        self._overriding = overriding
        self._has_hooks = _hooks_of(torch.nn.modules.module)
        self._marked: Set[int] = set()

    def sees(self, module: Any) -> bool:
        """Whether a call of one of the model's modules begins here.

        It does not where a ``__call__`` of the class's own has come to the plain one.
        """
        log = self.log
        if module not in log.names or get_ident() != log.thread:
            return False
        return self._overriding or not (log.is_innermost(module) and overrides(module))

    def begin(
        self, state: Any, module: Any, args: Tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Optional[int]:
        """A call begins; its token, or None when the recording of calls failed, now or before."""
        token = self.log.begin(module)
        if token is not None:
            self._taken.safely(self._taken.noting.enter, state, token, args, kwargs)
            if self._overriding or self._has_hooks(module):
                _mark(self.log, state, str(token))
                self._marked.add(token)
        return token

    def end(self, state: Any, token: Optional[int], result: Any) -> None:
        """The call that began last ends well."""
        if token is not None:
            if token in self._marked:
                _mark(self.log, state, EXIT)
            self.log.end()
            self._taken.safely(self._taken.noting.leave, state, token, result)

    def fail(self, state: Any, token: Optional[int], error: BaseException) -> None:
        """The call that began last ends with an error."""
        if token is not None:
            if token in self._marked:
                _mark(self.log, state, EXIT)
            self.log.fail(error)
            self._taken.safely(self._taken.noting.fail, token)


def watched(taken: Taken, call: Callable[..., Any], overriding: bool = False) -> Callable[..., Any]:
    """A ``__call__``, with every call noted while torch traces the model.

    Args:
        taken: what the calls of the export take and return.
        call: the plain one.
        overriding: it is not that of ``nn.Module``, but one of a class's own.
    """
    import torch

    tracing_state = torch._C._get_tracing_state
    calls = Calls(taken, overriding)  # ``forward_failed`` looks for these names in the frames

    def __call__(module: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        state = tracing_state()
        if state is None or not calls.sees(module):
            return call(module, *args, **kwargs)
        token = calls.begin(state, module, args, kwargs)
        try:
            result = call(module, *args, **kwargs)
        except BaseException as error:
            calls.fail(state, token, error)
            raise
        calls.end(state, token, result)
        return result

    return __call__


def watched_function(log: CallLog, call: Callable[..., Any]) -> Callable[..., Any]:
    """``ScriptFunction.__call__``, marked in the graph while torch traces the model."""
    import torch

    tracing_state = torch._C._get_tracing_state

    @hands_on
    def __call__(*args: Any, **kwargs: Any) -> Any:  # noqa: N807
        state = tracing_state()
        token = log.innermost()
        if state is None or token is None or get_ident() != log.thread:
            return call(*args, **kwargs)
        _mark(log, state, str(token))
        try:
            return call(*args, **kwargs)
        finally:
            _mark(log, state, EXIT)

    return __call__


def _mark(log: CallLog, state: Any, text: str) -> None:
    """What is traced from here on belongs to another call than its scope says, or does no more."""
    log.marked = True
    graph = state.graph()
    graph.insertNode(marker(graph, text))


def _hooks_of(torch_modules: Any) -> Callable[[Any], bool]:
    """Whether what a module computes goes through hooks, which run outside of its scope."""
    pre_hooks, hooks = torch_modules._global_forward_pre_hooks, torch_modules._global_forward_hooks

    def has_hooks(module: Any) -> bool:
        return bool(module._forward_pre_hooks or module._forward_hooks or pre_hooks or hooks)

    return has_hooks
