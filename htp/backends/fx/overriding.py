"""Modules with a ``__call__`` of their own, while non-strict capture runs the model.

The tracer sees a call in ``nn.Module.__call__``, so such classes are watched while it traces.
Dynamo announces their calls as any others, and would read what HTP puts there: while it reads,
nothing is.
"""

from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Any, Callable, Iterator, List, Tuple

from htp.backends.common.overriding import kinds_of, overridden
from htp.backends.common.patching import PatchPoint, only_here

__all__ = ["OVERRIDING", "OverridingCalls"]


class OverridingCalls:
    """The calls of such modules in one export.

    Args:
        watch: the export.
    """

    def __init__(self, watch: Any) -> None:
        self._watch = watch
        self._kinds: Tuple[type, ...] = ()
        self._tracers: List[Any] = []
        self._patches = ExitStack()

    def follow(self, model: Any) -> None:
        """Follow those of this ``nn.Module``."""
        self._kinds = tuple(kinds_of(model.modules()))

    @contextmanager
    def traced_by(self, tracer: Any) -> Iterator[None]:
        """See them while this tracer runs the model."""
        from torch.fx.experimental.proxy_tensor import _ModuleStackTracer

        if not self._kinds or not isinstance(tracer, _ModuleStackTracer):
            yield
            return
        self._tracers.append(tracer)
        self._watch.guard(self._put_in)
        try:
            yield
        finally:
            self._tracers.pop()
            if not self._tracers:
                self._patches.close()

    @contextmanager
    def out_of_sight(self) -> Iterator[None]:
        """Have nothing in the classes meanwhile."""
        self._patches.close()
        try:
            yield
        finally:
            if self._tracers:
                self._watch.guard(self._put_in)

    def _put_in(self) -> None:
        self._patches.close()
        self._patches.enter_context(overridden(self._kinds, self._around))

    def _around(self, own: Callable[..., Any]) -> Callable[..., Any]:
        watch = self._watch

        def __call__(module: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            if get_ident() != watch.thread:
                return own(module, *args, **kwargs)
            run = watch.guard(watch.enter, self._tracers[-1], module, args, kwargs, found=True)
            try:
                result = own(module, *args, **kwargs)
            except BaseException:
                watch.guard(watch.leave, run, failed=True)
                raise
            watch.guard(watch.leave, run, result)
            return result

        return __call__


def _trace(watch: Any, plain: Any) -> Any:
    def dispatch_trace(root: Any, tracer: Any, *args: Any, **kwargs: Any) -> Any:
        with watch.overriding.traced_by(tracer):
            return plain(root, tracer, *args, **kwargs)

    return dispatch_trace


def _read(watch: Any, plain: Any) -> Any:
    def run(self: Any) -> Any:
        with watch.overriding.out_of_sight():
            return plain(self)

    return run


OVERRIDING = (
    PatchPoint("dispatch_trace", ("torch.fx.experimental.proxy_tensor",), only_here(_trace)),
    PatchPoint(
        "run", ("torch._dynamo.symbolic_convert:InstructionTranslatorBase",), only_here(_read)
    ),
)
"""Where a tracer begins, and where dynamo reads; see ``points``."""
