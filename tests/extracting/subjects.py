"""The models whose calls are cut out, with fixed and with dynamic axes.

With dynamic axes a model is judged on inputs of other lengths than it was exported with as well.
"""

import inspect
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import torch
from oracles.subject import Subject
from torch import Tensor
from zoo import subjects as zoo_subjects
from zoo.recipe import OPTIONS, installed, subject

from extracting.aside import ASIDE
from extracting.own_models import OWN
from htp.testing.case import Example
from htp.testing.models import CASES

__all__ = ["AXES", "Judged", "judged"]

AXES = ("static", "dynamic")

Axes = Mapping[int, Mapping[int, str]]
"""For each input by its number: the names of its dynamic axes."""

MORE_AXES: Dict[str, Axes] = {
    "own:lstm": {0: {0: "batch", 1: "length"}},
    "own:gru": {0: {0: "batch", 1: "length"}},
    "own:translator": {0: {0: "batch", 1: "length"}, 1: {0: "batch", 1: "written"}},
    "own:unet": {0: {0: "batch", 2: "height", 3: "width"}},
    "own:wavenet": {0: {0: "batch", 2: "length"}},
    "own:sizes": {0: {0: "batch", 1: "length"}},
    "torchvision:resnet": {0: {0: "batch", 2: "height", 3: "width"}},
    "torchvision:fcn": {0: {0: "batch", 2: "height", 3: "width"}},
}
"""Where the rule of ``_axes`` says less than the model can."""

LONGER = {"batch": 1, "images": 2, "height": 16, "width": 32, "length": 4, "written": 1}
"""How much longer the axes of the other inputs are."""


@dataclass(frozen=True)
class Judged:
    """A model to be cut into its calls.

    Attributes:
        name: ``library:architecture``, or that of a case.
        build: makes the model with its inputs, equal each time.
        options: makes the keyword arguments of the export.
        kind: ``zoo``; ``aside`` for what extraction was never tuned on; ``case`` for the small
            models of the conformance suite, which are no architectures.
        axes: ``static`` or ``dynamic``.
        others: other inputs, of other lengths where axes are dynamic; None where there are none.
        without: backends that cannot take it by their nature.
    """

    name: str
    build: Callable[[], Example]
    options: Callable[[], Dict[str, Any]]
    kind: str
    axes: str
    others: Optional[Callable[[], Tuple[Any, ...]]]
    without: Tuple[str, ...] = ()


def judged(axes: str) -> Iterator[Judged]:
    """Every model that the installed libraries have."""
    for kind, group in (("zoo", zoo_subjects()), ("aside", _aside())):
        for each in group:
            yield _static(each, kind) if axes == "static" else _dynamic(each, kind)
    for case in CASES:
        dynamic = case.dynamic_shapes is not None
        if dynamic == (axes == "dynamic"):
            more = case.other_inputs
            others = (lambda more=more: more().args) if more else None
            yield Judged(
                case.name, case.example, case.options, "case", axes, others, tuple(case.without)
            )


def _aside() -> List[Subject]:
    recipes = {
        f"{library}:{name}": recipe
        for library, group in {**ASIDE, "own": OWN}.items()
        if library == "own" or installed(library)
        for name, recipe in group.items()
    }
    return [subject(name, recipe) for name, recipe in recipes.items() if recipe.there()]


def _static(each: Subject, kind: str) -> Judged:
    def others() -> Tuple[Any, ...]:
        torch.manual_seed(7)
        return tuple(_like(tensor, tensor.shape) for tensor in each.build().args)

    return Judged(each.name, each.build, lambda: dict(each.options), kind, "static", others)


def _dynamic(each: Subject, kind: str) -> Judged:
    """The same with named axes; its inputs have at least two rows, which torch wants to see."""

    def build() -> Example:
        model, args, kwargs = each.build()
        torch.manual_seed(5)
        given = tuple(
            _like(t, [max(size, 2) if at in axes else size for at, size in enumerate(t.shape)])
            for t, axes in zip(args, _axes(each.name, model, args))
        )
        return Example(model, given, kwargs)

    def others() -> Tuple[Any, ...]:
        model, args, _ = build()
        torch.manual_seed(7)
        found = []
        for tensor, axes in zip(args, _axes(each.name, model, args)):
            shape = [n + LONGER.get(axes.get(at, ""), 0) for at, n in enumerate(tensor.shape)]
            found.append(_like(tensor, shape))
        return tuple(found)

    def options() -> Dict[str, Any]:
        model, args, _ = each.build()
        names = list(inspect.signature(model.forward).parameters)[: len(args)]
        shapes = dict(zip(names, map(dict, _axes(each.name, model, args))))
        return {**OPTIONS, "input_names": names, "dynamic_shapes": shapes}

    return Judged(each.name, build, options, kind, "dynamic", others)


def _axes(name: str, model: Any, args: Sequence[Tensor]) -> List[Mapping[int, str]]:
    """The axes of each input that get a name.

    The first one, and the length of a text, unless the model was given a mask of fixed size. Inputs
    of as many rows share the name of the axis.
    """
    if name in MORE_AXES:
        return [MORE_AXES[name].get(at, {}) for at in range(len(args))]
    found: List[Mapping[int, str]] = []
    for at, tensor in enumerate(args):
        rows = "batch" if len(tensor) == len(args[0]) or at == 0 else "images"
        text = name.startswith("transformers:") and not tensor.is_floating_point()
        length = {} if getattr(model, "masks", ()) or not text else {1: ("length", "written")[at]}
        found.append({0: rows, **length})
    return found


def _like(tensor: Any, shape: Sequence[int]) -> Any:
    """Other numbers of the same kind."""
    if not isinstance(tensor, Tensor):
        return tensor
    if tensor.is_floating_point():
        return torch.randn(*shape)
    if tensor.dtype == torch.bool:
        return torch.rand(*shape) < 0.5
    low, high = int(tensor.min()), int(tensor.max())
    return torch.randint(low, high + 1, tuple(shape))
