"""Which old weight a new one was made of: by name, contents, a name made from its name, signs."""

from typing import Dict, List, Optional, Set

from htp.matching.flat import Flat
from htp.matching.state import State

__all__ = ["FEW", "Weights"]

FEW = 4
"""Elements of a weight whose contents may be any other's, too."""

_LONGEST = 400
"""Characters of a name that are compared with others: every beginning of it is looked up."""


class Weights:
    """The weights of both sides, to be looked up."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._contents = _by_contents(state.old)
        here = state.new.side.weights
        self._gone: Set[str] = {
            name for name in state.old.side.weights if name not in here and len(name) < _LONGEST
        }

    def of(self, value: int) -> List[int]:
        """The old values that a new weight may be; more than one where contents are equal."""
        state = self._state
        name = state.new.names[value]
        weight = state.new.side.weights.get(name)
        if weight is None:
            return []
        named = state.old.number.get(name, -1)
        if named >= 0 and name in state.old.side.weights:
            return [named]
        if weight.contents in self._contents:
            return self._contents[weight.contents]
        base = self._base(name)
        if base is not None:
            return [state.old.number[base]]
        return [state.converted.of[value]] if value in state.converted.of else []

    def _base(self, name: str) -> Optional[str]:
        """The longest name that is gone and of which this one is an extension."""
        if len(name) >= _LONGEST:
            return None
        for length in range(len(name) - 1, 0, -1):
            for part in (name[:length], name[len(name) - length :]):
                if part in self._gone and part in self._state.old.number:
                    return part
        return None


def _by_contents(flat: Flat) -> Dict[str, List[int]]:
    found: Dict[str, List[int]] = {}
    for name, weight in flat.side.weights.items():
        if weight.contents and name in flat.number and weight.elements > FEW:
            found.setdefault(weight.contents, []).append(flat.number[name])
    return found
