"""One forward pass of PyTorch in which every border between modules is written down.

A tensor is told from others by being the same object in the same version: a call that returns what
its child returned hands on one tensor, and one that was written into meanwhile is another. Numbers
are copied before a call begins, since it may write into what it takes.
"""

import weakref
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from threading import get_ident
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from htp.backends.common.modules import ModuleNames, type_name
from htp.backends.common.overriding import kinds_of, overridden
from htp.backends.common.patching import replaced
from htp.errors import HTPError
from htp.proving.recorded import Place, Recording, Seen, SeenCall
from htp.proving.state import as_it_was, uncompiled
from htp.proving.tape import Tape
from htp.proving.tensors import array_of, copied, placed
from htp.scope import ModuleCall, Stack

__all__ = ["record"]

ATTEMPTS = 16
"""How many modules may fail because they are watched, before HTP gives up."""


def record(
    model: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tape: Tape,
    root: str = "",
    evaluating: bool = False,
) -> Recording:
    """Run a model once, and write down what each module call took and gave.

    A module that fails only because somebody listens (``torch.cond`` compiles what it runs) is run
    again with nobody inside it: its own border is known then, and none below.

    Args:
        model: an ``nn.Module``. It is left as it was: flags, buffers, hooks, random numbers.
        args: its positional arguments, which are not written into.
        kwargs: its keyword arguments, likewise.
        tape: where the numbers go.
        root: what the model's own path is in the file.
        evaluating: run it in evaluation mode, as torch's older exporter does; else as it is.

    Raises:
        HTPError: the model fails with these arguments.
    """
    eager = False
    shut: Dict[Tuple[str, int], str] = {}
    while True:
        tape.rewind()
        recorder = _Recorder(model, tape, root, shut)
        try:
            with as_it_was(model, evaluating), uncompiled() if eager else nullcontext():
                return recorder.run(*copied(args, kwargs))
        except Exception as error:  # a model may fail in any way, and so may torch when watched
            if not eager:
                eager = True
            elif (
                recorder.failed in shut  # nothing is gained by not looking into it again
                or len(shut) == ATTEMPTS
                or not _runs_unwatched(model, args, kwargs, evaluating)
            ):
                raise HTPError(
                    f"The model fails: {_in_a_line(error)}",
                    "call it with the same arguments in PyTorch alone.",
                ) from error
            else:
                shut[recorder.failed] = _in_a_line(error)


def _in_a_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _runs_unwatched(
    model: Any, args: Sequence[Any], kwargs: Mapping[str, Any], evaluating: bool
) -> bool:
    try:
        with as_it_was(model, evaluating):
            given, named = copied(args, kwargs)
            model(*given, **named)
    except Exception:  # then it is not for being watched
        return False
    return True


class _Recorder:
    """Follows the calls of one forward pass.

    Attributes:
        failed: the innermost call that was running when the model failed.
    """

    def __init__(
        self, model: Any, tape: Tape, root: str, shut: Mapping[Tuple[str, int], str]
    ) -> None:
        self.failed = (root, 0)
        self._error: Optional[BaseException] = None
        self._model, self._root, self._shut = model, root, shut
        self._names = ModuleNames(model)
        self._thread = get_ident()
        self._counts: Dict[int, int] = {}
        self._running: List[int] = []
        self._tensors = _Tensors(tape)
        self._calls: List[SeenCall] = []
        self._closed: Dict[int, str] = {}
        self._plain: Dict[type, Any] = {}

    def run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Recording:
        import torch

        modules = list(self._model.modules())
        self._tensors.expect(_held(modules))
        kinds = [torch.nn.Module, *kinds_of(modules)]
        self._plain = {kind: vars(kind)["__call__"] for kind in kinds}
        with overridden(kinds, self._watching):
            result = self._model(*args, **kwargs)
        results = [self._tensors.number(tensor, 0) for _, tensor in placed(result)]
        return Recording(self._calls, self._tensors.seen, results, self._closed)

    def _watching(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def __call__(module: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            return self._around(module, call, args, kwargs)

        return __call__

    def _around(self, module: Any, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if module not in self._names or get_ident() != self._thread:
            return call(module, *args, **kwargs)
        number = self._enter(module, args, kwargs)
        try:
            with self._unwatched(number):
                result = call(module, *args, **kwargs)
        except BaseException as error:
            if error is not self._error:  # else it comes from within
                here = self._calls[number].call
                self._error, self.failed = error, (here.path, here.call)
            raise
        finally:
            self._running.remove(number)
        given = result if isinstance(result, tuple) else (result,)
        self._calls[number].given.update(self._numbers(given, {}, number))
        return result

    def _enter(self, module: Any, args: Any, kwargs: Any) -> int:
        above = self._running[-1] if self._running else -1
        stack = self._calls[above].stack if self._running else ()
        count = self._counts.get(id(module), 0)
        self._counts[id(module)] = count + 1
        path = ".".join(filter(None, (self._root, self._names.path(module, self._inner(stack)))))
        here = ModuleCall(path, type_name(module), count)
        taken = self._numbers(args, kwargs, above)
        self._calls.append(SeenCall((*stack, here), taken, {}))
        self._running.append(len(self._calls) - 1)
        return self._running[-1]

    def _inner(self, stack: Stack) -> Stack:
        """A stack with the paths that the model itself has for its modules."""
        if not self._root:
            return stack
        return tuple(call._replace(path=call.path[len(self._root) + 1 :]) for call in stack)

    def _numbers(
        self, values: Sequence[Any], named: Mapping[str, Any], maker: int
    ) -> Dict[Place, int]:
        rows = (*placed(tuple(values)), *placed(dict(named)))
        return {place: self._tensors.number(tensor, maker) for place, tensor in rows}

    @contextmanager
    def _unwatched(self, number: int) -> Iterator[None]:
        """Let nobody listen inside a call that fails otherwise."""
        here = self._calls[number].call
        reason = self._shut.get((here.path, here.call))
        with ExitStack() as stack:
            if reason is not None:
                self._closed[number] = reason
                for kind, plain in self._plain.items():
                    stack.enter_context(replaced(kind, "__call__", plain))
            yield


class _Tensors:
    """The tensors that were seen.

    Objects are told apart as long as they live, and none is kept alive.
    """

    def __init__(self, tape: Tape) -> None:
        self.seen: List[Seen] = []
        self._tape = tape
        self._known: Dict[int, Tuple[Any, Optional[int], int]] = {}
        self._old: Dict[int, int] = {}

    def expect(self, tensors: Iterable[Any]) -> None:
        """These are there before, and the model keeps them."""
        self._old = {id(tensor): _version(tensor) or 0 for tensor in tensors}

    def number(self, tensor: Any, maker: int) -> int:
        """What a tensor is known by; where it is new, it was computed by ``maker``."""
        key, version = id(tensor), _version(tensor)
        known = self._known.get(key)
        if known is not None and version is not None and known[1] == version:
            return known[2]
        number = len(self.seen)
        self._known[key] = (weakref.ref(tensor, partial(self._forget, key)), version, number)
        is_old = self._old.get(key) == version
        array = array_of(tensor)
        laid = None if array is None else self._tape.lay(array)
        self.seen.append(Seen(laid, -1 if is_old else maker))
        return number

    def _forget(self, key: int, gone: Any) -> None:
        if self._known.get(key, (None,))[0] is gone:
            del self._known[key]


def _held(modules: Iterable[Any]) -> Iterator[Any]:
    """The parameters and buffers of modules."""
    for module in modules:
        for table in ("_parameters", "_buffers"):
            for tensor in getattr(module, table, {}).values():
                if tensor is not None:
                    yield tensor


def _version(tensor: Any) -> Optional[int]:
    """How often a tensor was written into; None where nobody counts, as in inference mode."""
    try:
        return int(tensor._version)  # noqa: SLF001 - https://github.com/pytorch/pytorch/issues/67563
    except (AttributeError, RuntimeError):
        return None
