"""Reading the scopes of the written graph once, and more only where they do not tell.

From the release on in which torch names nodes after their scopes, a scope survives every pass, and
one look at the graph that was written tells nearly all. What it does not tell has a cheap sign:

- operations were merged: fewer are left. From there on every pass is compared;
- constants were merged: one that a constant was converted to is still there;
- operations were fused: a pass that fuses has left another number of nodes;
- a list is left, which ONNX does not have: a pass makes other nodes of it, some without scope;
- a node has no scope: the numbers of its values tell which conversion made it, as they grow;
- an initializer is no parameter: what stood in its place tells what it was made from.

The graph before torch copies it is dropped unchanged, so it is kept, unread until it is needed. The
copy's values are numbered in document order.
"""

from bisect import bisect_left
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from htp.backends.torchscript.change import Change
from htp.backends.torchscript.ir import blocks, kinds, outputs
from htp.backends.torchscript.ledger import Ledger, number, values
from htp.backends.torchscript.merging import CONSTANT, Constants, Unmerged
from htp.backends.torchscript.scopes import CallLog
from htp.backends.torchscript.written import Tensors, note_parameters, rename, written_names
from htp.graph.records import GraphRecord
from htp.scope import Owner, Sharing, Stack

__all__ = ["ScopesFirst"]


LIST = "prim::ListConstruct"


class Conversions:
    """Which conversion made a value: each one's are numbered higher than those before it."""

    def __init__(self) -> None:
        self._ends: List[int] = []
        self._scopes: List[str] = []

    def add(self, last: int, scope: str) -> None:
        """A conversion ended whose result has the number ``last``."""
        if not self._ends or last > self._ends[-1]:
            self._ends.append(last)
            self._scopes.append(scope)

    def scope(self, value: int) -> str:
        """The scope of the operation for which a value was made; "" for one made later."""
        at = bisect_left(self._ends, value)
        return self._scopes[at] if at < len(self._ends) else ""


class ScopesFirst:
    """What is known of one export whose scopes tell.

    Attributes:
        log: the calls that the tokens in scopes stand for.
    """

    def __init__(self, log: CallLog) -> None:
        self.log = log
        self._unmerged: Optional[Unmerged] = None
        self._constants: Optional[Constants] = None
        self._origins: Dict[str, str] = {}
        self._made_from: Dict[int, str] = {}
        self._kept: Dict[int, str] = {}
        self._conversions = Conversions()
        self._ledger = Ledger(log)
        self._built: Optional[Built] = None
        self._fused: Dict[str, List[Stack]] = {}
        self._found: Dict[str, List[Stack]] = {}

    @property
    def untold(self) -> bool:
        """Whether the steps that tell all were never heard."""
        return self._built is None or self._constants is None

    def follow(self, graph: Any) -> None:
        """Scopes survive what torch does before the conversion."""

    def after_merging(self, before: Unmerged, graph: Any) -> None:
        """Only constants were merged."""
        self._unmerged = before
        self._constants = Constants(graph)

    def before_converting(self, graph: Any) -> None:
        """The traced graph is about to be converted."""
        if self._constants is not None:
            self._origins = self._constants.origins(graph)

    def place(self, node: Any) -> str:
        """Whose operation a node is, as a scope: that it is asked for is rare."""
        return str(node.scopeName())

    def after_conversion(
        self, node: Any, scope: str, kind: str, given: Iterable[Any], result: Any
    ) -> None:
        """An operation was converted to ``result``."""
        numbers = [value.unique() for value in values(result)]
        if numbers:
            self._conversions.add(max(numbers), scope)
            if kind == CONSTANT:
                name = number(node.outputsAt(0))
                self._made_from.update((made, name) for made in numbers)

    def after_converting(self, graph: Any) -> None:
        """The graph is kept when torch copies it."""

    def before_rewriting(self, graph: Any) -> Optional[GraphRecord]:
        """A pass is about to put new nodes in the place of old ones, most of them with scopes."""
        lists = (node.outputsAt(0) for node in graph.findAllNodes(LIST))
        return self._ledger.read(graph) if any(value.uses() for value in lists) else None

    def after_rewriting(self, before: Optional[GraphRecord], graph: Any) -> None:
        """The nodes that a list becomes have the owner of the list."""
        if before is not None:
            self._ledger.inherit(Change(before, self._ledger.read(graph)))

    def after_copying(self, old: Any, new: Any) -> None:
        """Torch drops ``old`` as it is: keep it."""
        self._built = Built(old, self._ledger, self._conversions)
        for node in old.findAllNodes("onnx::Constant") if self._made_from else ():
            made = node.outputsAt(0).unique()
            origin = self._origins.get(self._made_from.get(made, ""))
            if origin is not None:
                self._kept[made] = origin

    def before_fusing(self, graph: Any) -> int:
        """A pass is about to fuse operations."""
        return _size(graph)

    def after_fusing(self, before: int, graph: Any) -> None:
        """Which nodes took over others? Nothing did where as many are left."""
        if self._built is None or before == _size(graph):
            return
        change = Change(self._built.as_copied(), Ledger(self.log).read(graph))
        for name, owners in change.fused():
            self._fused.setdefault(name, []).extend(owners)

    def owners(self, graph: Any) -> Iterator[Tuple[Any, str, Optional[Owner]]]:
        """Every node of the graph that was written, its kind and its owner, in document order."""
        scopes: Dict[str, Optional[Owner]] = {}
        for node, kind in kinds(graph):
            scope = node.scopeName()
            if scope not in scopes:
                stack = self.log.stack(scope)
                scopes[scope] = Owner(stack) if stack else None
            owner = scopes[scope]
            if owner is None or self._fused or (self._kept and kind == "onnx::Constant"):
                owner = self._closer(node, owner)
            yield node, kind, owner

    def _closer(self, node: Any, owner: Optional[Owner]) -> Optional[Owner]:
        """The owner of a node whose scope does not tell all."""
        absorbed = [s for value in outputs(node) for s in self._fused.get(number(value), ())]
        if absorbed:
            return Owner.fused([*([owner.stack] if owner else []), *absorbed])
        made = self._built.number(node) if self._built is not None else None
        if self._built is None or made is None:
            return owner
        stack = self._built.stack(made) or (owner.stack if owner else ())
        equal = self._merged().get(self._kept[made], ()) if made in self._kept else ()
        others = tuple(dict.fromkeys(other[-1] for other in equal if other != stack))
        return Owner(stack, others, Sharing.MERGED if others else None) if stack else None

    def _merged(self) -> Dict[str, List[Stack]]:
        """The owners of the constants that were merged into each."""
        if self._unmerged is not None and self._constants is not None:
            self._found = self._unmerged.merged_constants(self.log, self._constants.left)
            self._unmerged = None
        return self._found

    def origin(self, graph: Any, file: GraphRecord, tensors: Tensors) -> Optional[GraphRecord]:
        """The graph before torch folded constants, where something is left to find out in it.

        Of two equal parameters torch writes one, and an ``Identity`` under the other's name: there
        is nothing to find out about it.
        """
        told = all(
            node.owner or all(name in tensors for name in node.outputs) for node in file.walk()
        )
        named = all(name in file.parameters for name in file.initializers)
        if self._built is None or (told and named):
            return None
        return self._built.as_written(graph, tensors)


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
        return noted or self._ledger.log.stack(self._conversions.scope(made))

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


def _in_order(block: Any) -> Any:
    yield from ((value.unique(), "") for value in block.inputs())
    for node in block.nodes():
        kind = node.kind()
        yield from ((value.unique(), kind) for value in outputs(node))
        for inner in blocks(node):
            yield from _in_order(inner)


def _size(graph: Any) -> int:
    return sum(1 for _ in graph.nodes())
