"""The candidate with some nodes of the reference in the place of what it has for them.

Only values count: what the nodes read of others and others of them must be there in both files.
How many nodes the candidate has for them, and of which kind, does not matter; what nobody needs
any more is left out.

::

    reference:   x -> A -> v -> B -> w -> C -> y
    candidate:   x -> A'-> v -> b -> b -> w -> C'-> y       b, b: a quantised B, say
    B swapped:   x -> A'-> v -> B -> w -> C'-> y
"""

from typing import FrozenSet, Mapping, NamedTuple, Sequence, Set

from htp.file.document import walk
from htp.proving.drafts import Draft, RefusedError, Wire, alive
from htp.proving.opsets import differing
from htp.proving.pairs import Pair
from htp.proving.regions import Region, Regions
from htp.proving.rounded import Rounded
from htp.running.prepared import Prepared, joined

__all__ = ["RefusedError", "Swapper"]


class Plan(NamedTuple):
    """How nodes of the reference are put into the candidate.

    Attributes:
        nodes: their numbers in order, with the constants that they read.
        taken: for each value that they read of others where it is in the candidate.
        given: for each value that they give those of the candidate that it takes the place of.
    """

    nodes: Sequence[int]
    taken: Mapping[str, Wire]
    given: Mapping[str, Sequence[Wire]]


class Swapper:
    """Makes candidates in which nodes of the reference stand.

    Args:
        pair: the two files.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._regions = Regions(pair.one.circuit, pair.names)
        self._rounded = Rounded(pair.two.circuit)

    def swapped(self, chosen: FrozenSet[int]) -> Prepared:
        """The candidate with these nodes of the reference.

        Args:
            chosen: their numbers; none give the candidate as it is.

        Raises:
            RefusedError: they cannot be swapped.
        """
        one, two = self._pair.one, self._pair.two
        draft = Draft(two.apart, one.apart, two.circuit, one.circuit)
        return joined(draft.made(*self.plan(chosen)))

    def plan(self, chosen: FrozenSet[int]) -> Plan:
        """Where the values at the border of these nodes come from, and where they go.

        Raises:
            RefusedError: they cannot be swapped.
        """
        region = self._regions.of(chosen)
        self._check_operators(region)
        taken = {name: self._wire(name, inwards=True) for name in region.taken}
        given = {name: [self._wire(name, inwards=False)] for name in region.given}
        replaced = {wire.name for [wire] in given.values()}
        left = alive(self._pair.two.circuit, replaced, [wire.name for wire in taken.values()])
        self._check_left(region, left, replaced)
        for name, wire in taken.items():
            taken[name] = wire._replace(name=self._as_read(wire.name, left))
        for wires in given.values():
            name, cast = wires[0]
            wires += [Wire(n, cast) for n in self._rounded.of(name) if self._goes(n, left)]
        return Plan(region.nodes, taken, given)

    def _as_read(self, name: str, left: Set[int]) -> str:
        """A value as a node that is not quantised would read it."""
        for back in self._rounded.of(name):
            others = self._rounded.read_by_others(back, left)
            if others or self._rounded.rounds_what_it_makes(name):
                return back
        return name

    def _goes(self, back: str, left: Set[int]) -> bool:
        """Whether a value is rounded for the sake of nodes that are not there any more."""
        return not self._rounded.needed(back, left)

    def _wire(self, name: str, inwards: bool) -> Wire:
        """Where a value at the border is in the candidate.

        Raises:
            RefusedError: nowhere, or it is another kind of value there.
        """
        pair = self._pair
        there = pair.names.get(name)
        what = "takes" if inwards else "gives"
        if there is None:
            raise RefusedError(f"the candidate has not {name!r}, which it {what}", name)
        if not inwards and there not in pair.two.circuit.made_by:
            raise RefusedError(f"the candidate does not compute {name!r}, which it gives", name)
        mine, its = pair.one.slot(name), pair.two.slot(there)
        shapes = [each.shape for each in (mine, its) if each is not None and each.shape]
        if len(shapes) == 2 and not _fit(*shapes):
            raise RefusedError(
                f"the value {name!r} that it {what} has the shape {list(shapes[0])}, and in the "
                f"candidate {list(shapes[1])}",
                name,
            )
        kinds = [None if each is None else each.kind for each in (mine, its)]
        if kinds[0] == kinds[1]:
            return Wire(there)
        types = [_FLOATS.get(kind or "") for kind in kinds]
        if types[0] is None or types[1] is None:
            raise RefusedError(
                f"the value {name!r} that it {what} is {kinds[0]}, and in the candidate {kinds[1]}",
                name,
            )
        return Wire(there, types[0] if inwards else types[1])

    def _check_left(self, region: Region, left: Set[int], replaced: Set[str]) -> None:
        """Whether the candidate still computes something of the module's, for others.

        Raises:
            RefusedError: it does: it was fused with them, or they share it.
        """
        pair = self._pair
        made = {n for number in left for n in pair.two.circuit.nodes[number].output} - replaced
        for name in region.inner:
            slot = pair.one.slot(name)
            if pair.names.get(name) in made and slot is not None and slot.kind in _FLOATS:
                raise RefusedError(
                    f"nodes outside it read {pair.names[name]!r} in the candidate, which is inside",
                    name,
                )

    def _check_operators(self, region: Region) -> None:
        """Whether the nodes mean the same by the candidate's opset.

        Raises:
            RefusedError: an operator was another one in the reference's.
        """
        nodes = walk(self._pair.one.circuit.nodes[number] for number in region.nodes)
        wrong = differing(nodes, self._pair.one.apart.model, self._pair.two.apart.model)
        if wrong is not None:
            raise RefusedError(f"{wrong} is another operator in the opset of the candidate")


_FLOATS = {"tensor(float)": 1, "tensor(float16)": 10, "tensor(double)": 11, "tensor(bfloat16)": 16}
"""Types between which a value may be cast at a border: onnxruntime's words, and ONNX's numbers."""


def _fit(one: Sequence[object], two: Sequence[object]) -> bool:
    return len(one) == len(two) and all(
        a == b or not (isinstance(a, int) and isinstance(b, int)) for a, b in zip(one, two)
    )
