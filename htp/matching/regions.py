"""Regions: the old nodes between matched values, and the new ones that stand for them.

    old   x -> MatMul -> Add -> Div -> Erf -> Add -> Mul -> Mul -> y
    new   x -> Gemm ----------> Gelu ----------------------------> y      x and y are matched

One region for each exit, a new node whose value stands in the place of an old one.
"""

from typing import Callable, Dict, List, NamedTuple, Set, Tuple

from htp.matching import helping
from htp.matching.anchors import Anchors
from htp.matching.state import State
from htp.matching.work import MOVERS, alike, operator
from htp.scope import Evidence

__all__ = ["Region", "Regions"]

_VISITS = 8
"""How often a node is looked at, on an average: what many regions have in common is seen often."""

_LARGER = 6
"""New nodes for an old one, at most: where there are more, something between was not found."""

_Same = Callable[[str, str], bool]
_Pair = Callable[[int, int], None]


class Region(NamedTuple):
    """What became of what.

    Attributes:
        new: the new nodes, in order.
        old: the old nodes that are gone, in order.
    """

    new: List[int]
    old: List[int]


class Regions:
    """Finds the regions, and what each of their nodes stands for.

    Attributes:
        of: the region of each exit.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._work = state.work[0]
        self._anchors = Anchors(state)
        self._claimed = state.claimed()
        self.of: Dict[int, Region] = {}
        self._left = _VISITS * (len(state.new.nodes) + len(state.old.nodes))

    def resolve(self) -> None:
        """Tell what the new nodes stand for that are none of the old ones."""
        state = self._state
        for node in state.new.order:
            if state.node[node] < 0 and self._exits(node):
                region = self._region(node)
                self.of[node] = region
                self._share(region)
                self._claimed.update(region.old)

    def _exits(self, node: int) -> List[int]:
        """The old nodes in whose place a node stands: those of its values, where they are gone.

        A node that takes and makes what stands for one value was put in.
        """
        state, found = self._state, []
        taken = {state.value[value] for value in state.new.inputs[node] if value >= 0}
        for value in state.new.outputs[node]:
            old = state.value[value] if value >= 0 else -1
            maker = state.old.maker[old] if old >= 0 and old not in taken else None
            if maker is not None and maker[0] not in self._claimed:
                found.append(maker[0])
        return found

    def _region(self, node: int) -> Region:
        state = self._state
        inside, entries = [node], set()
        seen = {node}
        pending = [node]
        while pending and self._left > 0:
            for value in state.new.inputs[pending.pop()]:
                self._left -= 1
                if value < 0:
                    continue
                maker = state.new.maker[value]
                if state.value[value] >= 0:
                    entries.add(state.value[value])
                elif maker is not None and state.node[maker[0]] < 0 and maker[0] not in seen:
                    seen.add(maker[0])
                    inside.append(maker[0])
                    pending.append(maker[0])
        return Region(
            sorted(inside, key=state.new.place.__getitem__),
            self._between(entries, self._exits(node)),
        )

    def _between(self, entries: Set[int], exits: List[int]) -> List[int]:
        state = self._state
        seen = set(exits)
        pending = list(exits)
        while pending and self._left > 0:
            for value in state.old.inputs[pending.pop()]:
                self._left -= 1
                maker = state.old.maker[value] if value >= 0 and value not in entries else None
                if maker is not None and maker[0] not in self._claimed and maker[0] not in seen:
                    seen.add(maker[0])
                    pending.append(maker[0])
        return sorted(seen, key=state.old.place.__getitem__)

    def _share(self, region: Region) -> None:
        """Which new node of a region stands for which old ones."""
        state, work = self._state, self._work
        stands: Dict[int, List[int]] = {}
        new = [node for node in region.new if not state.region[node]]
        if len(region.new) == 1:
            stands[region.new[0]] = region.old
        else:
            left = self._pair(new, region.old, stands)
            free = [n for n in new if n not in stands and not self._moves(n)]
            todo = [old for old in left if work.computes(old)]
            if len(free) > _LARGER * len(region.old):
                state.unknown.update(free)
            elif free and (todo or not stands):
                for node in free:
                    stands[node] = todo or left
            elif todo and stands:
                self._attach(todo, stands)
        for node, old in stands.items():
            if old:
                state.region[node], state.how[node] = tuple(old), Evidence.REGION
        helping.resolve(state, [n for n in new if n not in stands and n not in state.unknown])

    def _moves(self, node: int) -> bool:
        return self._state.new.nodes[node].op in MOVERS

    def _pair(self, new: List[int], old: List[int], stands: Dict[int, List[int]]) -> List[int]:
        """By the weights that they read, then by their operators. What is left of the old."""
        left = dict.fromkeys(old)

        def pair(node: int, one: int) -> None:
            left.pop(one, None)
            stands.setdefault(node, []).append(one)

        gone, live = set(old), self._state.work[1]
        for node in new:
            for one in self._anchors.of(node) if live.source(node) >= 0 else ():
                if one in gone:  # several may do together what it did
                    pair(node, one)
        self._by_operand([node for node in new if node not in stands], left, pair)
        for same in (_is, alike):
            self._by_operator([n for n in new if n not in stands], left, same, pair)
        for node in new:
            if node not in stands and self._moves(node):
                fitting = [one for one in left if self._follows(node, one, stands)]
                if len(fitting) == 1:
                    pair(node, fitting[0])
        return list(left)

    def _by_operand(self, new: List[int], left: Dict[int, None], pair: _Pair) -> None:
        """Where one new node and one old one are of an operator and work on the same value."""
        state, live = self._state, self._state.work[1]
        olds: Dict[Tuple[str, int], List[int]] = {}
        news: Dict[Tuple[str, int], List[int]] = {}
        for one in filter(self._work.computes, left):
            work = (operator(state.old.nodes[one].op), self._work.source(one))
            olds.setdefault(work, []).append(one)
        for node in new:
            value = live.source(node)
            if value >= 0 and not self._moves(node):
                work = (operator(state.new.nodes[node].op), state.value[value])
                news.setdefault(work, []).append(node)
        for work, nodes in news.items():
            ones = olds.get(work, ())
            if len(nodes) == len(ones) == 1:
                pair(nodes[0], ones[0])

    def _by_operator(self, new: List[int], left: Dict[int, None], same: _Same, pair: _Pair) -> None:
        """Where one new node and one old one are of an operator."""
        olds = {one: self._state.old.nodes[one].op for one in left if self._work.computes(one)}
        news = {node: self._state.new.nodes[node].op for node in new if not self._moves(node)}
        for node, op in news.items():
            fitting = [one for one, other in olds.items() if same(op, other)]
            if len(fitting) == 1 and fitting[0] in left:
                rivals = [each for each in news.values() if same(each, olds[fitting[0]])]
                if len(rivals) == 1:
                    pair(node, fitting[0])

    def _follows(self, node: int, old: int, stands: Dict[int, List[int]]) -> bool:
        """Whether both hand on, by one operator, what the same computes."""
        state = self._state
        if state.new.nodes[node].op != state.old.nodes[old].op:
            return False
        mine, theirs = state.new.inputs[node][0], state.old.inputs[old][0]
        if mine < 0 or theirs < 0 or state.value[mine] == theirs:
            return mine >= 0 and theirs >= 0
        made, before = state.new.maker[mine], state.old.maker[theirs]
        return made is not None and before is not None and before[0] in stands.get(made[0], ())

    def _attach(self, old: List[int], stands: Dict[int, List[int]]) -> None:
        """Old nodes for which no new one is left went into one beside them, which reads the same.

        old   MatMul -> a;  Add(a, x) -> b;  LayerNormalization(b)
        new   MatMul -> a;  SkipLayerNormalization(a, x)             the Add is in this one
        """
        place, flat = self._state.new.place, self._state.old
        home = {one: node for node, ones in stands.items() for one in ones}
        last = max(stands, key=place.__getitem__)
        behind: Dict[int, int] = {}
        for one in reversed(old):
            readers = [each for v in flat.outputs[one] if v >= 0 for each, _ in flat.readers[v]]
            known = [home.get(each, behind.get(each, -1)) for each in readers]
            behind[one] = min((k for k in known if k >= 0), key=place.__getitem__, default=last)
        for one in old:
            made = [flat.maker[v] for v in flat.inputs[one] if v >= 0]
            near = [home[maker[0]] for maker in made if maker is not None and maker[0] in home]
            home[one] = max(near, key=place.__getitem__, default=behind[one])
            is_open = self._has_more(behind[one], stands) or not self._has(home[one], one, stands)
            if is_open and self._has(behind[one], one, stands):
                home[one] = behind[one]
            stands[home[one]].append(one)

    def _has_more(self, node: int, stands: Dict[int, List[int]]) -> bool:
        """Whether a new node works on more values than the old ones for which it stands."""
        state, made = self._state, {v for one in stands[node] for v in self._state.old.outputs[one]}
        before = {v for one in stands[node] for v in state.old.inputs[one] if v >= 0} - made
        new, live = state.work[1].live, self._work.live
        now = {v for v in state.new.inputs[node] if v >= 0}
        return sum(map(new.__getitem__, now)) > sum(map(live.__getitem__, before))

    def _has(self, node: int, old: int, stands: Dict[int, List[int]]) -> bool:
        """Whether a new node takes or makes all values on which an old one works."""
        state, own = self._state, set(stands[node])
        taken: Set[int] = set()
        for value in state.new.inputs[node]:
            taken.update(self._values(value, stands))
        for value in state.old.inputs[old]:
            if value >= 0 and self._work.live[value] and value not in taken:
                maker = state.old.maker[value]
                if maker is None or maker[0] not in own:
                    return False
        return True

    def _values(self, value: int, stands: Dict[int, List[int]]) -> List[int]:
        """The old values for which a new one stands."""
        state = self._state
        while value >= 0:
            if state.value[value] >= 0:
                return [state.value[value]]
            maker = state.new.maker[value]
            if maker is None:
                break
            if maker[0] in stands:
                return [v for one in stands[maker[0]] for v in state.old.outputs[one] if v >= 0]
            if not self._moves(maker[0]):
                break
            value = state.new.inputs[maker[0]][0]
        return []


def _is(one: str, other: str) -> bool:
    return operator(one) == operator(other)
