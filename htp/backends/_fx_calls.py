"""Which module calls run while ``torch.export`` traces, by the identity of the module that runs.

``torch.export`` writes down a module stack as well, but from strings: a module whose instance
``forward`` was replaced is called by its attribute name alone, bodies of ``torch.cond`` have no
stack, and the calls of 2.5 have no number. So HTP keeps its own stack and lays the innermost call
into ``node.meta`` under its own key as each FX node is created:

* non-strict capture runs the model: every module call passes ``_ModuleStackTracer.call_module``,
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/experimental/proxy_tensor.py#L1741
* strict capture, and the bodies of ``torch.cond`` and its kin, are read by dynamo, which announces
  each module in ``record_nn_module_stack``,
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/_dynamo/variables/nn_module.py#L85
* later passes trace the graph again with the node at hand in ``torch.fx.traceback``'s current meta,
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/proxy.py#L172
"""

import contextlib
import linecache
import re
import sys
from typing import Any, Dict, Iterator, List, Optional, Tuple

from htp.scope import ModuleCall, Stack

__all__ = ["KEY", "Call", "CallTracker", "qualified_name"]

KEY = "pkg.htp.call"
"""Where the innermost call stands in ``torch.fx.Node.meta``. Never exported."""


def qualified_name(cls: type) -> str:
    """The name of a class as ``nn_module_stack`` writes it: ``torch.nn.modules.linear.Linear``."""
    return f"{cls.__module__}.{cls.__qualname__}"


class Call:
    """One call of a module.

    Attributes:
        names: every name under which the module is registered.
        here: path, type and call number.
        parent: the enclosing call, None for the root.
        capture: the attempt at capturing that this call was seen in.
        replayed: seen by dynamo while the model was running, in a body that is about to be traced
            once more and possibly more than once. Each of those is a call of its own.
    """

    __slots__ = ("capture", "here", "module", "names", "parent", "replayed")

    def __init__(
        self,
        module: int,
        names: Tuple[str, ...],
        here: ModuleCall,
        parent: Optional["Call"],
        capture: "Capturing",
        replayed: bool,
    ) -> None:
        self.module = module
        self.names = names
        self.here = here
        self.parent = parent
        self.capture = capture
        self.replayed = replayed

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Call":
        return self  # torch deep-copies meta; two copies of one call would be two calls

    def stack(self) -> Stack:
        """The module calls from the root to this one."""
        calls: List[ModuleCall] = []
        call: Optional[Call] = self
        while call is not None:
            calls.append(call.here)
            call = call.parent
        return tuple(reversed(calls))

    def within(self, other: "Call") -> bool:
        """Whether ``other`` is this call or encloses it."""
        call: Optional[Call] = self
        while call is not None:
            if call is other:
                return True
            call = call.parent
        return False


class Capturing:
    """One attempt at capturing the model. torch may need several until one succeeds."""

    def __init__(self) -> None:
        self.calls: List[Call] = []
        self.count: Dict[int, int] = {}


class CallTracker:
    """Follows the module calls of one model. Use it as a context around the export.

    Args:
        model: the ``nn.Module`` being exported.
    """

    def __init__(self, model: Any) -> None:
        names: Dict[int, List[str]] = {}
        self._types: Dict[int, str] = {}
        for name, module in model.named_modules(remove_duplicate=False):
            names.setdefault(_identity(module), []).append(name)
            self._types[_identity(module)] = qualified_name(type(module))
        self._names = {key: tuple(aliases) for key, aliases in names.items()}
        self._root = _identity(model)
        self._running: List[Call] = []
        self._strict: Optional[Call] = None
        self._tracer: Any = None
        self._replays: Dict[Call, Call] = {}

    def _begin(self) -> Call:
        """A new attempt, which begins with the call of the root."""
        return self._new(self._root, None, Capturing())

    def _new(
        self,
        module: int,
        parent: Optional[Call],
        capture: Capturing,
        replayed: bool = False,
    ) -> Call:
        number = 0
        if not replayed:
            number = capture.count.get(module, 0)
            capture.count[module] = number + 1
        names = self._names[module]
        path = _path(names, parent.here.path if parent else "")
        here = ModuleCall(path, self._types[module], number)
        call = Call(module, names, here, parent, capture, replayed)
        if not replayed:
            capture.calls.append(call)
        return call

    @contextlib.contextmanager
    def _run(self, module: Any, dynamo: bool) -> Iterator[None]:
        """Let ``module`` be the innermost one. Modules that the model does not hold are no calls."""
        key = _identity(module)
        call: Optional[Call] = None
        if key in self._names:
            if self._running:
                parent = self._running[-1]
                call = self._new(key, parent, parent.capture, dynamo and not self._in_strict())
            elif dynamo and self._strict is not None:
                call = self._new(key, self._strict, self._strict.capture)
            elif not dynamo and key == self._root:
                self._replays.clear()
                call = self._begin()
        if call is None:
            yield
            return
        depth = len(self._running)
        self._running.append(call)
        try:
            yield
        finally:
            del self._running[depth:]

    def _in_strict(self) -> bool:
        return self._strict is not None and self._running[0].within(self._strict)

    def _innermost(self, inherited: Optional[Call], op: str, dynamo: bool) -> Optional[Call]:
        """The owner of a node that is being created.

        Args:
            inherited: the call of the node that is being traced again, if any.
            op: the kind of node.
            dynamo: the node is created by dynamo.
        """
        if dynamo:
            return self._running[-1] if self._running else self._strict
        running = self._running[-1] if self._running else None
        if inherited is None:
            if running is not None and op == "call_function":
                self._replays.clear()  # back in the forward pass: the body is done
            return running
        if running is None or not inherited.replayed:
            return inherited
        return self._replay(inherited, running)

    def _replay(self, call: Call, running: Call) -> Call:
        """The call that ``call`` stands for in the body that is now being traced."""
        if not call.replayed:
            return running
        if call not in self._replays:
            parent = self._replay(call.parent, running) if call.parent else running
            self._replays[call] = self._new(call.module, parent, running.capture)
        return self._replays[call]

    @contextlib.contextmanager
    def patched(self) -> Iterator[None]:
        """Follow the calls. What torch had before is put back whatever happens.

        Raises:
            ImportError, AttributeError: this torch lacks what ``missing_seams`` looks for.
        """
        import torch.fx.traceback as traceback
        from torch._dynamo.output_graph import OutputGraph, SubgraphTracer
        from torch._dynamo.variables import nn_module as dynamo_modules
        from torch.fx.experimental.proxy_tensor import _ModuleStackTracer as Tracer
        from torch.fx.proxy import TracerBase

        tracker = self
        create_node = TracerBase.create_node
        call_module = Tracer.call_module
        record = dynamo_modules.record_nn_module_stack
        start = OutputGraph.__init__

        def htp_create_node(self: Any, *args: Any, **kwargs: Any) -> Any:
            node = create_node(self, *args, **kwargs)
            inherited = None
            if traceback.has_preserved_node_meta():
                inherited = traceback.get_current_meta().get(KEY)
            elif tracker._running and self is not tracker._tracer:
                inherited = _call_of_line()
            call = tracker._innermost(inherited, node.op, isinstance(self, SubgraphTracer))
            if call is not None:
                node.meta[KEY] = call
            return node

        def htp_call_module(self: Any, m: Any, call: Any, args: Any, kwargs: Any) -> Any:
            if not tracker._running:
                tracker._tracer = self
            with tracker._run(m, dynamo=False):
                return call_module(self, m, call, args, kwargs)

        @contextlib.contextmanager
        def htp_record(module_key: Any, source: Any, tx: Any, mod: Any) -> Iterator[None]:
            with tracker._run(mod, dynamo=True), record(module_key, source, tx, mod):
                yield

        def htp_start(self: Any, *args: Any, **kwargs: Any) -> None:
            # One for every attempt at reading the model. Without a running call it is the strict
            # capture, which has no call of the root that could be seen.
            if not tracker._running:
                tracker._strict = tracker._begin()
            start(self, *args, **kwargs)

        setattr_all = (
            (TracerBase, "create_node", create_node, htp_create_node),
            (Tracer, "call_module", call_module, htp_call_module),
            (dynamo_modules, "record_nn_module_stack", record, htp_record),
            (OutputGraph, "__init__", start, htp_start),
        )
        try:
            for owner, name, _, ours in setattr_all:
                setattr(owner, name, ours)
            yield
        finally:
            for owner, name, theirs, _ in setattr_all:
                setattr(owner, name, theirs)


def _identity(module: Any) -> int:
    # Non-strict capture hands out proxies of shared modules. They share the module's __dict__:
    # https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/experimental/proxy_tensor.py#L1619
    return id(module.__dict__)


def _path(names: Tuple[str, ...], parent: str) -> str:
    """The alias below the enclosing call's path, else the first registered name."""
    if parent:
        for name in names:
            if name.startswith(parent + "."):
                return name
    return names[0]


def _call_of_line() -> Optional[Call]:
    """The call that dynamo saw for the line of a traced body that is running now.

    In non-strict capture a body runs as Python code that dynamo wrote, one line for each node and
    each line beginning with the node's name. Running it node by node, as torch does later, would
    write other stack traces into the file.
    """
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "forward" and code.co_filename.startswith("<eval_with_key>"):
            graph = getattr(frame.f_locals.get("self"), "graph", None)
            line = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals)
            name = re.match(r"\s*(\w+)", line)
            for node in graph.nodes if graph is not None and name else ():
                if node.name == name.group(1):
                    call: Optional[Call] = node.meta.get(KEY)
                    return call
            return None
        frame = frame.f_back
    return None
