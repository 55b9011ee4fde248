"""torch's own ``nn_module_stack`` as a stack of module calls.

Needed where the model is an ``ExportedProgram``, so that no module runs any more, and for the few
nodes that a pass of torch made without HTP's key. What torch writes differs from capture to
capture. Strict capture puts ``_export_root`` before paths, or dynamo's root (``L['self']``
if that is its name in ``forward``), and ``_modules`` into them. From 2.6 on the keys end in the
number of the call, ``@1``; 2.5 wrote none, and every call of a module reads as its first:
https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/_symbolic_trace.py#L530
"""

import re
from types import FunctionType, MethodType
from typing import Any, FrozenSet, List, Mapping, Optional, Tuple

from htp.scope import ModuleCall, Stack

__all__ = ["StackReader"]

_ROOT = re.compile(r"^(L\[(['\"])\w+\2\]|L__self__|_export_root)(\._export_root)?\.?")
_ITEM = re.compile(r"\.?_modules\[(['\"])([^'\"\]]+)\1\]")
_INDEX = re.compile(r"\[(['\"]?)([^'\"\]]+)\1\]")


class StackReader:
    """Reads the stacks that torch wrote down."""

    def __init__(self) -> None:
        self._known: FrozenSet[str] = frozenset()

    def of_program(self, program: Any) -> None:
        """Learn the modules of an ``ExportedProgram``: those that hold parameters or buffers."""
        known = set()
        for name in (*program.state_dict, *program.constants):
            path = name.rpartition(".")[0]
            while path and path not in known:
                known.add(path)
                path = path.rpartition(".")[0]
        self._known = frozenset(known)

    def read(self, written: Mapping[str, Any]) -> Optional[Stack]:
        """The stack that torch wrote down, or None when it wrote nothing that is one.

        Args:
            written: ``nn_module_stack`` of an FX node: ``{key: (path, type)}``, root first.
        """
        calls: List[ModuleCall] = []
        for key, entry in written.items():
            if not isinstance(entry, (tuple, list)) or len(entry) != 2:
                return None
            path = self._path(str(entry[0]))
            if path is not None:
                calls.append(ModuleCall(path, _type(entry[1]), _number(str(key))))
        if not calls or calls[0].path:
            return None
        return _unique(calls)

    def _path(self, written: str) -> Optional[str]:
        """The module that is written down, or None for what is no place in the model.

        ``L['self']._modules['a-b'].c`` is ``a-b.c``. A replaced ``forward`` is reached through its
        closure: ``forward.__closure__[1].cell_contents.__self__.left`` is no place.
        """
        if written in self._known:
            return written
        path = _ITEM.sub(r".\2", _ROOT.sub("", written))
        path = _INDEX.sub(r".\2", path).replace("._modules.", ".").strip(".")
        if path in self._known:
            return path
        return None if any(map(_is_special, path.split("."))) else path


def _is_special(attribute: str) -> bool:
    """Whether this is an attribute of functions and methods: ``__closure__``, ``__self__``."""
    dunder = attribute.startswith("__") and attribute.endswith("__")
    return dunder and (hasattr(FunctionType, attribute) or hasattr(MethodType, attribute))


def _number(key: str) -> int:
    _, at, number = key.rpartition("@")
    return int(number) if at and number.isdigit() else 0


def _type(written: Any) -> str:
    if isinstance(written, type):
        return f"{written.__module__}.{written.__qualname__}"
    return str(written)


def _unique(calls: List[ModuleCall]) -> Tuple[ModuleCall, ...]:
    """Without the root that strict capture writes twice."""
    return tuple(
        call for place, call in enumerate(calls) if not place or call.path != calls[place - 1].path
    )
