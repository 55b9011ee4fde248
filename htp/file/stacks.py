"""Tables of stacks and tags: each that is distinct stands once, and nodes name it by its place."""

from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from htp.file import keys
from htp.scope import Evidence, ModuleCall, Provenance, Sharing, Stack, Tag

__all__ = ["StackTable", "Stacks", "Table"]

Row = List[Any]


class StackTable:
    """Writes tags.

    Args:
        known: the stacks that stand elsewhere, before those that this table adds.
    """

    def __init__(self, known: Iterable[Stack]) -> None:
        self._places: Dict[Stack, int] = {(): -1}
        self._ends: Dict[ModuleCall, int] = {}
        self._added: List[Row] = []
        for at, stack in enumerate(known):
            self._places.setdefault(stack, at)
            self._ends.setdefault(stack[-1], at)
        self._count = len(self._ends) and at + 1

    def encode(self, tags: Sequence[Tag]) -> Tuple[List[Row], List[int]]:
        """The rows of the distinct tags, and the nodes: a tag's place, for how many, and so on."""
        rows: List[Row] = []
        places: Dict[Any, int] = {}
        known: Dict[Tuple[int, int], int] = {}  # by identity: hashing stacks takes longer
        nodes: List[int] = []
        last = -1
        for tag in tags:
            alone = not (tag.shared or tag.evidence)
            key = (id(tag.stack), id(tag.provenance)) if alone else (0, id(tag))
            place = known.get(key)
            if place is None:
                same = (self._place(tag.stack), id(tag.provenance)) if alone else tag
                place = known[key] = places.setdefault(same, len(rows))
                if place == len(rows):
                    rows.append(self._row(tag))
            if place == last:
                nodes[-1] += 1
            else:
                nodes += (place, 1)
                last = place
        return rows, nodes

    def added(self) -> List[Row]:
        """The stacks that were added."""
        return self._added

    def _row(self, tag: Tag) -> Row:
        row: Row = [self._place(tag.stack), tag.provenance]  # a text, as JSON has it
        if tag.shared or tag.evidence:
            shared = [self._end(call) for call in tag.shared]
            row += [shared, str(tag.sharing or ""), str(tag.evidence or "")]
        return row

    def _place(self, stack: Stack) -> int:
        place = self._places.get(stack)
        if place is None:
            above = self._place(stack[:-1])
            place = self._places[stack] = self._add(above, stack[-1])
        return place

    def _end(self, call: ModuleCall) -> int:
        place = self._ends.get(call)
        return self._add(-1, call) if place is None else place

    def _add(self, above: int, call: ModuleCall) -> int:
        place = self._count + len(self._added)
        self._added.append([above, *call])
        self._ends.setdefault(call, place)
        return place


class Stacks:
    """Stacks that grow call by call. What they hold together is bounded by their number."""

    def __init__(self, known: Sequence[Stack] = ()) -> None:
        self.all = list(known)
        self._left = _SPARE

    def grow(self, above: Stack, call: ModuleCall) -> Stack:
        """Add the stack of a call below another.

        Raises:
            ValueError: it is too deep, or all of them are.
        """
        self._left += _MEAN - len(above)
        if len(above) >= keys.DEEPEST or self._left < 0:
            raise ValueError(f"a call within {len(above)} others")
        stack = (*above, call)
        self.all.append(stack)
        return stack

    def at(self, place: Any) -> Stack:
        """The stack at a place.

        Raises:
            ValueError: there is none.
        """
        if type(place) is not int or not -1 <= place < len(self.all):
            raise ValueError(f"there is no stack {str(place)[:80]}")
        return self.all[place] if place >= 0 else ()


_MEAN, _SPARE = 64, 1_000_000
"""Calls that a stack may have in the mean, and what all together may have beside that."""


class Table:
    """Reads tags.

    Args:
        known: the stacks that stand elsewhere.
        added: the rows of those that the table adds.

    Raises:
        ValueError: the rows are none, name a stack that does not stand before, or nest too deep.
    """

    def __init__(self, known: Sequence[Stack], added: Any) -> None:
        self._stacks = Stacks(known)
        for row in added:
            if tuple(map(type, row)) != (int, str, str, int):
                raise ValueError(f"{str(row)[:80]} is no module call")
            above, path, kind, call = row
            self._stacks.grow(self._stacks.at(above), ModuleCall(path, kind, call))

    def decode(self, rows: Any, nodes: Any, count: int) -> List[Tag]:
        """The tag of each node.

        Args:
            rows: of the distinct tags.
            nodes: which of them, and for how many nodes in a row, and so on.
            count: how many nodes there are.

        Raises:
            ValueError: a row cannot be read, or a number is out of its range.
        """
        tags = [self._tag(*row) for row in rows]
        found: List[Tag] = []
        for place, run in zip(nodes[::2], nodes[1::2]):
            if type(place) is not int or not 0 <= place < len(tags):
                raise ValueError(f"there is no tag {str(place)[:80]}")
            if type(run) is not int or not 0 < run <= count - len(found):
                raise ValueError(f"a tag of {str(run)[:80]} nodes in a row, of {count} in all")
            found += [tags[place]] * run
        if len(found) != count or len(nodes) % 2:
            raise ValueError(f"tags of {len(found)} nodes, of {count}")
        return found

    def _tag(
        self,
        stack: Any,
        provenance: Any,
        shared: Sequence[Any] = (),
        sharing: str = "",
        evidence: str = "",
    ) -> Tag:
        others = [call for place in shared for call in self._stacks.at(place)[-1:]]
        reason: Optional[Sharing] = Sharing(sharing) if sharing else None
        matched: Optional[Evidence] = Evidence(evidence) if evidence else None
        above = self._stacks.at(stack)
        return Tag(above, Provenance(provenance), tuple(others), reason, matched)
