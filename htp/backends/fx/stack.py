"""torch's own ``nn_module_stack`` as a stack of module calls.

Needed where the model is an ``ExportedProgram``, so that no module runs any more, and for the few
nodes that a pass of torch made without HTP's key. What torch writes differs from capture to
capture. Strict capture puts ``_export_root`` before paths, or dynamo's root (``L['self']``
if that is its name in ``forward``), and ``_modules`` into them. From 2.6 on the keys end in the
number of the call, ``@1``; 2.5 wrote none, and every call of a module reads as its first:
https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/_symbolic_trace.py#L530
"""

import re
from typing import Any, List, Mapping, Optional, Tuple

from htp.scope import ModuleCall, Stack

__all__ = ["stack_of"]

_ROOT = re.compile(r"^(L\[(['\"])\w+\2\]|L__self__|_export_root)(\._export_root)?\.?")
_ITEM = re.compile(r"\.?_modules\[(['\"])([^'\"\]]+)\1\]")
_INDEX = re.compile(r"\[(['\"]?)(\w+)\1\]")


def stack_of(written: Mapping[str, Any]) -> Optional[Stack]:
    """The stack that torch wrote down, or None when it wrote nothing that is one.

    Args:
        written: ``nn_module_stack`` of an FX node: ``{key: (path, type)}``, root first.
    """
    calls: List[ModuleCall] = []
    for key, entry in written.items():
        if not isinstance(entry, (tuple, list)) or len(entry) != 2:
            return None
        path = _path(str(entry[0]))
        if path is None:
            continue
        calls.append(ModuleCall(path, _type(entry[1]), _number(str(key))))
    if not calls or calls[0].path:
        return None
    return _unique(calls)


def _path(written: str) -> Optional[str]:
    path = _ITEM.sub(r".\2", _ROOT.sub("", written))
    path = _INDEX.sub(r".\2", path).replace("._modules.", ".").strip(".")
    # A replaced ``forward`` is reached through its closure, which is no place in the model.
    return path if re.fullmatch(r"[\w.]*", path) and "__" not in path else None


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
