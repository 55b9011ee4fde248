"""Which functional tensors hold what was last written to their memory.

While torch makes operations functional, a tensor that is written to is given a new value at once.
Others of the same memory keep theirs, and are computed anew when an operation next reads them:

    %v = view(%x)
    relu_(%x)        torch has relu's result for %x, and for %v what view gave
    relu_(%v)        torch has relu's result for %v, and for %x what the first one gave

https://github.com/pytorch/pytorch/blob/v2.5.0/aten/src/ATen/FunctionalTensorWrapper.cpp#L244
"""

from typing import Any, Dict, Iterator, List, Tuple

__all__ = ["StorageWrites"]


class StorageWrites:
    """Counts the writes to each memory, and remembers after which one a tensor was last made."""

    def __init__(self) -> None:
        self._memories: Dict[int, Tuple[Any, int]] = {}
        self._tensors: Dict[int, Tuple[Any, int]] = {}
        self._composed: List[bool] = []

    def begin(self) -> None:
        """An operation begins to be made functional."""
        self._composed = [True] * len(self._composed)  # those around it consist of others
        self._composed.append(False)

    def end(self, operation: Any, args: Any, kwargs: Any, result: Any) -> None:
        """The innermost operation is functional now.

        Args:
            operation: the ``OpOverload``.
            args: what it was called with.
            kwargs: likewise, by keyword.
            result: what it gave; None after a failure.
        """
        composed = self._composed.pop() if self._composed else True
        if composed:
            return  # what it consists of has told everything
        for tensor in _written(operation, args, kwargs or {}):
            memory = _memory(tensor)
            count = self._memories.get(memory, (None, 0))[1] + 1
            self._memories[memory] = (tensor, count)
            self._tensors[id(tensor)] = (tensor, count)
        if getattr(operation, "is_view", False) and args and self.latest(args[0]):
            count = self._tensors[id(args[0])][1]
            for view in _functional(result):
                if _memory(view) == _memory(args[0]):
                    self._tensors[id(view)] = (view, count)

    def holds(self, tensor: Any) -> bool:
        """Whether what torch has for a functional tensor is what the tensor holds."""
        import torch

        return self.latest(tensor) or not torch._functionalize_has_data_mutation(tensor.elem)

    def latest(self, tensor: Any) -> bool:
        """Whether the last write to its memory was to this tensor, or one that it is a view of."""
        if id(tensor) not in self._tensors:
            return False
        return self._tensors[id(tensor)][1] == self._memories[_memory(tensor)][1]


def _memory(tensor: Any) -> int:
    return int(tensor.elem.untyped_storage()._cdata)


def _written(operation: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    """The functional tensors that an operation writes to."""
    schema = getattr(operation, "_schema", None)
    for at, argument in enumerate(schema.arguments if schema is not None else ()):
        if argument.alias_info is not None and argument.alias_info.is_write:
            given = args[at] if at < len(args) else kwargs.get(argument.name)
            yield from _functional(given)


def _functional(given: Any) -> Iterator[Any]:
    if isinstance(given, (tuple, list)):
        for item in given:
            yield from _functional(item)
    elif hasattr(given, "elem"):
        yield given
