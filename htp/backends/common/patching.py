"""Replacing torch's private names for the length of one export.

What is replaced is data: a table of ``PatchPoint``. The probe of a backend and its patches are both
made from that table, so that they cannot differ.
"""

import importlib
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import RLock, get_ident
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

from htp.backends.common.apart import own_value, set_apart

__all__ = ["Around", "PatchPoint", "installed", "missing", "only_here", "replaced"]

_MISSING = object()

Around = Callable[[Any, Any], Any]
"""From what an export is recorded in, and torch's own object, to what stands in for it."""


@dataclass(frozen=True)
class PatchPoint:
    """One name of torch's that is replaced.

    Attributes:
        name: the name.
        holders: what may hold it, ``"package.module"`` or ``"package.module:Class"``, the best
            first. torch imports some functions by name, so the name is replaced in every holder
            that has the same object under it.
        around: from what an export is recorded in, and the plain object, to what stands in for it.
        needed: the backend cannot run without it; else it is replaced where torch has it.
        apart: it is state of torch's that other threads may set as well (``set_apart``).
    """

    name: str
    holders: Tuple[str, ...]
    around: Around
    needed: bool = True
    apart: bool = False

    def held(self) -> List[Any]:
        """The holders that have the name, the best first; all of them hold the same object."""
        found = [holder for holder in map(_resolve, self.holders) if _has(holder, self.name)]
        return [h for h in found if vars(h)[self.name] is vars(found[0])[self.name]]


def only_here(around: Around) -> Around:
    """Let other threads, which may be compiling models of their own, reach torch's own function.

    Args:
        around: of a function; what it records in has the recording ``thread``, by its identity.
    """

    def for_one_thread(record: Any, plain: Any) -> Any:
        new = around(record, plain)
        thread = record.thread

        def here(*args: Any, **kwargs: Any) -> Any:
            return (new if get_ident() == thread else plain)(*args, **kwargs)

        here.__wrapped__ = plain  # type: ignore[attr-defined]  # for inspect.signature
        return here

    return for_one_thread


def _resolve(place: str) -> Any:
    module, _, inner = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ImportError:
        return None
    for part in inner.split(".") if inner else ():
        found = getattr(found, part, None)
    return found


def _has(holder: Any, name: str) -> bool:
    return holder is not None and name in vars(holder)


def missing(points: Iterable[PatchPoint]) -> List[str]:
    """What a torch lacks that cannot be done without, in words."""
    return [
        " or ".join(f"{holder.replace(':', '.')}.{point.name}" for holder in point.holders)
        for point in points
        if point.needed and not point.held()
    ]


@contextmanager
def installed(points: Iterable[PatchPoint], record: Any) -> Iterator[None]:
    """Put the patches in, and take them out on leaving, whatever happens.

    Args:
        points: what is replaced; of two patches of one name, the later one is the outer one.
        record: what the export is recorded in, handed to each ``around``.
    """
    with ExitStack() as stack:
        for point in points:
            holders = point.held()
            if holders and point.apart:
                value = point.around(record, own_value(holders[0]))
                stack.enter_context(set_apart(holders[0], point.name, value))
            elif holders:
                new = point.around(record, vars(holders[0])[point.name])
                for holder in holders:
                    stack.enter_context(replaced(holder, point.name, new))
        yield


class _Layer:
    """One replacement, and what its end puts back."""

    def __init__(self, value: Any, before: Any) -> None:
        self.value = value
        self.before = before


_lock = RLock()
_layers: Dict[Tuple[int, str], List[_Layer]] = {}
"""The replacements of each name, the latest last."""


@contextmanager
def replaced(target: Any, name: str, value: Any) -> Iterator[Any]:
    """Set ``target.name`` to ``value``, and to what it was on leaving, whatever happens.

    A module that was first imported meanwhile may have taken the new value (torch 1.13 and 2.5
    import ``torch.onnx.__init__`` a second time for a custom ``autograd.Function``); it gets the
    old one, too. Threads may leave in another order than they came.

    Yields:
        What was there before.
    """
    with _lock:
        layer = _Layer(value, vars(target).get(name, _MISSING))
        layers = _layers.setdefault((id(target), name), [])
        layers.append(layer)
        setattr(target, name, value)
    known = set(sys.modules)
    try:
        yield None if layer.before is _MISSING else layer.before
    finally:
        with _lock:
            above = layers.index(layer) + 1
            if above < len(layers):  # of another thread, which ends later
                layers[above].before = layer.before
            elif layer.before is _MISSING:
                delattr(target, name)
            else:
                setattr(target, name, layer.before)
                for module in [sys.modules[other] for other in set(sys.modules) - known]:
                    for taken, held in list(getattr(module, "__dict__", {}).items()):
                        if held is value:  # under whichever name
                            setattr(module, taken, layer.before)
            layers.remove(layer)
            if not layers:
                del _layers[id(target), name]
