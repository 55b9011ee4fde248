"""Which values a quantised file hands on rounded, and which of those nobody needs rounded.

A quantiser puts a pair of nodes behind a value, and all its readers read what they give. It does so
because the node that computes the value, or one that reads it, is quantised. Where that one is
swapped, the pair goes::

    A -> v -> QuantizeLinear -> DequantizeLinear -> d -> B, C

    B and C swapped, A not quantised:    A -> v -> B, C
    B swapped, C quantised:              A -> v -> ... -> d -> B, C
"""

from typing import List, Set

from htp.proving.circuit import Circuit
from htp.proving.units import constants_of, readers_of

__all__ = ["Rounded"]

_ROUNDS, _BACK = "QuantizeLinear", "DequantizeLinear"


class Rounded:
    """The pairs of a file.

    Args:
        circuit: its main graph.
    """

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._constant = constants_of(circuit)
        self._readers = readers_of(circuit)

    def of(self, name: str) -> List[str]:
        """A value as others read it: rounded, by each pair that stands behind it."""
        return [
            back for whole in self._through(name, _ROUNDS) for back in self._through(whole, _BACK)
        ]

    def _through(self, name: str, operator: str) -> List[str]:
        """What nodes of an operator make of a value that is their first input."""
        nodes = (self._circuit.nodes[number] for number in sorted(self._readers.get(name, ())))
        return [
            node.output[0]
            for node in nodes
            if node.op_type == operator and node.input[0] == name and node.output
        ]

    def as_read(self, name: str) -> str:
        """A value as its readers have it: rounded, where all of them read the same that is so.

        A quantiser may leave out what rounding does as well: an activation that cuts off what is
        below zero, where the smallest rounded number is zero.
        """
        back, readers = self.of(name), self._readers.get(name, set())
        rounding = all(self._circuit.nodes[each].op_type == _ROUNDS for each in readers)
        whole = len(back) == 1 and rounding and name not in self._circuit.outputs
        return back[0] if whole else name

    def is_cut(self, name: str, operator: str) -> bool:
        """Whether nobody has a value as the reference has it, before rounding or after.

        Args:
            name: the value.
            operator: what makes it in the reference. Where something else makes it here, and only
                rounded numbers go on, rounding may stand for the rest of it: see ``as_read``.
        """
        readers, maker = self._readers.get(name, set()), self._circuit.made_by.get(name)
        rounding = all(self._circuit.nodes[each].op_type == _ROUNDS for each in readers)
        other = maker is not None and self._circuit.nodes[maker].op_type != operator
        return other and bool(readers) and rounding

    def read_by_others(self, name: str, alive: Set[int]) -> bool:
        """Whether a node that is still there reads this value."""
        return any(number in alive for number in self._readers.get(name, ()))

    def rounds_what_it_makes(self, name: str) -> bool:
        """Whether the node that computes a value is quantised: it reads rounded, and gives so."""
        maker = self._circuit.made_by.get(name)
        return maker is not None and self._is_quantised(maker)

    def needed(self, name: str, alive: Set[int]) -> bool:
        """Whether a reader of a rounded value is quantised itself; or the graph gives it."""
        readers = [number for number in self._readers.get(name, ()) if number in alive]
        return name in self._circuit.outputs or any(map(self._is_quantised, readers))

    def _is_quantised(self, number: int) -> bool:
        node, reads = self._circuit.nodes[number], self._circuit.reads[number]
        back = [name for name in reads if self._made_by(name, _BACK)]
        if any(self._circuit.made_by[name] in self._constant for name in back):
            return True  # its weight is
        return bool(back) and any(self._through(name, _ROUNDS) for name in node.output)

    def _made_by(self, name: str, operator: str) -> bool:
        maker = self._circuit.made_by.get(name)
        return maker is not None and self._circuit.nodes[maker].op_type == operator
