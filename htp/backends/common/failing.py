"""What a failed export was busy with, in plain strings: a line of source, shapes and types.

The frames behind an exception know it while the exception passes: they hold the modules that were
called, and the lines that ran. Nothing of them is kept.
"""

import inspect
import os
import re
import sys
from functools import wraps
from typing import (
    Any,
    Callable,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Sequence,
    Set,
    Tuple,
    TypeVar,
    cast,
)

from htp.backends.base import Where
from htp.scope import Stack

__all__ = [
    "Place",
    "chain",
    "frames",
    "line",
    "modules_of",
    "quietly",
    "shapes",
    "tensor",
    "written",
]

_MOST = 8
"""So many inputs are told, and as many items of a list."""


class Place(NamedTuple):
    """A line of Python.

    Attributes:
        file: as the code object has it.
        line: its number.
    """

    file: str
    line: int


Tell = TypeVar("Tell", bound=Callable[..., Any])


def quietly(tell: Tell) -> Tell:
    """Nothing is said where saying it fails: the export has troubles of its own."""

    @wraps(tell)
    def told(*given: Any) -> Any:
        try:
            return tell(*given)
        except Exception:
            return Where()

    return cast(Tell, told)


def chain(error: BaseException) -> List[BaseException]:
    """An error and those that it was raised for, or in whose handling it was raised."""
    found: List[BaseException] = []
    pending = [error]
    while pending:
        one = pending.pop()
        if not any(one is other for other in found):
            found.append(one)
            pending.extend(e for e in (one.__context__, one.__cause__) if e is not None)
    return found


def frames(error: BaseException) -> List[Tuple[Any, int]]:
    """The frames that an exception passed, and the line in each, outermost first."""
    found = []
    at = error.__traceback__
    while at is not None:
        found.append((at.tb_frame, at.tb_lineno))
        at = at.tb_next
    return found


_WRITTEN = re.compile(r'^\s*(?:File "(.+)", line (\d+)\b.*|(.+)\((\d+)\): \S+)$', re.MULTILINE)


def written(text: str) -> List[Place]:
    r"""The lines of a call stack as torch writes it down, in its order.

    ``File "net.py", line 8, in forward``  or  ``net.py(8): forward``
    """
    return [Place(one[1] or one[3], int(one[2] or one[4])) for one in _WRITTEN.finditer(text)]


def modules_of(model: Any, stack: Stack) -> List[Any]:
    """The modules of a stack of calls, root first.

    Of a module that is not there (an ``ExportedProgram`` has none) it is the name of its class.
    """
    import torch

    found = []
    for call in stack:
        module = model
        for name in call.path.split(".") if call.path else ():
            module = getattr(module, name, None)
        found.append(module if isinstance(module, torch.nn.Module) else call.type)
    return found


def line(modules: Sequence[Any], places: Sequence[Place]) -> str:
    """The line of the model's own source that ran last.

    That is the innermost line in a file in which the innermost module's class is written. The
    files of torch's own modules are not the model's: of a ``Linear`` it is the line that calls it.

    Args:
        modules: those that were called, root first, or the names of their classes.
        places: the lines that ran, innermost first.

    Returns:
        ``net.py:8``, or ``package/net.py:8`` of a file in a package; "" when it is not known.
    """
    for module in reversed(modules):
        own = _files(module)
        for place in places:
            if place.file in own:
                return f"{_relative(place.file)}:{place.line}"
    return ""


def _files(module: Any) -> Set[str]:
    """The files, outside of torch, in which a module's class and its own ``forward`` stand."""
    import torch

    files = _file_of(module) if isinstance(module, str) else _files_of(module)
    inside = os.path.join(os.path.dirname(torch.__file__), "")
    return {file for file in files if not file.startswith(inside)}


def _files_of(module: Any) -> Set[str]:
    import torch

    kinds = [kind for kind in type(module).__mro__ if kind not in torch.nn.Module.__mro__]
    functions = [value for kind in kinds for value in vars(kind).values()]
    functions.append(vars(module).get("forward"))
    files = {code.co_filename for code in map(_code, functions) if code is not None}
    if isinstance(module, torch.jit.ScriptModule):
        files.update(_scripted(module))
    return files


def _file_of(kind: str) -> Set[str]:
    """The file of the Python module that holds a class of this qualified name."""
    parts = kind.split(".")
    names = (".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
    found = (getattr(sys.modules[name], "__file__", None) for name in names if name in sys.modules)
    return {file for file in (next(found, None),) if file}


def _code(function: Any) -> Any:
    """The code of a function that a class holds, without what decorates it."""
    function = getattr(function, "__func__", function)  # a method's
    return getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None


def _scripted(module: Any) -> Iterator[str]:
    """The files that the methods of a scripted module were compiled from."""
    for name in module._c._method_names():
        graph = module._c._get_method(name).graph
        for node in graph.nodes():
            for place in written(str(node.sourceRange()))[:1]:
                yield place.file


def _relative(file: str) -> str:
    """A file as it stands below the folder that holds its package."""
    folder, name = os.path.split(file)
    parts = [name]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        parts.insert(0, name)
    return "/".join(parts)


def shapes(values: Iterable[Any], one: Callable[[Any], str]) -> Tuple[str, ...]:
    """What some inputs are, each in a few characters.

    Args:
        values: the inputs.
        one: what one of them is that is no list; "" of what it knows nothing of.
    """
    told = [_shape(value, one) for value in values]
    return tuple(told[:_MOST]) + (("...",) if len(told) > _MOST else ())


def _shape(value: Any, one: Callable[[Any], str]) -> str:
    if type(value) in (list, tuple):
        inner = ", ".join(shapes(value, one))
        return f"[{inner}]"
    known = one(value)
    if known:
        return known
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return tensor(value.dtype, value.shape)
    return "None" if value is None else type(value).__name__


def tensor(dtype: Any, shape: Any) -> str:
    """``float32[3, 4]``."""
    sizes = ", ".join(str(size) for size in shape)
    return f"{str(dtype).replace('torch.', '')}[{sizes}]"
