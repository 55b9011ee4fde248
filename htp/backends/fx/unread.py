"""Which of its arguments a module call does not read, seen while ``torch.export`` traces.

A node knows its users. Those that it gets between the beginning and the end of a call are the
call's, whatever modules it calls in turn. They are looked at while torch traces, before what has no
use is dropped: what Python looked at may have decided what was traced.
"""

from typing import Any, List, NamedTuple, Optional

from htp.backends.fx.meta import Call
from htp.backends.fx.values import Seen, placed, slot_of
from htp.graph.records import Kind

__all__ = ["Reading", "Run"]

_TYPES = {
    "torch.float32": 1,
    "torch.uint8": 2,
    "torch.int8": 3,
    "torch.int16": 5,
    "torch.int32": 6,
    "torch.int64": 7,
    "torch.bool": 9,
    "torch.float16": 10,
    "torch.float64": 11,
    "torch.bfloat16": 16,
}
"""How ``onnx.TensorProto`` numbers the types of elements:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""


class _Taken(NamedTuple):
    """An argument: the tensor, its node, and how many users that had."""

    tensor: Any
    node: Any
    users: int


class Reading:
    """What a call reads of its arguments.

    Args:
        tracer: what traces the call.
        args: what it takes.
        kwargs: likewise.
    """

    def __init__(self, tracer: Any, args: Any, kwargs: Any) -> None:
        self._tracer = tracer
        given = (*placed(tuple(args)), *placed(dict(kwargs)))
        self._taken: List[Optional[_Taken]] = [self._begun(tensor) for _, tensor in given]

    def _begun(self, tensor: Any) -> Optional[_Taken]:
        slot = slot_of(self._tracer, tensor)
        # Of a constant torch knows what it holds, and makes numbers of it without a node.
        if slot is None or getattr(slot, "constant", None) is not None:
            return None
        node = slot.proxy.node
        return _Taken(tensor, node, len(node.users))

    def ended(self, seen: List[Seen], result: Any) -> List[Seen]:
        """The arguments, and which of them it did not read.

        Args:
            seen: the arguments.
            result: what the call returned.
        """
        results = (slot_of(self._tracer, tensor) for _, tensor in placed((result,)))
        given = {slot.proxy.node for slot in results if slot is not None}
        return [
            one
            if taken is None
            else Seen(
                one.place,
                one.value,
                _kind(taken.tensor) if taken.node not in given and self._is_unread(taken) else None,
                traced=True,
            )
            for one, taken in zip(seen, self._taken)
        ]

    def _is_unread(self, taken: _Taken) -> bool:
        if len(taken.node.users) != taken.users:
            return False
        slot = slot_of(self._tracer, taken.tensor)
        return slot is not None and slot.proxy.node is taken.node  # nothing has written into it


def _kind(tensor: Any) -> Optional[Kind]:
    dtype = _TYPES.get(str(tensor.dtype))
    if dtype is None:
        return None
    return Kind(dtype, tuple(n if isinstance(n, int) else None for n in tensor.shape))


class Run(NamedTuple):
    """A module that runs: the call that it is, or the graph of the body whose code it is."""

    call: Optional[Call]
    body: Any
    tracer: Any
    reading: Optional[Reading] = None
