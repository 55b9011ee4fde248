"""The tags of a part, and an origin that holds its own and nothing else.

Of the whole model the calls above the part are still named, so that paths stay what they were; what
they took and returned is not said any more, for they are not whole:

    the whole:  "" -> encoder -> encoder.layer.0, encoder.layer.1 -> encoder.layer.1.mlp
    the part:   "" -> encoder -> encoder.layer.1 -> encoder.layer.1.mlp     (the first two are cut)
"""

from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from htp.file import keys, wire
from htp.file.encode import appended
from htp.file.model_file import ModelFile
from htp.file.origin import Origin
from htp.file.records import record_model
from htp.fresh import Fresh, entries_of, fresh, made_up
from htp.fresh import Part as FreshPart
from htp.graph.records import CallRecord, ValueRecord
from htp.graph.used import aligned
from htp.scope import UNKNOWN, ModuleCall, Provenance, Stack, Tag

__all__ = ["CUT", "new", "tagged"]

CUT = "cut"
"""Why a value is not there: it belongs to a module of which the file holds only some."""

Named = Tuple[Mapping[Tuple[str, ...], str], Mapping[str, str]]
"""Names of inputs: of those that nothing reads by their places among the arguments, and of the
others by their names in what was folded."""

Row = Tuple[Tag, str]
"""The tag of a node, and the fingerprint of the export that it comes from."""


def tagged(
    file: ModelFile,
    chunks: Sequence[wire.Chunk],
    rows: Sequence[Row],
    calls: Sequence[ModuleCall],
    named: Named,
) -> ModelFile:
    """A part with its tags.

    Args:
        file: what it was cut out of.
        chunks: the part, with what its nodes said there.
        rows: of its nodes, in the order of ``htp.file.document.nodes_of``.
        calls: that it is made of.
        named: the inputs that are no values of the file.
    """
    data = wire.join(wire.remove(wire.join(chunks), keys.ours, keys.DIALECTS))
    plain = ModelFile([data], folder=file.folder, linked=file.linked)
    tags = [tag for tag, _ in rows]
    origins = {each.fingerprint: each for each in file.origins} or {"": made_up(tags)}
    only = next(iter(origins))
    told = [(tag, mark if mark in origins else only) for tag, mark in rows]
    names = _names(plain)
    parameters = {name: of for name, of in file.parameters().items() if name in names}
    made: Dict[str, Fresh] = {}
    for mark in dict.fromkeys([mark for _, mark in told] or [only]):
        theirs = [tag if its == mark else UNKNOWN for tag, its in told]
        held = _held(origins[mark], theirs, set(calls), names)
        held = [_naming(each, named, each.stack[-1] in calls) for each in held]
        part = FreshPart(origins[mark], (), theirs, {}, parameters, held)
        made[mark] = fresh(part, plain)
    record = record_model(plain.outline)
    entries = entries_of(record, aligned(record, told), made, parameters)
    found = appended(data, entries)
    found.folder, found.linked = file.folder, file.linked
    return found


def _names(plain: ModelFile) -> Set[str]:
    """The names of all values of the part."""
    record = record_model(plain.outline)
    found = set(record.initializers)
    for graph in record.graphs():
        found.update(graph.inputs)
    for node in record.walk():
        found.update(node.outputs)
    return found


def _held(
    origin: Origin, tags: Iterable[Tag], calls: Set[ModuleCall], names: Set[str]
) -> List[CallRecord]:
    """The calls that the part holds: its own, with their values, and those that nodes tell of."""
    records = origin.records()
    stacks = {record.stack[-1]: record.stack for record in records}
    told: Set[ModuleCall] = set()
    for tag in {id(tag): tag for tag in tags}.values():
        told.update(tag.stack)
        for call in tag.shared:
            told.update(stacks.get(call, ()))
    for call in calls:
        told.update(stacks.get(call, ()))
    found = []
    for record in records:
        if calls.intersection(record.stack):
            found.append(
                record._replace(
                    inputs=_still(record.inputs, names), outputs=_still(record.outputs, names)
                )
            )
        elif record.stack[-1] in told:
            found.append(record._replace(inputs=_cut(record.inputs), outputs=_cut(record.outputs)))
    return found


Values = Optional[Tuple[ValueRecord, ...]]


def _naming(record: CallRecord, named: Named, is_whole: bool) -> CallRecord:
    """The record of a call that may take inputs of the part that are no values of the file."""
    unread, works = named

    def name(value: ValueRecord) -> Optional[str]:
        if value.work is not None:
            return works.get(value.work)
        return unread.get(value.place) if is_whole and value.kind is not None else None

    def now(value: ValueRecord) -> ValueRecord:
        found = name(value) if value.name is None or value.is_folded else None
        return value if found is None else ValueRecord(value.place, found)

    inputs = None if record.inputs is None else tuple(map(now, record.inputs))
    return record._replace(inputs=inputs)


def _still(values: Values, names: Set[str]) -> Values:
    if values is None:
        return None
    return tuple(
        each
        if each.name is None or each.name in names
        else each.alone()
        if each.is_folded
        else each._replace(name=None, reason="unread")
        for each in values
    )


def _cut(values: Values) -> Values:
    places = [each.place for each in values] if values else [("0",)]
    return tuple(ValueRecord(place, None, CUT) for place in places)


def new(stack: Stack) -> Tag:
    """The tag of a node that hands on what a part gives."""
    return Tag(stack, Provenance.PROPAGATED) if stack else UNKNOWN
