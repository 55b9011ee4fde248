"""The origin of a graph as it is now: what is left of an older one, and the skeleton of this graph.

It holds its own and nothing else. Of a model that was cut in two, a half names the calls whose
nodes it has; a call that never had a node stays where the one that made it does.

    before:  encoder (12 nodes), encoder.dropout (none), decoder (9 nodes)
    after:   encoder (10 nodes), encoder.dropout (none)
"""

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from htp.file import keys, wire
from htp.file import origin as origins
from htp.file.data import located, locations
from htp.file.document import nodes_of, parse, serialised
from htp.file.encode import Made
from htp.file.entries import entry
from htp.file.model_file import ModelFile
from htp.file.origin import Origin
from htp.file.skeleton import Skeleton
from htp.file.tensors import reduced, tensors_of
from htp.file.weights import Names
from htp.graph.records import CallRecord, GraphRecord, ValueRecord, Weight
from htp.scope import ModuleCall, Stack, Tag

__all__ = ["Fresh", "Part", "entries_of", "fresh", "made_up"]


class Fresh(NamedTuple):
    """What is written of an origin.

    Attributes:
        mark: its fingerprint.
        value: its entry.
    """

    mark: str
    value: str


class Part(NamedTuple):
    """What came of one origin in a rewritten file.

    Attributes:
        old: the origin as it was.
        before: the tags that it had.
        tags: of every node of the file as it is now, ``UNKNOWN`` for those of other origins.
        renamed: for each value that is still there how it is called now.
        parameters: what each initializer was made from.
        calls: the module calls that it holds; None where that follows from the tags.
    """

    old: Origin
    before: Sequence[Tag]
    tags: Sequence[Tag]
    renamed: Mapping[str, str]
    parameters: Mapping[str, Names]
    calls: Optional[Sequence[CallRecord]] = None


def made_up(tags: Sequence[Tag]) -> Origin:
    """An origin for tags that HTP did not make: it knows the calls and nothing else."""
    ways: Dict[Stack, None] = {}
    for tag in tags:
        ways.update(dict.fromkeys(tag.stack[:depth] for depth in range(1, len(tag.stack) + 1)))
    below: Dict[Stack, List[Stack]] = {}
    for way in ways:
        below.setdefault(way[:-1], []).append(way)
    calls, pending = [], below.get((), [])[::-1]
    while pending:
        way = pending.pop()
        calls.append((way[-1], len(way) - 1))
        pending += below.get(way, [])[::-1]
    return Origin("", origins.SCHEMA, "", "", "", tuple(calls))


def fresh(part: Part, plain: ModelFile) -> Fresh:
    """The origin that a rewritten file gets in place of an older one.

    Args:
        part: what came of it.
        plain: the file without anything of HTP's.
    """
    old, outline = part.old, plain.outline
    told = part.calls
    calls = _values_now(_calls_left(part), part.renamed) if told is None else list(told)
    graph: Optional[Skeleton] = None
    if old.has_skeleton or old.schema not in origins.WITH_SKELETON:  # else it was not wanted
        graph = _skeleton(part, plain, calls)
    digest = origins.digest((node.op_type, node.output) for node in nodes_of(outline))
    value = origins.encode(old.backend, old.torch, old.version, calls, digest, graph)
    data = wire.join(plain.chunks)
    folders = [each for each in (plain.folder, plain.linked) if each is not None]
    beside = filter(None, (located(name, folders) for name in locations(outline)))
    return Fresh(origins.fingerprint(value, data, list(beside)), value)


def entries_of(
    record: GraphRecord,
    rows: Sequence[Optional[Tuple[Tag, str]]],
    origins: Mapping[str, Fresh],
    parameters: Mapping[str, Names],
) -> Made:
    """What is written into a file.

    Args:
        record: of the file without anything of HTP's.
        rows: of every node its tag, and a key of ``origins``; None where it is not used.
        origins: what is written of the exports that nodes come from.
        parameters: what each initializer was made from.
    """
    writers = {mark: keys.Entries(each.mark) for mark, each in origins.items()}
    nodes = [
        b""
        if row is None
        else writers[row[1]].of(row[0], node.keys, node.name, node.op.rpartition("::")[2])
        for node, row in zip(record.walk(), rows)
    ]
    made = origins.values()
    return Made(
        nodes,
        {name: keys.encode_parameter(names) for name, names in parameters.items()},
        b"".join(entry("model", f"{keys.PREFIX}{each.mark}", each.value) for each in made),
        next(iter(made)).mark if len(made) == 1 else "",
    )


def _skeleton(part: Part, plain: ModelFile, calls: Sequence[CallRecord]) -> Skeleton:
    model, known = parse(serialised(plain.outline)), plain.weights()
    for _ in reduced(model):
        pass
    weights: Dict[str, Weight] = {}
    for name, _ in tensors_of(model):
        if name:
            weights[name] = known[name]._replace(parameters=part.parameters.get(name, ()))
    return Skeleton(model, part.tags, weights, tuple(calls))


def _calls_left(part: Part) -> List[CallRecord]:
    records = part.old.records()
    stacks = {record.stack[-1]: record.stack for record in records}
    had, used = _calls_of(part.before, stacks), _calls_of(part.tags, stacks)
    left: List[CallRecord] = []
    kept: Set[Stack] = {()}
    for record in records:
        call = record.stack[-1]
        if call in used or (call not in had and record.stack[:-1] in kept):
            left.append(record)
            kept.add(record.stack)
    return left


def _calls_of(tags: Sequence[Tag], stacks: Mapping[ModuleCall, Stack]) -> Set[ModuleCall]:
    """The calls that own a node, those that one stands for, and all above them."""
    found: Set[ModuleCall] = set()
    for tag in {id(tag): tag for tag in tags}.values():
        found.update(tag.stack)
        for call in tag.shared:
            found.update(stacks.get(call, ()))
    return found


def _values_now(calls: Sequence[CallRecord], renamed: Mapping[str, str]) -> List[CallRecord]:
    def now(values: Optional[Tuple[ValueRecord, ...]]) -> Optional[Tuple[ValueRecord, ...]]:
        return None if values is None else tuple([_value_now(each, renamed) for each in values])

    return [call._replace(inputs=now(call.inputs), outputs=now(call.outputs)) for call in calls]


def _value_now(value: ValueRecord, renamed: Mapping[str, str]) -> ValueRecord:
    if value.name is None:
        return value
    name = renamed.get(value.name)
    return value._replace(name=name) if name is not None else ValueRecord(value.place, None, _GONE)


_GONE = "rewritten"
"""Why a value is not there, as ``ValueRecord`` says it."""
