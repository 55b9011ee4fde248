"""What a conformance case is: a small model, its inputs, and the truth that is known of it.

Every module of a case that derives from ``Marked`` multiplies its result by a number of its own.
The multiplications stay in the exported graph, so that each of them says by its constant which
module it came from, whatever a capture backend believes.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Callable, Dict, Iterator, Mapping, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn

__all__ = ["Case", "Example", "Inputs", "Marked", "modules_of", "number"]


class Inputs(NamedTuple):
    """Example inputs of a ``forward``."""

    args: Tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = MappingProxyType({})


class Example(NamedTuple):
    """A model with its example inputs."""

    model: nn.Module
    args: Tuple[Any, ...]
    kwargs: Mapping[str, Any] = MappingProxyType({})


class Marked(nn.Module):
    """A module that leaves a mark: ``mark`` multiplies by a constant that no other module has.

    Attributes:
        factor: the constant, exactly representable in 32 bits; given by ``number``.
        log: told of every mark, and of what is multiplied, while an eager run is watched, else
            None.
    """

    factor: float = 1.0
    log: Optional[Callable[[float, Tensor], None]] = None

    def mark(self, value: Tensor) -> Tensor:
        """``value`` times this module's own constant."""
        return self.mark_with(self.factor, value)

    def mark_with(self, factor: float, value: Tensor) -> Tensor:
        """``value`` times a constant that several modules may use: equal ones may be merged."""
        if self.log is not None:
            self.log(factor, value)
        return value * factor


def modules_of(model: nn.Module) -> Iterator[Tuple[str, nn.Module]]:
    """Every attribute path of the model and its module, in order of registration.

    A module that is registered twice comes twice: ``named_modules(remove_duplicate=False)`` is
    missing on torch 1.8.
    """
    yield "", model
    for name, child in model._modules.items():
        if child is None:
            continue
        for path, module in modules_of(child):
            yield (f"{name}.{path}" if path else name), module


def number(model: nn.Module) -> None:
    """Give each marked module object its factor, the same in every process."""
    seen: Dict[int, nn.Module] = {}
    for _, module in modules_of(model):
        if isinstance(module, Marked) and id(module) not in seen:
            seen[id(module)] = module
            module.factor = 1 + len(seen) / 1024


@dataclass(frozen=True)
class Case:
    """One row of the table of models.

    Attributes:
        name: how tests and expected failures call it.
        build: makes the model and its inputs, always the same ones under the same seed.
        input_names: as for ``htp.export``.
        output_names: as for ``htp.export``.
        dynamic_shapes: as for ``htp.export``.
        opset_version: as for ``htp.export``.
        other_inputs: inputs of another size, where shapes are dynamic.
        marks: by hand, the owner of each mark in the order of execution, ``path`` or
            ``path@call``. Where it is empty, an eager run of the model alone tells.
        by_hand: an eager run cannot show every call (it follows one branch, or the model is
            scripted), so ``marks`` alone is the truth.
        vanishes: owners of marks that the exporter may drop: nothing reads them, or they are
            computed from parameters alone and folded.
        operators: by hand, operators that belong to one module: ``{"Softmax": "attention"}``.
        without: backends that cannot take this model by their nature, and why.
        numbered: torch writes numbers into the file that it counts up through the life of a
            process, so that two files can be equal only when both come from a new process.
        torch: the releases that know what the model uses, as a specifier.
    """

    name: str
    build: Callable[[], Example]
    input_names: Optional[Tuple[str, ...]] = None
    output_names: Optional[Tuple[str, ...]] = None
    dynamic_shapes: Optional[Mapping[str, Mapping[int, str]]] = None
    opset_version: Optional[int] = None
    other_inputs: Optional[Callable[[], Inputs]] = None
    marks: Tuple[str, ...] = ()
    by_hand: bool = False
    vanishes: Tuple[str, ...] = ()
    operators: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False
    torch: str = ">=1.8"

    def example(self) -> Example:
        """A fresh model in evaluation mode with its inputs; equal in every process."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            example = self.build()
        number(example.model)
        example.model.eval()
        return example

    def options(self) -> Dict[str, Any]:
        """The keyword arguments of ``htp.export`` that this case sets."""
        shapes = self.dynamic_shapes
        named = {
            "input_names": list(self.input_names) if self.input_names else None,
            "output_names": list(self.output_names) if self.output_names else None,
            "dynamic_shapes": {name: dict(axes) for name, axes in shapes.items()}
            if shapes
            else None,
            "opset_version": self.opset_version,
        }
        return {name: value for name, value in named.items() if value is not None}
