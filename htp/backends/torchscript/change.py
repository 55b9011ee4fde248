"""What a pass changed: a graph before and after it, compared by its values.

Values keep their numbers through a pass, so an operation that was there before and after tells by
what it reads. What is found so is followed through the operations that are new.
"""

from typing import Dict, Iterator, List, Mapping, Optional, Set, Tuple

from htp.graph.records import GraphRecord, NodeRecord
from htp.scope import Stack

__all__ = ["Change"]

Pair = Tuple[str, str]


class Change:
    """One graph before and after a pass.

    Attributes:
        before: the graph before.
        after: the graph after.
        made: the node of ``before`` that computes each value.
        makers: the node of ``after`` that computes each value.
    """

    def __init__(self, before: GraphRecord, after: GraphRecord) -> None:
        self.before = before
        self.after = after
        self.made = _makers(before)
        self.makers = _makers(after)

    def moved_uses(self) -> Iterator[Pair]:
        """Values that a consumer or a graph's outputs read before, and what they read now.

        before: ``%b = Old(%a);  %c = Reader(%b)``
        after:  ``%n = New(%a);  %c = Reader(%n)``, which gives ``(%b, %n)``.
        """
        consumers = {tuple(node.outputs): node for node in self.before.walk()}
        for node in self.after.walk():
            earlier = consumers.get(tuple(node.outputs))
            if earlier is not None:
                yield from _reads(earlier, node)
        yield from _differing(self.before.outputs, self.after.outputs)

    def replacements(self, merging: bool = False) -> Iterator[Pair]:
        """Values of ``before`` and the values of ``after`` that took their place, chains included.

        before: ``%b = Old(%a);  %c = Other(%b);  %d = Reader(%c)``
        after:  ``%m = Old(%a);  %n = Other(%m);  %d = Reader(%n)``,
        which gives ``(%c, %n)`` and, behind it, ``(%b, %m)``.

        A chain goes on through new operations, and through those that were there before only if
        the pass was ``merging`` equal ones: else what one of them reads stands for nothing else.
        """
        pending, seen = list(self.moved_uses()), set()
        while pending:
            old_name, new_name = pending.pop()
            new = self.makers.get(new_name)
            if new is not None and new_name not in self.made:
                old_name = self.counterpart(old_name, new)
            if (old_name, new_name) in seen or old_name == new_name:
                continue
            seen.add((old_name, new_name))
            if old_name in self.makers and new_name in self.made:
                continue  # another value is read there, and both are what they were
            yield old_name, new_name
            old = self.made.get(old_name)
            if old is not None and new is not None and (merging or new_name not in self.made):
                pending.extend(_reads(old, new))

    def merges(self) -> Iterator[Tuple[str, Stack]]:
        """The value of each operation that stands for equal ones, and the owner of such a one.

        before: ``%b = Op(%a);  %c = Op(%a);  %d = Reader(%c)``
        after:  ``%b = Op(%a);  %d = Reader(%b)``, which gives ``%b`` with the owner of ``%c``.
        """
        for old, new in self.replacements(merging=True):
            one, other = self.made.get(old), self.made.get(new)
            if one is not None and other is not None and one.op == other.op and one.owner:
                yield new, one.owner.stack

    def remade(self) -> Iterator[Pair]:
        """Values of the operations that were made anew as they were, before and after."""
        for old, new in self.replacements():
            one, other = self.made.get(old), self.makers.get(new)
            if one is not None and other is not None and _kind(one) == _kind(other):
                yield old, new

    def heads(self) -> Dict[str, Stack]:
        """New values that took the place of old ones, and the owner of the old one.

        A constant that served several owners tells nothing: its own users tell whose it is.
        """
        readers = self._owners_of_readers()
        found: Dict[str, Stack] = {}
        for old, new in self.replacements():
            one, other = self.made.get(old), self.makers.get(new)
            if one is None or not one.owner or other is None or new in self.made:
                continue
            if not other.inputs and len(readers.get(old, ())) > 1:
                continue
            if not other.owner or other.op == _kind(one):
                found.setdefault(new, one.owner.stack)
        return found

    def _owners_of_readers(self) -> Dict[str, Set[Optional[Stack]]]:
        found: Dict[str, Set[Optional[Stack]]] = {}
        for node in self.before.walk():
            for name in node.inputs:
                found.setdefault(name, set()).add(node.owner.stack if node.owner else None)
        return found

    def counterpart(self, name: str, new: NodeRecord) -> str:
        """The vanished value behind ``name`` that was computed by the same operation as ``new``.

        An operation without effect was left out (a dropout), so its input is what was replaced:

        before: ``%b = Old(%a);  %c = Dropout(%b);  %d = Reader(%c)``
        after:  ``%n = Old(%a);  %d = Reader(%n)``, and behind ``%c``, ``%b`` is what became ``%n``.
        """
        pending, seen = [name], {name}
        for value in pending:  # grows while it is walked: breadth first
            node = self.made.get(value)
            if node is None or value in self.makers:
                continue
            if _kind(node) == new.op:
                return value
            fresh = [v for v in node.inputs if v and v not in seen]
            seen.update(fresh)
            pending.extend(fresh)
        return name

    def fused(self) -> Iterator[Tuple[str, List[Stack]]]:
        """Values that stand for several operations, and the owners of those that vanished.

        before: ``%b = Conv(%a, %w);  %c = BatchNorm(%b);  %d = Reader(%c)``
        after:  ``%n = Conv(%a, %v);  %d = Reader(%n)``, and ``%n`` stands for Conv and BatchNorm.
        """
        pending, seen = list(self.moved_uses()), set()
        while pending:
            old, new = pending.pop()
            if (old, new) in seen or old in self.makers or old not in self.made:
                continue
            seen.add((old, new))
            last = self.counterpart(old, self.makers[new]) if new in self.makers else old
            owners = list(self.region(old, last))
            if owners:
                yield new, owners
            if new in self.makers and _kind(self.made[last]) == self.makers[new].op:
                # What the operation read may have been fused as well, with nobody else to tell.
                # A fused operation may read more than before: a convolution gets a bias.
                pairs = zip(self.made[last].inputs, self.makers[new].inputs)
                pending.extend((one, other) for one, other in pairs if one != other and other)

    def region(self, value: str, last: str) -> Iterator[Stack]:
        """Owners of the vanished nodes that ``value`` was computed by, the first computed first.

        ``last`` is computed by the operation that has stayed: what that reads was not fused.

        before: ``%b = Transpose(%w);  %c = Conv(%a, %b);  %d = BatchNorm(%c)``; ``%d`` vanished
        and Conv stayed, so with ``last`` ``%c``: the owners of Conv and BatchNorm.
        """
        order: List[Stack] = []
        pending, seen = [value], {value}
        while pending:
            node = self.made.get(pending.pop())
            if node is None:
                continue
            if node.owner:
                order.append(node.owner.stack)
            if last != value and last in node.outputs:
                continue
            for name in node.inputs:
                if name and name not in self.makers and name not in seen:
                    seen.add(name)
                    pending.append(name)
        yield from reversed(order)

    def behind(self, head: str, taken: Mapping[str, object]) -> Iterator[str]:
        """Values of the new nodes without owner that stand for one operation, from its last one.

        before: ``%b = Linear(%a, %w)``
        after:  ``%t = Transpose(%w);  %n = MatMul(%a, %t)``; the head ``%n`` gives ``%n``, ``%t``.

        Constants may serve others as well, and what is ``taken`` belongs to another operation.
        """
        pending = [head]
        while pending:
            name = pending.pop()
            node = self.makers.get(name)
            if node is None or name in self.made or node.owner:
                continue
            if name != head and name in taken:
                continue
            for one in [node, *(inner for body in node.bodies for inner in body.walk())]:
                if one.inputs and not one.owner:
                    yield from one.outputs
                pending.extend(value for value in one.inputs if value)


def _makers(graph: GraphRecord) -> Dict[str, NodeRecord]:
    return {name: node for node in graph.walk() for name in node.outputs}


def _kind(node: NodeRecord) -> str:
    """The operation, whether it works in place (``aten::add_``) or not."""
    return node.op.rstrip("_")


def _reads(old: NodeRecord, new: NodeRecord) -> Iterator[Pair]:
    """What two nodes read at the same place, and what their bodies hand out at the same place."""
    yield from _differing(old.inputs, new.inputs)
    if len(old.bodies) == len(new.bodies):
        for one, other in zip(old.bodies, new.bodies):
            yield from _differing(one.outputs, other.outputs)


def _differing(old: List[str], new: List[str]) -> Iterator[Pair]:
    if len(old) == len(new):
        yield from ((o, n) for o, n in zip(old, new) if o != n and o and n)
