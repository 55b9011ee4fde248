"""Which module calls become functions, and why some cannot."""

from typing import Dict, Iterable, List, NamedTuple, Sequence, Tuple

from htp.errors import UnknownModuleError, did_you_mean
from htp.pattern import Pattern
from htp.scope import ModuleCall, Sharing, Stack, Tag
from htp.use.modules import Modules

__all__ = ["Refused", "chosen", "fused_with"]

Key = Tuple[str, ModuleCall]


class Refused(NamedTuple):
    """A module call that cannot be a function.

    Attributes:
        call: the call.
        reason: in one word: ``none`` (it has no node), ``fused`` (a node does some of its work
            together with others'), ``body`` (its nodes stand in several bodies), ``function`` (they
            stand in a function), ``unread`` (nothing reads what they compute), ``between`` (others'
            nodes need what it computes, and it needs what they compute).
        why: the same in a sentence.
    """

    call: ModuleCall
    reason: str
    why: str


def chosen(modules: Modules, calls: Iterable[Stack], patterns: Sequence[str]) -> List[ModuleCall]:
    """The calls that patterns name: of each pattern the uppermost.

    Args:
        modules: of the file.
        calls: all of them, also those without nodes, with their stacks.
        patterns: each must name one.

    Raises:
        UnknownModuleError: one names none.
        TypeError: one is no text.
    """
    stacks = list(dict.fromkeys(calls))
    found: Dict[ModuleCall, None] = {}
    for text in patterns:
        pattern = Pattern(text, modules.above)
        how = {stack: pattern.names(stack[-1]) for stack in stacks}
        best = max(how.values(), default=0)
        if not best:
            raise UnknownModuleError(
                f"No module call matches {text!r}.",
                did_you_mean(text, (str(stack[-1]) for stack in stacks)),
            )
        named = {stack[-1] for stack in stacks if how[stack] == best}
        for stack in stacks:
            if stack[-1] in named and named.isdisjoint(stack[:-1]):
                found[stack[-1]] = None
    return list(found)


def fused_with(modules: Modules, tags: Iterable[Tag]) -> Dict[ModuleCall, Tag]:
    """For calls of which nodes owned elsewhere do some of the work: the tag of one such node."""
    found: Dict[ModuleCall, Tag] = {}
    for tag in {id(tag): tag for tag in tags if tag.shared}.values():
        if tag.sharing is Sharing.MERGED:
            continue
        for other in tag.shared:
            for call in modules.stack(other):
                if call not in tag.stack:
                    found.setdefault(call, tag)
    return found
