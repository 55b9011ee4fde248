"""Where an export by ``torch.export`` failed.

Torch tries one way to capture the model after the other, and its error is that of the first. In
each, the module call is told that ran when the error was raised:

* where modules run, the error has left the frames of their calls when it leaves the outermost one;
* where dynamo reads, the innermost call that it leaves is noted, until another error is raised;
* where a graph is traced again, and where it is translated, the node at hand says whose it is.
"""

import contextlib
import weakref
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from htp.backends.base import Where
from htp.backends.common.failing import (
    Place,
    chain,
    frames,
    line,
    modules_of,
    quietly,
    shapes,
    written,
)
from htp.backends.fx.meta import KEY, LINE, Call
from htp.backends.fx.stack import StackReader
from htp.scope import Stack

__all__ = ["Failing", "operation"]


Weak = Callable[[], Any]
"""A weak reference."""


class _Noted(NamedTuple):
    """A place where something failed.

    Attributes:
        where: the place.
        error: gives the error, while it lives; None of one that cannot be referred to weakly.
        read: gives what dynamo took for the error that the model raised, likewise.
    """

    where: Where
    error: Optional[Weak]
    read: Optional[Weak]

    def caused(self, error: BaseException) -> bool:
        """Whether this is where ``error`` comes from."""
        first = self.error() if self.error is not None else None
        if first is not None and any(one is first for one in chain(error)):
            return True
        # ``with`` and ``finally`` make dynamo raise another error for the same one of the model's.
        read = self.read() if self.read is not None else None
        return read is not None and read is _raised(error)


class Failing:
    """Where the capture of one model failed.

    Args:
        model: it.
        stacks: reads what torch wrote of nodes that HTP does not know.
    """

    def __init__(self, model: Any, stacks: StackReader) -> None:
        self._model = model
        self._stacks = stacks
        self._now: Optional[_Noted] = None
        self._first: Optional[Where] = None

    def where(self) -> Where:
        """Where the first way to capture the model failed."""
        if self._first is not None:
            return self._first
        return self._now.where if self._now is not None else Where()

    def forget(self) -> None:
        """The model was captured or built: whatever failed before is no matter any more."""
        self._now = self._first = None

    def fine(self) -> None:
        """A call was left without an error: what was raised in it was caught."""
        self._now = None

    @quietly
    def ended(self, result: Any, root: Stack) -> None:
        """One way to capture the model came to its end.

        Args:
            result: torch's: the program, or the error.
            root: the model's own call, if dynamo has read it.
        """
        if result.exported_program is not None:
            self.forget()
            return
        error = result.exception
        if self._now is None or not self._caused(self._now, error):
            # The model's own code, of which dynamo does not say that it reads a call.
            read = root if root and _real_stack(error) else ()
            self._now = self._note(_read(error, self._model, read), error)
        self._first = self._first or self._now.where
        self._now = None

    @staticmethod
    def _caused(noted: _Noted, error: BaseException) -> bool:
        return noted.error is None or noted.caused(error)

    @staticmethod
    def _note(where: Where, error: BaseException) -> _Noted:
        return _Noted(where, _weak(error), _weak(_raised(error)))

    @quietly
    def left_model(self, error: BaseException, code: Any, watch: Any) -> None:
        """An error has left the outermost call of a model that runs.

        Args:
            error: it.
            code: of the function that every call goes through.
            watch: whose calls are meant.
        """
        where = _ran(error, code, watch)
        read = self._now.where if self._now is not None and self._now.caused(error) else Where()
        if len(read.running) <= len(where.running):  # else dynamo read a call within
            self._now = self._note(where, error)

    @quietly
    def left_call(self, error: BaseException, call: Optional[Call]) -> None:
        """An error has left a call that dynamo reads."""
        if self._now is not None and self._now.caused(error):
            self._now = self._note(self._now.where, error)  # the error that goes on
        elif call is not None:
            self._now = self._note(_read(error, self._model, call.stack), error)

    @quietly
    def left_node(self, error: BaseException, code: Any, node: Any) -> None:
        """An error was raised as a node was traced again.

        Args:
            error: it.
            code: of the function that every such node goes through.
            node: the node.
        """
        inner = [frame for frame, _ in frames(error) if frame.f_code is code]
        if len(inner) == 1:
            self._now = self._note(self.node(node), error)

    def node(self, node: Any) -> Where:
        """What a node tells."""
        return _of_node(node, self._model, self._stacks)


@quietly
def _ran(error: BaseException, code: Any, watch: Any) -> Where:
    passed = frames(error)
    calls = [
        (at, frame.f_locals)
        for at, (frame, _) in enumerate(passed)
        if frame.f_code is code and frame.f_locals["watch"] is watch
    ]
    known = [(at, held) for at, held in calls if held["run"] is not None and held["run"].call]
    last, held = known[-1]
    name = ""
    given: Tuple[Any, Any] = (held["args"], held["kwargs"])
    for frame, _ in passed[last:]:
        if frame.f_code is watch.dispatching:
            name = operation(frame.f_locals["func"])
            given = (frame.f_locals["args"], frame.f_locals["kwargs"] or {})
    flat = (*given[0], *given[1].values())
    with _plainly():
        inputs = shapes(flat, _no_shape)
    source = line([held["m"] for _, held in known], _places(passed))
    return Where(known[-1][1]["run"].call.stack, (), name, source, inputs)


def _no_shape(value: Any) -> str:
    return ""


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """Look at tensors without being traced."""
    from torch.utils._python_dispatch import _disable_current_modes

    with _disable_current_modes():
        yield


@quietly
def _read(error: BaseException, model: Any, stack: Stack) -> Where:
    places = _real_stack(error) or _places(frames(error))
    return Where(stack, source=line(modules_of(model, stack), places)) if stack else Where()


def _weak(thing: Any) -> Optional[Weak]:
    try:
        return None if thing is None else weakref.ref(thing)
    except TypeError:  # Python's own exceptions
        return None


def _raised(error: BaseException) -> Any:
    """What dynamo takes for the error that the model which it reads has raised, or None."""
    for frame, _ in reversed(frames(error)):
        reader = _reader(frame)
        if reader is not None:
            stack: Any = getattr(reader, "exn_vt_stack", ())
            now = getattr(stack, "_current_exception", None)
            return stack[-1] if now is None and len(stack) else now
    return None


def _reader(frame: Any) -> Any:
    """What of dynamo's reads the model in a frame, or None."""
    from torch._dynamo.symbolic_convert import InstructionTranslatorBase

    if not frame.f_globals.get("__name__", "").startswith("torch._dynamo"):
        return None
    found = frame.f_locals.get("self")
    return found if isinstance(found, InstructionTranslatorBase) else None


def _real_stack(error: BaseException) -> List[Place]:
    """The lines of the model that dynamo was reading when it raised, innermost first."""
    for one in reversed(chain(error)):
        found = [Place(at.filename, at.lineno) for at in getattr(one, "real_stack", None) or ()]
        if found:
            return found[::-1]
    return []


def _places(passed: Sequence[Any]) -> List[Place]:
    """The lines that ran, or that dynamo read, innermost first."""
    found = []
    for frame, at in reversed(passed):
        found.append(Place(frame.f_code.co_filename, at))
        reader = _reader(frame)
        if reader is not None:
            found.append(Place(reader.f_code.co_filename, reader.lineno))
    return found


@quietly
def _of_node(node: Any, model: Any, stacks: StackReader) -> Where:
    from torch.fx.node import map_arg

    call: Optional[Call] = node.meta.get(KEY)
    stack = call.stack if call else stacks.read(node.meta.get("nn_module_stack") or {}) or ()
    text = node.meta.get(LINE) or node.meta.get("stack_trace") or ""
    places = written(text)[::-1]
    given = map_arg((*node.args, *node.kwargs.values()), lambda one: one.meta.get("val"))
    with _plainly():
        inputs = shapes(given, _no_shape)
    return Where((), stack, operation(node.target), line(modules_of(model, stack), places), inputs)


def operation(target: Any) -> str:
    """What an operation is called: ``aten::add``."""
    return str(getattr(getattr(target, "_schema", None), "name", target))
