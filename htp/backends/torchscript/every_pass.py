"""Reading the graph before and after every pass.

This takes a fifth of a second for a thousand nodes and tells everything. It is done where scopes do
not tell: on releases that lose them, for scripted models, hooks and branches, and from the moment
at which torch merged equal operations.
"""

from typing import Any, Dict, Iterable, Iterator, Optional, Tuple

from htp.backends.torchscript.change import Change
from htp.backends.torchscript.ir import inputs, kinds, nodes, outputs
from htp.backends.torchscript.ledger import Ledger, number, values
from htp.backends.torchscript.markers import take_out
from htp.backends.torchscript.scopes import CallLog
from htp.backends.torchscript.written import Tensors, note_parameters, rename, written_names
from htp.errors import CaptureError
from htp.graph.records import GraphRecord
from htp.scope import Owner, Stack

__all__ = ["EveryPass"]


class EveryPass:
    """What is known of one export whose passes are all compared.

    Attributes:
        ledger: of the traced graph until it is converted, then of the ONNX graph.
        first: the ONNX graph as it was first built.
    """

    def __init__(self, log: CallLog) -> None:
        self.log = log
        self.ledger = Ledger(log)
        self.first: Optional[GraphRecord] = None
        self._converted = Ledger(log)
        self._source: Optional[GraphRecord] = None
        self._renumbered: Dict[str, str] = {}

    @property
    def untold(self) -> bool:
        """Whether the steps that tell all were never heard."""
        return self.first is None

    def begin(self, graph: Any) -> None:
        """The traced graph is about to be optimised.

        What ran between the marks of a call and has no scope within belongs to that call.
        """

        def enter(text: str, outer: Stack) -> Stack:
            return self.log.stacks[int(text)]

        for node, marked in take_out(graph, (), enter):
            own = self.log.stack(node.scopeName())
            if marked and own == marked[: len(own)] and own != marked:
                self.ledger.owners.update((number(value), marked) for value in outputs(node))
        self.follow(graph)

    def follow(self, graph: Any) -> GraphRecord:
        """Follow the operations of the traced graph through the passes before the conversion.

        Call it with the graph as it stands; new operations keep the owner of what they replace.
        """
        record = self.ledger.read(graph)
        if self._source is not None:
            change = Change(self._source, record)
            self.ledger.inherit(change)
            if self.ledger.merged:
                self._follow_merges(change)
        for node in record.walk():
            noted = self.ledger.noted(node.outputs)
            node.owner = Owner(noted) if noted else node.owner
            if node.owner:
                self.ledger.owners.update((name, node.owner.stack) for name in node.outputs)
        self._source = record
        return record

    def _follow_merges(self, change: Change) -> None:
        """An operation that was made anew stands for what the old one stood for."""
        merged = self.ledger.merged
        for old, new in change.remade():
            if old in merged:
                merged.setdefault(new, merged[old])

    def after_merging(self, before: GraphRecord, graph: Any) -> None:
        """The first of equal operations stands for the others as well."""
        for name, stack in Change(before, self.ledger.read(graph)).merges():
            self.ledger.merged.setdefault(name, []).append(stack)

    def before_converting(self, graph: Any) -> None:
        """The traced graph is about to be converted."""
        self.follow(graph)

    def place(self, node: Any) -> Stack:
        """Whose operation a node is."""
        return self.ledger.stack(node) or ()

    def after_conversion(self, node: Any, given: Iterable[Any], result: Any) -> None:
        """Everything newly made between ``given`` and ``result`` was made for ``node``."""
        owner = self.place(node)
        if not owner:
            return
        others = self.ledger.others(node, owner)
        known = self._converted
        stop = {value.unique() for value in values(given)}
        pending = list(values(result))
        while pending:
            value = pending.pop()
            if value.unique() in stop or number(value) in known.owners:
                continue
            made_by = value.node()
            if made_by.kind().partition("::")[0] in ("prim", "aten"):  # copied as it was
                continue
            for output in outputs(made_by):
                known.owners[number(output)] = owner
                if others:
                    known.shared[number(output)] = others
            pending.extend(inputs(made_by))

    def after_converting(self, graph: Any) -> None:
        """Keep the graph as the conversion left it."""
        self.ledger = self._converted
        self.first = self.ledger.read(graph)
        note_parameters(self.first, graph, self.log.names.tensors())

    def before_rewriting(self, graph: Any) -> GraphRecord:
        """A pass is about to put new nodes in the place of old ones."""
        return self.ledger.read(graph)

    def after_rewriting(self, before: GraphRecord, graph: Any) -> None:
        """New nodes keep the owner of what they replaced."""
        self.ledger.inherit(Change(before, self.ledger.read(graph)))

    def before_fusing(self, graph: Any) -> GraphRecord:
        """A pass is about to fuse operations."""
        return self.ledger.read(graph)

    def after_fusing(self, before: GraphRecord, graph: Any) -> None:
        """Which nodes took over others?"""
        for name, owners in Change(before, self.ledger.read(graph)).fused():
            self.ledger.fused.setdefault(name, []).extend(owners)

    def after_copying(self, old: Any, new: Any) -> None:
        """A pass copied the graph: follow every value to its new number.

        Raises:
            CaptureError: the copy is not node for node.
        """
        pairs = list(zip(old.inputs(), new.inputs()))
        before, after = list(nodes(old)), list(nodes(new))
        if [node.kind() for node in before] != [node.kind() for node in after]:
            raise CaptureError(
                "torch copied the graph and changed it; its nodes cannot be followed.",
                "this torch is not supported by the torchscript backend; please report it.",
            )
        for one, other in zip(before, after):
            pairs.extend(zip(outputs(one), outputs(other)))
        self._renumbered = {number(one): number(other) for one, other in pairs}
        self.ledger.renumber(self._renumbered)

    def owners(self, graph: Any) -> Iterator[Tuple[Any, str, Optional[Owner]]]:
        """Every node of the graph that was written, its kind and its owner, in document order."""
        return ((node, kind, self.ledger.owner(node)) for node, kind in kinds(graph))

    def origin(self, graph: Any, file: GraphRecord, tensors: Tensors) -> Optional[GraphRecord]:
        """The ONNX graph as it was first built, its values called as in the file."""
        assert self.first is not None
        names = written_names(graph)
        return rename(self.first, lambda old: names.get(self._renumbered.get(old, ""), f"#{old}"))
