"""The names of torch's that the TorchScript exporter is listened to through.

Each row says what is replaced and what runs around it; ``Recorder`` is told of every step. Sources:
https://github.com/pytorch/pytorch/blob/v2.0.1/torch/onnx/utils.py (``_optimize_graph``,
``_model_to_graph``) has the passes in their order.
"""

from typing import Any, Callable, Iterator, Tuple

from htp.backends.common.entrances import ENTRANCES
from htp.backends.common.patching import PatchPoint, only_here
from htp.backends.torchscript.names import around_names
from htp.backends.torchscript.recorder import Recorder
from htp.backends.torchscript.scopes import TraceModuleMap

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
        try:
            converted = convert(graph, *args, **kwargs)
        finally:
            recorder.end_of_conversion()
        recorder.after_converting(converted)
        return converted

    return jit_pass_onnx


def _around_each_method(recorder: Recorder, run: Any) -> Any:
    """``torch.autograd.Function`` converts itself where it has a ``symbolic``."""

    def run_symbolic_method(*args: Any, **kwargs: Any) -> Any:
        recorder.before_method()
        try:
            return run(*args, **kwargs)
        except BaseException:
            recorder.after_failed_method()
            raise

    return run_symbolic_method


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


def _after_inlining(recorder: Recorder, copy_inlined: Any) -> Any:
    def propagate_and_assign_input_shapes(*args: Any, **kwargs: Any) -> Any:
        graph = copy_inlined(*args, **kwargs)
        recorder.note_inlined(graph)
        return graph

    return propagate_and_assign_input_shapes


def _points() -> Iterator[PatchPoint]:
    yield PatchPoint("_trace_module_map", ("torch.jit._trace",), _stand_in, apart=True)
    yield PatchPoint("_create_interpreter_name_lookup_fn", ("torch.jit._trace",), around_names)
    yield PatchPoint("_setup_trace_module_map", UTILS, only_here(_around_setup), needed=False)
    yield PatchPoint("_optimize_graph", UTILS, only_here(_around_optimizing))
    # Passes that make nodes anew and, on old releases, without a scope.
    for name in (
        "_jit_pass_onnx_remove_inplace_ops_for_onnx",
        "_jit_pass_canonicalize_graph_fuser_ops",
        "_jit_pass_fuse_addmm",
        "_jit_pass_onnx_preprocess",
    ):
        yield PatchPoint(name, PASSES, only_here(_before_rewriting), needed=False)
    yield PatchPoint("_jit_pass_cse", PASSES, only_here(_around_merging))
    yield PatchPoint("_jit_pass_onnx", PASSES, only_here(_around_conversion))
    yield PatchPoint(
        "_run_symbolic_method", (*UTILS, "torch.onnx"), _around_each_method, needed=False
    )
    for name, around in (
        ("_jit_pass_onnx_scalar_type_analysis", _around_rewriting),
        ("_jit_pass_onnx_peephole", _around_rewriting),
        ("_jit_pass_onnx_eval_peephole", _around_fusing),
    ):
        yield PatchPoint(name, PASSES, only_here(around))
    yield PatchPoint("_jit_pass_canonicalize", PASSES, only_here(_around_copying))
    yield PatchPoint("_propagate_and_assign_input_shapes", PASSES, only_here(_after_inlining))


POINTS = tuple(_points())
"""What is replaced while one export runs, in the order in which it is put in."""
