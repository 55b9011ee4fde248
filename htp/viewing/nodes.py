"""Node data for Model Explorer: how long each node takes, or how far off its module call is.

The format is that of the package's ``node_data_builder``,
https://github.com/google-ai-edge/model-explorer: for each graph of the file a value for each node,
with colours. Model Explorer itself sums the nodes' values up for the groups around them.
"""

import json
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from htp.errors import HTPError
from htp.file.records import record_model
from htp.file.store import Destination
from htp.graph.used import aligned
from htp.profiling import Profile
from htp.profiling.kernels import OwnedKernel
from htp.profiling.table import percent
from htp.proving.measure import finite_or_text
from htp.proving.verification import Verification, VerificationRow
from htp.scope import UNKNOWN, ModuleCall, Tag
from htp.tagged import TaggedModel
from htp.viewing.colours import ARISES, PASSES, RIGHT, SCALE
from htp.viewing.spots import Spot, spots

__all__ = ["NodeData", "node_data"]

Value = Union[float, str]


class NodeData(NamedTuple):
    """A value for each node of a file that has one.

    Attributes:
        name: what the values are.
        values: by node; a difference without measure is a text.
        colours: by node, where they are not made from the values.
        remarks: what is not in the values.
    """

    name: str
    values: Mapping[Spot, Value]
    colours: Mapping[Spot, str]
    remarks: Tuple[str, ...] = ()

    def to_json(self) -> Dict[str, Any]:
        """The document that Model Explorer loads."""
        found: Dict[str, Dict[str, Any]] = {}
        scale = [{"stop": stop, "bgColor": colour} for stop, colour in SCALE]
        painted = {} if self.colours else {"gradient": scale}
        for spot, value in self.values.items():
            graph = {"name": self.name, "results": {}, **painted}
            results = found.setdefault(spot.graph, graph)["results"]
            colour = self.colours.get(spot)
            results[spot.node] = {"value": value, **({"bgColor": colour} if colour else {})}
        return found

    def save(self, f: Any) -> None:
        """Write the document to a path.

        Raises:
            CaptureError: it cannot be written.
        """
        with Destination(f) as target:
            target.commit([f"{json.dumps(self.to_json(), indent=1)}\n".encode()])


def node_data(tagged: TaggedModel, result: Union[Profile, Verification]) -> NodeData:
    """What was found of a file, node by node, for Model Explorer.

    Of a profile each node has its microseconds of one run. A kernel that stands for several nodes
    is divided evenly among those that compute, so that every group that holds all of them has the
    right sum.

    Of a verification each node has the own error of the module call that it comes from: the largest
    difference that the call's own operations make on right inputs; where nobody looked because what
    it returns is right, the largest difference of that. Its colour says whether an error arises in
    the call, whether it diverges otherwise, or is right. Nodes of calls that could not be judged
    have no value.

    Args:
        tagged: the file that was profiled or verified.
        result: what was found.

    Raises:
        HTPError: the result is of another file.
        TypeError: it is no such result.
    """
    file = tagged.file
    places = spots(file.outline)
    told = aligned(record_model(file.outline), (tag for _, tag in file.seen()))
    tags = [UNKNOWN if tag is None else tag for tag in told]
    if isinstance(result, Profile):
        return _times(result, places, tags)
    if isinstance(result, Verification):
        return _errors(result, places, tags)
    raise TypeError(f"Node data is of a Profile or a Verification; found {type(result).__name__}.")


def _times(profile: Profile, places: Sequence[Optional[Spot]], tags: Sequence[Tag]) -> NodeData:
    values: Dict[Spot, float] = {}
    missing = 0.0
    for each in profile.kernels:
        _check(each, tags)
        for node in each.nodes:
            part, spot = each.kernel.seconds / len(each.nodes), places[node]
            if spot is None:
                missing += part
            else:
                values[spot] = values.get(spot, 0.0) + part * 1e6
        missing += 0.0 if each.nodes else each.kernel.seconds
    remarks: List[str] = []
    if missing:
        share = percent(missing / profile.seconds)
        remarks.append(f"{share} of the time is of no node that Model Explorer shows")
    return NodeData(f"microseconds ({profile.tool})", values, {}, tuple(remarks))


def _check(each: OwnedKernel, tags: Sequence[Tag]) -> None:
    """Look whether the nodes of a kernel are those of its owner.

    Raises:
        HTPError: they are not, and so of another file.
    """
    fits = all(node < len(tags) for node in each.nodes)
    if fits and each.exact and each.nodes:
        depth = len(each.tag.stack)
        fits = any(tags[node].stack[:depth] == each.tag.stack for node in each.nodes)
    if not fits:
        raise HTPError("This profile is of another file.", "hand over the file that was profiled.")


def _errors(found: Verification, places: Sequence[Optional[Spot]], tags: Sequence[Tag]) -> NodeData:
    nodes: Dict[ModuleCall, List[Spot]] = {}
    for tag, spot in zip(tags, places):
        if tag.stack and spot is not None:
            nodes.setdefault(tag.owner, []).append(spot)
    values: Dict[Spot, Value] = {}
    colours: Dict[Spot, str] = {}
    for row in reversed(found.rows):  # those in which an error arises have the last word
        for spot in _spots(row, nodes):
            values[spot], colours[spot] = _value(row), _colour(row)
    remarks = []
    if found.not_judged:
        remarks.append(f"{len(found.not_judged)} calls could not be judged: their nodes have none")
    return NodeData("own error", values, colours, tuple(remarks))


def _spots(row: VerificationRow, nodes: Mapping[ModuleCall, Sequence[Spot]]) -> Iterable[Spot]:
    """The nodes of a call, and of those whose operations may as well be wrong."""
    calls = (row.call, *(row.group if row.arises else ()))
    return [spot for call in calls for spot in nodes.get(call, ())]


def _value(row: VerificationRow) -> Value:
    told = row.max_abs if row.own_error is None else row.own_error
    value: Value = finite_or_text(told)
    return value


def _colour(row: VerificationRow) -> str:
    return ARISES if row.arises else PASSES if row.diverges else RIGHT
