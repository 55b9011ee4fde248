"""The values of a candidate beside those of the reference: in the whole, and each alone."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from htp.errors import HTPError
from htp.proving.measure import Measure, measure
from htp.proving.pieces import Bench
from htp.proving.tape import Tape
from htp.proving.tolerances import Tolerances, saturated
from htp.proving.verification import Tolerance

__all__ = ["Beside", "Found"]

_ROUNDED = Tolerance(1e-3, 0.02)
"""What a value is allowed that is computed in 8 bits or fewer (see docs/verify.md)."""
_SMALL_INTEGERS = frozenset((2, 3, 4, 5, 21, 22, 25, 26))
"""Element types of 16 bits or fewer, as ``onnx.TensorProto`` numbers them."""


@dataclass
class Found:
    """One value of the candidate beside that of the reference, over all samples.

    Attributes:
        own: what it is allowed alone.
        allowed: what it is allowed in the whole: it is as imprecise as what came before.
        whole: how far it is when the candidate is run.
        alone: how far when its own nodes get what they should; None where that could not be told.
        excess: the largest difference in the whole in relation to what is allowed.
        own_excess: the same alone.
        failed: why it could not be told what its nodes do alone.
    """

    own: Tolerance
    allowed: Tolerance
    whole: Measure = field(default_factory=Measure)
    alone: Optional[Measure] = None
    excess: float = 0.0
    own_excess: float = 0.0
    failed: str = ""

    @property
    def arises(self) -> bool:
        """Whether the error begins in its own nodes."""
        return self.own_excess > 1

    @property
    def diverges(self) -> bool:
        """Whether it is too far away when the candidate is run."""
        return self.excess > 1


class Beside:
    """Compares values, sample by sample.

    Args:
        one: where the reference is run.
        two: where the candidate is.
        names: for each value of the reference that is compared its name in the candidate.
        tape: where numbers are kept meanwhile.
        tolerances: what is allowed.
        half: whether the candidate works in 16 bits.

    Attributes:
        found: what was compared, by the names of the reference, in its order.
        apart: values that look otherwise in the candidate, with how.
        outputs: what the candidate gave in the run of the last sample.
    """

    def __init__(
        self,
        one: Bench,
        two: Bench,
        names: Mapping[str, str],
        tape: Tape,
        tolerances: Tolerances,
        half: bool,
    ) -> None:
        self._one, self._two, self._names, self._tape = one, two, names, tape
        self._tolerances, self._half = tolerances, half
        self.found: Dict[str, Found] = {}
        self.apart: Dict[str, str] = {}
        self.outputs: Dict[str, Any] = {}
        self._dtypes: Dict[str, Any] = {}

    def compare(self, feeds: Mapping[str, Any], there: Mapping[str, Any]) -> None:
        """Run both with one sample.

        Args:
            feeds: the sample for the reference.
            there: the same for the candidate.
        """
        self._tape.rewind()
        laid = {
            name: self._tape.lay(array)
            for name, array in self._one.whole(feeds, self._names, {})
            if name in self._names and hasattr(array, "dtype") and array.dtype.kind in "biuf"
        }
        back = {self._names[name]: name for name in laid}
        sizes = {there: self._tape.nbytes(laid[name]) for there, name in back.items()}
        self.outputs = {}
        for name, array in self._two.whole(there, back, sizes):
            if name in self._two.circuit.outputs:
                self.outputs[name] = array
            if name in back:
                self._in_the_whole(back[name], self._tape.read(laid[back[name]]), array)
        known = {there: name for there, name in back.items() if name in self._dtypes}

        def should_be(name: str) -> Any:
            if name not in known:
                return there[name]
            array = self._tape.read(laid[known[name]])
            return array.astype(self._dtypes[known[name]], copy=False)

        self._alone(known, should_be, sizes)

    def _in_the_whole(self, name: str, wanted: Any, array: Any) -> None:
        kinds = {"f": "f", "i": "i", "u": "i", "b": "b"}
        alike = hasattr(array, "dtype") and kinds.get(array.dtype.kind) == kinds[wanted.dtype.kind]
        if not alike or array.shape != wanted.shape:
            self.apart[name] = (
                f"it is {getattr(array, 'dtype', 'no tensor')}{list(getattr(array, 'shape', ()))} "
                f"and {wanted.dtype}{list(wanted.shape)} in the reference"
            )
            return
        self._dtypes[name] = array.dtype
        wanted = saturated(wanted, array) if self._half else wanted
        if name not in self.found:
            self.found[name] = Found(*self._allowed(name, array.dtype))
        found = self.found[name]
        found.whole = found.whole.with_(measure(wanted, array))
        found.excess = max(found.excess, found.allowed.excess(wanted, array))

    def _allowed(self, name: str, dtype: Any) -> Tuple[Tolerance, Tolerance]:
        """What a value is allowed alone and in the whole."""
        circuit = self._two.circuit
        known = {self._names[each] for each in self.found}
        behind, read = circuit.behind(self._names[name], known)
        constants = [
            circuit.constants[each]
            for number in behind
            for each in circuit.reads[number]
            if each in circuit.constants
        ]
        own = self._tolerances.of(dtype, self._half)
        if dtype.kind == "f" and any(each.data_type in _SMALL_INTEGERS for each in constants):
            own = self._tolerances.at_least(own, _ROUNDED)
        back = {there: each for each, there in self._names.items()}
        before = [self.found[back[each]].allowed for each in read if back.get(each) in self.found]
        widest = max([own, *before], key=lambda each: each.rtol) if dtype.kind == "f" else own
        return own, widest

    def _alone(self, known: Mapping[str, str], should_be: Any, sizes: Mapping[str, int]) -> None:
        names = {*known, *self._two.circuit.inputs}
        wanted = list(known)
        try:
            self._run_alone(wanted, names, known, should_be, sizes)
        except HTPError:  # one of them cannot be run by itself: which?
            for name in wanted:
                try:
                    self._run_alone([name], names, known, should_be, sizes)
                except HTPError as error:
                    self.found[known[name]].failed = str(error).split("\n", 1)[0]

    def _run_alone(
        self,
        wanted: List[str],
        names: Any,
        known: Mapping[str, str],
        should_be: Any,
        sizes: Mapping[str, int],
    ) -> None:
        for name, array in list(self._two.alone(wanted, names, should_be, sizes)):
            found = self.found[known[name]]
            wanted_here = saturated(should_be(name), array) if self._half else should_be(name)
            found.alone = (found.alone or Measure()).with_(measure(wanted_here, array))
            found.own_excess = max(found.own_excess, found.own.excess(wanted_here, array))
