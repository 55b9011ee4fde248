"""htp.sensitivity: what each module of a quantised file costs, and which to leave as they were."""

import math
from typing import Any, FrozenSet, Iterator, List, Optional, Tuple

from htp.errors import HTPError
from htp.proving.keeping import Choice, keep
from htp.proving.pairs import INSIDE, Pair
from htp.proving.ranking import NotSwapped, Sensitivity, SensitivityRow
from htp.proving.trials import Metric, Score, Trials
from htp.proving.units import Units, units_of
from htp.steps import step

__all__ = ["TARGET", "sensitivity"]

TARGET = 0.8


def sensitivity(
    reference: Any,
    candidate: Any,
    samples: Any,
    metric: Optional[Metric] = None,
    *,
    target: float = TARGET,
) -> Sensitivity:
    """Rank the modules of a quantised or float16 file by what they cost its results.

    One module at a time is taken from the reference, and the whole is run. Then a short list is
    looked for that recovers a share of what was lost; it is tried together.

    Args:
        reference: the file in float: a ``TaggedModel``, or what ``htp.load`` takes.
        candidate: what a tool made of it; it needs no tags.
        samples: inputs: a dict of arrays, several, or a path (see docs/sensitivity.md).
        metric: a function of results, the higher the better; it gets a list with a dict of arrays
            for each sample. None is SQNR against the results of the reference.
        target: the share of what was lost that the list is to recover: of the noise, or of the
            difference that the metric finds between the files.

    Raises:
        HTPError: the samples don't fit, the target is no share, or onnxruntime is missing.
        InvalidModelError: a file cannot be read or run, or they are of different models.
    """
    if not 0 < target <= 1:
        raise HTPError(f"The target is a share, above 0 and up to 1; found {target!r}.")
    pair = Pair(reference, candidate)
    trials = Trials(pair, samples, metric)
    units = units_of(pair.one.circuit, pair.tags)
    return _Search(pair, trials, units, target).result()


class _Search:
    """One search."""

    def __init__(self, pair: Pair, trials: Trials, units: Units, target: float) -> None:
        self._pair, self._trials, self._units, self._target = pair, trials, units, target
        step("running the candidate")
        self._before = trials.score(frozenset())
        self._remarks: List[str] = list(pair.remarks)

    def result(self) -> Sensitivity:
        choices, rows, failed = self._alone()
        kept = keep(choices, self._recovers, self._target)
        nodes: FrozenSet[int] = frozenset().union(*(each.nodes for each in kept.choices))
        after = self._trials.score(nodes)
        if not rows or self._lost() == 0:
            self._remarks.append("nothing was lost: the results are those of the reference")
        elif kept.share < self._target:
            self._remarks.append("no list of the modules that can be swapped reaches the target")
        if self._units.unknown:
            count = len(self._units.unknown)
            self._remarks.append(f"{count} nodes have no known owner and stay as they are")
        return Sensitivity(
            tuple(sorted(rows, key=lambda row: -row.share)),
            tuple(dict.fromkeys(each.path for each in kept.choices)),
            frozenset(each.path for each in kept.choices if each.own),
            kept.share,
            self._target,
            sum(1 for own in self._units.own.values() if own <= nodes),
            len(self._units.own),
            self._value(self._before),
            self._value(after),
            "SQNR" if self._before.metric is None else "metric",
            tuple(failed),
            len(self._trials),
            self._trials.runs,
            tuple(self._remarks),
            self._pair.tagged,
        )

    def _everything(self) -> FrozenSet[int]:
        return frozenset().union(*self._units.own.values())

    def _alone(self) -> Tuple[List[Choice], List[SensitivityRow], List[NotSwapped]]:
        """Each module by itself."""
        types = {tag.path: tag.type for tag in self._pair.tags if tag.stack}
        choices: List[Choice] = []
        rows: List[SensitivityRow] = []
        failed = [NotSwapped(path, INSIDE) for path in self._pair.inside]
        parts = list(self._parts())
        for number, (path, own, nodes, size) in enumerate(parts):
            step("trying each module", number, len(parts), path or "(root)")
            try:
                score = self._trials.score(nodes)
            except HTPError as error:
                failed.append(NotSwapped(path, str(error).split("\n", 1)[0]))
                continue
            share = self._share(score)
            choices.append(Choice(path, own, nodes, size, share))
            effect = _gain(self._value(self._before), self._value(score))
            rows.append(SensitivityRow(path, own, types[path], effect, share, size))
        return choices, rows, failed

    def _parts(self) -> Iterator[Tuple[str, bool, FrozenSet[int], int]]:
        """What can be left: each module with all below, and the own operations of those above."""
        everything = self._everything()
        for path, nodes in self._units.whole.items():
            own = self._units.own[path]
            if nodes != everything:
                yield path, False, nodes, self._units.size(path)
            if own != nodes:
                yield path, True, own, 1

    def _recovers(self, nodes: FrozenSet[int]) -> Optional[float]:
        step("looking for a short list", what=f"run {self._trials.runs + 1}")
        try:
            return self._share(self._trials.score(nodes))
        except HTPError as error:
            self._remarks.append(f"a list could not be tried: {str(error).splitlines()[0]}")
            return None

    def _lost(self) -> float:
        """All that was lost: noise, or what the metric finds less of."""
        if self._before.metric is None or self._trials.reference is None:
            return self._before.noise
        return self._trials.reference - self._before.metric

    def _share(self, score: Score) -> float:
        lost = self._lost()
        if score.metric is not None and self._before.metric is not None:
            return (score.metric - self._before.metric) / lost if lost else 0.0
        if math.isinf(lost):
            return 0.0 if math.isinf(score.noise) else 1.0
        if math.isinf(score.noise):
            return -math.inf
        return 1 - score.noise / lost if lost else 0.0

    @staticmethod
    def _value(score: Score) -> float:
        return score.sqnr if score.metric is None else score.metric


def _gain(before: float, after: float) -> float:
    return 0.0 if before == after else after - before
