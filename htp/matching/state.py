"""What is known so far while two graphs are matched."""

from typing import List, Optional, Set, Tuple

from htp.matching.converted import Converted
from htp.matching.flat import Flat
from htp.matching.work import Work
from htp.scope import Evidence

__all__ = ["State"]


class State:
    """The nodes and values of the rewritten graph, each with what it is in the tagged one.

    Attributes:
        old: the tagged graph.
        new: the rewritten one.
        work: what the nodes of both do.
        converted: the weights that a tool converted.
        node: for each new node the old one that it is; -1 where that is not known.
        how: how that is known.
        firm: for each new node whether the data flow alone shows it, though not for certain.
        others: for each new node further old nodes for which it stands, equal to the first.
        region: for each new node the old ones that became one with it, or whose work it shares.
        beside: for each new node that stands for none the old ones beside which it works.
        unknown: new nodes of which nothing can be told.
        value: for each new value the old one in whose place it stands; -1.
        proven: for each new value whether it is that value for certain.
    """

    def __init__(self, old: Flat, new: Flat) -> None:
        self.old, self.new = old, new
        self.work = (Work(old), Work(new))
        self.converted = Converted(old, new)
        count = len(new.nodes)
        self.node = [-1] * count
        self.how: List[Optional[Evidence]] = [None] * count
        self.firm = bytearray(count)
        self.others: List[Tuple[int, ...]] = [()] * count
        self.region: List[Tuple[int, ...]] = [()] * count
        self.beside: List[Tuple[int, ...]] = [()] * count
        self.unknown: Set[int] = set()
        self.value = [-1] * len(new.names)
        self.proven = bytearray(len(new.names))

    def claimed(self) -> Set[int]:
        """The old nodes that some new one is."""
        found = {old for old in self.node if old >= 0}
        for others in self.others:
            found.update(others)
        return found

    def same(self, new: int, old: int, how: Evidence) -> None:
        """A new node is an old one, and so are the values that it computes."""
        self.node[new], self.how[new] = old, how
        sure = how is Evidence.STRUCTURE
        for mine, theirs in zip(self.new.outputs[new], self.old.outputs[old]):
            if mine >= 0 and theirs >= 0:
                self.value[mine] = theirs
                self.proven[mine] = sure
