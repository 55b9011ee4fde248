"""The module calls that own the nodes of two files, by numbers that both have in common."""

from typing import Dict, List, Optional

from htp.scope import ModuleCall, Tag

__all__ = ["UNOWNED", "Owners"]

UNOWNED = 0
"""The number of an owner that is not known."""


class Owners:
    """Module calls by number. A class may have another name in the other file.

    Attributes:
        calls: of each number, as they were first seen; None for an owner that is not known.
        root: the number of the root call.
    """

    def __init__(self) -> None:
        self.calls: List[Optional[ModuleCall]] = [None]
        self.root = UNOWNED
        self._numbers: Dict[object, int] = {}
        self._known: Dict[int, int] = {}
        self._tags: List[Tag] = []

    def of(self, tag: Tag) -> int:
        """The number of the owner of a node of this tag."""
        known = self._known.get(id(tag))
        if known is None:
            self._tags.append(tag)  # it is known by its identity
            known = self._known[id(tag)] = self.number(tag.owner) if tag.stack else UNOWNED
        return known

    def number(self, call: ModuleCall) -> int:
        """The number of a call."""
        key = (call.path, call.call)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.calls)
            self.calls.append(call)
        return found

    def name(self, number: int) -> str:
        """What to call an owner."""
        call = self.calls[number]
        return "(unknown)" if call is None else str(call) or "(root)"
