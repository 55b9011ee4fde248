"""What happens so often that it is told to all in one function: calls of modules and conversions.

Also what runs around them all, for every frame below a call is looked at each time (``calls``).
"""

from threading import get_ident
from typing import Any, NamedTuple, Sequence

from htp.backends.common.patching import PatchPoint
from htp.backends.torchscript.calls import watched, watched_function
from htp.backends.torchscript.points import UTILS
from htp.backends.torchscript.printed import print_at_failure
from htp.backends.torchscript.recorder import Recorder
from htp.backends.torchscript.taken import Taken
from htp.torch_release import PRINTS_WHAT_IT_WAS_BUILDING

__all__ = ["OFTEN", "Both"]


class Both(NamedTuple):
    """Who is told of one export: whose each node is, and what the calls took and returned."""

    recorder: Recorder
    taken: Taken

    def failed(self, outer: Any, node: Any, given: Sequence[Any]) -> None:
        """An operation could not be converted, which ``outer`` asked for, or else torch."""
        self.recorder.after_failed_conversion(outer, node)
        if outer is None and PRINTS_WHAT_IT_WAS_BUILDING:
            self.recorder.faults.safely(print_at_failure, self.recorder.log, given)


def _around_call(both: Both, call: Any) -> Any:
    return watched(both.taken, call)


def _around_function(both: Both, call: Any) -> Any:
    return watched_function(both.recorder.log, call)


def _around_each_conversion(both: Both, run: Any) -> Any:
    """The node's place among the arguments differs between releases; its inputs stand behind it."""
    import torch

    kind = torch._C.Node
    recorder, taken = both
    thread = recorder.thread
    at = 0

    def run_symbolic_function(*args: Any, **kwargs: Any) -> Any:
        nonlocal at
        if get_ident() != thread:
            return run(*args, **kwargs)
        given = [*args, *kwargs.values()] if kwargs else args
        if at >= len(given) or not isinstance(given[at], kind):
            places = [place for place, value in enumerate(given) if isinstance(value, kind)]
            if not places:
                return run(*args, **kwargs)
            at = places[0]
        node, inputs = given[at], given[at + 1]
        outer = recorder.before_conversion(node)
        try:
            result = run(*args, **kwargs)
        except BaseException:
            both.failed(outer, node, given)
            raise
        recorder.after_conversion(outer, node, inputs, result)
        taken.after_conversion(node, inputs, result)
        return result

    return run_symbolic_function


def _after_all(both: Both, build: Any) -> Any:
    taken = both.taken

    def model_to_graph(*args: Any, **kwargs: Any) -> Any:
        result = build(*args, **kwargs)
        if get_ident() == taken.thread:
            taken.after_building(*result[:2])
        return result

    return model_to_graph


OFTEN = (
    PatchPoint("__call__", ("torch.nn:Module",), _around_call),
    PatchPoint("__call__", ("torch._C:ScriptFunction",), _around_function),
    # The C++ side takes it from torch.onnx from 1.13 on, and from torch.onnx.utils before.
    PatchPoint("_run_symbolic_function", (*UTILS, "torch.onnx"), _around_each_conversion),
    PatchPoint("_model_to_graph", UTILS, _after_all),
)
"""Installed after the other patches."""
