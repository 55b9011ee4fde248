"""The module calls of two files: which are in only one, and which are wholly equal."""

from collections import Counter
from typing import (
    TYPE_CHECKING,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Sequence,
    Set,
    Tuple,
)

from htp.comparing.change import Change
from htp.comparing.owners import UNOWNED, Owners
from htp.scope import ModuleCall, Stack, Tag

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile

__all__ = ["Modules", "Tagged"]

Tagged = Tuple["ModelFile", Sequence[Tag]]
"""A file and the tags of its nodes."""


class Side(NamedTuple):
    """The module calls of one file.

    Attributes:
        stacks: of each call by its number, in the order of the forward pass.
        full: whether calls without nodes are among them.
        owning: the numbers of those that own nodes or stand above one that does.
    """

    stacks: Dict[int, Stack]
    full: bool
    owning: Set[int]


class Modules:
    """The module calls of both files.

    Args:
        one: the first file with the tags of its nodes.
        other: the second.
        owners: gives them numbers; its root is set.
    """

    def __init__(self, one: "Tagged", other: "Tagged", owners: Owners) -> None:
        self._owners = owners
        self._sides = tuple(_side(*each, owners) for each in (one, other))
        both = [next(iter(side.stacks), UNOWNED) for side in self._sides]
        owners.root = both[0] or both[1]
        one_side, other_side = self._sides
        self.stacks: Dict[int, Stack] = dict(one_side.stacks)
        for number, stack in other_side.stacks.items():
            self.stacks.setdefault(number, stack)
        """Of each call its stack, as the first file has it, else the second."""

    def changes(self) -> Iterator[Change]:
        """Modules that only one file has, the uppermost of each, and classes that are others."""
        mine, alone = self._sides[0], self.alone()
        for number, stack in self.stacks.items():
            call = stack[-1]
            if number not in alone:
                here, there = (side.stacks.get(number) for side in self._sides)
                if here and there and _another_class(here[-1], there[-1]):
                    yield Change(number, "class", here[-1].type, there[-1].type)
            elif not any(self._owners.number(above) in alone for above in stack[:-1]):
                told = self._told(call, self._below(number))
                yield Change(
                    number, "module", *((told, None) if number in mine.stacks else (None, told))
                )

    def alone(self) -> Set[int]:
        """The calls that only one file has."""
        found: Set[int] = set()
        mine, theirs = self._sides
        for here, there in ((mine, theirs), (theirs, mine)):
            judged = here.stacks if there.full else here.owning
            found.update(number for number in judged if number not in there.stacks)
        return found

    def _below(self, number: int) -> int:
        call = self.stacks[number][-1]
        return sum(call in stack[:-1] for stack in self.stacks.values())

    @staticmethod
    def _told(call: ModuleCall, below: int) -> str:
        name = call.class_name or "module"
        return f"{name} and {below} below" if below else name

    def equal(self, changed: Iterable[int]) -> List[ModuleCall]:
        """The uppermost calls that own nodes and are equal with all below them, the largest first.

        Args:
            changed: the numbers of those in which something is not.
        """
        touched = {
            self._owners.number(c) for number in changed for c in self.stacks.get(number, ())
        }
        found: List[ModuleCall] = []
        whole: Set[int] = set()
        for number, stack in self.stacks.items():
            if number in touched:
                continue
            above = {self._owners.number(call) for call in stack[:-1]}
            whole.add(number)
            if not above & whole:
                found.append(stack[-1])
        owning = self._sides[0].owning | self._sides[1].owning
        sizes = Counter(call for stack in self.stacks.values() for call in stack)
        found = [call for call in found if self._owners.number(call) in owning]
        return sorted(found, key=lambda call: -sizes[call])

    def count(self) -> int:
        """How many calls there are in either file."""
        return len(self.stacks)


def _another_class(before: ModuleCall, now: ModuleCall) -> bool:
    return bool(before.type and now.type and before.type != now.type)


def _side(file: "ModelFile", tags: Sequence[Tag], owners: Owners) -> Side:
    stacks: Dict[int, Stack] = {}
    for origin in file.origins:
        way: List[ModuleCall] = []
        for call, depth in origin.calls:
            del way[depth:]
            way.append(call)
            stacks.setdefault(owners.number(call), tuple(way))
    owning: Set[int] = set()
    for tag in {id(tag): tag for tag in tags}.values():
        for depth, call in enumerate(tag.stack):
            number = owners.number(call)
            stacks.setdefault(number, tag.stack[: depth + 1])
            owning.add(number)
    return Side(stacks, bool(file.origins) and not file.is_bare, owning)
