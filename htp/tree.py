"""The tree of module calls, with the nodes that each one owns."""

from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, Sequence

from htp.scope import Coverage, ModuleCall, Stack, Tag

__all__ = ["ModuleTree", "build"]


@dataclass
class ModuleTree:
    """One module call and the calls that it made, in the order in which they came.

    Attributes:
        call: the module call; the root's path is ``""``.
        children: the calls made by this one.
        own: coverage of the nodes that this call owns itself.
        unknown: on the root only: nodes of which nothing is known.
    """

    call: ModuleCall
    children: List["ModuleTree"] = field(default_factory=list)
    own: Coverage = field(default_factory=Coverage)
    unknown: int = 0

    @property
    def total(self) -> Coverage:
        """Coverage of the nodes of this call and of everything below it."""
        sums = {
            str(provenance): sum(getattr(branch.own, str(provenance)) for branch in self.walk())
            for provenance, _ in self.own
        }
        return Coverage(**sums)

    def walk(self) -> Iterator["ModuleTree"]:
        """This call and everything below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def build(tags: Iterable[Tag], calls: Sequence[Stack] = ()) -> ModuleTree:
    """Build the tree.

    Args:
        tags: of every node.
        calls: every module call in order, also of modules whose nodes were all folded away.
    """
    owned: Dict[Stack, List[Tag]] = {}
    unknown = 0
    for tag in tags:
        if tag.stack:
            owned.setdefault(tag.stack, []).append(tag)
        else:
            unknown += 1
    branches: Dict[Stack, ModuleTree] = {}

    def branch(stack: Stack) -> ModuleTree:
        if stack not in branches:
            branches[stack] = ModuleTree(stack[-1])
            if len(stack) > 1:
                branch(stack[:-1]).children.append(branches[stack])
        return branches[stack]

    for stack in [*calls, *owned]:
        if stack:
            branch(stack).own = Coverage.of(owned.get(stack, ()))
    root = next((b for stack, b in branches.items() if len(stack) == 1), None)
    root = root or ModuleTree(ModuleCall("", "", 0))
    root.unknown = unknown
    return root
