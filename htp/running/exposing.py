"""Values inside a model, by exposing them as outputs: in groups, so that few are held at a time.

A value that is an output cannot be fused away. So what is exposed changes what onnxruntime makes of
a model that it still optimises; a file that is already as it runs is run with level ``none``.
"""

from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Sequence,
)

from htp.errors import HTPError, did_you_mean
from htp.file.document import text_of
from htp.running.prepared import apart, joined
from htp.running.session import AS_IT_IS, Session, Settings, opened
from htp.use.types import infer

if TYPE_CHECKING:
    import onnx

__all__ = ["BUDGET", "Seen", "expose", "exposed", "grouped", "opened_with", "stream", "values_of"]

BUDGET = 1 << 28
"""Bytes of exposed values that are held at a time."""


class Seen(NamedTuple):
    """A value of one sample.

    Attributes:
        sample: number of the sample.
        name: the value.
        array: what it is.
    """

    sample: int
    name: str
    array: Any


def values_of(model: "onnx.ModelProto") -> List[str]:
    """The values that nodes of the main graph compute: those that can be exposed."""
    return [text_of(name) for node in model.graph.node for name in node.output if name]


def exposed(model: "onnx.ModelProto", names: Iterable[str]) -> "onnx.ModelProto":
    """A copy in which these values are outputs, behind those that it has.

    Raises:
        HTPError: no node of the main graph computes one of them.
    """
    copy = type(model)()
    copy.CopyFrom(model)
    expose(copy, names)
    return copy


def expose(model: "onnx.ModelProto", names: Iterable[str]) -> None:
    """The same, in place.

    Raises:
        HTPError: as ``exposed``.
    """
    there = {value.name for value in model.graph.output}
    made = {*values_of(model), *(value.name for value in model.graph.input)}
    types = {value.name: value for value in model.graph.value_info}
    for name in dict.fromkeys(names):
        if name not in made:
            raise HTPError(f"No node computes a value {name!r}.", did_you_mean(name, made))
        if name not in there:
            known = types.get(name)
            outputs = model.graph.output
            outputs.add(name=name) if known is None else outputs.append(known)


def opened_with(
    model: "onnx.ModelProto",
    names: Iterable[str],
    folders: Sequence[str] = (),
    settings: Settings = AS_IT_IS,
) -> Session:
    """A session in which these values are outputs."""
    light = apart(model, folders)
    expose(light.model, names)
    return opened(joined(light), settings)


def grouped(
    model: "onnx.ModelProto",
    names: Iterable[str],
    feeds: Mapping[str, Any],
    budget: int = BUDGET,
) -> List[List[str]]:
    """The values in groups that are exposed at once.

    Args:
        model: with or without weights.
        names: the values; their order stays.
        feeds: a sample, of which the sizes follow.
        budget: bytes of one group; a larger value is a group by itself. A value whose size does
            not follow from the file counts as the largest that does.
    """
    wanted = list(dict.fromkeys(names))
    sizes = _sizes(model, wanted, feeds)
    largest = max(sizes.values(), default=0)
    groups: List[List[str]] = []
    left = -1
    for name in wanted:
        size = sizes.get(name, largest)
        if left < size or not groups:
            groups.append([])
            left = budget
        groups[-1].append(name)
        left -= size
    return groups


def _sizes(
    model: "onnx.ModelProto", names: Sequence[str], feeds: Mapping[str, Any]
) -> Dict[str, int]:
    """The bytes of values, as far as they follow from the file."""
    dynamic = {
        value.name: tuple(feeds[value.name].shape)
        for value in model.graph.input
        if hasattr(feeds.get(value.name), "shape")
    }
    try:
        found = infer(model, dynamic)
    except HTPError:
        return {}  # the sample does not fit what the file says, or its shapes contradict each other
    sizes: Dict[str, int] = {}
    for name in names:
        lengths = found[name].lengths if name in found else None
        if lengths is not None:
            sizes[name] = _WIDEST
            for length in lengths:
                sizes[name] *= length
    return sizes


_WIDEST = 8
"""Bytes of an element at most."""


def stream(
    model: "onnx.ModelProto",
    names: Iterable[str],
    samples: Sequence[Mapping[str, Any]],
    folders: Sequence[str] = (),
    settings: Settings = AS_IT_IS,
    budget: int = BUDGET,
) -> Iterator[Seen]:
    """Values of samples, group by group: every sample of the first group, then of the next.

    The model runs once for each sample and group.

    Raises:
        HTPError: a value is not there, or onnxruntime cannot run the model.
    """
    for group in grouped(model, names, samples[0], budget) if len(samples) else ():
        session = opened_with(model, group, folders, settings)
        for number, feeds in enumerate(samples):
            found = session.run(feeds, group)
            for name in group:
                yield Seen(number, name, found.pop(name))
