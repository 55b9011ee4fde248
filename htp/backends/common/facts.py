"""What torch's private names tell about the installed torch. They are read here, never replaced."""

from typing import Tuple

__all__ = ["known_opsets", "renames_shape_keys", "takes_named_axes"]


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
