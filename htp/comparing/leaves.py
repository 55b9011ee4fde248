"""Weights and constants that are not the same in both files, each told once, where it belongs."""

from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from htp.comparing.contents import compared, elements, numbers, typed
from htp.comparing.graph import Graph
from htp.comparing.operation import Leaf
from htp.comparing.owners import UNOWNED, Owners

__all__ = ["Leaves", "WeightChange"]

_FEW = 8
"""Elements that are shown."""


class WeightChange(NamedTuple):
    """A weight or a constant that is another one.

    Attributes:
        owner: the number of the call that it belongs to.
        name: what to call it.
        before: what it was, if it was there.
        after: what it is, if it is there.
        judged: whether it could be read in both files.
    """

    owner: int
    name: str
    before: Optional[str]
    after: Optional[str]
    judged: bool = True


class Leaves:
    """Collects what pairs of operations read in the same place.

    Args:
        one: the first file.
        other: the second.
        owners: of both.
    """

    def __init__(self, one: Graph, other: Graph, owners: Owners) -> None:
        self._one, self._other, self._owners = one, other, owners
        self._differing: Dict[Tuple[int, int], List[Tuple[int, int]]] = {}
        self._kept: Tuple[Set[int], Set[int]] = (set(), set())

    def same(self, mine: int, theirs: int) -> bool:
        """Take in that two weights are read in the same place; whether they are equal."""
        before, now = self._one.leaves[mine], self._other.leaves[theirs]
        if before.digest and before.digest == now.digest:
            self._kept[0].add(mine)
            self._kept[1].add(theirs)
            return True
        return False

    def differ(self, mine: int, theirs: int, one: int, other: int) -> None:
        """Take in that a pair of operations reads two weights that are not equal."""
        self._differing.setdefault((mine, theirs), []).append((one, other))

    def changes(self) -> Iterator[WeightChange]:
        """Each that is another one, once; and those that nothing reads and only one file has."""
        for (mine, theirs), readers in self._differing.items():
            owners = dict.fromkeys(self._one.operations[one].owner for one, _ in readers)
            is_kept = mine in self._kept[0] or theirs in self._kept[1]
            before, now = self._one.leaves[mine], self._other.leaves[theirs]
            if is_kept or self._swapped(before, now, readers):
                for owner in owners:
                    yield self._change(owner, before, now)
            else:
                yield self._change(self._owner(before, now, list(owners)), before, now)
        yield from self._unread(self._one, self._other, False)
        yield from self._unread(self._other, self._one, True)

    def called(self, graph: Graph, leaf: Leaf, reader: int) -> str:
        """What to call a weight where a call reads it: its own without the path."""
        if not leaf.parameters:
            return f"constant {_told(graph, leaf)}"
        name, call = _name(leaf, leaf), self._owners.calls[reader]
        before = f"{call.path}." if call is not None and call.path else ""
        return f"weight {name[len(before) :] if name.startswith(before) else name}"

    def _swapped(self, before: Leaf, now: Leaf, readers: List[Tuple[int, int]]) -> bool:
        """Whether the weights of the readers only changed places."""
        one, other = readers[0]
        mine = [
            self._one.leaves[each].digest
            for each in self._one.operations[one].inputs
            if each in self._one.leaves
        ]
        theirs = [
            self._other.leaves[each].digest
            for each in self._other.operations[other].inputs
            if each in self._other.leaves
        ]
        return bool(now.digest in mine and before.digest in theirs)

    def _owner(self, before: Leaf, now: Leaf, readers: List[int]) -> int:
        """Whose a weight is: a constant's own; else of its only reader, or of its parameter."""
        if before.owner is not None and before.owner != UNOWNED:
            return before.owner
        if len(readers) == 1 and readers[0] != UNOWNED:
            return readers[0]
        for parameter in before.parameters or now.parameters:
            path = parameter.rpartition(".")[0]
            known: List[int] = [*readers, *range(1, len(self._owners.calls))]
            for owner in known:
                call = self._owners.calls[owner]
                if call is not None and call.path == path:
                    return owner
        return readers[0] if readers else now.owner or UNOWNED

    def _change(self, owner: int, before: Leaf, now: Leaf) -> WeightChange:
        name = _name(before, now)
        judged = bool(before.digest and now.digest)
        told = _told(self._one, before), _told(self._other, now)
        if not judged:
            return WeightChange(owner, name, *told, judged=False)
        if told[0] == told[1]:
            found = compared(self._one.contents, before.tensor, self._other.contents, now.tensor)
            how = "other contents" if found is None else f"{found.elements} differ"
            if found is not None and found.most:
                how += f", by {found.most:.3g} at most"
            told = (told[0], f"{told[1]}, {how}")
        return WeightChange(owner, name, *told)

    def _unread(self, graph: Graph, other: Graph, is_new: bool) -> Iterator[WeightChange]:
        """What nothing reads, and the other file has not."""
        idle = [
            leaf
            for value, leaf in graph.leaves.items()
            if not graph.readers[value] and value not in self._kept[is_new]
        ]
        known = {leaf.digest for leaf in other.leaves.values()} if idle else set()
        for leaf in idle:
            if leaf.digest not in known:
                told = _told(graph, leaf)
                owner = self._owner(leaf, leaf, [])
                yield WeightChange(
                    owner, _name(leaf, leaf), *((None, told) if is_new else (told, None))
                )


def _name(leaf: Leaf, other: Leaf) -> str:
    """The parameter that it is, or those from which it was made; else the name of its value."""
    names = leaf.parameters or other.parameters
    return (names[0] if len(names) == 1 else f"of {', '.join(names)}") if names else leaf.name


def _told(graph: Graph, leaf: Leaf) -> str:
    tensor = leaf.tensor
    kind = typed(tensor.data_type, tensor.dims)
    if not leaf.digest:
        return f"{kind}, which cannot be read"
    if elements(tensor.dims) <= _FEW:
        held = numbers(graph.contents, tensor)
        if held is not None:
            shown = ", ".join(
                f"{each:.6g}" if isinstance(each, float) else str(each) for each in held
            )
            return f"{kind} {shown}" if not tensor.dims else f"{kind} [{shown}]"
    return kind
