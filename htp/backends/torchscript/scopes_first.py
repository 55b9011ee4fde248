"""Reading the scopes of the written graph once, and more only where they do not tell.

From the release on in which torch names nodes after their scopes, a scope survives every pass, and
one look at the graph that was written tells nearly all. What it does not tell has a cheap sign:

- operations were merged: fewer are left;
- a constant was neither traced nor made by a conversion: its number is new. Its scope is that of
  the place where torch put it, which may be anywhere; it is believed where what reads it agrees;
- constants were merged: one that a constant was converted to is still there;
- operations were fused: a pass that fuses has left another number of nodes;
- a list is left, which ONNX does not have: a pass makes other nodes of it, some without scope;
- a node has no scope: the numbers of its values tell which conversion made it, as they grow;
- an initializer is no parameter: what stood in its place tells what it was made from.

The graph before torch copies it is dropped unchanged, so it is kept, unread until it is needed. The
copy's values are numbered in document order.
"""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from htp.backends.torchscript.built import Built, Conversions
from htp.backends.torchscript.change import Change
from htp.backends.torchscript.ir import kinds, outputs
from htp.backends.torchscript.ledger import Ledger, number, numbers_of
from htp.backends.torchscript.merging import CONSTANT, Census, Merged, Unmerged, values_of
from htp.backends.torchscript.scopes import CallLog
from htp.backends.torchscript.written import Tensors
from htp.graph.records import GraphRecord
from htp.scope import Owner, Sharing, Stack

__all__ = ["ScopesFirst"]


LIST, ONNX_CONSTANT = "prim::ListConstruct", "onnx::Constant"


class ScopesFirst:
    """What is known of one export whose scopes tell.

    Attributes:
        log: the calls that the tokens in scopes stand for.
    """

    def __init__(self, log: CallLog) -> None:
        self.log = log
        self._merged: Optional[Merged] = None
        self._source: Any = None
        self._origins: Dict[str, str] = {}
        self._converted_constants: Dict[int, str] = {}
        self._sharing = False
        self._traced = -1  # the highest number of a constant that was traced
        self._doubtful: Set[int] = set()
        self._conversions = Conversions()
        self._ledger = Ledger(log)
        self._built: Optional[Built] = None
        self._fused: Dict[str, List[Stack]] = {}

    @property
    def untold(self) -> bool:
        """Whether the steps that tell all were never heard."""
        return self._built is None or self._merged is None

    def begin(self, graph: Any) -> None:
        """The traced graph is about to be optimised."""
        traced = [node.outputsAt(0).unique() for node in graph.findAllNodes(CONSTANT)]
        self._traced = max(traced, default=-1)

    def before_merging(self, graph: Any, found: Census, merge: Any) -> Unmerged:
        """Equal operations of a graph without branches are about to be merged."""
        return Unmerged(graph, found, merge, self._traced)

    def follow(self, graph: Any) -> None:
        """Scopes survive what torch does before the conversion."""

    def after_merging(self, before: Unmerged, graph: Any) -> None:
        """Equal operations and constants were merged; which ones is found out when it matters."""
        self._merged = Merged(before, graph)
        self._sharing = self._merged.operations

    def before_converting(self, graph: Any) -> None:
        """The traced graph is about to be converted. Torch drops it as it is: keep it."""
        self._source = graph
        if self._merged is not None:
            self._origins = self._merged.constants.origins(graph, self._merged.doubtful)

    def place(self, node: Any) -> Stack:
        """Whose operation a node is."""
        return self.log.stack(node.scopeName())

    def after_conversion(self, node: Any, given: Iterable[Any], result: Any) -> None:
        """An operation was converted to ``result``."""
        numbers = numbers_of(result)
        if numbers:
            source = ""
            constant = node.kind() == CONSTANT
            if (self._sharing or constant) and node.outputsSize():
                source = number(node.outputsAt(0))
            if constant:
                self._converted_constants.update((made, source) for made in numbers)
            self._conversions.add(max(numbers), node.scopeName(), source)

    def after_converting(self, graph: Any) -> None:
        """The graph is kept when torch copies it."""

    def before_rewriting(self, graph: Any) -> Optional[GraphRecord]:
        """A pass is about to put new nodes in the place of old ones, most of them with scopes."""
        used = any(value.uses() for value in values_of(graph, LIST))
        return self._ledger.read(graph) if used else None

    def after_rewriting(self, before: Optional[GraphRecord], graph: Any) -> None:
        """The nodes that a list becomes have the owner of the list."""
        if before is not None:
            self._ledger.inherit(Change(before, self._ledger.read(graph)))

    def after_copying(self, old: Any, new: Any) -> None:
        """Torch drops ``old`` as it is: keep it."""
        self._built = Built(old, self._ledger, self._conversions)
        constants = self._converted_constants
        for value in values_of(old, ONNX_CONSTANT):
            made = value.unique()
            if constants.get(made) in self._origins:
                self._sharing = True
            elif made in constants or made > self._conversions.last:
                scope = value.node().scopeName()
                if not any(use.user.scopeName() == scope for use in value.uses()):
                    self._doubtful.add(made)

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
        merged = self._merged_sources() if self._sharing else {}
        closer = bool(self._fused or merged or self._doubtful)
        for node, kind in kinds(graph):
            scope = node.scopeName()
            if scope not in scopes:
                stack = self.log.stack(scope)
                scopes[scope] = Owner(stack) if stack else None
            owner = scopes[scope]
            if owner is None or closer:
                owner = self._closer(node, owner, merged)
            yield node, kind, owner

    def _closer(
        self, node: Any, owner: Optional[Owner], merged: Mapping[str, List[Stack]]
    ) -> Optional[Owner]:
        """The owner of a node whose scope does not tell all."""
        absorbed = [s for value in outputs(node) for s in self._fused.get(number(value), ())]
        if absorbed:
            return Owner.fused([*([owner.stack] if owner else []), *absorbed])
        made = self._built.number(node) if self._built is not None else None
        if self._built is None or made is None:
            return owner
        if made in self._doubtful:  # its scope may be wrong
            noted = self._built.stack(made)
            return Owner(noted) if noted and str(made) in self._ledger.owners else None
        stack = owner.stack if owner else self._built.stack(made)
        source = self._conversions.of(made)
        if not stack or source.source not in merged or self.log.stack(source.scope) != stack:
            return owner or (Owner(stack) if stack else None)
        equal = merged[source.source]
        others = tuple(dict.fromkeys(other[-1] for other in equal if other != stack))
        return Owner(stack, others, Sharing.MERGED if others else None)

    def _merged_sources(self) -> Dict[str, List[Stack]]:
        """The owners of what was merged into each operation that was converted."""
        if self._merged is None:
            return {}
        stacks = self._merged.stacks(self.log)
        found = dict(stacks)
        found.update((new, stacks[old]) for new, old in self._origins.items() if old in stacks)
        operations = stacks.keys() - set(self._merged.constants.left)
        if not operations <= {*self._conversions.sources()}:
            anew = self._merged.made_anew(self.log, Ledger(self.log).read(self._source))
            for name, owners in anew.items():
                found.setdefault(name, owners)
        return found

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


def _size(graph: Any) -> int:
    return len(list(graph.nodes()))
