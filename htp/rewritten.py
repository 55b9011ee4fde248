"""Tags onto a file that a tool rewrote: sides from files, and files from what they matched."""

from typing import (
    Dict,
    List,
    Mapping,
    NamedTuple,
    Sequence,
    Tuple,
)

from htp.carry_report import CarriedNode, CarryReport
from htp.errors import InvalidModelError
from htp.file import keys, wire
from htp.file.document import text_of
from htp.file.encode import Made, appended
from htp.file.model_file import ModelFile
from htp.file.origin import Origin
from htp.file.records import add_attributes, record_model
from htp.file.tags import is_tagged, origin_of
from htp.fresh import Fresh, Part, entries_of, fresh, made_up
from htp.graph.records import GraphRecord, NodeRecord
from htp.graph.used import aligned, used
from htp.matching import Matched, Side, match
from htp.scope import UNKNOWN, Evidence, Stack, Tag
from htp.steps import step

__all__ = ["Source", "carried", "renamed", "renewed", "source_of"]


class Source(NamedTuple):
    """What tags are carried from.

    Attributes:
        side: the tagged graph.
        marks: for each of its nodes the fingerprint of the export that it comes from.
        origins: the exports, by their fingerprints; at least one.
    """

    side: Side
    marks: Sequence[str]
    origins: Mapping[str, Origin]

    def tags_of(self, mark: str) -> List[Tag]:
        """The tags of the nodes of one export."""
        return [tag or UNKNOWN for tag, its in zip(self.side.tags, self.marks) if its == mark]


def source_of(file: ModelFile) -> Source:
    """A tagged file as that from which tags are carried."""
    record = _record(file)
    weights = file.weights()
    add_attributes(record, file.outline, weights)
    told = aligned(record, ((tag, origin_of(node)) for node, tag in file.seen()))
    tags = [each[0] if each else UNKNOWN for each in told]
    origins = {each.fingerprint: each for each in file.origins} or {"": made_up(tags)}
    first = next(iter(origins))
    marks = [each[1] if each and each[1] in origins else first for each in told]
    return Source(Side(record, tags, weights), marks, origins)


def _record(file: ModelFile) -> GraphRecord:
    """The record of a file.

    Raises:
        InvalidModelError: a name in it is no text.
    """
    record = record_model(file.outline)
    for graph in record.graphs():
        for name in (*graph.inputs, *graph.outputs, *graph.initializers):
            text_of(name)
    for node in record.walk():
        for name in (node.op, node.name, *node.inputs, *node.outputs):
            text_of(name)
    return record


def carried(source: Source, file: ModelFile) -> Tuple[ModelFile, CarryReport]:
    """A rewritten file with the tags of what it was made from, and how they were matched.

    Raises:
        InvalidModelError: it was made from something else.
    """
    record, matched, plain = _matched(source, file)
    step("writing what was carried")
    made = _tagged(plain, _entries(source, plain, record, matched))
    return made, _report(source, record, matched)


def renamed(source: Source, file: ModelFile) -> Dict[str, str]:
    """For each value of the tagged graph that is still there, its name in the rewritten file.

    Raises:
        InvalidModelError: it was made from something else.
    """
    record, matched, _ = _matched(source, file)
    return _renamed(source.side, record, matched)


def _matched(source: Source, file: ModelFile) -> Tuple[GraphRecord, Matched, ModelFile]:
    """What is matched with what; and the file without anything of HTP's."""
    step("reading the rewritten graph")
    survived = [tag if is_tagged(node) else None for node, tag in file.seen()]
    plain = _plain(file)
    record, weights = _record(plain), plain.weights()
    add_attributes(record, plain.outline, weights)
    matched = match(source.side, Side(record, aligned(record, survived), weights))
    if matched.stranger:
        raise InvalidModelError(
            f"The rewritten file was not made from the tagged one: {matched.stranger}.",
            "give the tagged file that it was made from.",
        )
    return record, matched, plain


def _report(source: Source, record: GraphRecord, matched: Matched) -> CarryReport:
    its = used(source.side.graph, source.side.tags)
    before = aligned(source.side.graph, (tag or UNKNOWN for tag in its))
    rows = zip(record.walk(), matched.tags, matched.changes, matched.stands_for)
    now = [
        CarriedNode(node.name or next(filter(None, node.outputs), ""), tag, str(change), old)
        for node, tag, change, old in used(record, rows)
    ]
    calls = [call for origin in source.origins.values() for call, _ in origin.calls]
    return CarryReport.of(before, now, calls)


def renewed(source: Source, file: ModelFile) -> ModelFile:
    """A file with the tags that it has, and an origin of the graph as it is now.

    Args:
        source: what the graph was; nodes of the same operator and name are the same.
        file: every node of it has a tag.
    """
    record = record_model(file.outline)
    tags = [tag or UNKNOWN for tag in aligned(record, (tag for _, tag in file.seen()))]
    places = {_name(node): (at,) for at, node in enumerate(source.side.graph.walk())}
    same: List[Tuple[int, ...]] = [places.get(_name(node), ()) for node in record.walk()]
    plain = _plain(file)
    record = record_model(plain.outline)
    made = _entries(source, plain, record, Matched(tags, same, file.parameters()))
    return _tagged(plain, made)


def _name(node: NodeRecord) -> Tuple[str, ...]:
    return (node.op, *node.outputs)


def _plain(file: ModelFile) -> ModelFile:
    """The file without anything of HTP's."""
    data = wire.join(wire.remove(wire.join(file.chunks), keys.ours, keys.DIALECTS))
    return ModelFile([data], folder=file.folder, linked=file.linked)


def _entries(source: Source, plain: ModelFile, record: GraphRecord, matched: Matched) -> Made:
    marks = _marks(source, matched)
    made = _origins(source, plain, record, matched, marks)
    rows = aligned(record, used(record, zip(matched.tags, marks)))
    return entries_of(record, rows, made, matched.parameters)


def _marks(source: Source, matched: Matched) -> List[str]:
    """Of which export each node is: that for a node of which it stands, else one of its owner."""
    first = next(iter(source.origins))
    if len(source.origins) == 1:
        return [first] * len(matched.tags)
    of_stack: Dict[Stack, str] = {}
    for tag, mark in zip(source.side.tags, source.marks):
        if tag is not None:
            of_stack.setdefault(tag.stack, mark)
    return [
        source.marks[old[0]] if old else of_stack.get(tag.stack, first)
        for tag, old in zip(matched.tags, matched.stands_for)
    ]


def _origins(
    source: Source, plain: ModelFile, record: GraphRecord, matched: Matched, marks: Sequence[str]
) -> Dict[str, Fresh]:
    """The origins that the file gets in place of the older ones, by the fingerprints of those."""
    renamed = _renamed(source.side, record, matched)
    told = used(record, zip(matched.tags, marks))
    found = {}
    for mark, old in source.origins.items():
        tags = [tag if its == mark else UNKNOWN for tag, its in told]
        if any(tag.stack for tag in tags) or len(source.origins) == 1:
            part = Part(old, source.tags_of(mark), tags, renamed, matched.parameters)
            found[mark] = fresh(part, plain)
    return found


_SURE = (Evidence.KEPT, Evidence.STRUCTURE, None)
"""How a node is matched whose values are those that they were; nothing where it was not carried."""


def _renamed(old: Side, new: GraphRecord, matched: Matched) -> Dict[str, str]:
    """For each value of the tagged graph that is still there, its name in the rewritten one.

    What stands for several operations has one of their values if it has its name, too:

        Conv -> c -> BatchNormalization -> b        Conv -> b        c is gone, b is b
    """
    nodes = list(old.graph.walk())
    given = {*new.inputs, *new.initializers}
    found = {name: name for name in (*old.graph.inputs, *old.graph.initializers) if name in given}
    for node, tag, places in zip(new.walk(), matched.tags, matched.stands_for):
        if len(places) == 1 and tag.evidence in _SURE:
            before = nodes[places[0]]
            if len(before.outputs) == len(node.outputs) and _is_same(before, node, tag, found):
                found.update(zip(before.outputs, node.outputs))
        made = {name for at in places for name in nodes[at].outputs}
        found.update((name, name) for name in node.outputs if name in made)
    found.pop("", None)
    return found


def _is_same(old: NodeRecord, new: NodeRecord, tag: Tag, found: Mapping[str, str]) -> bool:
    """Whether a node computes what it did: one that kept its tag may work on other values now.

    MatMul -> a -> Reshape -> b        QLinearMatMul -> a_quantized -> Reshape -> b_quantized
    """
    if tag.evidence is Evidence.STRUCTURE or old.outputs == new.outputs:
        return True
    return [found.get(name, name) for name in old.inputs] == new.inputs


def _tagged(plain: ModelFile, entries: Made) -> ModelFile:
    file = appended(wire.join(plain.chunks), entries)
    file.folder, file.linked = plain.folder, plain.linked
    return file
