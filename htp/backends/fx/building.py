"""What is replaced of torch's while it makes the ONNX graph of what it captured, and writes it.

See ``points`` for the rules.
"""

from typing import Any

from htp.backends.common.patching import PatchPoint, only_here
from htp.backends.fx.watch import Watch

__all__ = ["BUILDING"]


def _lower(watch: Watch, plain: Any) -> Any:
    def lower(model: Any, node: Any, *args: Any, **kwargs: Any) -> Any:
        watch.converting = node
        result = plain(model, node, *args, **kwargs)
        watch.converting = None  # not after a failure
        return result

    return lower


def _build(watch: Watch, plain: Any) -> Any:
    def build(exported_program: Any, *args: Any, **kwargs: Any) -> Any:
        watch.failing.forget()  # the model is captured
        watch.guard(watch.captured, exported_program)
        program = plain(exported_program, *args, **kwargs)
        watch.build(program)
        return program

    return build


def _save(watch: Watch, plain: Any) -> Any:
    def save(self: Any, *args: Any, **kwargs: Any) -> Any:
        with watch.unmarked(self):
            return plain(self, *args, **kwargs)

    return save


def _model_proto(watch: Watch, plain: Any) -> Any:
    def model_proto(self: Any) -> Any:
        with watch.unmarked(self):
            return plain.fget(self)

    return property(model_proto, doc=plain.__doc__)


_CORE = ("torch.onnx._internal.exporter._core",)
_PROGRAM = ("torch.onnx._internal.exporter._onnx_program:ONNXProgram",)

BUILDING = (
    PatchPoint("_exported_program_to_onnx_program", _CORE, only_here(_build)),
    PatchPoint("_handle_call_function_node_with_lowering", _CORE, only_here(_lower), needed=False),
    PatchPoint("save", _PROGRAM, only_here(_save)),
    PatchPoint("model_proto", _PROGRAM, _model_proto),
)
"""Where torch makes the ONNX graph, and writes it."""
