"""The ONNX graph as torch built it, and which conversion made which of its values."""

from bisect import bisect_left
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from htp.backends.torchscript.ir import blocks, outputs
from htp.backends.torchscript.ledger import Ledger
from htp.backends.torchscript.written import Tensors, note_parameters, rename, written_names
from htp.graph.records import GraphRecord
from htp.scope import Owner, Stack

__all__ = ["Built", "Conversion", "Conversions"]


class Conversion(NamedTuple):
    """One operation was converted: its scope, and the number of its first value or ""."""

    scope: str = ""
    source: str = ""


class Conversions:
    """Which conversion made a value: each one's are numbered higher than those before it."""

    def __init__(self) -> None:
        self._ends: List[int] = []
        self._scopes: List[str] = []
        self._sources: List[str] = []

    def add(self, last: int, scope: str, source: str) -> None:
        """A conversion ended whose result has the number ``last``: see ``Conversion``."""
        if not self._ends or last > self._ends[-1]:
            self._ends.append(last)
            self._scopes.append(scope)
            self._sources.append(source)

    def of(self, value: int) -> Conversion:
        """The conversion that made a value; an empty one when it was made later."""
        at = bisect_left(self._ends, value)
        if at == len(self._ends):
            return Conversion()
        return Conversion(self._scopes[at], self._sources[at])

    @property
    def last(self) -> int:
        """The highest number that a conversion's result has."""
        return self._ends[-1] if self._ends else -1

    def sources(self) -> Iterable[str]:
        """What was converted."""
        return self._sources


class Built:
    """The ONNX graph before torch copied it, unread until it is asked.

    Args:
        graph: the graph, which nobody changes any more.
        ledger: what was noted of its values.
        conversions: which conversion made which value.
    """

    def __init__(self, graph: Any, ledger: Ledger, conversions: Conversions) -> None:
        self._graph = graph
        self._ledger = ledger
        self._conversions = conversions
        self._order: List[Tuple[int, str]] = []
        self._record: Optional[GraphRecord] = None

    def stack(self, made: int) -> Stack:
        """Whose a value without scope is: what was noted of it, else what it was made for."""
        noted = self._ledger.owners.get(str(made))
        return noted or self._ledger.log.stack(self._conversions.of(made).scope)

    def number(self, node: Any) -> Optional[int]:
        """The number that a node's first value had before the copy; None when it is newer."""
        at = node.outputsAt(0).unique() if node.outputsSize() else -1
        order = self._numbers()
        if 0 <= at < len(order) and order[at][1] == node.kind():
            return order[at][0]
        return None

    def _numbers(self) -> List[Tuple[int, str]]:
        """Number and maker's kind of every value in document order: the copy's numbers."""
        if not self._order:
            self._order = list(_in_order(self._graph))
        return self._order

    def read(self) -> GraphRecord:
        """The graph's record with the owners that scopes and conversions tell."""
        if self._record is None:
            self._record = self._ledger.read(self._graph)
            for node in self._record.walk():
                if node.owner is None and node.outputs:
                    stack = self.stack(int(node.outputs[0]))
                    node.owner = Owner(stack) if stack else None
        return self._record

    def as_copied(self) -> GraphRecord:
        """The record in the copy's numbers."""
        numbers = {str(old): str(new) for new, (old, _) in enumerate(self._numbers())}
        return rename(self.read(), lambda name: numbers[name])

    def as_written(self, graph: Any, tensors: Tensors) -> GraphRecord:
        """The record in the names of the file; a value that is gone has the number that it had."""
        names = written_names(graph)
        written = {
            str(old): names[str(new)]
            for new, (old, _) in enumerate(self._numbers())
            if str(new) in names
        }
        record = self.read()
        note_parameters(record, self._graph, tensors)
        return rename(record, lambda name: written.get(name, f"#{name}"))


def _in_order(block: Any) -> Iterator[Tuple[int, str]]:
    yield from ((value.unique(), "") for value in block.inputs())
    for node in block.nodes():
        kind = node.kind()
        yield from ((value.unique(), kind) for value in outputs(node))
        for inner in blocks(node):
            yield from _in_order(inner)
