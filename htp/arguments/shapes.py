"""``dynamic_shapes`` in every form: torch's own, and ``{input name: {axis: "name"}}``.

torch's forms follow the structure of the inputs:

    {"x": {0: "batch"}, "more": [{0: Dim("batch")}, None]}      by parameter of forward
    ({0: "batch"}, [{0: Dim.AUTO}, (None, "length")])           by position

HTP's names some of the inputs, by parameter, by ``input_names`` or by the name of a leaf:

    {"tokens": {0: "batch"}, "more_0": {-1: "length"}}
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from htp.arguments.inputs import Leaf, Parameter, leaves_of
from htp.errors import CaptureError, did_you_mean

__all__ = [
    "Axes",
    "FormError",
    "Wanted",
    "by_leaf",
    "checked",
    "counts_from_the_end",
    "in_range",
    "is_torchs",
    "label_of",
]


class FormError(CaptureError):
    """``dynamic_shapes`` is not in the form of the inputs, or in none at all."""


Axes = Dict[int, Any]
"""What is said of each axis of a leaf: a name, a ``Dim``, a hint, a size or None."""

Wanted = List[Tuple[Leaf, Axes]]
"""The leaves of which something is said, in order."""

_ACCEPTED = (
    '{"tokens": {0: "batch", 1: "length"}}, or any form of torch.export\'s: a Dim in place of the '
    "name, nested as the inputs are, a tuple in their order."
)


def checked(shapes: Any) -> Any:
    """What was given, if it is of a type that a form has.

    Raises:
        FormError: it is of another.
    """
    collection = callable(getattr(shapes, "dynamic_shapes", None))  # ShapesCollection
    if shapes is None or collection or isinstance(shapes, (Mapping, list, tuple)):
        return shapes
    raise _unreadable("dynamic_shapes", shapes)


def is_torchs(shapes: Any, parameters: Sequence[Parameter]) -> bool:
    """Whether this is a form of torch's: a sequence, or one entry for every parameter."""
    if not isinstance(shapes, Mapping):
        return True
    return set(shapes) == {each.name for each in parameters}


def counts_from_the_end(said: Any) -> bool:
    """Whether an axis is negative somewhere."""
    if isinstance(said, Mapping):
        negative = any(isinstance(axis, int) and axis < 0 for axis in said)
        return negative or any(map(counts_from_the_end, said.values()))
    return isinstance(said, (list, tuple)) and any(map(counts_from_the_end, said))


def by_leaf(
    shapes: Any, parameters: List[Parameter], given: Mapping[str, Optional[Leaf]]
) -> Tuple[Wanted, Dict[str, Axes]]:
    """What is said of which leaf, and of which other name in ``given``, as of outputs.

    Args:
        shapes: as given.
        parameters: the inputs.
        given: names that were given to inputs, with their leaves, and to outputs, with None.

    Raises:
        CaptureError: a name is that of no input, or an input has no such axis.
        FormError: something is not in any of the forms.
    """
    found: List[Tuple[Leaf, Any]] = []
    others: Dict[str, Axes] = {}
    torchs = is_torchs(shapes, parameters)
    if not isinstance(shapes, Mapping):
        found = _by_position(shapes, parameters)
    else:
        names = {each.name: each for each in parameters}
        known = _known(parameters, given)
        for name, said in shapes.items():
            if name in names and (torchs or name not in given):
                found += _within(said, names[name].value, names[name].leaves, name)
            elif name not in known:
                raise CaptureError(
                    f"dynamic_shapes names {name!r}, which is no input of the model.",
                    did_you_mean(str(name), [*names, *known]),
                )
            elif known[name] is None:
                others[name] = _axes(said, name)
            else:
                found.append((known[name], said))
    if torchs:  # which also says of a number whether it may change; it has no axes
        found = [(leaf, said) for leaf, said in found if hasattr(leaf.value, "shape")]
    named = [(leaf, _axes(said, leaf.names[0])) for leaf, said in found if said is not None]
    wanted = [(leaf, in_range(axes, leaf.names[0], leaf.value)) for leaf, axes in named]
    return wanted, others


def _known(parameters: List[Parameter], given: Mapping[str, Optional[Leaf]]) -> Dict[str, Any]:
    """Every other name of a leaf; of names that two leaves have, the first choice of one wins."""
    known: Dict[str, Any] = {}
    leaves = leaves_of(parameters)
    for place in range(2):
        for leaf in leaves:
            if len(leaf.names) > place:
                known.setdefault(leaf.names[place], leaf)
    return {**known, **given}


def _by_position(shapes: Any, parameters: List[Parameter]) -> List[Tuple[Leaf, Any]]:
    if not isinstance(shapes, (tuple, list)) or len(shapes) > len(parameters):
        raise _unreadable("dynamic_shapes", shapes)
    found = []
    for said, each in zip(shapes, parameters):
        found += _within(said, each.value, each.leaves, each.name)
    return found


def _within(said: Any, value: Any, leaves: List[Leaf], name: str) -> List[Tuple[Leaf, Any]]:
    """Follow the structure of an input down to its leaves."""
    if said is None or not leaves:
        return []
    if len(leaves) == 1 and leaves[0].value is value:
        return [(leaves[0], said)]
    if isinstance(value, Mapping) and isinstance(said, Mapping):
        parts = [(said.get(key), item, f"{name}_{key}") for key, item in value.items()]
        unknown = [key for key in said if key not in value]
    elif isinstance(value, (list, tuple)) and isinstance(said, (list, tuple)):
        parts = [(one, item, f"{name}_{at}") for at, (one, item) in enumerate(zip(said, value))]
        unknown = list(range(len(value), len(said)))
    else:
        return _flat(said, leaves, name)
    if unknown:
        raise FormError(
            f"dynamic_shapes[{name!r}] tells of {unknown[0]!r}, which that input does not hold.",
            "its structure must be that of the input; None stands for what is static.",
        )
    found: List[Tuple[Leaf, Any]] = []
    at = 0
    for one, item, inner in parts:
        count = _count(item, leaves[at:])
        found += _within(one, item, leaves[at : at + count], inner)
        at += count
    return found


def _count(value: Any, leaves: List[Leaf]) -> int:
    """How many of the leaves, from the first on, are those of a value."""
    if isinstance(value, (list, tuple, dict)):
        total = 0
        for item in value.values() if isinstance(value, dict) else value:
            total += _count(item, leaves[total:])
        return total
    if leaves and leaves[0].value is value:
        return 1
    from htp.backends.common.facts import flattened

    return len(flattened(value)[0])


def _flat(said: Any, leaves: List[Leaf], name: str) -> List[Tuple[Leaf, Any]]:
    """Of a registered class: as many entries as it has leaves, however they are nested."""
    entries = list(_entries(said))
    if len(entries) != len(leaves):
        raise FormError(
            f"dynamic_shapes[{name!r}] has {len(entries)} entries, and that input "
            f"{len(leaves)} tensors: {said!r}.",
            "give one for each in order, None where it is static.",
        )
    return [(leaf, entry) for leaf, entry in zip(leaves, entries) if entry is not None]


def _entries(said: Any) -> List[Any]:
    if said is None or _is_axes(said):
        return [said]
    items = said.values() if isinstance(said, Mapping) else said
    if isinstance(said, (Mapping, list, tuple)):
        return [entry for item in items for entry in _entries(item)]
    return [said]


def _is_axes(said: Any) -> bool:
    if isinstance(said, Mapping):
        return bool(said) and all(isinstance(axis, int) for axis in said)
    if isinstance(said, (list, tuple)):
        held = [item for item in said if item is not None]
        return bool(held) and not any(isinstance(i, (Mapping, list, tuple)) for i in held)
    return False


def _axes(said: Any, name: str) -> Axes:
    """``{axis: dim}`` of one leaf."""
    if isinstance(said, (list, tuple)):
        said = dict(enumerate(said))
    if (
        not isinstance(said, Mapping)
        or not all(isinstance(axis, int) for axis in said)
        or any(isinstance(dim, (Mapping, list, tuple)) for dim in said.values())
    ):
        raise _unreadable(f"dynamic_shapes[{name!r}]", said)
    return dict(said)


def _unreadable(what: str, found: Any) -> FormError:
    return FormError(
        f"{what} must be {{axis: name}} or a form of torch's; found {found!r}.",
        f"for example {_ACCEPTED}",
    )


def in_range(axes: Mapping[int, Any], name: str, value: Any) -> Axes:
    """Axes counted from the front; those of a value without axes as they are.

    Raises:
        CaptureError: the value does not have one of them.
    """
    if not hasattr(value, "dim") or not hasattr(value, "shape"):
        return dict(axes)
    rank = len(value.shape)
    for axis in axes:
        if not -rank <= axis < rank:
            has = f"axes {-rank} to {rank - 1}" if rank else "no axes"
            raise CaptureError(
                f"Axis {axis} of {name!r} was to be dynamic; its shape {tuple(value.shape)} has "
                f"{has}.",
                "count from 0, or from -1 for the last.",
            )
    return {axis % rank: dim for axis, dim in axes.items()}


def label_of(dim: Any) -> Optional[str]:
    """What a dynamic axis is called: "" where it has no name, None for one that is not dynamic.

    ``Dim.AUTO`` and its kin have no name of their own, and ``Dim`` has one:
    https://docs.pytorch.org/docs/stable/export/api_reference.html#torch.export.dynamic_shapes.Dim
    """
    if dim is None or isinstance(dim, int):
        return None
    if isinstance(dim, str):
        return dim
    named = getattr(dim, "__name__", None)
    if isinstance(named, str):
        return named
    kind = getattr(dim, "type", dim)
    name = getattr(kind, "name", None)
    if name in ("AUTO", "DYNAMIC", "STATIC"):
        return None if name == "STATIC" else ""
    raise CaptureError(
        f"dynamic_shapes holds {dim!r}, a {type(dim).__name__}.", f"for example {_ACCEPTED}"
    )
