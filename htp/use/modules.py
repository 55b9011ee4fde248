"""Which nodes of a file belong to the modules that were asked for."""

from typing import Dict, Iterable, List, Mapping, NamedTuple, Sequence, Union

from htp.errors import UnknownModuleError, did_you_mean
from htp.file.origin import Origin
from htp.pattern import Pattern
from htp.scope import ModuleCall, Stack, Tag

__all__ = ["Asked", "Modules", "Names", "Wanted"]

Names = Union[str, Iterable[str], None]
"""One name or several, or None."""
Above = Mapping[ModuleCall, Sequence[ModuleCall]]


class Asked(NamedTuple):
    """A pattern that names something, and how exactly: what only looks like it is not meant."""

    pattern: Pattern
    how: int

    def takes(self, tag: Tag) -> bool:
        """Whether it names a node of this tag."""
        return self.pattern.of(tag) == self.how


class Modules:
    """The modules that the nodes of a file come from.

    Args:
        tags: of its nodes; equal ones may be one object, and are looked at once.
        origins: of the file.
    """

    def __init__(self, tags: Iterable[Tag], origins: Sequence[Origin]) -> None:
        self.tags = list({id(tag): tag for tag in tags}.values())
        self._origins = origins
        self._above: Dict[ModuleCall, List[ModuleCall]] = {}

    def above(self) -> Above:
        """For each module call those that made it, as the origins say."""
        if not self._above:
            for origin in self._origins:
                way: List[ModuleCall] = []
                for call, depth in origin.calls:
                    del way[depth:]
                    self._above.setdefault(call, []).extend(way[-1:])
                    way.append(call)
        return self._above

    def named(self, text: str) -> Asked:
        """What a pattern names.

        Raises:
            UnknownModuleError: no module that a node comes from.
            TypeError: the pattern is no text.
        """
        pattern = Pattern(text, self.above)
        how = max(map(pattern.of, self.tags), default=0)
        if not how:
            raise UnknownModuleError(
                f"No module that owns a node matches {text!r}.",
                did_you_mean(text, map(str, self._calls())),
            )
        return Asked(pattern, how)

    def of_class(self, name: str) -> "OfClass":
        """The modules of a class.

        Args:
            name: its own or qualified one: ``"Linear"``, ``"torch.nn.modules.linear.Linear"``.

        Raises:
            UnknownModuleError: no node comes from such a module.
            TypeError: the name is no text.
        """
        if not isinstance(name, str):
            raise TypeError(f"A class is named by a text; found {type(name).__name__}.")
        asked = OfClass(name, self)
        if not any(map(asked.takes, self.tags)):
            known = [text for call in self._calls() for text in (call.class_name, call.type)]
            raise UnknownModuleError(
                f"No node comes from a module of class {name!r}.", did_you_mean(name, known)
            )
        return asked

    def _calls(self) -> Iterable[ModuleCall]:
        return dict.fromkeys(call for tag in self.tags for call in (*tag.stack, *tag.shared))

    def alone(self, tag: Tag) -> List[Tag]:
        """A node of several calls, as if it were of one of them: a tag for each."""
        return [Tag(tag.stack), *(Tag(self.stack(call)) for call in tag.shared)]

    def stack(self, call: ModuleCall) -> Stack:
        """The calls from the root to this one; in a file of several models by the first way."""
        above, way = self.above(), [call]
        while above.get(way[0]) and above[way[0]][0] not in way:
            way.insert(0, above[way[0]][0])
        return tuple(way)


class OfClass(NamedTuple):
    """The modules of a class."""

    name: str
    modules: Modules

    def takes(self, tag: Tag) -> bool:
        """Whether a node of this tag comes from one."""
        calls = [*tag.stack]
        for call in tag.shared:
            calls += self.modules.stack(call)
        return any(self.name in (call.type, call.class_name) for call in calls)


def _texts(given: Names) -> List[str]:
    if given is None:
        return []
    return [given] if isinstance(given, str) else list(given)


class Wanted:
    """What a node must come from to be chosen.

    Args:
        modules: of the file.
        patterns: one of them must name it; none are none to meet.
        kinds: one of these classes must be above it; likewise.
        without: none of these may name it.

    Raises:
        UnknownModuleError: one of them names nothing.
    """

    def __init__(
        self, modules: Modules, patterns: Sequence[str], kinds: Names, without: Names
    ) -> None:
        self._modules = modules
        self._any: List[List[Union[Asked, OfClass]]] = [
            [modules.named(text) for text in patterns],
            [modules.of_class(text) for text in _texts(kinds)],
        ]
        self._none = [modules.named(text) for text in _texts(without)]
        self._known: Dict[int, bool] = {}

    def takes(self, tag: Tag) -> bool:
        """Whether a node of this tag is chosen."""
        known = self._known.get(id(tag))
        if known is None:
            known = self._known[id(tag)] = self._takes(tag)
        return known

    def _takes(self, tag: Tag) -> bool:
        return all(
            not several or any(each.takes(tag) for each in several) for several in self._any
        ) and not any(each.takes(tag) for each in self._none)

    def splits(self, tag: Tag) -> bool:
        """Whether a node of several calls is chosen for some and not for others of them."""
        alone = self._modules.alone(tag) if tag.shared else ()
        return len({self._takes(each) for each in alone}) > 1
