"""The values of a file beside the tensors of PyTorch: how far each is, in the whole and alone."""

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from htp.errors import HTPError
from htp.proving.borders import Borders
from htp.proving.measure import Measure, measure
from htp.proving.narrowing import Narrowing
from htp.proving.pieces import BUDGET, Bench
from htp.proving.recorded import Recording
from htp.proving.running import AsItRuns
from htp.proving.segments import Segments
from htp.proving.tape import Tape
from htp.proving.tolerances import Tolerances, saturated
from htp.proving.verification import Tolerance
from htp.steps import step

__all__ = ["Compared", "Comparison"]

MOST = 8
"""Wrong values that are looked into: more are no single mistakes, as in a quantised file."""


@dataclass
class Compared:
    """One value of the file beside the tensor that it should be.

    Attributes:
        name: the value.
        tensor: the tensor's number in the recording.
        dtype: the type of its elements in the file.
        whole: how far it is when the file is run.
        behind: the nodes that compute it from others that are known, as numbers in the circuit.
        reads: those others.
        allowed: how far it may be.
        excess: how far it is when the file is run, in relation to that.
        alone: how far it is when these nodes get what they should; None where nobody looked.
        by_itself: the same in relation to what is allowed.
        failed: why nobody could look.
        instead: the tensor that is wrong in its place, which has no name in the file; see
            ``Narrowing``.
    """

    name: str
    tensor: int
    dtype: Any
    whole: Measure
    behind: Sequence[int]
    reads: Sequence[str]
    allowed: Tolerance
    excess: float
    alone: Optional[Measure] = None
    by_itself: float = 0.0
    failed: str = ""
    instead: Optional[int] = None

    @property
    def diverges(self) -> bool:
        """Whether it is too far away when the file is run."""
        return self.excess > 1

    @property
    def is_wrong(self) -> bool:
        """Whether it is too far away though its own nodes get what they should."""
        return self.alone is not None and self.by_itself > 1


class Comparison:
    """Compares the values at all borders.

    Args:
        run: the file.
        tape: the numbers of PyTorch.
        recording: what they are of.
        borders: which value is which tensor.
        tolerances: what is allowed.
        budget: bytes of values that are held at a time.

    Attributes:
        values: what was compared, by name, in the order in which the file computes it.
        apart: names whose tensor has another shape or kind, with what was found.
        outputs: what the file gave, in the whole run.
    """

    def __init__(
        self,
        run: AsItRuns,
        tape: Tape,
        recording: Recording,
        borders: Borders,
        tolerances: Tolerances,
        budget: int = BUDGET,
    ) -> None:
        self._tape, self._recording, self._tolerances = tape, recording, tolerances
        self._circuit = run.circuit
        self._bench = Bench(run.circuit, run.folders, run.settings, budget)
        self._tensors = {
            name: found for name, found in map(self._with_numbers, borders.named.items()) if found
        }
        self._half = run.half
        self._segments = Segments(run.circuit, self._tensors)
        self.values: Dict[str, Compared] = {}
        self.apart: Dict[str, str] = {}
        self.outputs: Dict[str, Any] = {}
        self._feeds: Mapping[str, Any] = {}
        self._makers = {v.name: str(row.call) for row in borders.rows for v in row.given}

    def _with_numbers(self, row: Tuple[str, List[int]]) -> Tuple[str, List[int]]:
        name, tensors = row
        return name, [each for each in tensors if self._recording.tensors[each].laid is not None]

    def in_the_whole(self, feeds: Mapping[str, Any]) -> None:
        """Run the file once, and compare every value that is known."""
        self._feeds, made = feeds, self._circuit.made_by
        for name, array in self._constants():
            self._compare(name, array)
            if name in self.values:
                value = self.values[name]
                value.alone, value.by_itself = value.whole, value.excess
        wanted = [name for name in self._tensors if name in made]
        step("comparing", len(self.values), len(self._tensors))
        for name, array in self._bench.whole(feeds, wanted, self._sizes()):
            step("comparing", len(self.values), len(self._tensors), self._makers.get(name, ""))
            if name in self._circuit.outputs:
                self.outputs[name] = array
            if name in self._tensors:
                self._compare(name, array)
        if self.apart:  # those are not known after all
            segments = Segments(self._circuit, self.values)
            for name, value in self.values.items():
                value.behind, value.reads = segments.behind[name], segments.reads[name]

    def alone(self) -> None:
        """Give the nodes of each suspect what they should get, and compare again."""
        made = self._circuit.made_by
        wanted = [v.name for v in self.values.values() if v.diverges and v.name in made]
        try:
            self._alone(wanted)
        except HTPError:  # one of them cannot be run by itself: which?
            for name in wanted:
                if self.values[name].alone is None:
                    try:
                        self._alone([name])
                    except HTPError as error:
                        self.values[name].failed = str(error).split("\n", 1)[0]

    def narrow(self) -> None:
        """Look for borders without names within the nodes of each value that is wrong."""
        known = {*self.values, *self._circuit.inputs}
        named = {value.tensor for value in self.values.values()}
        lost = [n for n, t in enumerate(self._recording.tensors) if t.laid and n not in named]
        wrong = [value for value in self.values.values() if value.is_wrong and value.behind]
        if not lost or len(wrong) > MOST:
            return
        narrowing = Narrowing(self._bench, lost, self._numbers, known, self.should_be)
        for number, value in enumerate(wrong):
            step("narrowing down", number, len(wrong), self._makers.get(value.name, ""))
            before = [self.values[each].tensor for each in value.reads if each in self.values]
            between = min(before, default=0), value.tensor
            value.instead, value.behind = narrowing.of(value.name, between, value.allowed)

    def _alone(self, wanted: Sequence[str]) -> None:
        known = {*self.values, *self._circuit.inputs}
        every = self._bench.alone(wanted, known, self.should_be, self._sizes())
        for number, (name, array) in enumerate(every):
            step("running suspects alone", number, len(wanted), self._makers.get(name, ""))
            value = self.values[name]
            should = self._fair(self.should_be(name), array)
            value.alone = measure(should, array)
            value.by_itself = value.allowed.excess(should, array)

    def allowed(self, name: str, array: Any) -> Tolerance:
        """How far a result may be from what it should be."""
        if name in self.values:
            return self.values[name].allowed
        return self._tolerances.of(array.dtype, self._half)

    def should_be(self, name: str) -> Any:
        """The numbers of PyTorch for a value, in the type that the file has for it."""
        if name in self.values:
            value = self.values[name]
            array = self._numbers(value.tensor)
            return array.astype(value.dtype, copy=False)
        return self._feeds[name]

    def _numbers(self, tensor: int) -> Any:
        laid = self._recording.tensors[tensor].laid
        assert laid is not None
        return self._tape.read(laid)

    def _sizes(self) -> Dict[str, int]:
        laid = ((n, self._recording.tensors[t[0]].laid) for n, t in self._tensors.items())
        return {name: self._tape.nbytes(each) for name, each in laid if each is not None}

    def _constants(self) -> Iterator[Tuple[str, Any]]:
        """What the file holds for tensors that PyTorch computes, or hands on."""
        for name in self._tensors:
            if name in self._circuit.constants:
                yield name, self._bench.constant(name)

    def _compare(self, name: str, array: Any) -> None:
        """Compare a value with the first of its tensors that looks like it."""
        for tensor in self._tensors[name]:
            should = self._numbers(tensor)
            if _looks_like(should, array):
                self.values[name] = self._compared(name, tensor, should, array)
                return
        should = self._numbers(self._tensors[name][0])
        here = f"{array.dtype}{list(array.shape)}" if hasattr(array, "shape") else "no tensor"
        self.apart[name] = f"the file has {here}, PyTorch {should.dtype}{list(should.shape)}"

    def _compared(self, name: str, tensor: int, should: Any, array: Any) -> Compared:
        allowed = self._tolerances.of(array.dtype, self._half)
        fair = self._fair(should, array)
        return Compared(
            name,
            tensor,
            array.dtype,
            measure(fair, array),
            self._segments.behind[name],
            self._segments.reads[name],
            allowed,
            allowed.excess(fair, array),
        )

    def _fair(self, should: Any, array: Any) -> Any:
        return saturated(should, array) if self._half else should


def _looks_like(one: Any, two: Any) -> bool:
    kinds = {"f": "f", "i": "i", "u": "i", "b": "b"}
    return (
        hasattr(two, "dtype")
        and one.shape == two.shape
        and kinds.get(one.dtype.kind) == kinds.get(two.dtype.kind, "")
    )
