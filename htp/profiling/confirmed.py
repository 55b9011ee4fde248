"""What of a rewritten file the data flow confirms, though nodes were matched in another way.

A node that was told by its name is the very operation if it works on what that worked on. One that
was put in and only lays out a value stands for no operation: it belongs with what makes the value.

    tagged    LayerNormalization -> MatMul -> Add -> y
    made      LayerNormalization -> Reshape -> Gemm -> Reshape -> y       the first Reshape is
                                                                          LayerNormalization's
"""

from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Union

from htp.carry_report import CarriedNode
from htp.profiling.subject import Subject
from htp.scope import Evidence

__all__ = ["Carried", "laid_out", "told"]

_TOLD = (Evidence.KEPT, Evidence.STRUCTURE, Evidence.REGION)
"""How nodes are matched whose place between values that are known tells what they stand for."""

Carried = Sequence[Optional[CarriedNode]]
"""For which nodes of the tagged file those of the made one stand; None for what is not used."""


class _Files(NamedTuple):
    """Both files, and the nodes that are matched."""

    made: Subject
    given: Subject
    carried: Carried
    here: Set[int]
    homes: Set[int]


def told(made: Subject, given: Subject, carried: Carried) -> List[bool]:
    """For each node of the made file whether what it stands for is told, and no guess."""
    homes = {old for node in carried if node is not None for old in node.stands_for}
    here = {at for at, node in enumerate(carried) if node is not None and node.stands_for}
    files = _Files(made, given, carried, here, homes)
    found = []
    for place, node in enumerate(carried):
        if node is None or not node.stands_for:
            found.append(False)
        elif node.tag.evidence in _TOLD:
            found.append(True)
        else:
            found.append(_works_on_the_same(files, place, node.stands_for))
    return found


def _works_on_the_same(files: _Files, place: int, stands: Sequence[int]) -> bool:
    """Whether a node is of the operator of the one old node, and of the same data flow."""
    if len(stands) != 1:
        return False
    if files.made.flat.nodes[place].op != files.given.flat.nodes[stands[0]].op:
        return False
    now = _sources(files.made, place, files.here)
    makers: Set[Source] = {each for each in now if not isinstance(each, int)}
    for each in now:
        known = files.carried[each] if isinstance(each, int) else None
        makers.update(known.stands_for if known is not None else ())
    before = _sources(files.given, stands[0], files.homes)
    return len(before) == len(now) and all(each in makers for each in before)


Source = Union[int, str, None]
"""A node that makes a value, the name of an input, or None where nothing is known."""


def _sources(subject: Subject, node: int, known: Set[int]) -> List[Source]:
    """What makes the values on which a node works, behind what only lays them out."""
    flat, work = subject.flat, subject.work
    found: List[Source] = []
    for value in flat.inputs[node]:
        if value < 0 or not work.live[value]:
            continue
        maker, source = flat.maker[value], value
        while maker is not None and maker[0] not in known and work.moves(maker[0]):
            source = work.source(maker[0])
            maker = flat.maker[source] if source >= 0 else None
        if maker is None:
            found.append(flat.names[source] if source >= 0 else None)
        else:
            found.append(maker[0] if maker[0] in known else None)
    return found


def laid_out(made: Subject, given: Subject, carried: Carried, exact: Dict[int, bool]) -> None:
    """Say of nodes that were put in and lay out a value whether their owner is that of its maker.

    Args:
        made: the made file.
        given: the tagged one.
        carried: see ``told``.
        exact: for each node of the made file that has a kernel whether all operations are known
            for which that stands; nodes that lay out are added.
    """
    for place in made.flat.order:
        node = carried[place]
        if node is None or node.stands_for or not node.tag.stack or not made.work.moves(place):
            continue
        source = made.work.source(place)
        maker = made.flat.maker[source] if source >= 0 else None
        above = None if maker is None else carried[maker[0]]
        if above is None or maker is None or not exact.get(maker[0], False):
            continue
        own = {given.tags[old].stack for old in above.stands_for} or {above.tag.stack}
        exact[place] = node.tag.stack in {*own, above.tag.stack}
