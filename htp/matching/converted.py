"""Which old weight a new one was converted from, where neither name nor contents tell.

A cast keeps the sign of every element, a quantisation with one scale too, and one with a scale for
each channel: 32 signs that agree are no accident. How likely it is that they are one is counted,
for as many weights of that shape as there are.

    old   %w   float   -+++-+--...       new   %k   half   -+++-+--...     a cast of %w
          %v   float   +--+-+-+...             %q   int8   +--+0+-+...     made of %v, scaled
"""

import struct
from typing import Dict, List, Optional, Tuple

from htp.graph.records import Sketch, Weight
from htp.matching.flat import Flat

__all__ = ["Converted"]

_RARE = 1000
"""One in so many may be an accident."""

_FEW = 512
"""Weights of one shape of which every two are compared that agree in eight signs."""

_UNSIGNED = frozenset((2, 4, 12, 13))
"""Integers without a sign, which quantised weights are: the upper half stands for what is above
zero."""

_FORMS = {1: ("<f", 4), 10: ("<e", 2), 11: ("<d", 8), 16: ("<f", 4)}
"""Floats whose two highest bytes can be read, as which number, and of how many bytes."""

_ROUNDED = 2.0**-6
"""By how much the two highest bytes of a float may be off, and those of its cast."""

_Shape = Tuple[int, ...]


class Converted:
    """The weights that were converted.

    Attributes:
        of: for new values the old ones that they were made from.
        cast: those of them that are the same but for their type.
    """

    def __init__(self, old: Flat, new: Flat) -> None:
        self.of: Dict[int, int] = {}
        self.cast: Dict[int, int] = {}
        here, before = new.side.weights, old.side.weights
        kept = {weight.contents for weight in here.values()}
        gone = {n: w for n, w in before.items() if n not in here and w.contents not in kept}
        groups = _groups({name: each for name, each in gone.items() if name in old.number})
        known = {weight.contents for weight in before.values()}
        for name, weight in here.items():
            value = new.number.get(name, -1)
            if value >= 0 and name not in before and weight.contents not in known:
                group = groups.get(_shape(weight))
                found = None if group is None else group.nearest(weight)
                if found is not None:
                    self.of[value] = old.number[found]
                    if _is_cast(before[found], weight):
                        self.cast[value] = old.number[found]


class _Group:
    """Old weights of one shape, to be looked up by parts of their signs."""

    def __init__(self, members: Dict[str, Sketch]) -> None:
        self._members = members
        self._width = 8 if len(members) <= _FEW else 16
        self._by_part: Dict[Tuple[int, int], List[str]] = {}
        for name, held in members.items():
            for part in self._parts(held.length, held.signs, 0):
                self._by_part.setdefault(part, []).append(name)

    def _parts(self, count: int, signs: int, zeros: int) -> List[Tuple[int, int]]:
        mask = (1 << self._width) - 1
        return [
            (at, signs >> at & mask)
            for at in range(0, count - self._width + 1, self._width)
            if not zeros >> at & mask
        ]

    def nearest(self, weight: Weight) -> Optional[str]:
        """The one with the same signs, if that is no accident and no other comes near."""
        held = weight.sketch
        if held is None:
            return None
        every = (1 << held.length) - 1
        signs = held.signs ^ every if weight.dtype in _UNSIGNED else held.signs
        seen = every & ~held.zeros
        parts = self._parts(held.length, signs, held.zeros)
        alike = [self._by_part.get(part, ()) for part in parts]
        if any(len(names) > _FEW for names in alike):
            return None  # too many come near: a file says what it likes, and we look at a few only
        near = dict.fromkeys(name for names in alike for name in names)
        if not near:
            return None
        off = {name: bin((self._members[name].signs ^ signs) & seen).count("1") for name in near}
        first, *others = sorted(off, key=off.__getitem__)
        if others and off[others[0]] <= 2 * off[first] + 2:
            return None
        chances = _chances(bin(seen).count("1"), off[first]) * len(self._members)
        return first if chances * _RARE <= 1 else None


def _groups(weights: Dict[str, Weight]) -> Dict[_Shape, _Group]:
    found: Dict[_Shape, Dict[str, Sketch]] = {}
    for name, weight in weights.items():
        held = weight.sketch
        if held is not None and _is_telling(held):
            found.setdefault(_shape(weight), {})[name] = held
    return {shape: _Group(members) for shape, members in found.items()}


def _is_telling(held: Sketch) -> bool:
    """Whether there are enough of either sign: scales mostly are all above zero."""
    negative = bin(held.signs).count("1")
    return held.length <= 4 * negative <= 3 * held.length


def _shape(weight: Weight) -> _Shape:
    return tuple(sorted(length for length in weight.shape if length != 1))


def _chances(count: int, off: int) -> float:
    """How likely it is that of so many signs drawn by chance no more than these are others."""
    ways, total = 1, 0
    for at in range(off + 1):
        total += ways
        ways = ways * (count - at) // (at + 1)
    return total / float(1 << count)


def _is_cast(old: Weight, new: Weight) -> bool:
    """Whether the first elements are the same number, but for rounding."""
    before, now = _first(old), _first(new)
    if before is None or now is None or not before:
        return False
    return abs(now - before) <= _ROUNDED * abs(before)


def _first(weight: Weight) -> Optional[float]:
    if weight.dtype not in _FORMS or weight.sketch is None:
        return None
    form, size = _FORMS[weight.dtype]
    (number,) = struct.unpack(form, weight.sketch.first[::-1].rjust(size, b"\0"))
    return float(number)
