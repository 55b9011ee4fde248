"""What is not equal in two files, operation by operation."""

from collections import Counter
from typing import Dict, Iterator, List, Optional, Tuple

from htp.comparing.attributes import shown
from htp.comparing.change import Change
from htp.comparing.ends import ends
from htp.comparing.leaves import Leaves
from htp.comparing.operation import Operation
from htp.comparing.owners import UNOWNED, Owners
from htp.comparing.pairs import Pairs
from htp.comparing.reads import Reads
from htp.comparing.shapes import Shapes
from htp.printable import printable
from htp.scope import Provenance

__all__ = ["Changes"]


class Changes:
    """Goes through the pairs, and through what has no partner.

    Attributes:
        not_judged: what could not be compared, and why.
    """

    def __init__(self, pairs: Pairs, owners: Owners) -> None:
        self._pairs, self._one, self._other, self._owners = pairs, pairs.one, pairs.other, owners
        self._leaves = Leaves(pairs.one, pairs.other, owners)
        self._reads = Reads(pairs, owners, self._leaves)
        self._shapes = Shapes(pairs)
        self.not_judged: List[str] = []

    def all(self) -> Iterator[Change]:
        """Every change."""
        yield from ends(self._pairs, self._owners.root, self._reads, self._shapes)
        for other, one in enumerate(self._pairs.partner):
            if one >= 0:
                yield from self._pair(one, other)
        yield from self._alone()
        yield from self._moved()
        for owner, name, before, after, judged in self._leaves.changes():
            if judged:
                yield Change(owner, "weight", before, after, (name,))
            else:
                self.not_judged.append(f"{name}: a data file of it is missing or cannot be read")

    def _pair(self, one: int, other: int) -> Iterator[Change]:
        mine, theirs = self._one.operations[one], self._other.operations[other]
        names = (mine.name, theirs.name)
        if mine.op != theirs.op:
            yield Change(mine.owner, "operator", _told(mine), _told(theirs), names)
        elif mine.attributes != theirs.attributes:
            said = _told(mine, theirs), _told(theirs, mine)
            yield Change(mine.owner, "attribute", *said, names)
        differing = list(self._reads.differing(one, other))
        if differing:
            said = ", ".join(was for was, _ in differing), ", ".join(now for _, now in differing)
            said = f"{mine.title}({said[0]})", f"{theirs.title}({said[1]})"
            yield Change(mine.owner, "inputs", *said, names)
        types = self._shapes.arising(mine, theirs)
        if types is not None:
            said = f"{mine.title} {types[0]}", f"{theirs.title} {types[1]}"
            yield Change(mine.owner, "shape", *said, names)

    def _alone(self) -> Iterator[Change]:
        """Operations without a partner, together for each call."""
        found: Dict[int, Tuple[List[Operation], List[Operation]]] = {}
        sides = ((self._one, self._pairs.taken), (self._other, self._pairs.partner))
        for side, (graph, paired) in enumerate(sides):
            for made, partner in zip(graph.operations, paired):
                if partner < 0:
                    found.setdefault(made.owner, ([], []))[side].append(made)
        for owner, (mine, theirs) in found.items():
            names = tuple(each.name for each in (*mine, *theirs))
            yield Change(owner, "nodes", _counted(mine), _counted(theirs), names)

    def _moved(self) -> Iterator[Change]:
        """Operations that are another call's, together for each two calls."""
        found: Dict[Tuple[int, int], List[Tuple[Operation, Operation]]] = {}
        for other, one in enumerate(self._pairs.partner):
            if one >= 0:
                mine, theirs = self._one.operations[one], self._other.operations[other]
                if mine.owner != theirs.owner:
                    found.setdefault((mine.owner, theirs.owner), []).append((mine, theirs))
        for (before, after), pairs in found.items():
            ones, others = [each for each, _ in pairs], [each for _, each in pairs]
            yield Change(
                before or after,
                "owner",
                f"{self._owners.name(before)}{_known(ones)}: {_counted(ones)}",
                f"{self._owners.name(after)}{_known(others)}: {_counted(others)}",
                tuple(each.name for each in ones),
            )


def _told(made: Operation, other: Optional[Operation] = None) -> str:
    """An operation with its attributes: those that another has not, too."""
    known = () if other is None else other.attributes
    said = (shown(made.op, each) for each in made.attributes if each not in known)
    return " ".join([made.title, *said])


_SHOWN = 6


def _counted(operations: List[Operation]) -> Optional[str]:
    """The operators of some nodes, the most frequent first."""
    if not operations:
        return None
    counts = Counter(each.title for each in operations)
    told = [f"{count} {op}" if count > 1 else op for op, count in counts.most_common()]
    more = [f"{len(told) - _SHOWN} other operators"] if len(told) > _SHOWN + 1 else []
    return ", ".join(map(printable, [*told[: _SHOWN if more else None], *more]))


def _known(operations: List[Operation]) -> str:
    """How the owners of nodes are known, if not for certain."""
    kinds = {each.tag.provenance for each in operations if each.owner != UNOWNED}
    found = sorted(map(str, kinds - {Provenance.CAPTURED}))
    return f" ({', '.join(found)})" if found else ""
