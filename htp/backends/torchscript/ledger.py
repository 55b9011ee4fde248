"""What is known of the values of a graph: whose each is, and whose others it stands for.

TorchScript numbers the values of a graph and never reuses a number, so the number names a value
through every pass but those that copy the graph. As in a ``GraphRecord``, names are texts.
"""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from htp.backends.torchscript.change import Change
from htp.backends.torchscript.ir import blocks, inputs, outputs
from htp.backends.torchscript.scopes import CallLog
from htp.graph.records import GraphRecord, NodeRecord
from htp.scope import ModuleCall, Owner, Sharing, Stack

__all__ = ["Ledger", "number", "numbers_of", "values"]

_CONSTANT = "prim::Constant"


def number(value: Any) -> str:
    """What a value is called in a record of a graph that is not written yet."""
    return str(value.unique())


def values(found: Any) -> Iterator[Any]:
    """The values in what a symbolic function takes or returns: nested lists, Nones and numbers."""
    if isinstance(found, (list, tuple)):
        for item in found:
            yield from values(item)
    elif hasattr(found, "debugName"):
        yield found


def numbers_of(found: Any) -> List[int]:
    """The numbers of the values in what a symbolic function returns: mostly it is one."""
    if hasattr(found, "debugName"):
        return [found.unique()]
    return [value.unique() for value in values(found)]


class Ledger:
    """What is known of the values of one graph.

    Attributes:
        log: the calls that the tokens in scopes stand for.
        owners: owner of each value whose operation has no scope that tells.
        merged: owners of the equal operations that were merged into the one that computes a value.
        shared: further calls that a value stands for, made for a merged operation.
        fused: owners of the operations that were fused into the one that computes a value.
        misled: by a value whose operation has the scope of another call: the stack of that scope.
    """

    def __init__(self, log: CallLog) -> None:
        self.log = log
        self.owners: Dict[str, Stack] = {}
        self.merged: Dict[str, List[Stack]] = {}
        self.shared: Dict[str, Tuple[ModuleCall, ...]] = {}
        self.fused: Dict[str, List[Stack]] = {}
        self.misled: Dict[str, Stack] = {}

    def noted(self, names: Iterable[str]) -> Optional[Stack]:
        """What was noted of the first value that anything was noted of."""
        known = (self.owners.get(name) for name in names)
        return next((owner for owner in known if owner), None)

    def stack(self, node: Any) -> Optional[Stack]:
        """The owner of a node: what was noted of the values that it computes, else its scope.

        Old releases give a node the scope of the last operation whose result it was, even of one
        that had no effect, so what was noted is the better witness.
        """
        return self.noted(map(number, outputs(node))) or self.log.stack(node.scopeName()) or None

    def others(self, node: Any, owner: Stack) -> Tuple[ModuleCall, ...]:
        """The calls of the equal operations that were merged into a node."""
        equal = [s for value in outputs(node) for s in self.merged.get(number(value), ())]
        return tuple(dict.fromkeys(stack[-1] for stack in equal if stack != owner))

    def owner(self, node: Any) -> Optional[Owner]:
        """The owner of a node, with what was fused into it or merged with it."""
        names = [number(value) for value in outputs(node)]
        stack = self.stack(node)
        absorbed = [stack for name in names for stack in self.fused.get(name, ())]
        if absorbed:
            return Owner.fused([*([stack] if stack else []), *absorbed])
        others = next((self.shared[name] for name in names if name in self.shared), ())
        return Owner(stack, others, Sharing.MERGED if others else None) if stack else None

    def renumber(self, numbers: Mapping[str, str]) -> None:
        """The graph was copied: values have other numbers now."""
        self.owners = {numbers[n]: owner for n, owner in self.owners.items() if n in numbers}
        self.shared = {numbers[n]: calls for n, calls in self.shared.items() if n in numbers}
        self.misled = {numbers[n]: scope for n, scope in self.misled.items() if n in numbers}

    def inherit(self, change: Change) -> None:
        """New nodes keep the owner of what they replaced.

        One operation may become many, with branches (a scripted ``linear`` becomes an ``If``).
        """
        heads = change.heads()
        for name, owner in heads.items():
            self.owners.setdefault(name, owner)
        for head, owner in heads.items():
            for name in change.behind(head, self.owners):
                self.owners.setdefault(name, owner)
        self._follow_scopes(change)

    def _follow_scopes(self, change: Change) -> None:
        """Torch gives a new node the scope of the operation that it makes it for.

        before: ``%b = Constant();  %c = Mul(%a, %b), scope: root``, and noted: a hook of ``m``
        after:  ``%n = Constant(), scope: root;  %c = Mul(%a, %n)``, and ``%n`` is of ``m`` as well.
        """
        pending = [name for name in self.misled if name in change.makers]
        for name in pending:  # grows while it is walked
            scope, owner = self.misled[name], self.owners.get(name)
            for read in change.makers[name].inputs:
                maker = change.makers.get(read)
                if maker is None or read in change.made or read in self.owners or not owner:
                    continue
                if maker.owner and maker.owner.stack == scope:
                    self.owners[read], self.misled[read] = owner, scope
                    pending.append(read)

    def read(self, graph: Any) -> GraphRecord:
        """A graph as it stands, values named by their numbers."""
        return self._read(graph, set())

    def _read(self, graph: Any, nones: Set[str]) -> GraphRecord:
        """A graph or block; ``nones`` collects the values that stand for an input left out."""
        record = GraphRecord([number(value) for value in graph.inputs()])
        for node in graph.nodes():
            kind = node.kind()
            names = [number(value) for value in outputs(node)]
            reads = [number(value) for value in inputs(node)]
            if kind == _CONSTANT and node.mustBeNone():
                nones.update(names)
            stack = self.noted(names)
            if not stack or self.log.marked:
                scope = self.log.stack(node.scopeName())
                if stack and scope and scope != stack:
                    self.misled.update((name, scope) for name in names)
                stack = stack or scope
            record.nodes.append(
                NodeRecord(
                    kind,
                    ["" if name in nones else name for name in reads],
                    names,
                    Owner(stack) if stack else None,
                    bodies=[self._read(block, nones) for block in blocks(node)],
                )
            )
        record.outputs = [number(value) for value in graph.outputs()]
        return record
