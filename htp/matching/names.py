"""What names say: which old node and value a new one may be, before anything else is asked.

A tool may use a name again for another value. The readers tell:

    %u = Gemm(%x, %w)      %u = Gemm(%x, %w2)     %w2 holds the factor, too
    %v = Mul(%u, %gamma)
    %y = Add(%r, %v)       %y = Add(%r, %u)       so this %u stands in the place of %v

A tool may call a node after the value that it computes, and lay out what it computes otherwise:

    %v = Conv(%x, %w)      %a = Conv(%x, %a1)     called "v_blocked": it reads what that Conv read,
    %y = Relu(%v)                                 and %a is whatever the readers of %a read
"""

from typing import Dict, List, Set

from htp.matching.flat import Flat
from htp.matching.work import LAYOUT, operator

__all__ = ["Names"]

_LONGEST = 400
"""Characters of a name that are compared with others."""

_ABSORBED = 1
"""How many nodes are passed that read nothing but one value: a tool may have absorbed them."""

_STEPS = 3
"""How many nodes one behind the other are looked at that lay out a value."""


class Names:
    """What names say.

    Attributes:
        node: for each new node the old one of that name, -1 where there is none.
        value: for each new value the old one in whose place it stands, by its own name and by the
            readers' names; -1.
        kin: as ``node``, or the old one after whose value the new one is called.
    """

    def __init__(self, old: Flat, new: Flat) -> None:
        self._old, self._new = old, new
        self.node = self._by_values()
        self._by_node_names()
        self.kin = self._by_extension()
        self.value = [self._place(value) for value in range(len(new.names))]

    def _by_values(self) -> List[int]:
        """Nodes that compute a value of the same name by the same operator."""
        old, found = self._old, []
        for record in self._new.nodes:
            same = -1
            for name in record.outputs:
                maker = old.maker[old.number[name]] if name in old.number else None
                if maker is not None and old.nodes[maker[0]].op == record.op:
                    same = maker[0]
                    break
            found.append(same)
        return found

    def _by_node_names(self) -> None:
        """Nodes whose values have new names, and which are called as before."""
        known = _unique([record.name for record in self._old.nodes])
        here = _unique([record.name for record in self._new.nodes])
        taken = set(self.node)
        for name, node in here.items():
            old = known.get(name, -1)
            if old >= 0 and self.node[node] < 0 and old not in taken:
                record = self._new.nodes[node]
                gone = not any(output in self._old.number for output in record.outputs)
                if gone and self._old.nodes[old].op == record.op:
                    self.node[node] = old

    def _by_extension(self) -> List[int]:
        """For the nodes of new names also those after whose values they are called."""
        old, new = self._old, self._new
        gone = {name for name in old.number if name not in new.number and len(name) < _LONGEST}
        found = list(self.node)
        taken = set(found)
        for node, record in enumerate(new.nodes):
            if found[node] >= 0 or any(output in old.number for output in record.outputs):
                continue
            base = _base(record.name, gone)
            maker = old.maker[old.number[base]] if base else None
            for _ in range(1 + _ABSORBED):
                if maker is None or operator(record.op) == operator(old.nodes[maker[0]].op):
                    break
                maker = old.above(maker[0])
            else:
                maker = None
            if maker is not None and maker[0] not in taken:
                found[node] = maker[0]
                taken.add(maker[0])
        return found

    def _place(self, value: int) -> int:
        named = self._old.number.get(self._new.names[value], -1)
        read = self._read(value)
        if not read:
            return named
        if named in read:
            return named
        if named >= 0 and self._is_laid_out(read[0], named):
            return named
        return read[0] if self._new.maker[value] is not None else named

    def _at(self, reader: int, place: int, read: List[int]) -> int:
        """What a reader read at a place; where that went to another place, what has none."""
        here = self._new.inputs[reader]
        names = [self._new.names[v] for at, v in enumerate(here) if at != place and v >= 0]
        others = {self._old.number.get(name, -1) for name in names}
        left = [value for value in read if value not in others]
        return left[0] if read[place] in others and len(left) == 1 else read[place]

    def _is_laid_out(self, value: int, source: int) -> bool:
        """Whether an old value is another one, laid out otherwise: its reader may do that now."""
        for _ in range(_STEPS):
            maker = self._old.maker[value]
            if maker is None or self._old.nodes[maker[0]].op not in LAYOUT:
                return False
            value = self._old.inputs[maker[0]][0]
            if value == source or value < 0:
                return value == source
        return False

    def _read(self, value: int) -> List[int]:
        """What the readers of a value read before, as far as they are known by name."""
        found: Dict[int, int] = {}
        for reader, place in self._new.readers[value]:
            if reader < 0:
                continue
            known = self.kin[reader]
            if known < 0 or place >= len(self._old.inputs[known]):
                continue
            called_after = self.node[reader] < 0
            if called_after or len(self._old.inputs[known]) == len(self._new.inputs[reader]):
                read = self._old.inputs[known]
                named = self._old.number.get(self._new.names[value], -1)
                before = named if named >= 0 and named in read else self._at(reader, place, read)
                found[before] = found.get(before, 0) + 1
        return sorted((v for v in found if v >= 0), key=lambda each: -found[each])


def _base(name: str, gone: Set[str]) -> str:
    """The longest name that is gone and that this one begins with, up to the end of a word."""
    for length in range(min(len(name), _LONGEST) - 1, 0, -1):
        if not name[length].isalnum() and name[:length] in gone:
            return name[:length]
    return ""


def _unique(names: List[str]) -> Dict[str, int]:
    """Names that stand once, with their place."""
    found: Dict[str, int] = {}
    for at, name in enumerate(names):
        found[name] = -1 if name in found else at
    return {name: at for name, at in found.items() if name and at >= 0}
