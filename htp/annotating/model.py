"""What a PyTorch model tells: modules, parameters, and what normalisations multiply by.

Only public names of torch's are used, and nothing is run.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Sequence

from htp.annotating.modules import Modules, modules_of
from htp.annotating.samples import Weight, sample

__all__ = ["Model", "model_of"]


@dataclass(frozen=True)
class Model:
    """A model, as far as files are compared with it.

    Attributes:
        modules: its modules.
        states: its parameters and buffers by full name.
        scales: for each normalisation, what it multiplies each channel by.
    """

    modules: Modules
    states: Mapping[str, Weight] = field(default_factory=dict)
    scales: Mapping[str, Sequence[float]] = field(default_factory=dict)


def model_of(model: Any) -> Model:
    """Look at an ``nn.Module``.

    Raises:
        TypeError: it is something else.
    """
    if not callable(getattr(model, "named_modules", None)):
        raise TypeError(f"model must be an nn.Module; found {type(model).__name__}.")
    modules = modules_of(model)
    states: Dict[str, Weight] = {}
    scales: Dict[str, Sequence[float]] = {}
    for path, module in model.named_modules():
        for call in (module.named_parameters, module.named_buffers):
            for name, tensor in call(recurse=False):
                found = _sampled(tensor)
                if found is not None:
                    states[f"{path}.{name}" if path else name] = found
        scale = _scale(module)
        if scale is not None:
            scales[path] = scale
    return Model(modules, states, scales)


def _sampled(tensor: Any) -> Any:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type == "meta":
        return None
    return None if tensor.is_complex() else sample(tensor.detach())


def _scale(module: Any) -> Any:
    """What a batch normalisation in evaluation mode multiplies its channels by."""
    from torch import nn

    variance = getattr(module, "running_var", None)
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    if variance is None or not isinstance(module, kinds) or variance.device.type == "meta":
        return None
    scale = (variance.detach().double() + module.eps).rsqrt()
    if module.weight is not None:
        scale = scale * module.weight.detach().double()
    return scale.tolist()
