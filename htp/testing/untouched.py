"""Seeing whether anything of the process or of the model is not as it was.

A ``Snapshot`` keeps the functions and classes of torch and its companions by identity, the model's
modules with their hooks, flags and tensors, and the process's warning filters and loggers.
"""

import logging
import os
import sys
import types
import warnings
from typing import Any, Dict, List, Tuple

import torch
from torch import nn

from htp.testing.case import modules_of

__all__ = ["Snapshot"]

_WATCHED = (
    "torch._C",
    "torch._dynamo",
    "torch._export",
    "torch._functorch",
    "torch._higher_order_ops",
    "torch._subclasses",
    "torch.export",
    "torch.fx",
    "torch.jit",
    "torch.nn.modules",
    "torch.onnx",
    "torch.overrides",
    "torch.utils",
    "onnx",
    "onnx_ir",
    "onnxscript",
)
"""Packages in which a backend may replace something."""


def _is_watched(name: str) -> bool:
    return name == "torch" or any(name == top or name.startswith(top + ".") for top in _WATCHED)


def _attributes() -> Dict[Tuple[str, str], Any]:
    """Every callable of the watched modules and of the classes that they define."""
    found: Dict[Tuple[str, str], Any] = {}
    for name, module in list(sys.modules.items()):
        if not isinstance(module, types.ModuleType) or not _is_watched(name):
            continue
        for attribute, value in list(vars(module).items()):
            if not callable(value) and not _is_state(attribute):
                continue
            found[name, attribute] = value
            if isinstance(value, type) and value.__module__ == name:
                for member, function in list(vars(value).items()):
                    if callable(function) or isinstance(function, (property, classmethod)):
                        found[f"{name}.{attribute}", member] = function
    return found


def _is_state(attribute: str) -> bool:
    return attribute in ("_trace_module_map", "_global_forward_hooks", "_global_forward_pre_hooks")


def _owned_by_htp(value: Any) -> bool:
    module = getattr(value, "__module__", None)
    return (
        isinstance(module, str)
        and (module == "htp" or module.startswith("htp."))
        and not module.startswith("htp.testing")
    )


def _is_torchs(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).startswith("torch.")


def _process() -> Dict[str, Any]:
    # A failed torch.export of torch 2.6 leaves a hook of its own behind, with HTP or without.
    hooks = {
        name: [hook for hook in hooks.values() if not _is_torchs(hook)]
        for name, hooks in vars(torch.nn.modules.module).items()
        if name.startswith("_global_") and isinstance(hooks, dict)
    }
    state = {
        "warning filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "logging.disable": logging.root.manager.disable,
        "streams": (sys.stdout, sys.stderr),
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "grad mode": torch.is_grad_enabled(),
        "default dtype": torch.get_default_dtype(),
        "global hooks": hooks,
    }
    for name in ["", *logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("", "torch", "onnx", "onnxscript", "onnx_ir", "htp"):
            log = logging.getLogger(name)
            settings = (log.level, log.disabled, log.propagate, tuple(log.handlers))
            state[f"logger {name or 'root'}"] = settings
    return state


class _ModelState:
    """A model's modules, hooks, flags and tensors."""

    def __init__(self, model: nn.Module) -> None:
        self.modules = {
            path: {
                name: tuple(value.items()) if isinstance(value, dict) else value
                for name, value in vars(module).items()
            }
            for path, module in modules_of(model)
        }
        self.values = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def differences(self, model: nn.Module) -> List[str]:
        """What of the model is not as it was."""
        now = _ModelState(model)
        found = [
            f"model.{path}: {name} was {before.get(name)}, is {after.get(name)}"
            for path, before in self.modules.items()
            for after in [now.modules.get(path, {})]
            for name in sorted(set(before) | set(after))
            if not _same(before.get(name), after.get(name))
        ]
        found += [
            f"state_dict()[{name!r}] has other values"
            for name, tensor in self.values.items()
            if name not in now.values or not torch.equal(tensor, now.values[name])
        ]
        return found


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, tuple) and isinstance(after, tuple):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, (int, float, str)):
        return bool(type(before) is type(after) and before == after)
    return before is after


class Snapshot:
    """The process and a model as they are now.

    Args:
        model: the model that is about to be exported.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.state = _ModelState(model)
        self.attributes = _attributes()
        self.process = _process()

    def differences(self) -> List[str]:
        """One line for each thing that is not as it was; what was imported since is left out."""
        now = _attributes()
        found = [
            f"{owner}.{name} was {value!r}, is {now.get((owner, name))!r}"
            for (owner, name), value in self.attributes.items()
            if now.get((owner, name)) is not value
        ]
        found += [
            f"{owner}.{name} is still {value!r}"
            for (owner, name), value in now.items()
            if _owned_by_htp(value)
        ]
        after = _process()
        found += [
            f"{what}: was {value!r}, is {after[what]!r}"
            for what, value in self.process.items()
            if after[what] != value
        ]
        return found + self.state.differences(self.model)
