"""The example inputs by parameter of ``forward`` and by leaf, as torch's exporters read them.

One table for both exporters: which leaf belongs to which parameter, and what ``dynamic_shapes`` may
call it.

    forward(x, more) with (x, {"y": [a, b]}, {})
        x       leaf x       names x
        more    leaf a       names more_y_0, more_0
                leaf b       names more_y_1, more_1
"""

import inspect
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from htp.backends.common.facts import flattened
from htp.errors import CaptureError

__all__ = ["Leaf", "Parameter", "as_read", "bound", "leaves_of", "signature_of", "table"]


class Leaf(NamedTuple):
    """One value within the inputs.

    Attributes:
        parameter: the parameter of ``forward`` that it belongs to.
        names: what ``dynamic_shapes`` may call it, the best first.
        value: the value: a tensor, a number, None.
    """

    parameter: str
    names: Tuple[str, ...]
    value: Any


class Parameter(NamedTuple):
    """A parameter of ``forward`` and what was given for it.

    Attributes:
        name: its name.
        value: what was given.
        leaves: the values in it, in torch's order.
        rebuild: makes a value of the same structure from other leaves.
    """

    name: str
    value: Any
    leaves: List[Leaf]
    rebuild: Callable[[List[Any]], Any]

    @property
    def plain(self) -> bool:
        """Whether the value is a leaf itself."""
        return len(self.leaves) == 1 and self.leaves[0].value is self.value


def signature_of(model: Any) -> Optional[inspect.Signature]:
    """The signature of ``forward``; a scripted one has a schema in its place. None without it."""
    forward = getattr(model, "forward", model)
    schema = getattr(forward, "schema", None)
    try:
        if schema is None:
            return inspect.signature(forward)
        named = [_parameter(each) for each in schema.arguments if each.name != "self"]
        return inspect.Signature(named)
    except (TypeError, ValueError):
        return None  # old traces call several of their inputs alike


def _parameter(argument: Any) -> inspect.Parameter:
    default = argument.default_value if argument.has_default_value() else inspect.Parameter.empty
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(argument.name, kind, default=default)


def as_read(args: Any, kwargs: Optional[Mapping[str, Any]]) -> Tuple[List[Any], Dict[str, Any]]:
    """Positional and keyword inputs, as every exporter reads them.

    A dictionary in the last place holds the keyword inputs where no others are given, so ``{}``
    stands behind one that is an input itself:
    https://docs.pytorch.org/docs/1.8.0/onnx.html#torch.onnx.export
    """
    positional = list(args) if isinstance(args, tuple) else [args]
    if kwargs:
        return positional, dict(kwargs)
    if kwargs is None and positional and isinstance(positional[-1], dict):
        return positional[:-1], dict(positional[-1])
    return positional, {}


def bound(model: Any, args: Any, kwargs: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """The inputs by parameter: positional ones first, keywords in the caller's order.

    Raises:
        CaptureError: they don't fit.
    """
    positional, keywords = as_read(args, kwargs)
    signature = signature_of(model)
    if signature is None:
        return {**{str(place): value for place, value in enumerate(positional)}, **keywords}
    try:
        found = signature.bind(*positional, **keywords).arguments
    except TypeError as error:
        raise CaptureError(
            f"The example inputs don't fit forward{signature}: {error}.",
            "args are its positional and kwargs its keyword inputs.",
        ) from error
    first = {name: value for name, value in found.items() if name not in keywords}
    return {**first, **{name: found[name] for name in keywords if name in found}}


def table(values: Mapping[str, Any]) -> List[Parameter]:
    """Every parameter with its leaves.

    Args:
        values: what was given, by parameter.
    """
    found = []
    for name, value in values.items():
        leaves, rebuild, paths = flattened(value)
        named = [
            Leaf(name, _names(name, path, place), leaf)
            for place, (leaf, path) in enumerate(zip(leaves, paths))
        ]
        found.append(Parameter(name, value, named, rebuild))
    return found


def _names(parameter: str, path: Tuple[Any, ...], place: int) -> Tuple[str, ...]:
    if not path:
        return (parameter,)
    return tuple(dict.fromkeys(("_".join(map(str, (parameter, *path))), f"{parameter}_{place}")))


def leaves_of(parameters: List[Parameter]) -> List[Leaf]:
    """The leaves of all parameters, in order."""
    return [leaf for each in parameters for leaf in each.leaves]
