"""Where did my export fail? One line for whoever reads torch's error.

while exporting encoder.layer.3.attention (Attention, call 0) at net/attention.py:88,
converting aten::histc of float32[8], int                       (all of it in one line)
"""

from typing import Iterator

from htp.backends.base import Where
from htp.printable import printable
from htp.scope import ModuleCall

__all__ = ["told"]


def told(where: Where) -> str:
    """What a listener knows of where an export failed, in one line that is safe to print.

    Args:
        where: what ``Listener.where()`` gave after the export failed.

    Returns:
        The line, without an end; "" when nothing is known.
    """
    return printable("".join(_parts(where)))


def _parts(where: Where) -> Iterator[str]:
    stack = where.running or where.converting
    operator = f"{'running' if where.running else 'converting'} {where.operator}"
    if stack:
        yield f"while exporting {_call(stack[-1])}"
    elif where.operator:
        yield f"while {operator}"
    else:
        return
    if where.source:
        yield f" at {where.source}"
    if stack and where.operator:
        yield f", {operator}"
    if where.inputs:
        yield " of " if where.operator else ", called with "
        yield ", ".join(where.inputs)


def _call(call: ModuleCall) -> str:
    return f"{call.path or 'the model'} ({call.class_name}, call {call.call})"
