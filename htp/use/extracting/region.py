"""What belongs to a part: from the values that it gives back to those that it takes.

The results of a module call are known from the capture, and so are its arguments. What lies between
is the module, whatever was merged or moved. Constants are part of whatever reads them:

    x -> a.add -> h -> a.mul -> y            a: takes x, gives y
              weight w, constant c -^

Where the capture knows nothing, what the call's own nodes make and others read is what it gives,
and what they read and do not make is what it takes.
"""

from typing import Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple

from htp.file.document import text_of
from htp.graph.records import ValueRecord
from htp.use.extracting.graphs import Graphs, Key, Readers, Source
from htp.use.extracting.sizes import Sizes
from htp.use.extracting.slices import Slice
from htp.use.extracting.wish import RefusedError, Wish

__all__ = ["Region", "region"]


class Region(NamedTuple):
    """A part as a set of nodes and values.

    Attributes:
        place: the number of the graph that it is cut out of.
        slice: its nodes, and what they read.
        given: for each value that it gives, where it comes from; None where it has none.
        taken: likewise.
        outputs: what it gives, as far as that is known; those of the graph have no place.
        inputs: what it takes, as far as the capture knew.
        left: those of it that are sizes and can be made from the rest.
    """

    place: int
    slice: Slice
    given: Tuple[Optional[Source], ...]
    taken: Tuple[Optional[Source], ...]
    outputs: Tuple[ValueRecord, ...]
    inputs: Tuple[ValueRecord, ...]
    left: FrozenSet[Key] = frozenset()


Drop = Callable[[Source, Sequence[Source]], bool]


def region(graphs: Graphs, wish: Wish, readers: Readers, drop: Drop, sizes: Sizes) -> Region:
    """What belongs to a part.

    Args:
        graphs: of the file.
        wish: what is to be cut out.
        readers: gives who reads each value.
        drop: whether a value that it takes is a size that can be made anew from the others.
        sizes: how sizes follow from shapes.

    Raises:
        RefusedError: it cannot be cut out.
    """
    _refuse_fused(wish.inputs, "takes")
    told = _told(graphs, wish)
    if told is None:
        place, results = _border(graphs, wish, readers())
        outputs = tuple(ValueRecord((), source.name) for source in results)
        given: Tuple[Optional[Source], ...] = tuple(results)
    else:
        place, given = told
        outputs = wish.outputs or ()
    inputs = wish.inputs or ()
    taken = [None if v.name is None else graphs.find(v.name, place) for v in inputs]
    known = [each for each in taken if each is not None]
    left = frozenset((each.graph, each.name) for each in known if drop(each, known))
    stops = frozenset((each.graph, each.name) for each in known) - left
    found = Slice(graphs, wish, stops, sizes)
    found.take([each for each in given if each is not None])
    if wish.alone:
        strange = [each for each in found.strange.values() if not sizes.is_size(each)]
        _refuse_bypassed(graphs, strange, known)
        _refuse_unsure(strange, inputs)
    return Region(place, found, given, tuple(taken), outputs, inputs, left)


def _refuse_bypassed(graphs: Graphs, strange: Sequence[Source], known: Sequence[Source]) -> None:
    """What it reads is that of which an argument is made: an operation went over its border.

    others:  y -> Transpose -> x      the module: x -> Transpose -> ...     now it reads y
    """
    left = {(each.graph, each.name) for each in strange}
    pending = list(known) if left else []
    seen: Set[Key] = set()
    while pending:
        source = pending.pop()
        for each in [] if source.node is None else graphs.sources(source.node):
            key = (each.graph, each.name)
            if key in left:
                why = f"it reads {each.name!r}, of which its argument {source.name!r} is made"
                raise RefusedError("fused", f"{why}: an operation was merged over its border")
            if key not in seen:
                seen.add(key)
                pending.append(each)


def _refuse_unsure(strange: Sequence[Source], inputs: Sequence[ValueRecord]) -> None:
    """Where an argument is gone, what it reads of others may be that, or what became of it."""
    lost = [v for v in inputs if v.name is None and v.reason in _LOST and v.kind is None]
    if strange and lost:
        place = ".".join(lost[0].place)
        raise RefusedError("rewritten", f"its argument {place} is not in the file any more")


_LOST = ("rewritten", "ambiguous", "untraced")


def _refuse_fused(values: Optional[Sequence[ValueRecord]], what: str) -> None:
    gone = [value for value in values or () if value.name is None and value.kind is None]
    if any(value.reason == "fused" for value in gone):
        raise RefusedError("fused", f"what it {what} lies between operations that are one now")
    if any(value.reason == "cut" for value in values or ()):
        raise RefusedError("cut", "this file is itself a part, and holds only some of it")


def _told(graphs: Graphs, wish: Wish) -> "Optional[Tuple[int, Given]]":
    """The graph in which its results stand, and those; None where the graph has to tell."""
    if not wish.outputs:
        return None
    _refuse_fused(wish.outputs, "gives")
    found = [[] if value.name is None else graphs.made_in(value.name) for value in wish.outputs]
    if not any(found):
        reasons = {value.reason for value in wish.outputs}
        reason = next((each for each in _NOTHING if each in reasons), "rewritten")
        raise RefusedError(reason, _NOTHING[reason])
    place = _place(graphs, wish, [each for each in found if each])
    given = tuple(
        None if value.name is None else graphs.find(value.name, place) for value in wish.outputs
    )
    if any(there and source is None for there, source in zip(found, given)):
        raise RefusedError("body", "what it gives stands in several bodies")
    return place, given


Given = Tuple[Optional[Source], ...]


_NOTHING = {
    "rewritten": "nothing in the file is known to be what it gives",
    "unread": "nothing reads what it gives, so it was dropped",
    "folded": "what it gives was computed when the model was exported",
    "body": "it stands in a body that is there for several calls",
}


def _place(graphs: Graphs, wish: Wish, found: Sequence[Sequence[Source]]) -> int:
    """The innermost graph in which one of the results is made, by a node of the part if several."""
    best: List[int] = []
    for sources in found:
        mine = [each for each in sources if each.node in wish.own or each.node in wish.merged]
        best.append((mine or list(sources))[0].graph)
    return max(best, key=lambda place: len(graphs.within(place)))


def _border(graphs: Graphs, wish: Wish, readers: Dict[Key, List[int]]) -> Tuple[int, List[Source]]:
    """The graph in which its nodes stand, and what they make and others read."""
    mine = sorted(wish.own or wish.merged)
    place = graphs.home[mine[0]]
    while any(graphs.standing_in(at, place) is None for at in mine):
        place = graphs.places[place].above
    outer = dict.fromkeys(graphs.standing_in(at, place) for at in mine)
    if any(at not in wish.own and at not in wish.merged for at in outer):
        raise RefusedError("body", "its nodes stand in several bodies")
    made = [
        Source(name, place, at)
        for at in outer
        for name in map(text_of, graphs.nodes[at or 0].output)
        if any(reader not in outer for reader in readers.get((place, name), ()))
    ]
    reading = {reader for each in made for reader in readers[(place, each.name)]}
    fused = wish.fused.intersection(reading)
    if fused:
        raise RefusedError("fused", "some of its work is done by a node together with others'")
    constant = graphs.constant
    computed = [
        each
        for each in made
        if each.node not in constant or (not wish.alone and -1 in readers[(place, each.name)])
    ]
    if not made:
        raise RefusedError("unread", "nothing reads what its nodes compute")
    return place, computed or made
