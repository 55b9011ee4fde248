"""Running a graph piece by piece, so that only one piece's values are held.

Nothing is optimised: what is run is taken as it runs. ``whole`` hands the values of one piece to
the next, and so computes what the graph computes; ``alone`` gives each value's nodes what they
should get, and so tells what they do by themselves.
"""

from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Sequence,
    Set,
)

from htp.proving.circuit import Circuit, Piece
from htp.running.prepared import prepared
from htp.running.session import AS_IT_IS, Settings, opened

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["BUDGET", "Bench", "Computed"]

BUDGET = 1 << 26
"""Bytes of values at borders that are held at a time."""


class Computed(NamedTuple):
    """A value that a piece computed.

    Attributes:
        name: the value.
        array: what it is.
    """

    name: str
    array: Any


class Bench:
    """Where pieces of a graph are run.

    Args:
        circuit: the graph.
        folders: where its data files lie.
        settings: of the sessions; nothing is to be optimised.
        budget: bytes of values that are asked for at a time.
    """

    def __init__(
        self,
        circuit: Circuit,
        folders: Sequence[str] = (),
        settings: Settings = AS_IT_IS,
        budget: int = BUDGET,
    ) -> None:
        self.circuit = circuit
        self._folders, self._settings, self._budget = folders, settings, budget

    def whole(
        self, feeds: Mapping[str, Any], wanted: Iterable[str], sizes: Mapping[str, int]
    ) -> Iterator[Computed]:
        """What the graph computes: the values that are wanted, and its outputs.

        Args:
            feeds: its inputs.
            wanted: names of values that nodes compute.
            sizes: their bytes.
        """
        circuit = self.circuit
        asked = {*wanted, *(name for name in circuit.outputs if name in circuit.made_by)}
        last = _last_readers(circuit)
        live: Dict[str, Any] = dict(feeds)
        for span in _spans(circuit, asked, sizes, self._budget):
            made = [name for number in span for name in circuit.nodes[number].output if name]
            gives = [name for name in made if name in asked or last.get(name, -1) > span[-1]]
            found = self._run(circuit.piece(span, gives, set()), live) if gives else {}
            both = (*live.items(), *found.items())
            live = {name: array for name, array in both if last.get(name, -1) > span[-1]}
            for name in gives:
                if name in asked:
                    yield Computed(name, found.pop(name))

    def constant(self, name: str) -> Any:
        """The numbers of an initializer, wherever they lie."""
        piece = self.circuit.held(name)
        return self._run(piece, {})[name]

    def alone(
        self,
        wanted: Sequence[str],
        names: Set[str],
        given: Callable[[str], Any],
        sizes: Mapping[str, int],
    ) -> Iterator[Computed]:
        """What the nodes of each wanted value compute from what they should get.

        Args:
            wanted: names of values that nodes compute.
            names: the values of which is known what should be there.
            given: what should be there.
            sizes: their bytes.
        """
        group: List[str] = []
        numbers: Set[int] = set()
        reads: Set[str] = set()
        for name in sorted(wanted, key=lambda each: self.circuit.made_by[each]):
            behind, read = self.circuit.behind(name, names)
            more = reads | read
            held = sum(sizes.get(each, 0) for each in (*more, *group, name))
            if group and held > self._budget:
                yield from self._group(numbers, group, names, given)
                group, numbers, more = [], set(), set(read)
            group.append(name)
            numbers.update(behind)
            reads = more
        if group:
            yield from self._group(numbers, group, names, given)

    def _group(
        self,
        numbers: Set[int],
        wanted: Sequence[str],
        names: Set[str],
        given: Callable[[str], Any],
    ) -> Iterator[Computed]:
        found = self.some(numbers, wanted, names, given)
        for name in wanted:
            yield Computed(name, found.pop(name))

    def some(
        self,
        numbers: Iterable[int],
        wanted: Sequence[str],
        names: Set[str],
        given: Callable[[str], Any],
    ) -> Dict[str, Any]:
        """What some nodes compute, all at once; see ``alone``."""
        piece = self.circuit.piece(numbers, wanted, names)
        return self._run(piece, {name: given(name) for name in piece.reads})

    def _run(self, piece: Piece, values: Mapping[str, Any]) -> Dict[str, Any]:
        feeds = {name: values[name] for name in piece.reads}
        for name, value in feeds.items():
            piece.model.graph.input.append(_typed(name, value))
        session = opened(prepared(piece.model, self._folders), self._settings)
        found = session.run(feeds, list(dict.fromkeys(piece.gives.values())))
        return {name: found[gives] for name, gives in piece.gives.items()}


def _last_readers(circuit: Circuit) -> Dict[str, int]:
    """For each value the last node that reads it."""
    return {name: number for number, names in enumerate(circuit.reads) for name in names}


def _spans(
    circuit: Circuit, asked: Set[str], sizes: Mapping[str, int], budget: int
) -> Iterator[List[int]]:
    """The nodes in order, cut where the values that are asked for become too many."""
    span: List[int] = []
    held = 0
    for number, node in enumerate(circuit.nodes):
        more = sum(sizes.get(name, 0) for name in node.output if name in asked)
        if span and held and held + more > budget:
            yield span
            span, held = [], 0
        span.append(number)
        held += more
    if span:
        yield span


def _typed(name: str, value: Any) -> "onnx.ValueInfoProto":
    from onnx import helper

    if isinstance(value, list):
        kind = helper.np_dtype_to_tensor_dtype(value[0].dtype) if value else 1
        inner = helper.make_tensor_type_proto(kind, None)
        return helper.make_value_info(name, helper.make_sequence_type_proto(inner))
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    return helper.make_tensor_value_info(name, kind, None)
