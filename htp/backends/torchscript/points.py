"""The names of torch's that the TorchScript exporter is listened to through.

Each row says what is replaced and what runs around it; ``Recorder`` is told of every step. Sources:
https://github.com/pytorch/pytorch/blob/v2.0.1/torch/onnx/utils.py (``_optimize_graph``,
``_model_to_graph``) has the passes in their order.
"""

from typing import Any, Callable, Iterator, Tuple

from htp.backends.common.entrances import ENTRANCES
from htp.backends.common.patching import PatchPoint
from htp.backends.torchscript.recorder import Recorder
from htp.backends.torchscript.scopes import TraceModuleMap, watched_call, watched_function

__all__ = ["PASSES", "POINTS", "UTILS", "entrance"]

_ENTRANCE = ENTRANCES["torchscript"]

UTILS = _ENTRANCE.holders
"""Where the exporter stands."""

PASSES = ("torch._C", *UTILS, "torch.onnx")
"""Where the passes stand; the exporter imports some of them by name."""


def entrance(around: Callable[[Any, Any], Any]) -> Tuple[PatchPoint, ...]:
    """The function that every export of this exporter goes through, whoever asks for it."""
    return (PatchPoint(_ENTRANCE.name, UTILS, around),)


def _stand_in(recorder: Recorder, plain: Any) -> TraceModuleMap:
    return TraceModuleMap(recorder.log, plain)


def _around_setup(recorder: Recorder, setup: Any) -> Any:
    """From 1.13 torch makes the map itself; ours takes its place and answers from it."""

    def setup_trace_module_map(*args: Any, **kwargs: Any) -> Any:
        import torch

        result = setup(*args, **kwargs)
        trace = torch.jit._trace
        if not isinstance(trace._trace_module_map, TraceModuleMap):
            trace._trace_module_map = _stand_in(recorder, trace._trace_module_map)
        return result

    return setup_trace_module_map


def _around_call(recorder: Recorder, call: Any) -> Any:
    import torch

    return watched_call(call, recorder.log, torch)


def _around_function(recorder: Recorder, call: Any) -> Any:
    import torch

    return watched_function(call, recorder.log, torch)


def _around_optimizing(recorder: Recorder, optimize: Any) -> Any:
    def optimize_graph(graph: Any, *args: Any, **kwargs: Any) -> Any:
        recorder.before_optimizing(graph)
        return optimize(graph, *args, **kwargs)

    return optimize_graph


def _before_rewriting(recorder: Recorder, rewrite: Any) -> Any:
    def jit_pass(graph: Any, *args: Any, **kwargs: Any) -> Any:
        recorder.follow(graph)
        return rewrite(graph, *args, **kwargs)

    return jit_pass


def _around_merging(recorder: Recorder, merge: Any) -> Any:
    def jit_pass_cse(graph: Any, *args: Any, **kwargs: Any) -> Any:
        before = recorder.before_merging(graph, merge)
        result = merge(graph, *args, **kwargs)
        recorder.after_merging(before, graph)
        return result

    return jit_pass_cse


def _around_conversion(recorder: Recorder, convert: Any) -> Any:
    def jit_pass_onnx(graph: Any, *args: Any, **kwargs: Any) -> Any:
        recorder.before_converting(graph)
        converted = convert(graph, *args, **kwargs)
        recorder.after_converting(converted)
        return converted

    return jit_pass_onnx


def _around_each_conversion(recorder: Recorder, run: Any) -> Any:
    """The node's place among the arguments differs between releases; its inputs stand behind it."""
    import torch

    kind = torch._C.Node
    at = 0

    def run_symbolic_function(*args: Any, **kwargs: Any) -> Any:
        nonlocal at
        given = [*args, *kwargs.values()] if kwargs else args
        if at >= len(given) or not isinstance(given[at], kind):
            places = [place for place, value in enumerate(given) if isinstance(value, kind)]
            if not places:
                return run(*args, **kwargs)
            at = places[0]
        outer = recorder.before_conversion(given[at])
        try:
            result = run(*args, **kwargs)
        except BaseException:
            recorder.after_failed_conversion(outer, given[at])
            raise
        recorder.after_conversion(outer, given[at], given[at + 1], result)
        return result

    return run_symbolic_function


def _around_rewriting(recorder: Recorder, rewrite: Any) -> Any:
    def jit_pass(graph: Any, *args: Any, **kwargs: Any) -> Any:
        before = recorder.before_rewriting(graph)
        result = rewrite(graph, *args, **kwargs)
        recorder.after_rewriting(before, graph)
        return result

    return jit_pass


def _around_fusing(recorder: Recorder, fuse: Any) -> Any:
    def jit_pass(graph: Any, *args: Any, **kwargs: Any) -> Any:
        before = recorder.before_fusing(graph)
        result = fuse(graph, *args, **kwargs)
        recorder.after_fusing(before, graph)
        return result

    return jit_pass


def _around_copying(recorder: Recorder, canonicalize: Any) -> Any:
    def jit_pass_canonicalize(graph: Any, *args: Any, **kwargs: Any) -> Any:
        copy = canonicalize(graph, *args, **kwargs)
        recorder.after_copying(graph, copy)
        return copy

    return jit_pass_canonicalize


def _after_all(recorder: Recorder, build: Any) -> Any:
    def model_to_graph(*args: Any, **kwargs: Any) -> Any:
        result = build(*args, **kwargs)
        recorder.after_building(result[0])
        return result

    return model_to_graph


def _after_inlining(recorder: Recorder, copy_inlined: Any) -> Any:
    def propagate_and_assign_input_shapes(*args: Any, **kwargs: Any) -> Any:
        graph = copy_inlined(*args, **kwargs)
        recorder.note_inlined(graph)
        return graph

    return propagate_and_assign_input_shapes


def _points() -> Iterator[PatchPoint]:
    yield PatchPoint("_trace_module_map", ("torch.jit._trace",), _stand_in)
    yield PatchPoint("_setup_trace_module_map", UTILS, _around_setup, needed=False)
    yield PatchPoint("__call__", ("torch.nn:Module",), _around_call)
    yield PatchPoint("__call__", ("torch._C:ScriptFunction",), _around_function)
    yield PatchPoint("_optimize_graph", UTILS, _around_optimizing)
    # Passes that make nodes anew and, on old releases, without a scope.
    for name in (
        "_jit_pass_onnx_remove_inplace_ops_for_onnx",
        "_jit_pass_canonicalize_graph_fuser_ops",
        "_jit_pass_fuse_addmm",
        "_jit_pass_onnx_preprocess",
    ):
        yield PatchPoint(name, PASSES, _before_rewriting, needed=False)
    yield PatchPoint("_jit_pass_cse", PASSES, _around_merging)
    yield PatchPoint("_jit_pass_onnx", PASSES, _around_conversion)
    # The C++ side takes it from torch.onnx from 1.13 on, and from torch.onnx.utils before.
    yield PatchPoint("_run_symbolic_function", (*UTILS, "torch.onnx"), _around_each_conversion)
    for name, around in (
        ("_jit_pass_onnx_scalar_type_analysis", _around_rewriting),
        ("_jit_pass_onnx_peephole", _around_rewriting),
        ("_jit_pass_onnx_eval_peephole", _around_fusing),
    ):
        yield PatchPoint(name, PASSES, around)
    yield PatchPoint("_jit_pass_canonicalize", PASSES, _around_copying)
    yield PatchPoint("_propagate_and_assign_input_shapes", PASSES, _after_inlining)
    yield PatchPoint("_model_to_graph", UTILS, _after_all)


POINTS = tuple(_points())
"""What is replaced while one export runs, in the order in which it is put in."""
