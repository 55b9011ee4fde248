"""Which values of two files tell of which module call, and what they say of it."""

from typing import Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from htp.file.origin import Origin
from htp.proving.beside import Found
from htp.proving.circuit import Circuit
from htp.proving.measure import Measure
from htp.proving.regions import Regions
from htp.proving.verification import NotJudged, VerificationRow
from htp.scope import ModuleCall, Stack, Tag

__all__ = ["Calls"]


class Calls:
    """The module calls of the reference, and the values at their borders.

    What a call takes and gives is what the capture recorded, and what its nodes read of others and
    others of them.

    Args:
        origins: of the reference.
        circuit: its main graph.
        tags: of its nodes.
        names: for each value of the reference that the candidate has, its name there.
        there: the candidate as it runs.

    Attributes:
        values: the values at borders, each with its name in the candidate.
    """

    def __init__(
        self,
        origins: Sequence[Origin],
        circuit: Circuit,
        tags: Sequence[Tag],
        names: Mapping[str, str],
        there: Circuit,
    ) -> None:
        self._circuit, self._tags = circuit, tags
        self._given: Dict[ModuleCall, Dict[str, None]] = {}
        taken: Dict[str, None] = {}
        for origin in origins:
            for record in origin.records():
                outputs = [value.name for value in record.outputs or () if value.name]
                self._given.setdefault(record.stack[-1], {}).update(dict.fromkeys(outputs))
                taken.update((value.name, None) for value in record.inputs or () if value.name)
        regions = Regions(circuit, names)
        for call, nodes in _nodes_of(tags).items():
            given = self._given.setdefault(call, {})
            given.update(dict.fromkeys(regions.of(frozenset(nodes)).given))
        for given in self._given.values():
            taken.update(given)
        self.values = {
            name: names[name]
            for name in taken
            if name in circuit.made_by and names.get(name) in there.made_by
        }

    def rows(self, found: Mapping[str, Found]) -> Tuple[List[VerificationRow], List[NotJudged]]:
        """A row for each call that can be judged, in the order of the graph, and the others."""
        made: Dict[ModuleCall, List[str]] = {}
        for name in found:
            stack = self._tags[self._circuit.made_by[name]].stack
            if stack:
                made.setdefault(stack[-1], []).append(name)
        rows: List[VerificationRow] = []
        others: List[NotJudged] = []
        for call, given in self._given.items():
            shown = [name for name in given if name in found]
            if shown or call in made:
                rows.append(self._row(call, shown, made.get(call, []), found))
            else:
                others.append(NotJudged(call, self._why_not(given)))
        return rows, others

    def _row(
        self,
        call: ModuleCall,
        given: Sequence[str],
        made: Sequence[str],
        found: Mapping[str, Found],
    ) -> VerificationRow:
        shown = [found[name] for name in (given or made)]
        wrong = [name for name in made if found[name].arises]
        alone = [found[name] for name in made if found[name].alone is not None]
        worst = max(alone, key=lambda each: each.own_excess, default=None)
        most = max(shown, key=lambda each: each.excess)
        diverges = bool(wrong) or any(each.diverges for each in shown)
        return VerificationRow(
            call,
            _together(each.whole for each in shown),
            None if worst is None else worst.alone,
            most.allowed,
            most.excess,
            diverges,
            bool(wrong),
            self._group(call, wrong, set(found)),
            self._reason(wrong, made, found) if diverges else "",
        )

    def _group(
        self, call: ModuleCall, wrong: Sequence[str], known: Set[str]
    ) -> Tuple[ModuleCall, ...]:
        """The other calls whose nodes are between wrong values and what is known before them."""
        others: Dict[ModuleCall, None] = {}
        for name in wrong:
            for number in self._circuit.behind(name, known)[0]:
                others.update(dict.fromkeys(self._tags[number].stack[-1:]))
        others.pop(call, None)
        return tuple(others)

    def _reason(self, wrong: Sequence[str], made: Sequence[str], found: Mapping[str, Found]) -> str:
        if not wrong:
            if not made:
                return "it computes nothing itself"
            failed = next((found[name].failed for name in made if found[name].failed), "")
            return failed or "its own operations are right when they get what they should"
        worst = max((found[name] for name in wrong), key=lambda each: each.own_excess)
        far = (worst.alone or worst.whole).max_abs
        return f"from the reference's own inputs its operations compute what is up to {far:.2g} off"

    def _why_not(self, given: Iterable[str]) -> str:
        lost = next((name for name in given), None)
        if lost is None:
            return "it gives no value that the file computes"
        return f"the candidate has not {lost!r}, which it gives, or in another form"


def _nodes_of(tags: Sequence[Tag]) -> Dict[ModuleCall, List[int]]:
    """The nodes of each call and of those that it makes, calls in the order of the graph."""
    found: Dict[ModuleCall, List[int]] = {}
    for number, tag in enumerate(tags):
        stack: Stack = tag.stack
        for call in stack:
            found.setdefault(call, []).append(number)
    return found


def _together(measures: Iterable[Measure]) -> Measure:
    found = Measure()
    for each in measures:
        found = found.with_(each)
    return found
