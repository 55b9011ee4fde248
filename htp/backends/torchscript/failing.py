"""Where an export by TorchScript failed: in a module's forward, or in a conversion to ONNX."""

from typing import Any, Callable, Iterator, List, Tuple

from htp.backends.base import Where
from htp.backends.common.failing import (
    Place,
    frames,
    line,
    modules_of,
    quietly,
    shapes,
    tensor,
    written,
)
from htp.backends.torchscript.ir import inputs, nodes
from htp.scope import Stack
from htp.torch_release import TRACED_LINES_ARE_RIGHT

__all__ = ["conversion", "forward_failed", "method_nodes", "within"]


@quietly
def forward_failed(error: BaseException, log: Any) -> Where:
    """Where an error arose that is about to leave the outermost call.

    The innermost call that it has left is the one that was running. One that it has not left has
    ended before, whatever went wrong in it.

    Args:
        error: with the frames that it has left. Those that note a call (``calls``) hold its
            ``token``, its ``module``, and the ``args`` and ``kwargs`` that it was called with.
        log: the ``CallLog``.
    """
    passed = frames(error)
    held = [frame.f_locals for frame, _ in passed]
    calls = [
        call
        for call in held
        if _NOTES.issubset(call) and getattr(call["calls"], "log", None) is log
    ]
    places = [Place(frame.f_code.co_filename, at) for frame, at in reversed(passed)]
    given = [*calls[-1]["args"], *calls[-1]["kwargs"].values()]
    return Where(
        running=log.stacks[calls[-1]["token"]],
        source=line([call["module"] for call in calls], places),
        inputs=_untraced(lambda: shapes(given, _no_shape)),
    )


_NOTES = {"calls", "token", "module", "args", "kwargs"}


def _no_shape(value: Any) -> str:
    return ""


def _untraced(tell: Callable[[], Tuple[str, ...]]) -> Tuple[str, ...]:
    """What is told without being traced: a trace takes it for a part of the model."""
    import torch

    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)
    try:
        return tell()
    finally:
        torch._C._set_tracing_state(state)


@quietly
def conversion(node: Any, place: Callable[[Any], Stack], model: Any) -> Where:
    """What is being converted.

    Args:
        node: the operation.
        place: tells whose it is.
        model: what is exported.
    """
    stack = place(node)
    kind = node.kind()
    modules = modules_of(model, stack) or list(model.modules())
    return Where(
        converting=stack,
        operator=f"{kind}::{node.pyname()}" if kind == _PYTHON else kind,
        source=line(modules, _places(str(node.sourceRange()))),
        inputs=shapes(inputs(node), _value),
    )


def _places(text: str) -> List[Place]:
    """The lines that an operation comes from, innermost first."""
    compiled = text.lstrip().startswith("File ")
    return written(text) if compiled or TRACED_LINES_ARE_RIGHT else []


def within(inner: Where, outer: Where) -> Where:
    """Of an operation in a body whose owner is not known: it is that of the loop or branch."""
    if inner.converting or not inner.operator:
        return inner
    return inner._replace(converting=outer.converting)


_PYTHON = "prim::PythonOp"


def _value(value: Any) -> str:
    """``float32[3, 4]``; of what is no tensor the name of its type."""
    kind = value.type()
    if kind.kind() != "TensorType":
        return str(getattr(kind, "annotation_str", kind))
    scalar, sizes = kind.scalarType(), kind.sizes()
    if scalar is None:
        return "Tensor"
    name = _dtype(scalar)
    return name if sizes is None else tensor(name, ["?" if n is None else n for n in sizes])


def _dtype(scalar: str) -> str:
    """The name that torch has for a type of TorchScript's: ``float32`` for ``Float``."""
    import torch

    kind = getattr(torch, f"{scalar}Tensor", None)
    return str(kind.dtype).replace("torch.", "") if kind is not None else scalar.lower()


def method_nodes(graph: Any) -> Iterator[Any]:
    """The operations that are converted by the ``symbolic`` of their own class, in order."""
    for node in nodes(graph):
        if node.kind() == _PYTHON:
            function = node.pyobj()  # the method ``apply`` of the class
            if hasattr(getattr(function, "__self__", function), "symbolic"):
                yield node
