"""``dynamic_axes``, checked before torch sees it: a wrong axis would end the process.

The C++ side of the TorchScript exporter aborts at a negative axis of an input:
https://github.com/pytorch/pytorch/blob/v2.0.1/torch/csrc/jit/serialization/export.cpp
"""

from typing import Any, Dict, Mapping

from htp.arguments.shapes import in_range
from htp.errors import CaptureError

__all__ = ["counted_from_the_front"]


def counted_from_the_front(axes: Any, inputs: Mapping[str, Any]) -> Dict[str, Any]:
    """A copy of ``dynamic_axes`` without negative axes; torch writes into the one that it gets.

    Args:
        axes: ``{name: {axis: "name"}}`` or ``{name: [axis]}``, for inputs and outputs.
        inputs: the values of the inputs, by every name that they may go by.

    Raises:
        CaptureError: it is of another form, or an input has no such axis, or one of an output is
            negative, whose rank is not known yet.
    """
    if not isinstance(axes, Mapping):
        raise _unreadable("dynamic_axes", axes)
    return {name: _checked(name, said, inputs) for name, said in axes.items()}


def _checked(name: str, said: Any, inputs: Mapping[str, Any]) -> Any:
    if said is None:
        return None
    listed = isinstance(said, (list, tuple))
    if not listed and not isinstance(said, Mapping):
        raise _unreadable(f"dynamic_axes[{name!r}]", said)
    if not all(isinstance(axis, int) for axis in said):
        raise _unreadable(f"dynamic_axes[{name!r}]", said)
    if name in inputs:
        found = [next(iter(in_range({axis: None}, name, inputs[name]))) for axis in said]
    elif any(axis < 0 for axis in said):
        raise CaptureError(
            f"dynamic_axes[{name!r}] counts from the end: {said!r}. {name!r} is no input, and the "
            "rank of an output is not known before the export.",
            "count the axes of outputs from 0.",
        )
    else:
        found = list(said)
    return found if listed else dict(zip(found, said.values()))


def _unreadable(what: str, found: Any) -> CaptureError:
    return CaptureError(
        f"{what} must map names to {{axis: name}} or to a list of axes; found {found!r}.",
        'for example {"tokens": {0: "batch"}, "logits": [0]}.',
    )
