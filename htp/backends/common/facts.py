"""What torch's private names tell about the installed torch. They are read here, never replaced."""

import importlib
import warnings
from collections import namedtuple
from typing import Any, Callable, Iterator, List, Optional, Tuple

__all__ = [
    "flattened",
    "known_opsets",
    "renames_shape_keys",
    "takes_named_axes",
    "traced_inputs",
    "traces_numbers",
]


def known_opsets() -> Tuple[int, ...]:
    """The opsets that this release's exporter is made for; empty when it does not tell."""
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


Path = Tuple[Any, ...]
"""The keys on the way to a leaf."""


def flattened(value: Any) -> Tuple[List[Any], Callable[[List[Any]], Any], List[Path]]:
    """The leaves of nested lists, dictionaries and registered classes, as torch finds them.

    https://github.com/pytorch/pytorch/blob/v1.8.0/torch/utils/_pytree.py#L78

    Returns:
        The leaves; what makes of as many other values the structure that ``dynamic_shapes`` must
        have; and the path to each leaf.
    """
    found = list(_leaves(value, ()))
    return (
        [leaf for leaf, _ in found],
        lambda others: _structured(value, iter(others)),
        [path for _, path in found],
    )


def _children(value: Any) -> Optional[List[Tuple[Any, Any]]]:
    """What torch finds directly in a value, with its keys; None in a leaf."""
    from torch.utils import _pytree

    kinds = _pytree.SUPPORTED_NODES
    node = kinds.get(type(value)) or (kinds.get(namedtuple) if _is_namedtuple(value) else None)  # noqa: PYI024 - torch's key
    if node is None:
        return None
    if isinstance(value, dict):
        return list(value.items())
    if getattr(node, "flatten_with_keys_fn", None) is not None:
        return [(_plain(key), child) for key, child in node.flatten_with_keys_fn(value)[0]]
    return list(enumerate(node.flatten_fn(value)[0]))


def _is_namedtuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _plain(key: Any) -> Any:
    """A key of torch's as it is in Python: of a sequence, of a mapping, of an attribute."""
    for what in ("idx", "key", "name"):
        if hasattr(key, what):
            return getattr(key, what)
    return key


def _leaves(value: Any, above: Path) -> Iterator[Tuple[Any, Path]]:
    children = _children(value)
    if children is None:
        yield value, above
    for key, child in children or ():
        yield from _leaves(child, (*above, key))


def _structured(value: Any, leaves: Iterator[Any]) -> Any:
    """Of a registered class the list of its children, into which torch looks in its place.

    https://github.com/pytorch/pytorch/blob/v2.5.0/torch/export/dynamic_shapes.py#L466
    """
    children = _children(value)
    if children is None:
        return next(leaves)
    new = [_structured(child, leaves) for _, child in children]
    if isinstance(value, dict):
        return dict(zip(value, new))
    if _is_namedtuple(value):
        return type(value)(*new)
    return tuple(new) if isinstance(value, tuple) else new


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
