"""What lies between the values that are known: the nodes that compute each from those before it."""

from typing import Dict, Iterable, Sequence

from htp.proving.circuit import Circuit

__all__ = ["Segments"]


class Segments:
    """The nodes behind each known value.

    Args:
        circuit: the graph.
        names: of the values; those that are not in the graph are left out.

    Attributes:
        behind: the nodes that compute a value, as numbers; none where it is held.
        reads: the known values that they read.
    """

    def __init__(self, circuit: Circuit, names: Iterable[str]) -> None:
        self.behind: Dict[str, Sequence[int]] = {}
        self.reads: Dict[str, Sequence[str]] = {}
        known = {name for name in names if name in circuit}
        known.update(circuit.inputs)
        for name in known:
            numbers, reads = circuit.behind(name, known) if name in circuit.made_by else ([], set())
            self.behind[name], self.reads[name] = numbers, sorted(reads)
