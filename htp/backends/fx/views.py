"""Views that torch computes once more, and whose they are.

A tensor that was written to is a new one once torch has made the graph functional. A view of it is
computed anew where an operation next reads it, from the tensor on, one view from the other, and
nobody reads those that torch had computed where the model did. Whose such a view is was decided
there: it stands for the view of the chain that the operation was to read.

https://github.com/pytorch/pytorch/blob/v2.6.0/aten/src/ATen/FunctionalTensorWrapper.cpp#L357
"""

from contextlib import contextmanager
from threading import get_ident
from typing import Any, Dict, Iterator, List, Optional

from htp.backends.common.patching import replaced
from htp.backends.fx.meta import KEY, Call

__all__ = ["ViewTracker", "missing_seam"]

_DISPATCH = "__torch_dispatch__"


class ViewTracker:
    """Knows what the operations read that torch is making functional."""

    def __init__(self) -> None:
        self._operations: List[_Operation] = []

    def earlier(self, node: Any, tracer: Any) -> Optional[Call]:
        """The call of the view that a new node computes once more, or None.

        Args:
            node: the node.
            tracer: what created it.
        """
        view = self._operations[-1].earlier(node, tracer) if self._operations else None
        call: Optional[Call] = view.meta.get(KEY) if view is not None else None
        return call

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow the operations meanwhile."""
        from torch._subclasses.functional_tensor import FunctionalTensorMode

        operations = self._operations
        thread = get_ident()
        plain = vars(FunctionalTensorMode)[_DISPATCH]

        def htp_dispatch(
            self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if get_ident() != thread:
                return plain(self, func, types, args, kwargs)
            operations.append(_Operation(args))
            try:
                return plain(self, func, types, args, kwargs)
            finally:
                operations.pop()

        with replaced(FunctionalTensorMode, _DISPATCH, htp_dispatch):
            yield


class _Operation:
    """An operation that torch is making functional.

    Args:
        args: what it was called with.
    """

    def __init__(self, args: Any) -> None:
        # Now: what torch computes anew it puts in the place of these.
        self._read = list(_read(args))
        self._nodes: Optional[List[Any]] = None
        self._stands_for: Dict[Any, Any] = {}

    def earlier(self, node: Any, tracer: Any) -> Any:
        """The view that a new one stands for, of those that this operation was to read."""
        if not _is_view(node) or not self._read:
            return None
        if self._nodes is None:
            known = getattr(tracer, "tensor_tracker", {})
            slots = [known.get(tensor) for tensor in self._read]
            self._nodes = [slot.proxy.node for slot in slots if slot is not None]
        tensor, *how = node.args
        before = self._stands_for.get(tensor)
        for read in self._nodes:
            chain = _chain(read)
            if any(tensor is view for view in chain):
                continue  # the operation's own
            for view in chain:
                first = view is chain[0] and before is None
                anew = first and not any(tensor is other for other in self._nodes)
                if view.args[0] is (before or tensor) or anew:
                    same = view.target is node.target and list(view.args[1:]) == how
                    if same and view.kwargs == node.kwargs:
                        self._stands_for[node] = view
                        return view
        return None


def _read(args: Any) -> Iterator[Any]:
    """The tensors within the functional ones among the arguments."""
    import torch

    for arg in args if isinstance(args, (tuple, list)) else (args,):
        if isinstance(arg, (tuple, list)):
            yield from _read(arg)
        elif isinstance(arg, torch.Tensor) and hasattr(arg, "elem"):
            yield torch._from_functional_tensor(arg.elem)


def _chain(node: Any) -> List[Any]:
    """The views that a node was computed by, the first one first."""
    views: List[Any] = []
    while _is_view(node):
        views.append(node)
        node = node.args[0]
    return views[::-1]


def _is_view(node: Any) -> bool:
    if getattr(node, "op", None) != "call_function" or not node.args:
        return False
    return bool(getattr(node.target, "is_view", False))


def missing_seam() -> Optional[str]:
    """What ``following`` does not find in this torch, or None.

    Raises:
        ImportError: a module of torch is not there.
    """
    import torch
    from torch._subclasses import functional_tensor
    from torch.fx.experimental import proxy_tensor

    mode = getattr(functional_tensor, "FunctionalTensorMode", None)
    if _DISPATCH not in getattr(mode, "__dict__", {}):
        return f"torch._subclasses.functional_tensor.FunctionalTensorMode.{_DISPATCH}"
    if not hasattr(torch, "_from_functional_tensor"):
        return "torch._from_functional_tensor"
    if "tensor_tracker" not in getattr(proxy_tensor.PythonKeyTracer, "__annotations__", {}):
        return "torch.fx.experimental.proxy_tensor.PythonKeyTracer.tensor_tracker"
    return None
