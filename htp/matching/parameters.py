"""Which parameters the weights of the rewritten graph were made from.

%w     a weight of the same contents, or of its name         its parameters
%w2    a new weight, read by the node that stands for         those of the weights that these
Conv(%x, %w) and BatchNormalization(%y, %g, %b)        read and that are gone
"""

from typing import Dict, List, Set, Tuple

from htp.matching.state import State
from htp.matching.weights import Weights

__all__ = ["parameters_of"]

_Names = Tuple[str, ...]


def parameters_of(state: State) -> Dict[str, _Names]:
    """The parameters of each weight of the new graph that was made from any."""
    weights = Weights(state)
    here = set(state.new.side.weights)
    found: Dict[str, _Names] = {}
    for name in here:
        value = state.new.number.get(name, -1)
        if value >= 0:
            names = (
                _same(state, value) or _behind(state, value, here) or _like(state, weights, value)
            )
            if names:
                found[name] = names
    return found


def _same(state: State, value: int) -> _Names:
    """Those of the old weight that a new one is: that of its name or contents."""
    old = state.value[value]
    if old < 0:
        old = state.old.number.get(state.new.names[value], -1)
    return _of(state, old) if old >= 0 else ()


def _like(state: State, weights: Weights, value: int) -> _Names:
    """Those of the old weight from whose name or contents a new one was made."""
    known = weights.of(value)
    return _of(state, known[0]) if len(known) == 1 else ()


def _of(state: State, old: int) -> _Names:
    weight = state.old.side.weights.get(state.old.names[old])
    return weight.parameters if weight is not None else ()


def _behind(state: State, value: int, here: Set[str]) -> _Names:
    """Those of the weights that are gone and which the nodes read for which the readers stand."""
    found: Dict[str, None] = {}
    for reader, _ in state.new.readers[value]:
        if reader >= 0 and state.node[reader] < 0:
            for old in state.region[reader]:
                for read in state.old.inputs[old]:
                    if read >= 0 and state.old.names[read] not in here:
                        found.update(dict.fromkeys(_of(state, read)))
        elif reader >= 0:
            found.update(dict.fromkeys(_operand(state, value, reader)))
    return tuple(found)


def _operand(state: State, value: int, reader: int) -> List[str]:
    mine, theirs = state.new.inputs[reader], state.old.inputs[state.node[reader]]
    if len(mine) != len(theirs):
        return []
    pairs = zip(mine, theirs)
    return [name for one, old in pairs if one == value and old >= 0 for name in _of(state, old)]
