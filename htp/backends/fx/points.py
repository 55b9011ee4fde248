"""Everything of torch's that this backend replaces for the length of an export, and looks at.

* Non-strict capture runs the model: every module call passes ``_ModuleStackTracer.call_module``,
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/experimental/proxy_tensor.py#L1741
* Strict capture, and the bodies of ``torch.cond`` and its kin, are read by dynamo, which announces
  each module in ``record_nn_module_stack``,
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/_dynamo/variables/nn_module.py#L85
* Later passes trace the graph again with the node at hand in ``torch.fx.traceback``'s current meta,
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/fx/proxy.py#L173
* Then torch translates the graph, has it optimised, and saves it (``building``),
  https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_core.py#L549

Each function here is given the ``Watch`` of an export and torch's own object. Torch's own is always
called, with what torch gave; what HTP does around it is guarded (``Faults``).
"""

import importlib
import inspect
import sys
from contextlib import contextmanager
from typing import Any, Iterator, Optional

from htp.backends.common.patching import PatchPoint, missing, only_here
from htp.backends.fx.building import BUILDING
from htp.backends.fx.values import KEY as _VALUES
from htp.backends.fx.watch import Watch
from htp.backends.fx.whole import whole_views

__all__ = ["BUILDING", "TRACING", "lacking"]


def _create_node(watch: Watch, plain: Any) -> Any:
    from torch._dynamo.output_graph import SubgraphTracer

    def create_node(self: Any, *args: Any, **kwargs: Any) -> Any:
        node = plain(self, *args, **kwargs)
        watch.guard(watch.created, node, self, isinstance(self, SubgraphTracer))
        return node

    return create_node


def _call_module(watch: Watch, plain: Any) -> Any:
    def call_module(self: Any, m: Any, forward: Any, args: Any, kwargs: Any) -> Any:
        run = watch.guard(watch.enter, self, m, args, kwargs)
        try:
            result = plain(self, m, forward, args, kwargs)
        except BaseException as error:
            watch.guard(watch.leave, run, failed=True)
            if not watch.calls.running():
                watch.failing.left_model(error, call_module.__code__, watch)
            raise
        watch.guard(watch.leave, run, result)
        return result

    return call_module


def _announce(watch: Watch, plain: Any) -> Any:
    from torch._dynamo.variables import nn_module as dynamo_modules
    from torch.nn import Module

    methods = getattr(dynamo_modules.NNModuleVariable.call_method, "__code__", None)
    names = ("_call_impl", "_wrapped_call_impl")
    calling = [vars(Module)[name].__code__ for name in names if name in vars(Module)]

    @contextmanager
    def announced(follow: bool, mod: Any, own: Any) -> Iterator[None]:
        call = watch.guard(watch.read, mod) if follow else None
        try:
            with own:
                yield
        except BaseException as error:
            watch.failing.left_call(error, call)
            raise
        else:
            watch.failing.fine()
        finally:
            watch.guard(watch.calls.leave, call)

    def record_nn_module_stack(module_key: Any, source: Any, tx: Any, mod: Any) -> Any:
        # A module may be announced twice: as it is called, and from within what calls forward.
        # And one is announced whose forward the model runs itself, which is no module call.
        twice = tx.f_code in calling and watch.guard(watch.calls.is_innermost, mod)
        direct = sys._getframe(2).f_code is methods
        return announced(not twice and not direct, mod, plain(module_key, source, tx, mod))

    return record_nn_module_stack


def _begin_reading(watch: Watch, plain: Any) -> Any:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        # Once for each time that dynamo starts to read.
        watch.guard(watch.calls.begin_reading)
        plain(self, *args, **kwargs)

    return init


def _read_call(watch: Watch, plain: Any) -> Any:
    def call_function(self: Any, tx: Any, args: Any, kwargs: Any) -> Any:
        watch.guard(watch.reading.begin, args, kwargs)
        try:
            result = plain(self, tx, args, kwargs)
            watch.guard(watch.reading.end, result)
            return result
        finally:
            watch.guard(watch.reading.over)

    return call_function


def _example(watch: Watch, plain: Any) -> Any:
    def set_example_value(node: Any, example_value: Any) -> None:
        plain(node, example_value)
        watch.guard(watch.reading.example, node, example_value)

    return set_example_value


def _functional(watch: Watch, plain: Any) -> Any:
    def dispatch(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        watch.guard(watch.functional, args)
        result = None
        try:
            result = plain(self, func, types, args, kwargs)
            return result
        finally:
            watch.guard(watch.made_functional, func, args, kwargs, result)

    watch.dispatching = dispatch.__code__
    return dispatch


def _run_node(watch: Watch, plain: Any) -> Any:
    def run_node(self: Any, n: Any) -> Any:
        try:
            result = plain(self, n)
        except BaseException as error:
            watch.failing.left_node(error, run_node.__code__, n)
            raise
        if _VALUES in n.meta:
            watch.guard(watch.values.ran, n, result)
        return result

    return run_node


def _capture(watch: Watch, plain: Any) -> Any:
    # It reads the model by dynamo, and then captures the graph that came of it, which has no
    # modules: https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_capture_strategies.py#L318
    strategies = importlib.import_module("torch.onnx._internal.exporter._capture_strategies")
    last = getattr(strategies, "LegacyDynamoStrategy", ())

    def capture(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = plain(self, *args, **kwargs)
        watch.recaptured = isinstance(self, last)
        watch.failing.ended(result, watch.calls.read_root())
        return result

    return capture


def _promote(watch: Watch, plain: Any) -> Any:
    def insert_type_promotion_nodes(graph_module: Any) -> Any:
        # The pass copies all of a node's meta to what it puts before it.
        before = watch.guard(_nodes, graph_module)
        result = plain(graph_module)
        for node in watch.guard(_nodes, result or graph_module) or ():
            if before is not None and node not in before:
                node.meta.pop(_VALUES, None)
        return result

    return insert_type_promotion_nodes


def _nodes(graph_module: Any) -> Any:
    graphs = [getattr(module, "graph", None) for module in graph_module.modules()]
    return {node for graph in graphs if graph is not None for node in graph.nodes}


def _translate(watch: Watch, plain: Any) -> Any:
    def translate(graph: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        table = plain(graph, model, *args, **kwargs)
        inner = kwargs.get("graph_like", model.graph) is not model.graph
        nodes = getattr(graph, "graph", graph).nodes  # 2.5 gives the whole program
        watch.guard(watch.values.translated, nodes, table, inner)
        watch.guard(_note_whole_views, watch, nodes, table)
        return table

    return translate


def _note_whole_views(watch: Watch, nodes: Any, table: Any) -> None:
    for view, tensor in whole_views(nodes, table):
        watch.replaced.note_copy(view, tensor)


def _replace(watch: Watch, plain: Any) -> Any:
    def replace_all_uses_with(values: Any, replacements: Any, *args: Any, **kwargs: Any) -> Any:
        watch.guard(watch.replace, values, replacements)
        return plain(values, replacements, *args, **kwargs)

    return replace_all_uses_with


_CORE = ("torch.onnx._internal.exporter._core",)
_DYNAMO = "torch._dynamo.variables.nn_module"
_CONVENIENCE = ("onnx_ir.convenience", "onnx_ir._convenience", "onnxscript.ir.convenience")

TRACING = (
    PatchPoint(
        "__torch_dispatch__",
        ("torch._subclasses.functional_tensor:FunctionalTensorMode",),
        only_here(_functional),
    ),
    PatchPoint("create_node", ("torch.fx.proxy:TracerBase",), only_here(_create_node)),
    PatchPoint(
        "call_module",
        ("torch.fx.experimental.proxy_tensor:_ModuleStackTracer",),
        only_here(_call_module),
    ),
    PatchPoint("record_nn_module_stack", (_DYNAMO,), only_here(_announce)),
    PatchPoint("__init__", ("torch._dynamo.output_graph:OutputGraph",), only_here(_begin_reading)),
    PatchPoint(
        "call_function", (f"{_DYNAMO}:NNModuleVariable",), only_here(_read_call), needed=False
    ),
    PatchPoint(
        "call_function",
        (f"{_DYNAMO}:UnspecializedNNModuleVariable",),
        only_here(_read_call),
        needed=False,
    ),
    PatchPoint(
        "set_example_value",
        (
            *("torch._dynamo.utils", _DYNAMO, "torch._dynamo.output_graph"),
            *(f"torch._dynamo.variables.{name}" for name in ("builder", "tensor", "misc", "lists")),
        ),
        only_here(_example),
        needed=False,
    ),
    PatchPoint(
        "__call__",
        ("torch.onnx._internal.exporter._capture_strategies:CaptureStrategy",),
        only_here(_capture),
        needed=False,
    ),
    PatchPoint("run_node", ("torch.fx.interpreter:Interpreter",), only_here(_run_node)),
    PatchPoint(
        "insert_type_promotion_nodes",
        ("torch.onnx._internal.exporter._fx_passes",),
        only_here(_promote),
        needed=False,
    ),
    PatchPoint("_translate_fx_graph", _CORE, only_here(_translate), needed=False),
    PatchPoint("_add_nodes", _CORE, only_here(_translate), needed=False),  # the name in 2.5
    PatchPoint("replace_all_uses_with", ("onnx_ir:Value",), only_here(_replace), needed=False),
    PatchPoint("replace_all_uses_with", _CONVENIENCE, only_here(_replace), needed=False),
)
"""Where the calls of an ``nn.Module`` and their tensors are followed."""

_READ = (
    ("torch", "_from_functional_tensor"),
    ("torch._dynamo.output_graph:SubgraphTracer", "create_node"),
    ("torch.fx.traceback", "has_preserved_node_meta"),
    ("torch.fx.traceback", "get_current_meta"),
    ("torch.fx.experimental.proxy_tensor", "get_proxy_mode"),
)
"""What is looked at and not replaced."""


def lacking() -> Optional[str]:
    """What this torch does not have of all that, in words, or None.

    Raises:
        ImportError: a module of torch is not there.
    """
    for name in missing((*TRACING, *BUILDING)):
        return name
    for place, name in _READ:
        module, _, inner = place.partition(":")
        holder = importlib.import_module(module)
        if not hasattr(getattr(holder, inner) if inner else holder, name):
            return f"{place.replace(':', '.')}.{name}"
    from torch._dynamo.variables import nn_module
    from torch.fx.experimental import proxy_tensor

    if "tensor_tracker" not in getattr(proxy_tensor.PythonKeyTracer, "__annotations__", {}):
        return "torch.fx.experimental.proxy_tensor.PythonKeyTracer.tensor_tracker"
    announced = list(inspect.signature(nn_module.record_nn_module_stack).parameters)
    if announced != ["module_key", "source", "tx", "mod"]:
        return f"the expected parameters of record_nn_module_stack, which has {announced}"
    return None
