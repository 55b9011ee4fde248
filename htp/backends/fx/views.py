"""Views that torch computes once more, and whose they are.

A tensor that was written to is a new one once torch has made the graph functional. A view of it is
computed anew where an operation next reads it, from the tensor on, one view from the other, and
nobody reads those that torch had computed where the model did. Whose such a view is was decided
there: it stands for the view of the chain that the operation was to read.

    the model   %a = view(%x)   %b = t(%a)   add_(%x, 1)   relu(%b)
    torch       %a = view(%x)   %b = t(%a)   %n = add(%x, 1)
                %a2 = view(%n)  %b2 = t(%a2)  relu(%b2)      %a2 is whose %a is, %b2 whose %b is

torch does so as well where the tensor was written to before the first view was made of it. Then
what is computed once more has the same contents.

https://github.com/pytorch/pytorch/blob/v2.6.0/aten/src/ATen/FunctionalTensorWrapper.cpp#L357
"""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from htp.backends.fx.storages import StorageWrites

__all__ = ["Again", "Chain", "Operation", "ViewTracker"]


class Again(NamedTuple):
    """What a view that is computed once more stands for.

    Attributes:
        view: the node of the view.
        same: whether nothing was written to its memory since.
    """

    view: Any
    same: bool


class ViewTracker:
    """Knows what the operations read that torch is making functional.

    Args:
        writes: knows which tensors hold what was last written.
    """

    def __init__(self, writes: StorageWrites) -> None:
        self._writes = writes
        self._operations: List[Operation] = []

    def begin(self, args: Any) -> None:
        """An operation begins to be made functional that was called with ``args``."""
        import torch

        # Now: what torch computes anew it puts in the place of these.
        read = [
            (torch._from_functional_tensor(each.elem), self._writes.latest(each))
            for each in _read(args)
        ]
        self._operations.append(Operation(read))

    def end(self) -> None:
        """The innermost operation is functional now."""
        if self._operations:
            self._operations.pop()

    def earlier(self, node: Any, tracer: Any) -> Optional[Again]:
        """The view that a new node computes once more, or None.

        Args:
            node: the node.
            tracer: what created it.
        """
        return self._operations[-1].earlier(node, tracer) if self._operations else None


class Operation:
    """An operation that torch is making functional.

    Args:
        read: the tensors that it reads, and whether each holds what was last written.
    """

    def __init__(self, read: List[Tuple[Any, bool]]) -> None:
        self._read = read
        self._chains: Optional[List[Chain]] = None
        self._stands_for: Dict[Any, Any] = {}

    def earlier(self, node: Any, tracer: Any) -> Optional[Again]:
        """The view that a new one stands for, of those that this operation was to read."""
        if not self._read or not _is_view(node):
            return None
        if self._chains is None:
            known = getattr(tracer, "tensor_tracker", {})
            slots = [(known.get(tensor), latest) for tensor, latest in self._read]
            self._chains = [Chain(slot.proxy.node, new) for slot, new in slots if slot is not None]
        tensor = node.args[0]
        own = any(tensor is chain.end for chain in self._chains)
        for chain in self._chains:
            view = chain.match(node, self._stands_for.get(tensor), own)
            if view is not None:
                self._stands_for[node] = view
                return Again(view, chain.latest)
        return None


class Chain:
    """The views that a tensor was computed by, one from the other.

    Args:
        end: the node that computed the tensor.
        latest: whether the tensor holds what was last written to its memory.

    Attributes:
        end: that node.
        latest: likewise.
    """

    def __init__(self, end: Any, latest: bool) -> None:
        self.end, self.latest = end, latest
        self._views: List[Any] = []
        while _is_view(end):
            self._views.append(end)
            end = end.args[0]
        self._views.reverse()

    def match(self, node: Any, stands_for: Any, own: bool) -> Any:
        """The view of this chain that a new view is the same step as, or None.

        Args:
            node: the new view.
            stands_for: the view that the tensor stands for which ``node`` is a view of; or None.
            own: whether that tensor is one that the operation reads.
        """
        tensor = node.args[0]
        if any(tensor is view for view in self._views):
            return None  # the operation's own
        for place, view in enumerate(self._views):
            # The first view may be of a new tensor, which has taken the place of the one before.
            first = not place and stands_for is None and not own
            if (first or view.args[0] is (stands_for or tensor)) and _same_step(view, node):
                return view
        return None


def _same_step(one: Any, other: Any) -> bool:
    return (
        one.target is other.target
        and list(one.args[1:]) == list(other.args[1:])
        and one.kwargs == other.kwargs
    )


def _read(args: Any) -> Iterator[Any]:
    """The functional tensors among the arguments."""
    import torch

    for arg in args if isinstance(args, (tuple, list)) else (args,):
        if isinstance(arg, (tuple, list)):
            yield from _read(arg)
        elif isinstance(arg, torch.Tensor) and hasattr(arg, "elem"):
            yield arg


def _is_view(node: Any) -> bool:
    if getattr(node, "op", None) != "call_function" or not node.args:
        return False
    return bool(getattr(node.target, "is_view", False))
