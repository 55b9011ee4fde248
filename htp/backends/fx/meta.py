"""What FX nodes tell of module calls: HTP's key in their meta, and how to come by it.

The key is copied wherever torch copies a node, and found again where torch traces one anew.
"""

import linecache
import re
import sys
from typing import Any, Dict, Iterable, List, Optional, Set
from weakref import WeakKeyDictionary

from htp.backends.fx.values import Seen
from htp.scope import Stack

__all__ = [
    "KEY",
    "LINE",
    "Attempt",
    "Call",
    "call_of_meta",
    "is_body",
    "node_of_line",
    "note_line",
]

KEY = "pkg.htp.call"
"""Where the innermost call stands in ``torch.fx.Node.meta``. Never exported."""

LINE = "pkg.htp.line"
"""Where the call stack stands, as text, of a node in a body: dynamo knows it when it reads the
body, and what torch writes down when it traces the body anew ends at the body's call."""


class Attempt:
    """One attempt at capturing the model. torch may need several until one succeeds.

    Attributes:
        calls: every call in order.
        count: how often each module was called.
        traced: those of the calls that were seen when a body was traced once more. torch traces
            some bodies on trial, and then once more.
    """

    def __init__(self) -> None:
        self.calls: List[Call] = []
        self.count: Dict[int, int] = {}
        self.traced: List[Call] = []

    def add(self, call: "Call") -> None:
        """Add a call behind the last one inside its parent.

        That is the last of all, but where dynamo has left a module whole (a parametrization): it
        runs, with what it calls, after dynamo has read all that the model calls.
        """
        place = len(self.calls)
        while place and not self.calls[place - 1].is_inside(call.parent):
            place -= 1
        self.calls.insert(place or len(self.calls), call)

    def settle(self, kept: Iterable["Call"]) -> None:
        """Forget the calls of trials: those of bodies of which no node was kept."""
        used: Set[Optional[Call]] = {None}
        for call in kept:
            at: Optional[Call] = call
            while at not in used:
                used.add(at)
                at = at.parent if at else None
        gone = [call for call in self.traced if call not in used]
        if not gone:
            return
        self.traced = []
        self.calls = [call for call in self.calls if call not in gone]
        for call in self.calls:
            before = [other.number for other in gone if other.module == call.module]
            above = call.parent.stack if call.parent else ()
            number = call.number - sum(other < call.number for other in before)
            call.stack = (*above, call.stack[-1]._replace(call=number))


class Call:
    """One call of a module.

    Attributes:
        stack: the module calls from the root to this one.
        parent: the enclosing call, None for the root.
        module: identity of the module.
        attempt: what the call was seen in.
        replayed: seen by dynamo while the model was running, in a body that is about to be traced
            once more, and more than once when dynamo remembers it. Each of those is a call.
        inputs: the tensors that it took, or None where that was not seen.
        outputs: the tensors that it returned, likewise.
    """

    __slots__ = ("attempt", "inputs", "module", "outputs", "parent", "replayed", "stack")

    def __init__(
        self, stack: Stack, parent: Optional["Call"], module: int, attempt: Attempt, replayed: bool
    ) -> None:
        self.stack = stack
        self.parent = parent
        self.module = module
        self.attempt = attempt
        self.replayed = replayed
        self.inputs: Optional[List[Seen]] = None
        self.outputs: Optional[List[Seen]] = None

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Call":
        return self  # torch copies meta; a copy would be another call

    def is_inside(self, other: Optional["Call"]) -> bool:
        """Whether it is this call or one made within it; all are inside of None."""
        at: Optional[Call] = self
        while at is not other and at is not None:
            at = at.parent
        return at is other

    @property
    def number(self) -> int:
        """How many calls of the same module were before."""
        return self.stack[-1].call


def is_body(module: Any) -> bool:
    """Whether torch made a module of a part of the model that HTP has seen before."""
    from torch.fx import GraphModule

    return isinstance(module, GraphModule) and any(KEY in node.meta for node in module.graph.nodes)


def call_of_meta() -> Optional[Call]:
    """The call of the node that torch is tracing again, if it is."""
    from torch.fx import traceback

    if not traceback.has_preserved_node_meta():
        return None
    call: Optional[Call] = traceback.get_current_meta().get(KEY)
    return call


def note_line(node: Any, line: Any) -> None:
    """Keep with a node the call stack of what it comes from.

    Args:
        node: the node, which was just created.
        line: the node of a body whose line is running, or None: what torch traces again tells.
    """
    from torch.fx import traceback

    origin = line.meta if line is not None else {}
    if line is None and traceback.has_preserved_node_meta():
        origin = {LINE: traceback.get_current_meta().get(LINE)}
    written = origin.get(LINE) or origin.get("stack_trace")
    if written:
        node.meta[LINE] = written


def node_of_line() -> Any:
    """The node of a body whose line is running now, or None.

    Bodies that torch cut out of the model (of ``torch.cond``, under ``torch.no_grad``) run as code
    of one line for each node, and each line begins with the node's name. To run them node by node
    instead would write other stack traces into the file.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        code = frame.f_code
        if code.co_name == "forward" and code.co_filename.startswith("<eval_with_key>"):
            graph = getattr(frame.f_locals.get("self"), "graph", None)
            line = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals)
            name = re.match(r"\s*(\w+)", line)
            return _by_name(graph).get(name.group(1)) if graph is not None and name else None
        frame = frame.f_back
    return None


_names: "WeakKeyDictionary[Any, Dict[str, Any]]" = WeakKeyDictionary()


def _by_name(graph: Any) -> Dict[str, Any]:
    """The nodes of a graph that runs, which changes no more."""
    if graph not in _names:
        _names[graph] = {node.name: node for node in graph.nodes}
    return _names[graph]
