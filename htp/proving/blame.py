"""Whose the errors are: from values that differ to a row for each module call.

A value is made by the innermost call that was running when PyTorch computed the tensor. Where nodes
of other calls lie between it and what is known before it, because the file does their work
together, the error may be theirs as well: they are the row's group.
"""

from typing import Callable, Dict, Iterable, List, Sequence, Set, Tuple

from htp.proving.borders import Border, Borders, Value
from htp.proving.compared import Compared, Comparison
from htp.proving.measure import Measure
from htp.proving.recorded import Recording
from htp.proving.verification import NotJudged, VerificationRow
from htp.scope import ModuleCall, Sharing, Tag

__all__ = ["Blame"]

_REASONS = {
    "fused": "what it returns exists only inside an operation that also does others' work",
    "folded": "what it returns was computed while exporting",
    "unread": "nothing reads what it returns, so the file does not compute it",
    "rewritten": "the exporter computes what it returns in another way",
    "ambiguous": "several values of the file may be what it returns",
    "body": "what it returns is inside the body of a control-flow operation",
    "untraced": "the exporter did not see what it returns",
    "untold": "the file does not say which value it returns",
    "unknown to the file": "the file does not know of this call",
}


class Blame:
    """Makes rows of what was compared.

    Args:
        comparison: the values.
        recording: what PyTorch did.
        borders: which value is which tensor.
        tags: of the nodes of the file as it runs, made when they are asked for.
    """

    def __init__(
        self,
        comparison: Comparison,
        recording: Recording,
        borders: Borders,
        tags: Callable[[], Sequence[Tag]],
    ) -> None:
        self._values, self._apart = comparison.values, comparison.apart
        self._recording, self._borders, self._tags = recording, borders, tags
        self._made: Dict[int, List[Compared]] = {}
        for value in self._values.values():
            self._made.setdefault(self._maker(value), []).append(value)
        named = {value.tensor for value in self._values.values()}
        tensors = enumerate(recording.tensors)
        self._lost = {seen.maker for number, seen in tensors if number not in named}

    def _maker(self, value: Compared) -> int:
        """The call whose operations compute a value; of what was there before, who takes it."""
        tensor = value.tensor if value.instead is None else value.instead
        maker = self._recording.tensors[tensor].maker
        if maker >= 0:
            return maker
        for number, border in enumerate(self._borders.rows):
            if any(taken.tensor == value.tensor for taken in border.taken):
                return number
        return 0

    def rows(self) -> Tuple[List[VerificationRow], List[NotJudged]]:
        """A row for each call that can be judged, as they were made, and the other calls."""
        rows: List[VerificationRow] = []
        others: List[NotJudged] = []
        for number, border in enumerate(self._borders.rows):
            given = self._known(border.given)
            made = self._made.get(number, [])
            if given or made:
                rows.append(self._row(border.call, given, made))
            else:
                others.append(NotJudged(border.call, self._why_not(number, border)))
        others += [
            NotJudged(call, "it was not heard while PyTorch ran") for call in self._borders.unseen
        ]
        return rows, others

    def _known(self, values: Iterable[Value]) -> List[Compared]:
        names = dict.fromkeys(value.name for value in values if value.name in self._values)
        return [self._values[name] for name in names if name is not None]

    def _row(
        self, call: ModuleCall, given: Sequence[Compared], made: Sequence[Compared]
    ) -> VerificationRow:
        shown = given or made
        wrong = [value for value in made if _arises(value, self._values)]
        measured = [value for value in made if value.alone is not None]
        own = None
        if measured:
            worst = max(measured, key=lambda value: value.by_itself)
            own = worst.alone
        elif made and not any(value.failed for value in made):
            own = max((value.whole for value in made), key=lambda each: each.max_abs)
        diverges = bool(wrong) or any(value.diverges for value in (*given, *made))
        group = self._group(call, wrong) if wrong else ()
        worst_shown = max(shown, key=lambda value: value.excess)
        return VerificationRow(
            call,
            _together(value.whole for value in shown),
            own,
            worst_shown.allowed,
            worst_shown.excess,
            diverges,
            bool(wrong),
            group,
            _reason(wrong, made, self._values) if diverges else "",
        )

    def _group(self, call: ModuleCall, values: Sequence[Compared]) -> Tuple[ModuleCall, ...]:
        """The other calls whose nodes are between a call's values and what is known before."""
        found: Dict[ModuleCall, None] = {}
        for value in values:
            if not _computes(value):
                found.update(dict.fromkeys(self._folded(value)))
            elif self._tags():
                for number in value.behind:
                    found.update(dict.fromkeys(self._calls(self._tags()[number])))
        return tuple(each for each in found if each != call)

    def _folded(self, value: Compared) -> Iterable[ModuleCall]:
        """The calls below that of a value which the file holds, whose own results are gone."""
        calls = self._recording.calls
        above = calls[self._maker(value)].stack
        for seen in self._recording.tensors[: value.tensor]:
            stack = calls[seen.maker].stack if seen.maker >= 0 else ()
            if seen.maker in self._lost and stack[: len(above)] == above != stack:
                yield stack[-1]

    def _calls(self, tag: Tag) -> Iterable[ModuleCall]:
        """The calls whose work a node does.

        The common ancestor of what was fused has done no work of its own, if it made no tensor that
        is gone, and the others are several.
        """
        if tag.sharing is Sharing.FUSED and len(tag.shared) > 1:
            lost = {self._recording.calls[number].call for number in self._lost if number >= 0}
            return [*([tag.owner] if tag.owner in lost else ()), *tag.shared]
        shared = tag.shared if tag.sharing is not Sharing.MERGED else ()
        return [*tag.stack[-1:], *shared]

    def _why_not(self, number: int, border: Border) -> str:
        if any(call in self._recording.closed for call in self._above(number)):
            return "it runs inside a call that fails when somebody listens"
        for value in border.given:
            if value.name in self._apart:
                return f"what it returns looks otherwise: {self._apart[value.name]}"
        if any(value.name is not None for value in border.given):
            return "what it returns is not among the values of the file as it runs"
        for value in border.given:
            if value.reason:
                return _REASONS.get(value.reason, value.reason)
        return "it returned no tensor"

    def _above(self, number: int) -> Set[int]:
        stack = self._recording.calls[number].stack
        return {n for n, seen in enumerate(self._recording.calls) if seen.stack[-1] in stack[:-1]}


def _computes(value: Compared) -> bool:
    return bool(value.behind)


def _arises(value: Compared, values: Dict[str, Compared]) -> bool:
    """Whether the error of a value begins in its own nodes."""
    if value.alone is not None:
        return value.is_wrong
    return bool(value.failed) and value.diverges and _inputs_agree(value, values)


def _inputs_agree(value: Compared, values: Dict[str, Compared]) -> bool:
    return not any(values[name].diverges for name in value.reads if name in values)


def _reason(
    wrong: Sequence[Compared], made: Sequence[Compared], values: Dict[str, Compared]
) -> str:
    if not wrong:
        return (
            "its own operations are right when they get what they should"
            if made
            else "it computes nothing itself"
        )
    value = max(wrong, key=lambda each: max(each.by_itself, each.excess))
    if value.alone is None:
        return "in the run of the whole its inputs agree and what it computes does not"
    if not _computes(value):
        return f"the file holds {_figure(value.alone)} other numbers than PyTorch computes"
    said = f"from PyTorch's own inputs its operations compute what is {_figure(value.alone)} off"
    if _inputs_agree(value, values):
        return f"{said}, and in the run of the whole its inputs agree"
    return f"{said}, though its inputs were wrong already"


def _figure(measure: Measure) -> str:
    return f"up to {measure.max_abs:.2g}"


def _together(measures: Iterable[Measure]) -> Measure:
    found = Measure()
    for each in measures:
        found = found.with_(each)
    return found
