"""Running candidates over samples, and telling how far their results are from the reference's."""

import math
from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence

from htp.errors import HTPError
from htp.proving.measure import Measure, measure
from htp.proving.pairs import Pair
from htp.proving.swapping import Swapper
from htp.proving.verification import Tolerance
from htp.running.prepared import joined
from htp.running.samples import samples_of
from htp.running.session import AS_IT_IS, opened
from htp.steps import step

__all__ = ["Metric", "Results", "Score", "Trials"]

Results = List[Dict[str, Any]]
"""For each sample the results by their names in the reference."""
Metric = Callable[[Results], float]
"""The caller's own measure of results: the higher, the better."""


class Score(NamedTuple):
    """How far the results of a candidate are from the reference's.

    Attributes:
        outputs: for each result that can be compared how far it is, over all samples.
        metric: what the caller's own measure says; None where there is none.
    """

    outputs: Dict[str, Measure]
    metric: Optional[float] = None

    @property
    def noise(self) -> float:
        """Noise in relation to the signal, the mean of the results; infinite where one is NaN."""
        shares = [
            math.inf if each.apart else each.noise / each.signal if each.signal else each.noise
            for each in self.outputs.values()
        ]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def sqnr(self) -> float:
        """The same in decibels."""
        noise = self.noise
        return (
            -10 * math.log10(noise) if 0 < noise < math.inf else math.inf if not noise else -noise
        )

    def breaks(self, tolerance: Tolerance) -> bool:
        """Whether a result is further away than that."""
        return any(each.apart or tolerance.broken_by(each) for each in self.outputs.values())


class Trials:
    """Runs the reference once, and candidates as often as they are asked for.

    Args:
        pair: the two files.
        samples: in any form.
        metric: the caller's own measure.

    Attributes:
        runs: how many candidates were run.
        reference: what the caller's measure says of the reference.

    Raises:
        HTPError: there are no samples, they don't fit, or the reference cannot be run.
    """

    def __init__(self, pair: Pair, samples: Any, metric: Optional[Metric] = None) -> None:
        self._pair, self._metric = pair, metric
        self.swapper = Swapper(pair)
        self._samples = samples_of(samples, pair.one.inputs)
        session = opened(joined(pair.one.apart), AS_IT_IS)
        self._wanted = []
        for number, feeds in enumerate(self._samples):
            step("running the reference", number, len(self._samples))
            self._wanted.append(session.run(feeds))
        self.reference = None if metric is None else float(metric(self._wanted))
        self.compared = _comparable(self._wanted[0])
        self.runs = 0
        self._known: Dict[FrozenSet[int], Score] = {}

    def __len__(self) -> int:
        return len(self._samples)

    def score(self, chosen: FrozenSet[int]) -> Score:
        """How the candidate does with these nodes of the reference.

        Raises:
            RefusedError: they cannot be swapped.
            HTPError: what came of it cannot be run.
        """
        known = self._known.get(chosen)
        if known is None:
            known = self._known[chosen] = self._score(chosen)
        return known

    def _score(self, chosen: FrozenSet[int]) -> Score:
        session = opened(self.swapper.swapped(chosen), AS_IT_IS)
        self.runs += 1
        names = {self._pair.names[name]: name for name in self._pair.one.outputs}
        inputs = {self._pair.names[name]: name for name in self._samples[0]}
        measures = {name: Measure() for name in self.compared}
        kept: Results = []
        for number, feeds in enumerate(self._fed(session.inputs, inputs)):
            found = {names[name]: array for name, array in session.run(feeds).items()}
            for name, before in measures.items():
                measures[name] = before.with_(self._measure(number, name, found[name]))
            if self._metric is not None:
                kept.append(found)
        return Score(measures, None if self._metric is None else float(self._metric(kept)))

    def _fed(self, inputs: Any, names: Dict[str, str]) -> Sequence[Dict[str, Any]]:
        renamed = [{name: feeds[names[name]] for name in inputs} for feeds in self._samples]
        return samples_of(renamed, inputs)

    def _measure(self, sample: int, name: str, array: Any) -> Measure:
        wanted = self._wanted[sample][name]
        if wanted.shape != array.shape:
            raise HTPError(
                f"The result {name!r} has the shape {list(array.shape)} in the candidate, and "
                f"{list(wanted.shape)} in the reference.",
                "give two files of one model.",
            )
        return measure(wanted, array)


def _comparable(results: Dict[str, Any]) -> List[str]:
    """The results with fractions; where there are none, all that are numbers.

    Raises:
        HTPError: there are none of these either.
    """
    kinds = {name: getattr(each, "dtype", None) for name, each in results.items()}
    numbers = [name for name, kind in kinds.items() if kind is not None and kind.kind in "biuf"]
    fractions = [name for name in numbers if results[name].dtype.kind == "f"]
    if not numbers:
        raise HTPError("The model gives no numbers that could be compared.", "give another model.")
    return fractions or numbers
