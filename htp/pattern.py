"""Which module calls a pattern names: the one rule for all that takes patterns.

The exact path comes first, so a module may be called ``a*``, ``x[0]`` or ``b@1``::

    encoder.layer.1      that module
    block@1              that module's second call
    encoder.layer.*      shell wildcards; * and ? stand for dots too
    *.block@1            the same with a call

Of a part that was exported with its place in the whole, ``root="model.encoder"``, the modules above
it are named exactly, and then all of the part lies below: ``""``, ``model``.
"""

import fnmatch
import re
from typing import Callable, Dict, FrozenSet, Iterable, Mapping, Optional, Sequence, Union

from htp.scope import ModuleCall, Tag

__all__ = ["Pattern", "operators"]

NOTHING, WILDCARD, CALL, PATH = range(4)
"""How a pattern names a call. Where it names one exactly, what only looks like it is not meant."""

Above = Mapping[ModuleCall, Sequence[ModuleCall]]
"""For a call the calls that made it: one, but in a file into which models were merged."""


class Pattern:
    """A pattern, and how it names what it was asked about.

    Args:
        text: the pattern.
        above: for a call that a node is shared with, what lies above it.

    Raises:
        TypeError: it is no text.
    """

    def __init__(self, text: str, above: Optional[Callable[[], Above]] = None) -> None:
        if not isinstance(text, str):
            raise TypeError(
                f"A pattern is a text such as 'encoder.layer.*'; found {type(text).__name__}."
            )
        self._text = text
        self._path, at, number = text.rpartition("@")
        self._call = int(number) if at and re.fullmatch("[0-9]{1,18}", number) else None
        self._by_call = bool(at)
        self._match = re.compile(fnmatch.translate(text)).match
        self._above = above
        self._found: Optional[Above] = None
        self._known: Dict[Union[ModuleCall, str], int] = {}
        self._within: Dict[ModuleCall, int] = {}

    def of(self, tag: Tag) -> int:
        """How it names a call that a node comes from: its owner, one above it, or one shared."""
        named = [self.names(call) for call in tag.stack]
        if tag.stack and tag.stack[0].path:
            named.append(self._above_root(tag.stack[0].path))
        if tag.shared:
            named += map(self._shared, tag.shared)
        return max(named, default=NOTHING)

    def names(self, call: ModuleCall) -> int:
        """How it names this very call."""
        key = call if self._by_call else call[0]  # a text is looked up sooner
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._names(call)
        return known

    def _names(self, call: ModuleCall) -> int:
        if call.path == self._text:
            return PATH
        if call.call == self._call and call.path == self._path:
            return CALL
        if self._by_call and self._match(f"{call.path}@{call.call}"):
            return WILDCARD
        return WILDCARD if self._match(call.path) else NOTHING

    def _above_root(self, root: str) -> int:
        """How it names a module that the root itself lies below."""
        return PATH if not self._text or root.startswith(f"{self._text}.") else NOTHING

    def _shared(self, call: ModuleCall) -> int:
        """How it names this call or one above it."""
        if self._found is None:
            self._found = self._above() if self._above else {}
        known = self._within.get(call)
        if known is None:
            known = max(map(self.names, _upwards(call, self._found)))
            self._within[call] = known
        return known


def _upwards(call: ModuleCall, above: Above) -> Iterable[ModuleCall]:
    seen = {call: None}
    pending = [call]
    while pending:
        for each in above.get(pending.pop(), ()):
            if each not in seen:
                seen[each] = None
                pending.append(each)
    return seen


def operators(op_type: Union[str, Iterable[str]]) -> FrozenSet[str]:
    """One operator type or several.

    Raises:
        TypeError: it is neither.
    """
    several = isinstance(op_type, Iterable) and not isinstance(op_type, (str, bytes))
    names = tuple(op_type) if several else (op_type,)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"op_type is an operator's name, or several of them; found {op_type!r}.")
    return frozenset(map(str, names))
