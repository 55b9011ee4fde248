"""A name of a module of torch's that one thread has to itself for a while.

torch keeps state of a trace in a global name, which any thread that traces sets, and sets to what
it was afterwards. Replaced for all threads, it would be taken away from an export by another
thread's trace, and come back when the export is long over. So the name becomes a property for the
time being: the exporting thread reads and writes a value of its own, all others torch's.
"""

from contextlib import contextmanager
from threading import RLock, get_ident
from types import ModuleType
from typing import Any, Dict, Iterator, List, Type

__all__ = ["own_value", "set_apart"]

_lock = RLock()


class _Apart(ModuleType):
    """The kind of a module of which a name is set apart.

    Attributes:
        plain: the module's own kind.
        own: the values of each thread that has some, the innermost last.
    """

    plain: Type[ModuleType]
    own: Dict[int, List[Any]]


def _kind(plain: Type[ModuleType], name: str) -> Type[_Apart]:
    own: Dict[int, List[Any]] = {}

    def read(module: Any) -> Any:
        values = own.get(get_ident())
        return values[-1] if values else vars(module)[name]

    def write(module: Any, value: Any) -> None:
        values = own.get(get_ident())
        if values:
            values[-1] = value
        else:
            vars(module)[name] = value

    content = {name: property(read, write), "plain": plain, "own": own}
    return type(plain.__name__, (_Apart,), content)


def own_value(module: ModuleType) -> Any:
    """What this thread has to itself; None when it has nothing: what is there may be another's."""
    kind = type(module)
    values = kind.own.get(get_ident()) if issubclass(kind, _Apart) else None
    return values[-1] if values else None


@contextmanager
def set_apart(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """Let this thread read ``value`` as ``module.name``, and write what only it reads.

    Other threads read and write the module's own value all the while, and it is the only one left
    when no thread is inside any more.
    """
    thread = get_ident()
    with _lock:
        kind = type(module)
        if not issubclass(kind, _Apart):
            kind = _kind(kind, name)
            module.__class__ = kind
        kind.own.setdefault(thread, []).append(value)
    try:
        yield
    finally:
        with _lock:
            kind.own[thread].pop()
            if not kind.own[thread]:
                del kind.own[thread]
            if not kind.own:
                module.__class__ = kind.plain
