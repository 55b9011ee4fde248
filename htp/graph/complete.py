"""Completing tags along the edges of a graph.

An exporter leaves some nodes without a record: constants that it hoisted, casts and identities that
a later pass added, nodes that a rewrite made anew. What they were made for can be read from the
edges: a value that was there before the rewrite keeps its owner; a helper belongs to the operation
that consumes it. Nothing here looks at operator types or names.

Edges that lead out of one module and into another leave open in which of them a node ran. Torch
puts helpers on such an edge after it built the graph; a node that was there from the first needs a
witness on both sides, or what its reader says is a guess:

    %b = Relu(%a)      of one          and then, in the first graph:   nobody knows whose Erf is
    %c = Erf(%b)       not recorded    only in the graph that is written:  a helper, its reader's
    %d = Sigmoid(%c)   of the other

Where the edges lead to nothing that is known, the parameters that a node reads are asked at last.
That is a guess, and called so.
"""

from dataclasses import replace
from typing import Callable, Dict, FrozenSet, Iterable, Iterator, List, Optional, Set, Tuple

from htp.graph.index import GraphIndex
from htp.graph.parameters import parameters
from htp.graph.records import Capture, NodeRecord
from htp.scope import UNKNOWN, Owner, Provenance, Stack, Tag, common_stack

__all__ = ["complete"]

Neighbours = Callable[[NodeRecord], List[NodeRecord]]
Beyond = Callable[[NodeRecord], FrozenSet[Stack]]

Found = Iterator[Tuple[NodeRecord, Owner]]
"""What a rule finds: nodes without a tag, and whose they are."""


def complete(capture: Capture) -> List[Tag]:
    """A tag for every node of the capture, in document order.

    What was recorded is ``captured``. The rest is found by the rules below in the order of trust.
    """
    nodes = list(capture.after.walk())
    tags = Tags(nodes)
    if len(tags) < len(nodes):
        work = _Completion(capture, GraphIndex(capture.after), tags)
        work.follow_the_rewrite()
        work.along_edges()
        work.guess()
    return [tags.get(node) or UNKNOWN for node in nodes]


class Tags:
    """The tags that are known so far."""

    def __init__(self, nodes: Iterable[NodeRecord]) -> None:
        self._known: Dict[int, Tag] = {}
        made: Dict[int, Tag] = {}  # nodes of one call may share their owner: they share the tag
        for node in nodes:
            owner = node.owner
            if owner:
                tag = made.get(id(owner))
                if tag is None:
                    tag = made[id(owner)] = Tag.of(owner, Provenance.CAPTURED)
                self._known[id(node)] = tag

    def __len__(self) -> int:
        return len(self._known)

    def get(self, node: Optional[NodeRecord]) -> Optional[Tag]:
        """The tag of a node, or None."""
        return self._known.get(id(node))

    def add(self, found: Iterable[Tuple[NodeRecord, Owner]], provenance: Provenance) -> bool:
        """Tag those of the nodes that have no tag yet; whether there was one."""
        before = len(self._known)
        for node, owner in found:
            self._known.setdefault(id(node), Tag.of(owner, provenance))
        return len(self._known) > before

    def missing(self, nodes: Iterable[NodeRecord]) -> Iterator[NodeRecord]:
        """The nodes without a tag, asked one by one as they are needed."""
        return (node for node in nodes if id(node) not in self._known)

    def call_guesses(self, since: "set[int]") -> None:
        """Call everything that is not in ``since`` inferred: from a guess comes a guess."""
        for place in self._known.keys() - since:
            self._known[place] = replace(self._known[place], provenance=Provenance.INFERRED)

    def places(self) -> "set[int]":
        """What is known now, for ``call_guesses``."""
        return set(self._known)


class _Completion:
    """The rules, on one capture. Each looks at the nodes that no rule before it could tag."""

    def __init__(self, capture: Capture, graph: GraphIndex, tags: Tags) -> None:
        self._capture = capture
        self._graph = graph
        self._before = GraphIndex(capture.before) if capture.before is not None else None
        self._tags = tags

    def follow_the_rewrite(self) -> None:
        """What stood in a node's place before torch rewrote the graph tells whose it is."""
        if self._before is not None:
            for rule in (self._same_value, self._same_reader):
                self._tags.add(rule(self._before), Provenance.PROPAGATED)

    def along_edges(self) -> None:
        """Ask what consumes, then what produces, then what calls, until nothing changes."""
        rules: Tuple[Callable[[], Found], ...] = (self._consumers, self._producers, self._callers)
        while len(self._tags) < len(self._graph.nodes):
            # any() stops at the first rule that found something: the better ones are asked again.
            if not any(self._tags.add(rule(), Provenance.PROPAGATED) for rule in rules):
                return

    def guess(self) -> None:
        """Ask the parameters, and the edges once more."""
        if len(self._tags) == len(self._graph.nodes):
            return
        known = self._tags.places()
        for rule in (self._readers_of_parameters, self._only_consumers):
            if self._tags.add(rule(), Provenance.INFERRED):
                self.along_edges()
                self._tags.call_guesses(known)

    def _same_value(self, before: GraphIndex) -> Found:
        """A node made anew computes a value that an earlier, recorded node computed."""
        for node in self._tags.missing(self._graph.nodes):
            makers = [before.makers[name] for name in node.outputs if name in before.makers]
            owners = [maker.owner for maker in makers if maker.owner]
            owner = Owner.fused(each.stack for each in owners)
            if owner:
                yield node, owner if owner.others else owners[0]

    def _same_reader(self, before: GraphIndex) -> Found:
        """A node made anew computes what its readers used to read from others, which are gone.

        before: ``%b = Old(%a);  %c = Reader(%b)``
        after:  ``%n = New(%a);  %c = Reader(%n)``, and New has the owner of Old.
        """
        readers = {tuple(node.outputs): node for node in before.nodes}
        instead: Dict[str, List[Stack]] = {}

        def compare(old: List[str], new: List[str]) -> None:
            for earlier, now in zip(old, new) if len(old) == len(new) else ():
                maker = before.makers.get(earlier)
                gone = earlier not in self._graph.makers and earlier != now
                if gone and maker is not None and maker.owner:
                    instead.setdefault(now, []).append(maker.owner.stack)

        compare(before.graph.outputs, self._graph.graph.outputs)
        for node in self._graph.nodes:
            reader = readers.get(tuple(node.outputs))
            if reader is not None:
                compare(reader.inputs, node.inputs)
        for node in self._tags.missing(self._graph.nodes):
            owner = Owner.fused(stack for name in node.outputs for stack in instead.get(name, ()))
            if owner:
                yield node, owner

    def _consumers(self) -> Found:
        """A helper belongs to what it was made for. Of several uses the first one owns it."""
        beyond = self._beyond(self._makers)
        for node, owner in self._only_consumers():
            if not self._crosses(node, owner.stack, beyond):
                yield node, owner

    def _crosses(self, node: NodeRecord, owner: Stack, beyond: Beyond) -> bool:
        """Whether a node was there from the first, and beyond it are only other calls."""
        before = self._before or self._graph
        if not any(name in before.makers for name in node.outputs):
            return False
        found = beyond(node)
        return bool(found) and owner not in found

    def _beyond(self, onward: Neighbours) -> Beyond:
        """Tells of a node whose the next nodes are that have a tag, in one direction.

        Each node is walked once; what is asked must get its tags from the other end.
        """
        known: Dict[int, FrozenSet[Stack]] = {}
        entered: Set[int] = set()

        def beyond(node: NodeRecord) -> FrozenSet[Stack]:
            pending = [node]
            while pending:
                at, found, waiting = pending[-1], set(), []
                for other in onward(at):
                    tag = self._tags.get(other)
                    if tag is not None:
                        found.add(tag.stack)
                    elif id(other) in known:
                        found |= known[id(other)]
                    else:
                        waiting.append(other)
                if waiting and id(at) not in entered:
                    entered.add(id(at))
                    pending += waiting
                else:
                    known[id(at)] = frozenset(found)
                    pending.pop()
            return known[id(node)]

        return beyond

    def _makers(self, node: NodeRecord) -> List[NodeRecord]:
        return [self._graph.makers[name] for name in node.inputs if name in self._graph.makers]

    def _users(self, node: NodeRecord) -> List[NodeRecord]:
        readers = (user for name in node.outputs for user in self._graph.readers.get(name, ()))
        return [user for user in readers if user is not None]

    def _only_consumers(self) -> Found:
        """The same, with nothing else to tell that it is so."""
        for node in reversed(self._graph.nodes):  # a chain of helpers is tagged from its end
            if self._tags.get(node) is None:
                tags = [self._tags.get(user) for user in self._users(node)]
                if None not in tags:
                    owner = Owner.merged(tag.stack for tag in tags if tag is not None)
                    if owner:
                        yield node, owner

    def _producers(self) -> Found:
        """What only the graph's outputs consume belongs to what computed its inputs."""
        beyond = self._beyond(self._users)
        for node in self._tags.missing(self._graph.nodes):
            known = [tag.stack for tag in map(self._tags.get, self._makers(node)) if tag]
            around = self._tags.get(self._graph.parents.get(id(node)))
            if not known and around is not None:
                known = [around.stack]
            owner = Owner.fused(known)
            if owner and not self._crosses(node, owner.stack, beyond):
                yield node, owner

    def _callers(self) -> Found:
        """The body of a function belongs to what calls it, or called it before the rewrite."""
        before = self._before.nodes if self._before is not None else []
        for function in self._capture.after.functions:
            if next(self._tags.missing(function.walk()), None) is None:
                continue
            calls = [self._tags.get(n) for n in self._graph.nodes if n.op == function.name]
            stacks = [tag.stack for tag in calls if tag]
            stacks += [n.owner.stack for n in before if n.op == function.name and n.owner]
            owner = Owner.fused(stacks)
            if owner:
                yield from ((node, owner) for node in function.walk())

    def _readers_of_parameters(self) -> Found:
        """A node that reads parameters may belong to the call of the module that has them.

        Of several such calls, as those of a module that runs twice, what they have in common is
        named.
        """
        calls: Dict[str, List[Stack]] = {}
        for call in self._capture.calls:
            calls.setdefault(call.stack[-1].path, []).append(call.stack)
        read = parameters(self._capture)
        for node in self._tags.missing(self._graph.nodes):
            names = {name for value in node.inputs for name in read.get(value, ())}
            modules = sorted({name.rpartition(".")[0] for name in names})
            owner = common_stack([stack for path in modules for stack in calls.get(path, ())])
            if owner:
                yield node, Owner(owner)
