"""What torch's private names tell about the installed torch. They are read here, never replaced."""

import importlib
import warnings
from typing import Any, Callable, Iterator, List, Tuple

__all__ = [
    "flattened",
    "known_opsets",
    "renames_shape_keys",
    "takes_named_axes",
    "traced_inputs",
    "traces_numbers",
]


def known_opsets() -> Tuple[int, ...]:
    """The opsets that this release's exporter can write; empty when it does not tell."""
    import torch.onnx

    constants = getattr(torch.onnx, "_constants", None)
    low = getattr(constants, "ONNX_MIN_OPSET", None)
    high = getattr(
        constants,
        "ONNX_TORCHSCRIPT_EXPORTER_MAX_OPSET",
        getattr(constants, "ONNX_MAX_OPSET", None),
    )
    if isinstance(low, int) and isinstance(high, int):
        return tuple(range(low, high + 1))
    helper = getattr(torch.onnx, "symbolic_helper", None)
    stable = getattr(helper, "_onnx_stable_opsets", getattr(constants, "onnx_stable_opsets", ()))
    main = getattr(helper, "_onnx_main_opset", getattr(constants, "onnx_main_opset", None))
    return tuple(sorted({*stable, *([main] if isinstance(main, int) else [])}))


def takes_named_axes() -> bool:
    """Whether ``torch.onnx.export(dynamo=True)`` takes an axis's name alone (from 2.7 on).

    https://github.com/pytorch/pytorch/blob/v2.9.0/torch/onnx/_internal/exporter/_dynamic_shapes.py#L182
    """
    from torch.onnx._internal.exporter import _compat

    return hasattr(getattr(_compat, "_dynamic_shapes", None), "convert_str_to_export_dim")


def renames_shape_keys() -> bool:
    """Whether it takes the keys of ``dynamic_shapes`` for input names (2.6 does).

    https://github.com/pytorch/pytorch/blob/v2.6.0/torch/onnx/_internal/exporter/_compat.py#L32
    """
    from torch.onnx._internal.exporter import _compat

    return hasattr(_compat, "_rename_dynamic_shapes_with_model_inputs")


def flattened(value: Any) -> Tuple[List[Any], Callable[[List[Any]], Any], List[Tuple[Any, ...]]]:
    """The leaves of nested lists, dictionaries and registered classes, as torch finds them.

    https://github.com/pytorch/pytorch/blob/v1.8.0/torch/utils/_pytree.py#L78

    Returns:
        The leaves; what makes the same structure of other leaves; and the keys on the way to each
        leaf, a number for each leaf where a class does not tell its keys.
    """
    from torch.utils import _pytree

    leaves, tree = _pytree.tree_flatten(value)
    paths = list(_paths(value, ()))
    if len(paths) != len(leaves):
        paths = [(place,) for place in range(len(leaves))]
    return leaves, lambda new: _pytree.tree_unflatten(new, tree), paths


def _paths(value: Any, above: Tuple[Any, ...]) -> Iterator[Tuple[Any, ...]]:
    from torch.utils import _pytree

    if isinstance(value, dict):
        children: List[Tuple[Any, Any]] = list(value.items())
    elif isinstance(value, (list, tuple)):
        children = list(enumerate(value))
    else:
        leaves, _ = _pytree.tree_flatten(value)
        whole = len(leaves) == 1 and leaves[0] is value
        children = [] if whole else list(enumerate(leaves))
        if whole:
            yield above
    for key, child in children:
        yield from _paths(child, (*above, key))


def traced_inputs(model: Any, args: Tuple[Any, ...]) -> Tuple[Any, ...]:
    """The inputs in the order in which the TorchScript exporter traces them.

    It puts a dictionary in the last place, and the defaults of what is not given, into the order of
    the signature.
    https://github.com/pytorch/pytorch/blob/v2.0.1/torch/onnx/utils.py#L874
    """
    utils = _exporter_utils()
    decide = getattr(utils, "_decide_input_format", None)
    if decide is None:
        return args
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter itself will say it
        found = decide(model, args)
    return found if isinstance(found, tuple) else (found,)


def _exporter_utils() -> Any:
    for name in ("torch.onnx._internal.torchscript_exporter.utils", "torch.onnx.utils"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def traces_numbers() -> bool:
    """Whether a trace makes inputs of Python numbers (1.8 refuses them).

    https://github.com/pytorch/pytorch/blob/v2.0.1/torch/csrc/jit/python/python_arg_flatten.cpp
    """
    import torch

    try:
        return len(torch._C._jit_flatten((1.0,))[0]) == 1
    except RuntimeError:
        return False
