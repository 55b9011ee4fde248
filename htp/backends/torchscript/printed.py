"""What torch prints of its graph, without HTP's scopes.

A scope's class carries a token while HTP listens (``scopes.py``). What is printed names the class
again, or nothing at all where torch has no scopes of its own (before 1.13):

    scope: #htp0#::/#htp1#::b        scope: net.Model::/net.Block::b
    , scope: #htp0#/#htp1#

It prints with ``verbose=True``, and some releases where a conversion fails. The graph that was
being built then is printed in C++, where nobody can change it; but before that the error passes
through Python. So it is printed there, and C++ is silent until the conversion has ended.
"""

import builtins
import re
from contextlib import ExitStack, contextmanager
from typing import Any, Iterable, Iterator, Mapping

from htp.backends.common.patching import PatchPoint, installed, only_here, replaced
from htp.backends.torchscript.scopes import CallLog

__all__ = ["as_torch_prints", "print_at_failure", "printed"]

_ALONE = re.compile(r", scope: #htp\d+#(?:/#htp\d+#)*(?!::)")
_TOKEN = re.compile(r"#htp\d+#")


def as_torch_prints(text: str, kinds: Mapping[str, str]) -> str:
    """A text with the names that torch itself gives to scopes.

    Args:
        text: a graph, printed.
        kinds: for each token, the class that torch says.
    """
    return _TOKEN.sub(lambda token: kinds.get(token[0], token[0]), _ALONE.sub("", text))


def _around(log: CallLog, say: Any) -> Any:
    import torch

    def log_or_print(*args: Any, **kwargs: Any) -> Any:
        shown = [
            as_torch_prints(str(each), log.kinds) if isinstance(each, torch._C.Graph) else each
            for each in args
        ]
        return say(*shown, **kwargs)

    return log_or_print


_BUILT = "ONNX graph being constructed during exception:\n"
"""https://github.com/pytorch/pytorch/blob/v2.0.1/torch/csrc/jit/passes/onnx.cpp"""


def print_at_failure(log: CallLog, given: Iterable[Any]) -> None:
    """A conversion failed: print the graph that was being built, as torch is about to do.

    Args:
        log: of the export.
        given: what the conversion was given, the graph among it.
    """
    import torch

    graph = next((each for each in given if isinstance(each, torch._C.Graph)), None)
    if graph is not None and torch._C._jit_is_onnx_log_enabled():
        torch._C._jit_onnx_log(_BUILT, graph)
        torch._C._jit_set_onnx_log_enabled(False)
        log.silenced = True


def _around_conversion(log: CallLog, convert: Any) -> Any:
    import torch

    def jit_pass_onnx(*args: Any, **kwargs: Any) -> Any:
        try:
            return convert(*args, **kwargs)
        finally:
            if log.silenced:
                log.silenced = False
                torch._C._jit_set_onnx_log_enabled(True)

    return jit_pass_onnx


_POINTS = (
    # 1.12 to 2.8, and from 2.9 on
    PatchPoint("log", ("torch.onnx",), _around, needed=False),
    PatchPoint("_jit_onnx_log", ("torch._C",), _around, needed=False),
    PatchPoint("_jit_pass_onnx", ("torch._C",), only_here(_around_conversion)),
)


@contextmanager
def printed(log: CallLog) -> Iterator[None]:
    """Let torch print its own names until the context ends.

    Releases before 1.12 call the built-in ``print``:
    https://github.com/pytorch/pytorch/blob/v1.8.0/torch/onnx/utils.py#L517
    """
    import torch.onnx.utils

    with ExitStack() as stack:
        stack.enter_context(installed(_POINTS, log))
        if not hasattr(torch.onnx, "log"):
            own = _around(log, builtins.print)
            stack.enter_context(replaced(torch.onnx.utils, "print", own))
        yield
