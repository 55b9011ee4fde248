"""The skeletons that a file still holds, as that from which tags are carried.

A file into which models were merged has one for each. ``onnx.compose`` puts a prefix before the
names of each model, which the skeletons don't know, and joins an output with an input:

    skeletons:  x -> relu -> y         x -> tanh -> y
    the file:   a/x -> a/relu -> a/y -> b/tanh -> b/y

So each skeleton gets the prefix that most of its names have in the file, and all of them are
matched as one graph, side by side.
"""

from collections import Counter
from typing import Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

from htp.file.model_file import ModelFile
from htp.file.origin import Origin
from htp.file.records import add_attributes, record_model
from htp.file.skeleton import Skeleton
from htp.graph.records import GraphRecord, NodeRecord, Weight
from htp.matching import Side
from htp.rewritten import Source
from htp.scope import UNKNOWN, Tag

__all__ = ["held", "source_of_skeletons"]

_ASKED = 64
"""Names of a skeleton for which a prefix is looked for: with each, all names of the file are."""


class _Part(NamedTuple):
    """One skeleton.

    Attributes:
        mark: the fingerprint of its export.
        skeleton: it.
        record: of its graph.
        weights: its weights.
    """

    mark: str
    skeleton: Skeleton
    record: GraphRecord
    weights: Mapping[str, Weight]


def held(origins: Sequence[Origin]) -> Dict[str, Skeleton]:
    """The skeletons of the origins that have one, by the fingerprints of those.

    Raises:
        InvalidModelError: one cannot be read.
    """
    found = {origin.fingerprint: origin.skeleton() for origin in origins}
    return {mark: each for mark, each in found.items() if each is not None}


def source_of_skeletons(origins: Sequence[Origin], file: ModelFile) -> Source:
    """What origins tell of the graph that a file was.

    Args:
        origins: its own, or those of its sidecar.
        file: it.

    Raises:
        InvalidModelError: one cannot be read.
    """
    parts = []
    for mark, skeleton in held(origins).items():
        record = record_model(skeleton.model)
        add_attributes(record, skeleton.model, skeleton.weights)
        parts.append(_Part(mark, skeleton, record, skeleton.weights))
    by_mark = {origin.fingerprint: origin for origin in origins if origin.has_skeleton}
    if _are_one_graph(parts):
        tags, marks = _of_one_graph(parts)
        return Source(Side(parts[0].record, tags, parts[0].weights), marks, by_mark)
    new = record_model(file.outline)
    parts = _prefixed(parts, new, file.weights())
    _join(parts, new)
    side, marks = _side_by_side(parts)
    return Source(side, marks, by_mark)


def _are_one_graph(parts: Sequence[_Part]) -> bool:
    """Whether each knows other nodes of the same graph: what was carried is saved so."""
    graphs = {part.skeleton.model.SerializeToString(deterministic=True) for part in parts}
    known = zip(*(part.skeleton.tags for part in parts))
    return len(graphs) == 1 and all(sum(bool(tag.stack) for tag in row) <= 1 for row in known)


def _of_one_graph(parts: Sequence[_Part]) -> Tuple[List[Tag], List[str]]:
    """Tags and exports of the nodes of a graph of which each skeleton knows some."""
    tags, marks = list(parts[0].skeleton.tags), [parts[0].mark] * len(parts[0].skeleton.tags)
    for part in parts[1:]:
        for at, tag in enumerate(part.skeleton.tags):
            if tag.stack and not tags[at].stack:
                tags[at], marks[at] = tag, part.mark
    return tags, marks


def _side_by_side(parts: Sequence[_Part]) -> Tuple[Side, List[str]]:
    """All skeletons as one graph: functions stand last in it."""
    whole = GraphRecord()
    weights: Dict[str, Weight] = {}
    told: Dict[int, Tuple[Tag, str]] = {}
    for part in parts:
        told.update(
            (id(node), (tag, part.mark))
            for node, tag in zip(part.record.walk(), part.skeleton.tags)
        )
        whole.inputs += part.record.inputs
        whole.outputs += part.record.outputs
        whole.nodes += part.record.nodes
        whole.initializers += part.record.initializers
        whole.functions += part.record.functions
        weights.update(part.weights)
    rows = [told.get(id(node), (UNKNOWN, "")) for node in whole.walk()]
    return Side(whole, [tag for tag, _ in rows], weights), [mark for _, mark in rows]


def _prefixed(
    parts: Sequence[_Part], record: GraphRecord, weights: Mapping[str, Weight]
) -> List[_Part]:
    """The skeletons with the names that they have in the file."""
    names = dict.fromkeys(record.initializers)
    names.update((name, None) for node in record.walk() for name in node.outputs)
    taken: Set[str] = set()
    found = []
    for part in parts:
        votes = _votes(part, list(names), weights)
        free = [prefix for prefix in votes if prefix not in taken] or list(votes) or [""]
        taken.add(free[0])
        found.append(_with_prefix(part, free[0]) if free[0] else part)
    return found


def _join(parts: Sequence[_Part], record: GraphRecord) -> None:
    """Let the skeletons read what their nodes read in the file, where another one computes it."""
    now = {(node.op, *node.outputs): node.inputs for node in record.walk()}
    made = {name for part in parts for node in part.record.walk() for name in node.outputs}
    for part in parts:
        own = {name for node in part.record.walk() for name in node.outputs}
        given = set(part.record.inputs).difference(record.inputs)
        for node in part.record.walk():
            read = now.get((node.op, *node.outputs), [])
            for at, (before, name) in enumerate(zip(list(node.inputs), read)):
                if before in given and name in made and name not in own:
                    node.inputs[at] = name


def _votes(part: _Part, names: Sequence[str], weights: Mapping[str, Weight]) -> List[str]:
    """What the file may put before the names of a skeleton, the likeliest first.

    Of two models of one class all names are equal; their weights tell them apart. Where those are
    equal, or were changed, models stand in the file in the order of their origins.
    """
    own = [name for node in part.record.walk() for name in node.outputs if name]
    asked = sorted(dict.fromkeys(own), key=len, reverse=True)[:_ASKED]
    asked += sorted(part.record.initializers, key=len, reverse=True)[:_ASKED]
    votes: Counter[str] = Counter()  # keeps the order in which they came
    for name in names:
        for wanted in asked:
            if name.endswith(wanted):
                prefix = name[: len(name) - len(wanted)]
                before, now = part.weights.get(wanted), weights.get(name)
                same = before and now and before.contents and before.contents == now.contents
                votes[prefix] += 1 + _ASKED * bool(same)
    return [prefix for prefix, _ in votes.most_common()]


def _with_prefix(part: _Part, prefix: str) -> _Part:
    functions = {function.name for function in part.record.functions}

    def op(name: str) -> str:
        domain, colons, own = name.rpartition("::")
        return f"{domain}{colons}{prefix}{own}" if name in functions else name

    def node(record: NodeRecord) -> None:
        record.op, record.name = op(record.op), record.name and prefix + record.name
        for values in (record.inputs, record.outputs):
            values[:] = [value and prefix + value for value in values]
        for body in record.bodies:
            graph(body)

    def graph(record: GraphRecord) -> None:
        for values in (record.inputs, record.outputs, record.initializers):
            values[:] = [value and prefix + value for value in values]
        for each in record.nodes:
            node(each)

    graph(part.record)
    weights = {prefix + name: weight for name, weight in part.weights.items()}
    return part._replace(weights=weights)
