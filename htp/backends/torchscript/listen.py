"""Capture through torch's TorchScript exporter, for every release that has it.

The exporter runs a trace, converts each operation with a symbolic function, rewrites the graph in
several passes and serialises it. HTP answers torch's own question for a scope name with a token
for each module call, notes what is made while an operation is converted, and reads the graph that
is written, node for node. No name is ever parsed.
"""

import importlib
import io
import os
from contextlib import ExitStack
from functools import partial
from typing import Any, Callable, Iterator, List, Optional

from htp import wire
from htp.arguments import torchscript as _ts_arguments
from htp.backends.base import Capture, ExportRequest
from htp.backends.common.modules import ModuleNames
from htp.backends.common.patching import replaced
from htp.backends.torchscript import recorder as _ts_graph
from htp.backends.torchscript import scripted as _ts_script
from htp.backends.torchscript.ir import let_go
from htp.backends.torchscript.recorder import Recorder
from htp.backends.torchscript.scopes import CallLog, TraceModuleMap, watched_call
from htp.errors import CaptureError, HTPError
from htp.graph.proto import record_model
from htp.graph.records import GraphRecord

_UTILS = ("torch.onnx._internal.torchscript_exporter.utils", "torch.onnx.utils")
"""Where the exporter stands; the newer place first:
https://github.com/pytorch/pytorch/pull/161323"""

_NEEDED = ("_model_to_graph", "_optimize_graph", "_run_symbolic_function")
_PASSES = (
    "_jit_pass_onnx",
    "_jit_pass_cse",
    "_propagate_and_assign_input_shapes",
    "_jit_pass_canonicalize",
    "_jit_pass_onnx_scalar_type_analysis",
    "_jit_pass_onnx_peephole",
    "_jit_pass_onnx_eval_peephole",
)

_LOSING_SCOPES = (
    "_jit_pass_onnx_remove_inplace_ops_for_onnx",
    "_jit_pass_canonicalize_graph_fuser_ops",
    "_jit_pass_fuse_addmm",
    "_jit_pass_onnx_preprocess",
)
"""Passes that make nodes anew and, on old releases, without a scope. The graph is looked at before
each, so that what is new can be told from what was there."""

_PATH_ABOVE = 1 << 30
"""Bytes of weights above which torch gets a path, because beyond 2 GiB it must write data files."""


def _exporter() -> Any:
    for name in _UTILS:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(module, _NEEDED[0]):
            return module
    raise ImportError("torch has no TorchScript exporter: " + " and ".join(_UTILS) + " are missing")


class TorchScriptBackend:
    """Patches the older exporter's graph building."""

    name = "torchscript"

    def probe(self) -> Optional[str]:
        """Look for every private name that the capture touches."""
        try:
            import torch

            utils = _exporter()
        except (ImportError, OSError) as error:
            return f"{error}"
        missing = [f"{utils.__name__}.{name}" for name in _NEEDED if not hasattr(utils, name)]
        missing += [f"torch._C.{name}" for name in _PASSES if not hasattr(torch._C, name)]
        if not hasattr(torch.jit._trace, "_trace_module_map"):
            missing.append("torch.jit._trace._trace_module_map")
        return f"torch lacks {', '.join(missing)}" if missing else None

    def capture(self, request: ExportRequest) -> Capture:
        """Export once and read the owners from the graph that is written.

        Raises:
            CaptureError: the exporter failed, or its graph and its file differ.
        """
        import torch

        arguments = _ts_arguments.build(torch.onnx.export, request)
        log = CallLog(ModuleNames(request.model))
        recorder = Recorder(log)
        sink = _Sink()
        with ExitStack() as stack:
            for patch in _patches(torch, _exporter(), recorder, request):
                stack.enter_context(patch)
            try:
                by_path = _needs_path(request)
                torch.onnx.export(f=request.path if by_path else sink, **arguments)
            except HTPError as error:
                let_go(error)
                raise
            except Exception as error:  # torch raises what it likes; it is chained
                let_go(error)
                raise _ts_arguments.explain(error, request) from error
        data = _read(request.path) if by_path and request.path else sink.data()
        return _assemble(data, recorder, log, request)


def _needs_path(request: ExportRequest) -> bool:
    if request.path is None:
        return False
    if request.options.get("use_external_data_format"):
        return True
    tensors = {id(t): t for t in [*request.model.parameters(), *request.model.buffers()]}
    size: int = sum(t.numel() * t.element_size() for t in tensors.values())
    return size > _PATH_ABOVE


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read()
    os.remove(path)  # export() writes it again, with the tags
    return data


class _Sink(io.BytesIO):
    """Takes the serialised model without copying it."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: List[bytes] = []

    def write(self, data: Any) -> int:
        self._pieces.append(data)
        return len(data)

    def data(self) -> bytes:
        """What was written."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def _patches(torch: Any, utils: Any, recorder: Recorder, request: ExportRequest) -> Iterator[Any]:
    """The replacements for one export, each a context manager that restores."""
    tensors = recorder.log.names.tensors()
    trace = torch.jit._trace
    holders = (torch._C, utils, torch.onnx)

    def patched(name: str, make: Callable[[Any], Any]) -> Iterator[Any]:
        """Replace a function wherever torch keeps it: it imports some of them by name."""
        plain = next(vars(holder)[name] for holder in holders if name in vars(holder))
        new = make(plain)
        for holder in holders:
            if vars(holder).get(name) is plain:
                yield replaced(holder, name, new)

    def stand_in(plain: Any) -> TraceModuleMap:
        return TraceModuleMap(recorder.log, plain)

    def setup_map(setup: Any) -> Any:
        def setup_trace_module_map(*args: Any, **kwargs: Any) -> Any:
            result = setup(*args, **kwargs)
            if not isinstance(trace._trace_module_map, TraceModuleMap):
                trace._trace_module_map = stand_in(trace._trace_module_map)
            return result

        return setup_trace_module_map

    yield replaced(trace, "_trace_module_map", stand_in(None))
    if hasattr(utils, "_setup_trace_module_map"):
        yield from patched("_setup_trace_module_map", setup_map)

    def before_conversion(convert: Any) -> Any:
        def jit_pass_onnx(graph: Any, *args: Any, **kwargs: Any) -> Any:
            recorder.note_source(graph)
            converted = convert(graph, *args, **kwargs)
            recorder.note_first(converted, tensors)
            return converted

        return jit_pass_onnx

    def each_conversion(run: Any) -> Any:
        def run_symbolic_function(*args: Any, **kwargs: Any) -> Any:
            result = run(*args, **kwargs)
            given = [*args, *kwargs.values()]
            at = next(i for i, value in enumerate(given) if isinstance(value, torch._C.Node))
            recorder.note_conversion(given[at], given[at + 1], result)
            return result

        return run_symbolic_function

    def around_merging(merge: Any) -> Any:
        def jit_pass_cse(graph: Any, *args: Any, **kwargs: Any) -> Any:
            before = recorder.note_source(graph)
            result = merge(graph, *args, **kwargs)
            recorder.note_merges(before, recorder.record(graph))
            return result

        return jit_pass_cse

    def around_copying(canonicalize: Any) -> Any:
        def jit_pass_canonicalize(graph: Any, *args: Any, **kwargs: Any) -> Any:
            copy = canonicalize(graph, *args, **kwargs)
            if recorder.first is not None:
                recorder.note_copy(graph, copy)
            return copy

        return jit_pass_canonicalize

    def after_all(build: Any) -> Any:
        def model_to_graph(*args: Any, **kwargs: Any) -> Any:
            result = build(*args, **kwargs)
            recorder.final = result[0]
            return result

        return model_to_graph

    def after_inlining(copy_inlined: Any) -> Any:
        def propagate_and_assign_input_shapes(*args: Any, **kwargs: Any) -> Any:
            graph = copy_inlined(*args, **kwargs)
            markers.restore()
            recorder.owners = _ts_script.read(graph, request.model, recorder.log)
            return graph

        return propagate_and_assign_input_shapes

    def before_optimising(optimize: Any) -> Any:
        def optimize_graph(graph: Any, *args: Any, **kwargs: Any) -> Any:
            recorder.note_hooks(graph)
            recorder.note_source(graph)
            return optimize(graph, *args, **kwargs)

        return optimize_graph

    def before_rewriting(rewrite: Any) -> Any:
        def jit_pass(graph: Any, *args: Any, **kwargs: Any) -> Any:
            recorder.note_source(graph)
            return rewrite(graph, *args, **kwargs)

        return jit_pass

    module_class = torch.nn.Module
    call = watched_call(module_class.__call__, recorder.log, torch)
    yield replaced(module_class, "__call__", call)
    yield from patched("_optimize_graph", before_optimising)
    for name in _LOSING_SCOPES:
        if name in vars(torch._C):
            yield from patched(name, before_rewriting)
    yield from patched("_jit_pass_cse", around_merging)
    yield from patched("_jit_pass_onnx", before_conversion)
    yield from patched("_run_symbolic_function", each_conversion)
    for name, note in (
        ("_jit_pass_onnx_scalar_type_analysis", recorder.note_rewrite),
        ("_jit_pass_onnx_peephole", recorder.note_rewrite),
        ("_jit_pass_onnx_eval_peephole", recorder.note_fusions),
    ):
        yield from patched(name, partial(_watched, recorder=recorder, note=note))
    yield from patched("_jit_pass_canonicalize", around_copying)
    yield from patched("_model_to_graph", after_all)
    if isinstance(request.model, torch.jit.ScriptModule):
        markers = _ts_script.Markers(request.model)
        yield markers
        yield from patched("_propagate_and_assign_input_shapes", after_inlining)


def _watched(
    rewrite: Callable[..., Any],
    recorder: Recorder,
    note: Callable[[GraphRecord, GraphRecord], None],
) -> Callable[..., Any]:
    """A pass that rewrites the graph in place, with what it did noted."""

    def watched(graph: Any, *args: Any, **kwargs: Any) -> Any:
        before = recorder.record(graph)
        result = rewrite(graph, *args, **kwargs)
        note(before, recorder.record(graph))
        return result

    return watched


def _assemble(data: bytes, recorder: Any, log: CallLog, request: ExportRequest) -> Capture:
    """Lay what was recorded beside the file, node for node.

    Raises:
        CaptureError: they differ, or nothing was recorded.
    """
    import onnx

    if recorder.final is None or recorder.first is None:
        raise CaptureError(
            "torch exported the model without passing through the functions that HTP records.",
            "run 'htp doctor'; this torch may be newer than any that HTP was tested with.",
        )
    model = onnx.ModelProto.FromString(wire.without_weights(data))
    _ts_arguments.check_opset(model, request)
    after = record_model(model)
    owners = _ts_graph.final_owners(recorder)
    for node in after.walk():
        known = next((owners[name] for name in node.outputs if name in owners), None)
        if known is None or known.op != node.op.rpartition("::")[2]:
            found = "nothing" if known is None else f"a {known.op}"
            raise CaptureError(
                f"The file has a {node.op} that computes {node.outputs}, "
                f"but HTP recorded {found} there.",
                "this is a defect of HTP; please report it with the model.",
            )
        node.owner, node.shared = known.owner, known.shared
    _name_parameters(after, model, log)
    names = _ts_graph.final_names(recorder)
    before = _ts_graph.rename(recorder.first, recorder, names)
    return Capture(data, after, before, tuple(log.stacks))


def _name_parameters(after: GraphRecord, model: Any, log: CallLog) -> None:
    tensors = log.names.tensors()
    for initializer in model.graph.initializer:
        if initializer.name in tensors:
            after.parameters[initializer.name] = tensors[initializer.name]
