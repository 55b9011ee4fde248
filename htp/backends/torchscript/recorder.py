"""Reading TorchScript graphs into records while torch converts and rewrites them."""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from htp.backends.base import Where
from htp.backends.torchscript import scripted
from htp.backends.torchscript.compare import counterpart, moved_uses, region, replacements
from htp.backends.torchscript.ir import blocks, inputs, nodes, outputs
from htp.backends.torchscript.markers import take_out
from htp.backends.torchscript.scopes import CallLog
from htp.errors import CaptureError
from htp.graph.records import GraphRecord, NodeRecord
from htp.scope import ModuleCall, Owner, Sharing, Stack

_CONSTANT = "prim::Constant"


class Recorder:
    """What is known of the values of one export.

    TorchScript numbers the values of a graph and never reuses a number, so a value's ``unique``
    identifies it through every pass but those that copy the graph.
    """

    def __init__(self, log: CallLog, model: Any) -> None:
        self.log = log
        self.model = model
        self.markers: Any = None
        self.converted: Dict[int, Stack] = {}
        """Owner of each value that was made while an operation was converted."""
        self.source: Optional[GraphRecord] = None
        """The traced or inlined graph as last seen."""
        self.owners: Dict[int, Stack] = {}
        """Owner of each value whose operation has no scope that tells. Numbers are those of the
        traced graph until it is converted, then those of the ONNX graph."""
        self.merged: Dict[int, List[Stack]] = {}
        """Owners of the equal operations that were merged into the one that computes a value."""
        self.shared: Dict[int, Tuple[ModuleCall, ...]] = {}
        """The same of values that were made while a merged operation was converted."""
        self.first: Optional[GraphRecord] = None
        """The ONNX graph as it was first built; values are named by their numbers."""
        self.fused: Dict[int, List[Stack]] = {}
        """Owners of the operations that were fused into the node that computes a value."""
        self.renumbered: Dict[int, int] = {}
        """From numbers of the first graph to numbers of the copy that is written."""
        self.final: Any = None

    def note_conversion(self, node: Any, given: Iterable[Any], result: Any) -> None:
        """Everything newly made between ``given`` and ``result`` was made for ``node``."""
        owner = self.owner(node)
        if not owner:
            return
        equal = [s for value in outputs(node) for s in self.merged.get(value.unique(), ())]
        shared = tuple(dict.fromkeys(stack[-1] for stack in equal if stack != owner))
        stop = {value.unique() for value in _values(given)}
        pending = list(_values(result))
        while pending:
            value = pending.pop()
            if value.unique() in stop or value.unique() in self.converted:
                continue
            made_by = value.node()
            if made_by.kind().partition("::")[0] in ("prim", "aten"):  # copied as it was
                continue
            for output in outputs(made_by):
                self.converted[output.unique()] = owner
                if shared:
                    self.shared[output.unique()] = shared
            pending.extend(inputs(made_by))

    def note_hooks(self, graph: Any) -> None:
        """Take the markers out of a traced graph.

        What ran between them and has no scope within belongs to the call that they mark.
        """

        def enter(text: str, outer: Stack) -> Stack:
            return self.log.stacks[int(text)]

        for node, marked in take_out(graph, (), enter):
            own = self.log.stack(node.scopeName())
            if marked and own == marked[: len(own)] and own != marked:
                self.owners.update((value.unique(), marked) for value in outputs(node))

    def note_source(self, graph: Any) -> GraphRecord:
        """Follow the operations of the traced graph through the passes before the conversion.

        Call it with the graph as it stands; new operations keep the owner of what they replace.
        """
        record = self.record(graph)
        if self.source is not None:
            self.note_rewrite(self.source, record)
            if self.merged:
                self._follow_merges(self.source, record)
        for node in record.walk():
            known = (self.owners.get(int(name)) for name in node.outputs)
            noted = next((owner for owner in known if owner), None)
            node.owner = Owner(noted) if noted else node.owner
            if node.owner:
                self.owners.update((int(name), node.owner.stack) for name in node.outputs)
        self.source = record
        return record

    def _follow_merges(self, before: GraphRecord, after: GraphRecord) -> None:
        """An operation that was made anew stands for what the old one stood for."""
        made = {name: node.op.rstrip("_") for node in before.walk() for name in node.outputs}
        now = {name: node.op.rstrip("_") for node in after.walk() for name in node.outputs}
        for old, new in replacements(before, after):
            if int(old) in self.merged and made.get(old) == now.get(new):
                self.merged.setdefault(int(new), self.merged[int(old)])

    def note_merges(self, before: GraphRecord, after: GraphRecord) -> None:
        """A pass merged equal operations: the first one stands for the others as well."""
        made = {name: node for node in before.walk() for name in node.outputs}
        for old, new in replacements(before, after, merging=True):
            one, other = made.get(old), made.get(new)
            if one is not None and other is not None and one.op == other.op and one.owner:
                self.merged.setdefault(int(new), []).append(one.owner.stack)

    def where(self) -> Where:
        """What the export is busy with."""
        return Where()

    def note_inlined(self, graph: Any) -> None:
        """The methods of a scripted model were inlined into one graph."""
        if self.markers is not None:
            self.markers.restore()
            self.owners = scripted.read(graph, self.model, self.log)

    def note_first(self, graph: Any) -> None:
        """Keep the graph as the conversion left it."""
        parameters = self.log.names.tensors()
        self.owners = self.converted
        self.first = self.record(graph)
        for value in graph.inputs():
            names = parameters.get(value.debugName())
            if names:
                self.first.parameters[str(value.unique())] = names

    def note_copy(self, old: Any, new: Any) -> None:
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
        numbers = {one.unique(): other.unique() for one, other in pairs}
        self.renumbered = numbers
        self.owners = {numbers[u]: o for u, o in self.owners.items() if u in numbers}
        self.shared = {numbers[u]: s for u, s in self.shared.items() if u in numbers}

    def owner(self, node: Any) -> Optional[Stack]:
        """The owner of a node: what was noted of the values that it computes, else its scope.

        Old releases give a node the scope of the last operation whose result it was, even of one
        that had no effect, so what was noted is the better witness.
        """
        known = (self.owners.get(value.unique()) for value in outputs(node))
        noted = next((owner for owner in known if owner), None)
        return noted or self.log.stack(node.scopeName()) or None

    def note_rewrite(self, before: GraphRecord, after: GraphRecord) -> None:
        """A pass put new nodes in the place of old ones: they keep the owner of what they replace.

        One operation may become many, with branches (a scripted ``linear`` becomes an ``If``).
        """
        known = {name: _stack(node) for node in before.walk() for name in node.outputs}
        kinds = {name: node.op.rstrip("_") for node in before.walk() for name in node.outputs}
        made = {name: node for node in after.walk() for name in node.outputs}
        users: Dict[str, Set[Optional[Stack]]] = {}
        for node in before.walk():
            for name in node.inputs:
                users.setdefault(name, set()).add(_stack(node))
        heads: Dict[str, Stack] = {}
        for old, new in replacements(before, after):
            owner, maker = known.get(old), made.get(new)
            if not owner or maker is None or new in known:
                continue
            if not maker.inputs and len(users.get(old, ())) > 1:
                continue  # a constant that served several: its own users tell whose it is
            if not maker.owner or maker.op == kinds.get(old):
                heads.setdefault(new, owner)
        for name, owner in heads.items():
            self.owners.setdefault(int(name), owner)
        for head, owner in heads.items():
            self._flood(head, owner, made, known)

    def _flood(
        self, head: str, owner: Stack, made: Dict[str, NodeRecord], known: Mapping[str, object]
    ) -> None:
        """Give an owner to the new nodes behind ``head`` that stand for the same operation."""
        pending = [head]
        while pending:
            name = pending.pop()
            node = made.get(name)
            if node is None or name in known or node.owner:
                continue
            if name != head and int(name) in self.owners:
                continue
            for one in [node, *(inner for body in node.bodies for inner in body.walk())]:
                if one.inputs and not one.owner:  # constants may serve others as well
                    for value in one.outputs:
                        self.owners.setdefault(int(value), owner)
                pending.extend(value for value in one.inputs if value)

    def note_fusions(self, before: GraphRecord, after: GraphRecord) -> None:
        """Compare a graph before and after a pass that fuses: which nodes took over others?"""
        left = {name: node for node in after.walk() for name in node.outputs}
        made = {name: node for node in before.walk() for name in node.outputs}
        pending, seen = list(moved_uses(before, after)), set()
        while pending:
            old, new = pending.pop()
            if (old, new) in seen or old in left or old not in made:
                continue
            seen.add((old, new))
            last = counterpart(old, left[new], made, left) if new in left else old
            owners = list(region(old, made, left, last))
            if owners:
                self.fused.setdefault(int(new), []).extend(owners)
            if new in left and made[last].op.rstrip("_") == left[new].op:
                # What the operation read may have been fused as well, with nobody else to tell.
                # A fused operation may read more than before: a convolution gets a bias.
                pairs = zip(made[last].inputs, left[new].inputs)
                pending.extend((one, other) for one, other in pairs if one != other and other)

    def fusion(self, node: Any, stack: Optional[Stack]) -> Optional[Owner]:
        """The owner of a node, with what was fused into it or merged with it."""
        numbers = [value.unique() for value in outputs(node)]
        absorbed = [stack for number in numbers for stack in self.fused.get(number, ())]
        if not absorbed:
            others = next((self.shared[n] for n in numbers if n in self.shared), ())
            return Owner(stack, others, Sharing.MERGED if others else None) if stack else None
        return Owner.fused([*([stack] if stack else []), *absorbed])

    def record(self, graph: Any) -> GraphRecord:
        """A graph as it stands, values named by their numbers."""
        return self._read(graph, set())

    def _read(self, graph: Any, nones: Set[str]) -> GraphRecord:
        """A graph or block; ``nones`` collects the values that stand for an input left out."""
        record = GraphRecord([str(value.unique()) for value in graph.inputs()])
        for node in graph.nodes():
            kind = node.kind()
            made = [value.unique() for value in outputs(node)]
            read = [str(value.unique()) for value in inputs(node)]
            names = [str(number) for number in made]
            if kind == _CONSTANT and node.mustBeNone():
                nones.update(names)
            known = (self.owners.get(number) for number in made)
            noted = next((owner for owner in known if owner), None)
            record.nodes.append(
                NodeRecord(
                    kind,
                    ["" if name in nones else name for name in read],
                    names,
                    _owner(noted or self.log.stack(node.scopeName())),
                    bodies=[self._read(block, nones) for block in blocks(node)],
                )
            )
        record.outputs = [str(value.unique()) for value in graph.outputs()]
        return record


def _owner(stack: Optional[Stack]) -> Optional[Owner]:
    return Owner(stack) if stack else None


def _stack(node: NodeRecord) -> Optional[Stack]:
    return node.owner.stack if node.owner else None


def _values(found: Any) -> Iterator[Any]:
    """The values in what a symbolic function takes or returns: nested lists, Nones and numbers."""
    if hasattr(found, "unique") and hasattr(found, "debugName"):
        yield found
    elif isinstance(found, (list, tuple)):
        for item in found:
            yield from _values(item)


def final_owners(recorder: Recorder) -> Dict[str, NodeRecord]:
    """Owner and operator of every node of the written graph, by the name of each output."""
    found: Dict[str, NodeRecord] = {}
    for node in nodes(recorder.final):
        owner = recorder.fusion(node, recorder.owner(node))
        record = NodeRecord(node.kind().partition("::")[2], [], [], owner)
        for value in outputs(node):
            found[value.debugName()] = record
    return found


def final_names(recorder: Recorder) -> Dict[int, str]:
    """The written name of every value that is left, by its number."""
    names = {value.unique(): value.debugName() for value in recorder.final.inputs()}
    for node in nodes(recorder.final):
        names.update((value.unique(), value.debugName()) for value in outputs(node))
        for block in blocks(node):
            names.update((value.unique(), value.debugName()) for value in block.inputs())
    return names


def rename(record: GraphRecord, recorder: Recorder, names: Dict[int, str]) -> GraphRecord:
    """The first graph with the names that its values have in the file; vanished ones get ``#``."""

    def name(number: str) -> str:
        if not number:
            return ""
        unique = recorder.renumbered.get(int(number))
        return names.get(unique, f"#{number}") if unique is not None else f"#{number}"

    return GraphRecord(
        [name(value) for value in record.inputs],
        [name(value) for value in record.outputs],
        [
            NodeRecord(
                node.op,
                [name(value) for value in node.inputs],
                [name(value) for value in node.outputs],
                node.owner,
                [rename(body, recorder, names) for body in node.bodies],
            )
            for node in record.nodes
        ],
        {name(value): tensors for value, tensors in record.parameters.items()},
    )
