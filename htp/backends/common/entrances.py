"""Where torch's exporters are entered, whoever asks for an export and under whichever name.

Each exporter has one function that all its exports go through, and torch looks it up anew for each
of them; so names that were imported earlier (``from torch.onnx import export``) lead there, too.

``watched`` replaces these functions without importing torch: where a module that holds one is not
there yet, that is done as soon as it has been imported.
"""

import functools
import sys
from contextlib import ExitStack, contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple

from htp.backends.common.patching import replaced
from htp.backends.common.unseen import unseen

__all__ = ["ENTRANCES", "Around", "Entrance", "watched"]

Around = Callable[[str, Callable[..., Any], Tuple[Any, ...], Dict[str, Any]], Any]
"""What runs in the place of an entrance: given the exporter's name, torch's own function, and the
arguments."""


class Entrance(NamedTuple):
    """The function that every export of one exporter goes through.

    Attributes:
        name: its name.
        holders: what holds it, ``"package.module"`` or ``"package.module:Class"``.
    """

    name: str
    holders: Tuple[str, ...]


ENTRANCES = {
    # The newer place first: https://github.com/pytorch/pytorch/pull/161323
    "torchscript": Entrance(
        "_export", ("torch.onnx._internal.torchscript_exporter.utils", "torch.onnx.utils")
    ),
    "fx": Entrance(
        "export_compat",
        ("torch.onnx._internal.exporter._compat", "torch.onnx._internal.exporter"),
    ),
    # https://github.com/pytorch/pytorch/blob/v2.4.1/torch/onnx/_internal/exporter.py#L1197
    "dynamo_export": Entrance(
        "export",
        (
            "torch.onnx._internal._exporter_legacy:Exporter",
            "torch.onnx._internal.exporter:Exporter",
        ),
    ),
}
"""By the exporter's name. ``dynamo_export`` is a function of its own up to torch 2.5."""

_MODULES = {
    holder.partition(":")[0]: None for entrance in ENTRANCES.values() for holder in entrance.holders
}


@contextmanager
def watched(around: Around) -> Iterator[None]:
    """Have every export go through ``around`` until the context ends."""
    with ExitStack() as patches:
        doors = _Doors(around, patches)
        finder = _Finder(doors)
        sys.meta_path.insert(0, finder)
        patches.callback(sys.meta_path.remove, finder)
        for module in _MODULES:
            if module in sys.modules:
                doors.hang(module)
        yield


class _Doors:
    """What stands before the entrances."""

    def __init__(self, around: Around, patches: ExitStack) -> None:
        self._around = around
        self._patches = patches
        self._plain: Dict[Any, Any] = {}
        self._doors: Dict[Any, Any] = {}

    def hang(self, module: str) -> None:
        """Replace the entrances that a module holds, which has been imported."""
        for exporter, entrance in ENTRANCES.items():
            for place in entrance.holders:
                home, _, inner = place.partition(":")
                holder: Any = sys.modules[module] if home == module else None
                holder = getattr(holder, inner, None) if inner else holder
                if holder is not None and entrance.name in vars(holder):
                    self._replace(exporter, holder, entrance.name)

    def _replace(self, exporter: str, holder: Any, name: str) -> None:
        found = vars(holder)[name]
        if found in self._plain:  # taken from another holder, by its name
            self._patches.callback(setattr, holder, name, self._plain[found])
            return
        door = self._doors.get(found)  # one for both that hold it: a listener looks for that
        if door is None:
            door = self._doors[found] = self._door(exporter, found)
            self._plain[door] = found
        self._patches.enter_context(replaced(holder, name, door))

    def _door(self, exporter: str, plain: Any) -> Any:
        around = self._around

        @functools.wraps(plain)
        @unseen
        def door(*args: Any, **kwargs: Any) -> Any:
            return around(exporter, plain, args, kwargs)

        return door


class _Finder(MetaPathFinder):
    """Finds the modules that hold entrances as others do, and has the doors hung in them."""

    def __init__(self, doors: _Doors) -> None:
        self._doors = doors

    def find_spec(
        self, fullname: str, path: Any, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        if fullname not in _MODULES:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: Optional[ModuleSpec] = find(fullname, path, target) if find else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self._doors)
                return spec
        return None


class _Loader(Loader):
    """Loads a module as its own loader does, then has the doors hung."""

    def __init__(self, own: Any, doors: _Doors) -> None:
        self._own = own
        self._doors = doors

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        module: Optional[ModuleType] = self._own.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        self._doors.hang(module.__name__)
