"""Nodes that do the work of two modules, because an exporter folded one operation into another.

    before:  y = Conv(x, a.weight);  z = BatchNormalization(y, b.weight, ...)
    after:   z = Conv(x, v, c)       named after a, or with b's metadata: it belongs to both

What shows it: weights that are a's times b's; or a node that is said to be b's and reads weights
called after a, of which nothing else is left. Weights that an exporter renamed, all of a node's,
show that something was folded, but not what: whose the node is, is not known then.
"""

from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Set

from htp.annotating.folded import folded
from htp.annotating.parameters import alike, known_again, named
from htp.annotating.subject import CONTENTS, METADATA, NAMES, NODES, Holders, Subject, Told
from htp.scope import ModuleCall, Stack

__all__ = ["Met", "met_in"]


class Met(NamedTuple):
    """What a node was made from.

    Attributes:
        told: whose operation it is to begin with; None where that is not known.
        other: the path of the other module.
        source: what shows it.
    """

    told: Optional[Told]
    other: str
    source: str

    def beside(self, subject: Subject, stack: Stack, kinds: Mapping[str, str]) -> Stack:
        """The stack of the other module's call: both go in turns."""
        above = 0
        while above + 1 < len(stack) and _is_above(stack[above + 1].path, self.other):
            above += 1
        modules = subject.modules
        chain = (self.other,) if modules is None else modules.chain(self.other)
        rest = [path for path in chain if path != stack[above].path]
        rest = [path for path in rest if _is_above(stack[above].path, path)]
        calls = (ModuleCall(path, kinds.get(path, ""), stack[-1].call) for path in rest)
        return (*stack[: above + 1], *calls)


def _is_above(path: str, other: str) -> bool:
    return not path or other == path or other.startswith(f"{path}.")


def met_in(
    subject: Subject,
    told: Sequence[Optional[Told]],
    sources: Sequence[str],
    asked: FrozenSet[str],
) -> Dict[int, Met]:
    """The nodes that two modules met in, and those of which it is not known which.

    Args:
        subject: what is annotated.
        told: of each node, what sources tell.
        sources: which source that was.
        asked: all sources that are asked.
    """
    shown = _shown(subject) if CONTENTS in asked else {}
    by_name, by_contents = named(subject), alike(subject)
    left = {each.chain[-1] for each in told if each is not None}
    found = {}
    for at, names in subject.held.items():
        each = told[at]
        if at in shown:
            found[at] = _of(subject, each, shown[at])
        elif each is not None:
            path = each.chain[-1]
            own = _all(by_name, names)
            if sources[at] == METADATA and NAMES in asked and _is_gone(own, path, left):
                found[at] = Met(each, min(own), NAMES)
            elif sources[at] == NODES and path and len(names) > 1:
                held = own | _all(by_contents, names)
                if not any(_is_above(path, other) for other in held):
                    found[at] = Met(None, "", "")
    return found


def _all(holders: Holders, names: Sequence[str]) -> Set[str]:
    return {path for name in names for path in holders.get(name, ())}


def _is_gone(own: Set[str], path: str, left: Set[str]) -> bool:
    """Whether the one module whose weights are read has no node any more, and stands beside."""
    if len(own) != 1 or path in own:
        return False
    (other,) = own
    return other not in left and not _is_above(path, other) and not _is_above(other, path)


def _of(subject: Subject, told: Optional[Told], paths: List[str]) -> Met:
    """Of a node whose weights show two modules; what another source says must be one of them."""
    if told is None and subject.modules is not None:
        told = Told(subject.modules.chain(paths[0]))
    if told is None or told.chain[-1] not in paths:
        return Met(None, "", "")
    other = paths[0] if told.chain[-1] == paths[1] else paths[1]
    return Met(told, other, CONTENTS)


def _shown(subject: Subject) -> Dict[int, List[str]]:
    """The nodes whose weights are those of one module times another's scale: both paths."""
    if subject.model is None:
        return {}
    states = subject.model.states
    known = known_again(subject.weights, states)
    new = {name: each for name, each in subject.weights.items() if name not in known}
    made = folded(new, states, subject.model.scales)
    found = {}
    for at, names in subject.held.items():
        each = {made[name] for name in names if name in made}
        if len(each) == 1:
            parameter, norm = each.pop()
            found[at] = [parameter.rpartition(".")[0], norm]
    return found
