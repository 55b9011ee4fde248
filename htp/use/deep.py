"""Functions that call each other too deeply to be followed.

onnx follows calls by recursion, and its older releases end the process where these have no end.
"""

from typing import TYPE_CHECKING, Dict, List, Tuple

from htp.errors import InvalidModelError
from htp.file.document import walk

if TYPE_CHECKING:
    import onnx

__all__ = ["refuse_deep"]

DEEPEST = 100
"""Functions within each other: what the newer releases of onnx take.
https://github.com/onnx/onnx/blob/main/onnx/checker.cc"""

_Name = Tuple[str, str, str]


def refuse_deep(model: "onnx.ModelProto") -> None:
    """Refuse a model whose functions call each other in a circle, or deeper than ``DEEPEST``.

    Raises:
        InvalidModelError: they do.
    """
    callers: Dict[_Name, List[_Name]] = {}
    left: Dict[_Name, int] = {}
    names = [(each.domain, each.name, each.overload) for each in model.functions]
    known = frozenset(names)
    for name, function in zip(names, model.functions):
        calls = {(node.domain, node.op_type, node.overload) for node in walk(function.node)} & known
        left[name] = left.get(name, 0) + len(calls)
        for each in calls:
            callers.setdefault(each, []).append(name)
    ready = [name for name, count in left.items() if not count]
    depth = 0
    while ready:  # all that call only what went before
        depth += 1
        above = [caller for name in ready for caller in callers.get(name, ())]
        for caller in above:
            left[caller] -= 1
        ready = [caller for caller in dict.fromkeys(above) if not left[caller]]
    if depth > DEEPEST or any(left.values()):
        how = "in a circle" if any(left.values()) else f"more than {DEEPEST} deep"
        raise InvalidModelError(
            f"The functions of this model call each other {how}.", "export the model again."
        )
