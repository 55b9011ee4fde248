"""Parts of several modules: a range of them, all but some, and a model in two halves.

What such a part takes and gives follows from the graph alone:

    range:    whatever was called from the first to the last, and what lies on the way between
    without:  the modules that are left out, and all that needs what they give
    split:    the second half is the module and all that needs what it gives
"""

from typing import Dict, FrozenSet, Iterable, List, Optional, Sequence, Set, Tuple

from htp.errors import ExtractionError, HTPError
from htp.file.document import text_of
from htp.graph.records import ValueRecord
from htp.scope import ModuleCall
from htp.use.calls import Found
from htp.use.extracting.extractor import Cut, Extractor
from htp.use.extracting.graphs import MAIN
from htp.use.extracting.wish import Wish
from htp.use.modules import Modules, Names, Wanted

__all__ = ["between", "several", "split", "without"]


def several(extractor: Extractor, found: Sequence[Found], name: str) -> Cut:
    """Cut out several modules as one part.

    Raises:
        ExtractionError: they cannot be cut out.
    """
    owned = [extractor.owners.of(*each) for each in found]
    own = frozenset().union(*(each.own or each.merged for each in owned))
    fused = frozenset().union(*(each.fused for each in owned)) - own
    return extractor.part(_wish(extractor, name, own, fused))


def between(extractor: Extractor, first: Found, last: Found) -> Cut:
    """Cut out what was called from one module to another, and what lies on the way.

    Raises:
        HTPError: the second does not come after the first.
        ExtractionError: they cannot be cut out.
    """
    name = f"{first.call}..{last.call}"
    called = _called_between(first, last)
    flow = _Flow(extractor)
    owned = [extractor.owners.of(call, first.origin) for call in called]
    ends = [extractor.owners.of(*each) for each in (first, last)]
    if not all(each.own for each in ends):
        raise ExtractionError(f"{name!r} cannot be cut out: an end has no node.", reason="none")
    own = frozenset().union(*(each.own for each in (*owned, *ends)))
    own = flow.main(own)
    own |= flow.below(flow.main(ends[0].own)) & flow.above(flow.main(ends[1].own))
    fused = frozenset().union(*(each.fused for each in owned)) - own
    return extractor.part(_wish(extractor, name, own, fused))


def _called_between(first: Found, last: Found) -> List[ModuleCall]:
    """The calls from the first to the last, those above either left out."""
    if first.origin is None or last.origin is not first.origin:
        raise HTPError(
            "The file does not say in which order its modules were called.",
            "name each of them.",
        )
    calls = [call for call, _ in first.origin.calls]
    depths = [depth for _, depth in first.origin.calls]
    start, end = calls.index(first.call), calls.index(last.call)
    if end < start:
        raise HTPError(
            f"{str(last.call)!r} is called before {str(first.call)!r}.", "name the earlier first."
        )
    stop = next((at for at in range(end + 1, len(calls)) if depths[at] <= depths[end]), len(calls))
    above: Dict[int, int] = {depth: at for at, depth in enumerate(depths[: end + 1])}
    over = {above[depth] for depth in range(depths[end])}
    return [calls[at] for at in range(start, stop) if at not in over]


def without(extractor: Extractor, left: Names, found: Sequence[Found]) -> Cut:
    """Cut out everything, or some modules, but for others and all that needs what they give.

    Raises:
        UnknownModuleError: a pattern names no module.
        ExtractionError: nothing is left, or it cannot be cut out.
    """
    flow = _Flow(extractor)
    wanted = Wanted(Modules(extractor.owners.tags, extractor.file.origins), [], None, left)
    goes = [at for at, tag in enumerate(extractor.owners.tags) if not wanted.takes(tag)]
    gone = flow.main(goes)
    gone |= flow.below(gone)
    own = frozenset(flow.all)
    if found:
        own = flow.main(at for each in found for at in extractor.owners.of(*each).own)
    own -= gone
    names = [left] if isinstance(left, str) else list(left or ())
    base = ", ".join(str(each.call) for each in found)
    name = f"{base or '(all)'} without {', '.join(names)}"
    if not own - extractor.graphs.constant:
        raise ExtractionError(f"{name!r} cannot be cut out: nothing is left.", reason="none")
    cut = extractor.part(_wish(extractor, name, own, frozenset()))
    lost = [each for each in _results(extractor) if _made_by(extractor, each) in gone]
    return cut.remarking(f"{each!r} needs what was left out, and is not given" for each in lost)


def split(extractor: Extractor, at: Found) -> Tuple[Cut, Cut]:
    """Cut a file in two before a module: what does not need what it gives, and the rest.

    Raises:
        ExtractionError: one half would be empty, or it cannot be cut out.
    """
    flow = _Flow(extractor)
    owned = extractor.owners.of(*at)
    start = flow.main(owned.own)
    if not start - extractor.graphs.constant:
        why = "its work is done together with others'" if owned.fused else "it has no node"
        raise _whole(at, why)
    second = start | flow.below(start)
    first = frozenset(flow.all) - second
    results = _results(extractor)
    ends = [name for name in results if _made_by(extractor, name) not in first]
    wish = _wish(extractor, f"from {at.call}", second, frozenset(), _records(ends))
    behind = extractor.part(wish)
    made = [name for name in behind.inputs if _made_by(extractor, name) in first]
    made += [name for name in results if name not in ends and name not in made]
    if not made:
        raise _whole(at, "nothing lies before it")
    wish = _wish(extractor, f"before {at.call}", first, frozenset(), _records(made))
    return extractor.part(wish), behind


def _whole(at: Found, why: str) -> ExtractionError:
    return ExtractionError(
        f"The model cannot be split at {str(at.call)!r}: {why}.",
        "choose a module that has nodes of its own, and that the model does not begin with.",
        reason="none",
    )


def _wish(
    extractor: Extractor,
    name: str,
    own: FrozenSet[int],
    fused: FrozenSet[int],
    outputs: Optional[Tuple[ValueRecord, ...]] = None,
) -> Wish:
    calls = tuple(extractor.owners.within(own))
    return Wish(name, calls, own, fused=fused, outputs=outputs, alone=False)


def _records(names: Iterable[str]) -> Tuple[ValueRecord, ...]:
    return tuple(ValueRecord((), name) for name in names)


def _results(extractor: Extractor) -> List[str]:
    return [text_of(value.name) for value in extractor.graphs.places[MAIN].graph.output]


def _made_by(extractor: Extractor, name: str) -> Optional[int]:
    source = extractor.graphs.find(name, MAIN)
    return None if source is None else source.node


class _Flow:
    """Which nodes of the main graph need what others make."""

    def __init__(self, extractor: Extractor) -> None:
        self._graphs, self._readers = extractor.graphs, extractor.readers()
        self.all = [at for at, place in enumerate(self._graphs.home) if place == MAIN]

    def main(self, nodes: Iterable[int]) -> FrozenSet[int]:
        """The nodes of the main graph that these are or stand in."""
        found = (self._graphs.standing_in(at, MAIN) for at in nodes)
        return frozenset(at for at in found if at is not None)

    def below(self, nodes: Iterable[int]) -> FrozenSet[int]:
        """The nodes that need what some make."""
        found: Set[int] = set()
        pending = list(nodes)
        while pending:
            for name in self._graphs.nodes[pending.pop()].output:
                new = set(self._readers.get((MAIN, name), ())) - found - {-1}
                found |= new
                pending += new
        return frozenset(found)

    def above(self, nodes: Iterable[int]) -> FrozenSet[int]:
        """The nodes that make what some need."""
        found: Set[int] = set()
        pending = list(nodes)
        while pending:
            for name in self._graphs.reads[pending.pop()]:
                source = self._graphs.find(name, MAIN)
                if source is not None and source.node is not None and source.node not in found:
                    found.add(source.node)
                    pending.append(source.node)
        return frozenset(found)
