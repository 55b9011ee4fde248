"""Classes of modules that have a ``__call__`` of their own, as Keras' layers and MONAI's wrappers.

Torch sees a module call in ``nn.Module.__call__``, which such a class may reach late or never:

    def __call__(self, x):
        x = x * 2                      # belongs to this call, and torch sees nothing of it
        return super().__call__(x)     # or self.compute(x), and torch sees no call at all

So each such ``__call__`` is replaced for as long as the model runs, and is put back. Of several
that run inside each other for one call, only the first is the call: the one that ``module(x)``
finds.
"""

from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, Callable, Dict, Iterable, Iterator, List

from htp.backends.common.patching import replaced

__all__ = ["Watching", "kinds_of", "overridden", "overrides"]

Watching = Callable[[Callable[..., Any]], Callable[..., Any]]
"""From what a class has for ``__call__`` to what runs in its place."""


def _found_by(kind: type) -> type:
    """The class whose ``__call__`` a call of a module of class ``kind`` finds."""
    return next(each for each in kind.__mro__ if "__call__" in vars(each))


def overrides(module: Any) -> bool:
    """Whether a call of a module finds another ``__call__`` than that of ``nn.Module``."""
    import torch

    return _found_by(type(module)) is not torch.nn.Module


@contextmanager
def overridden(kinds: Iterable[type], watching: Watching) -> Iterator[None]:
    """Run each call of a module that finds the ``__call__`` of one of these by another."""
    with ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(replaced(kind, "__call__", _watched(kind, watching)))
        yield


def kinds_of(modules: Iterable[Any]) -> List[type]:
    """The classes whose ``__call__`` a call of one of these modules finds, ``nn.Module`` apart.

    Of those that torch makes itself (``torch.fx.GraphModule``, scripted modules) none: theirs only
    leads to the plain one.
    """
    import torch
    import torch.fx

    leading = (torch.fx.GraphModule, torch.jit.ScriptModule)
    found: Dict[type, None] = {}
    for kind in {type(module) for module in modules}:
        holder = _found_by(kind)
        if holder is not torch.nn.Module and not issubclass(kind, leading):
            found[holder] = None
    return list(found)


def _watched(kind: type, watching: Watching) -> Any:
    own = vars(kind)["__call__"]
    watched = watching(own)

    @wraps(own)
    def __call__(module: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if _found_by(type(module)) is not kind:  # called by the one that was found
            return own(module, *args, **kwargs)
        return watched(module, *args, **kwargs)

    return __call__
