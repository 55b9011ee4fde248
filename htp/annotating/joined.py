"""All sources together: a row for each, the most telling first."""

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from htp.annotating.calls import stacks_of
from htp.annotating.class_chains import by_forerunner, by_winml
from htp.annotating.flow import by_flow, readers_of
from htp.annotating.meeting import met_in
from htp.annotating.node_names import by_names
from htp.annotating.parameters import alike, by_contents, by_parameter_names, named
from htp.annotating.subject import CONTENTS, METADATA, NAMES, NODES, Subject, Told, Types
from htp.annotating.torch_metadata import by_torch
from htp.scope import UNKNOWN, Owner, Provenance, Stack, Tag
from htp.steps import step

__all__ = ["FLOW", "SOURCES", "Annotated", "Source", "annotated"]


class Source(NamedTuple):
    """One source.

    Attributes:
        name: how it is called.
        tells: which modules, in words.
        read: what it tells of nodes, by place; the classes of modules are added to the second.
    """

    name: str
    tells: str
    read: Callable[[Subject, Types], Dict[int, Told]]


SOURCES: Tuple[Source, ...] = (
    Source(METADATA, "paths and classes", by_torch),
    Source(
        NODES,
        "paths, and calls apart",
        lambda subject, _: by_names(subject, {**alike(subject), **named(subject)}),
    ),
    Source("WinML's tags", "classes", by_winml),
    Source("hierarchy_tag", "classes", by_forerunner),
    Source(NAMES, "whose weights are read", lambda subject, _: by_parameter_names(subject)),
    Source(CONTENTS, "whose weights are read", lambda subject, _: by_contents(subject)),
)
"""In the order in which they are asked: what one tells of a node, those behind it don't change."""

FLOW = "data flow"


class Annotated(NamedTuple):
    """What came of it.

    Attributes:
        tags: of every node in document order.
        sources: the name of the source that told each of them; ``""`` where none did.
    """

    tags: Sequence[Tag]
    sources: Sequence[str]


def annotated(
    subject: Subject, sources: Sequence[Source] = SOURCES, flow: bool = True
) -> Annotated:
    """The tags of every node: ``inferred``, or unknown.

    Args:
        subject: what is annotated.
        sources: those that are asked.
        flow: whether data flow is asked at last.
    """
    types: Types = {} if subject.modules is None else subject.modules.types
    told: List[Optional[Told]] = [None] * len(subject.nodes)
    names = [""] * len(subject.nodes)
    for number, source in enumerate(sources):
        step("asking", number, len(sources), source.name)
        for at, each in source.read(subject, types).items():
            if told[at] is None:
                told[at], names[at] = each, source.name
    met = met_in(subject, told, names, frozenset(source.name for source in sources))
    for at, pair in met.items():
        told[at], names[at] = pair.told, pair.source
    step("telling calls apart")
    stacks = _stacks(subject, told, types)
    owners: List[Optional[Owner]] = [None if each is None else Owner(each) for each in stacks]
    for at, pair in met.items():
        stack = stacks[at]
        if stack is not None:
            owners[at] = Owner.fused((stack, pair.beside(subject, stack, types)))
    doubtful = {at for at, pair in met.items() if pair.told is None}
    for at, owner in by_flow(subject.index, stacks, subject.computes).items() if flow else ():
        if at not in doubtful:
            owners[at], names[at] = owner, FLOW
    tags = [UNKNOWN if each is None else Tag.of(each, Provenance.INFERRED) for each in owners]
    return Annotated(tags, [name if tag.stack else "" for name, tag in zip(names, tags)])


def _stacks(
    subject: Subject, told: Sequence[Optional[Told]], types: Types
) -> List[Optional[Stack]]:
    modules, index, nodes = subject.modules, subject.index, subject.nodes
    place = {id(node): at for at, node in enumerate(nodes)}

    def helps(at: int) -> Optional[Sequence[int]]:
        if subject.computes(at):
            return None
        return [place[id(each)] for each in readers_of(index, nodes[at])]

    def same(path: str) -> str:
        return path if modules is None else modules.all[path].first

    return stacks_of(told, helps, same, lambda path: types.get(path, ""))
