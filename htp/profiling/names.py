"""Which nodes of a file a runtime means by a name: names hold within one graph only."""

from typing import Dict, Iterable, List, Sequence, Tuple

from htp.matching.work import operator
from htp.profiling.subject import Subject

__all__ = ["Found", "Names", "Scopes", "called_after"]

Scopes = Tuple[int, ...]
"""The graphs in which a node may stand: the main graph, or the bodies of a node."""

Found = Tuple[Tuple[int, ...], bool]
"""Nodes, and whether it is certain that they are meant."""

_LONGEST = 400
"""Characters of a name of which every beginning is looked up."""


class Names:
    """The nodes of a file by graph and name, and those without a name by operator."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._named: Dict[Tuple[int, str], List[int]] = {}
        self._nameless: Dict[Tuple[int, str], List[int]] = {}
        for scope, nodes in enumerate(subject.scopes):
            for place in nodes:
                node = subject.flat.nodes[place]
                table = self._named if node.name else self._nameless
                table.setdefault((scope, node.name or operator(node.op)), []).append(place)
        self._told: Dict[Tuple[Scopes, str], Found] = {}
        self._seen: Dict[Tuple[Scopes, str], Tuple[int, ...]] = {}
        self._bodies: Dict[Tuple[Scopes, str, str], Scopes] = {}
        self.holding = {operator(subject.flat.nodes[place].op) for place in subject.bodies}
        """The operators of nodes that have bodies."""

    def called(self, name: str, scopes: Scopes) -> Tuple[int, ...]:
        """The nodes of this name."""
        found = self._seen.get((scopes, name))
        if found is None:
            found = tuple(node for scope in scopes for node in self._named.get((scope, name), ()))
            self._seen[scopes, name] = found
        return found

    def bodies(self, name: str, said: str, scopes: Scopes) -> Scopes:
        """The graphs in the nodes of this name; where it has none, in all such of this operator."""
        found = self._bodies.get((scopes, name, said))
        if found is None:
            nodes = self.called(name, scopes) or [
                node for scope in scopes for node in self.nameless(said, scope)
            ]
            held = self._subject.bodies
            found = tuple(body for node in nodes for body in held.get(node, ()))
            self._bodies[scopes, name, said] = found
        return found

    def nameless(self, said: str, scope: int) -> Sequence[int]:
        """The nodes of this operator that have no name."""
        return self._nameless.get((scope, said), ())

    def align(self, scopes: Scopes, said: str, names: Sequence[str]) -> None:
        """Tell nodes without a name by the order in which they ran: it is that of the file.

        Where as many ran as there are, the first that ran is the first that is there.

        Args:
            scopes: where they stand.
            said: their operator.
            names: what the runtime calls them, in the order in which they first ran.
        """
        several = [self.nameless(said, scope) for scope in scopes]
        fitting = [nodes for nodes in several if len(nodes) == len(names)]
        every = tuple(node for nodes in several for node in nodes)
        for at, name in enumerate(names):
            if len(fitting) == 1:
                self._told[scopes, name] = ((fitting[0][at],), True)
            elif name == f"{said}_{name.rpartition('_')[2]}":
                self._told[scopes, name] = (every, False)

    def of(self, name: str, scopes: Scopes, said: str = "") -> Found:
        """The nodes that a runtime calls so.

        Args:
            name: what it calls them.
            scopes: where they stand.
            said: of which operator it says that they are.
        """
        found = self.called(name, scopes)
        if not found:
            return self._told.get((scopes, name), ((), False))
        nodes, tags = self._subject.flat.nodes, self._subject.tags
        same = not said or all(operator(nodes[node].op) == said for node in found)
        return found, same and len({tags[node] for node in found}) == 1


def called_after(subject: Subject, name: str) -> Tuple[int, ...]:
    """The node that a kernel seems to be called after: its name, or its value's, and a suffix."""
    for length in _ends(name):
        found = subject.named(name[:length])
        if found:
            return found
    return ()


def _ends(name: str) -> Iterable[int]:
    """Where a name may end that another begins with: the whole of it, then at each word's end."""
    yield len(name)
    for length in range(min(len(name), _LONGEST) - 1, 0, -1):
        if not name[length].isalnum():
            yield length
