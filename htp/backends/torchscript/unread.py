"""Which of its arguments a module call does not read, seen while TorchScript traces.

A value knows its readers. Those that it gets between the beginning and the end of a call are the
call's, whatever modules it calls in turn:

    %5 = aten::arange(...)         the call takes %5, which has no reader so far
    %6 = aten::sum(%5)             now it has one: the call reads it
    if %6 > 3: ...                 (which Python does: in the end nothing is left of %6)

So they are looked at while torch traces, before what has no use is dropped.
"""

from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from htp.backends.common.patching import replaced
from htp.graph.records import Kind
from htp.torch_release import READS_WITHOUT_TRACE

__all__ = ["PRINT", "Reading", "seeing"]

PRINT = "prim::Print"

_TYPES = {
    "Float": 1,
    "Byte": 2,
    "Char": 3,
    "Short": 5,
    "Int": 6,
    "Long": 7,
    "Bool": 9,
    "Half": 10,
    "Double": 11,
    "BFloat16": 16,
}
"""How ``onnx.TensorProto`` numbers the types of elements, by the names that TorchScript has:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

Taken = Tuple[List[Any], List[Any], List[int]]
"""Some tensors, their values, and how many readers each had; None and 0 for what is not asked."""


class Reading:
    """Tells which arguments the calls of one forward pass do not read."""

    def __init__(self) -> None:
        self._running: Dict[int, Taken] = {}

    def begin(self, token: int, tensors: List[Any], values: List[Any]) -> None:
        """A call begins.

        Args:
            token: of the call.
            tensors: what it takes.
            values: their values, None of what was not traced.
        """
        before = [0 if value is None else len(value.uses()) for value in values]
        self._running[token] = tensors, values, before

    def __bool__(self) -> bool:
        """Whether a call runs."""
        return bool(self._running)

    def end(self, token: int) -> List[Tuple[int, Kind]]:
        """A call ends: the number of each argument that it did not read, and what kind it is."""
        found: List[Tuple[int, Kind]] = []
        _, values, before = self._running.pop(token, _NOTHING)
        for at, value in enumerate(values):
            if value is not None and _is_unread(value, before[at]):
                kind = _kind(value)
                if kind is not None:
                    found.append((at, kind))
        return found

    def looked_at(self, tensor: Any) -> None:
        """Python reads a tensor in a way that leaves no trace."""
        for tensors, values, _ in self._running.values():
            for at, taken in enumerate(tensors):
                if taken is tensor:
                    values[at] = None

    def forget(self) -> None:
        """The trace has ended: no value may be looked at any more."""
        self._running.clear()


_NOTHING: Taken = ([], [], [])


def _is_unread(value: Any, before: int) -> bool:
    """Whether a value has no other readers than before; Prints compute nothing."""
    return all(use.user.kind() == PRINT for use in value.uses()[before:])


def _kind(value: Any) -> Optional[Kind]:
    """What kind of tensor a value is.

    None of a tensor of one element: Python may have made a number of it, which leaves no trace.
    """
    kind = value.type()
    if kind.kind() != "TensorType" or kind.scalarType() not in _TYPES:
        return None
    sizes = kind.sizes()
    if sizes is None or all(length == 1 for length in sizes):
        return None
    return Kind(_TYPES[kind.scalarType()], tuple(sizes))


@contextmanager
def seeing(reading: Reading, thread: int) -> Iterator[None]:
    """Let it be seen meanwhile what Python reads of a tensor as a list or an array."""
    import torch

    with ExitStack() as stack:
        for name in READS_WITHOUT_TRACE:
            new = _seen(reading, thread, getattr(torch.Tensor, name))
            stack.enter_context(replaced(torch.Tensor, name, new))
        yield


def _seen(reading: Reading, thread: int, plain: Callable[..., Any]) -> Callable[..., Any]:
    def read(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        if get_ident() == thread:
            reading.looked_at(tensor)
        return plain(tensor, *args, **kwargs)

    return read
