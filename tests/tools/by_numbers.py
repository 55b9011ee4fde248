"""The truth by numbers: what a new node computes, in terms of values of the old file.

Both files are run on the same inputs with every value exposed. A value of the new file that equals
one value of the old file is a boundary; between the boundaries of a new node lie the old nodes that
it stands for, and the lowest common ancestor of their owners is its owner.

    old   x -> MatMul -> a -> Add -> b -> Gelu -> c        new   x -> Gemm -> u -> FastGelu -> c
    b equals u                          Gemm stands for MatMul and Add, FastGelu for Gelu

Values are taken together in classes: what only moves, casts, quantises or lays out elements
(``MOVERS``), or happens to leave them as they are, has its result in the class of its input. New
nodes between which no value is found again are one cluster, and stand for one region.

A node with both ends in one class is an inserted one, unless the old file has the very step: it
belongs with the value that it works on, which is to say with the node that computes it; of an input
of the model, or a constant, with those that read it.

What it cannot judge, and answers None to:
- constants, what is computed from constants or from shapes alone, and values with too few different
  elements: they are equal to others by chance;
- values that several places of the old file have in common (equal work that is or isn't merged), or
  that lie, within the tolerance, between two of them;
- nodes in the bodies of ``If`` and ``Loop``, whose values cannot be exposed;
- nodes of one cluster when its region has several owners, and a region with no lower bound;
- what was put in front of an input of the model that some read for its size only;
- whether an operation that left its input as it was (a mask of zeros) was absorbed, where its owner
  makes a difference.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from tools.running import inlined, node_by_node, values_of

__all__ = ["MOVERS", "common", "numbers", "read_by"]

MOVERS = frozenset(
    (
        *(
            "Identity",
            "Reshape",
            "Transpose",
            "Squeeze",
            "Unsqueeze",
            "Flatten",
            "Cast",
            "CastLike",
        ),
        *("Dropout", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
        *("ReorderInput", "ReorderOutput"),
    )
)
"""Their first output holds the elements of their first input, and they compute nothing."""

QUANTISERS = frozenset(
    ["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ReorderInput", "ReorderOutput"]
)
"""Movers that no exporter writes for these models: always inserted."""

SIZES = frozenset(("Shape", "Size"))


class Tolerance(NamedTuple):
    """How far apart equal values may be.

    Attributes:
        same: the largest distance, in parts of the old value's spread.
        apart: how many times farther the next old value must be.
        least: how far it must be at any rate.
        elements: how many there must be, and two less that differ.
        moved: whether values are also compared sorted, which tells too little when they are rough.
    """

    same: float
    apart: float
    least: float
    elements: int
    moved: bool


TOLERANCES = {
    "exact": Tolerance(2e-4, 5.0, 1e-3, 4, True),
    "half": Tolerance(2e-2, 4.0, 4e-2, 5, False),
    "quantised": Tolerance(0.2, 3.0, 5e-2, 5, False),
}

LARGE = 1e3
"""Beyond it an element is a mask's; where they stand is compared, and not how large they are."""


def common(stacks):
    """What all stacks begin with."""
    first, *others = stacks
    for depth, call in enumerate(first):
        if any(len(other) <= depth or other[depth] != call for other in others):
            return first[:depth]
    return first


class Graph:
    """A main graph with its values.

    Attributes:
        nodes: the nodes.
        arrays: by value name.
        kind: by value name: ``constant``, ``size`` (known from shapes) or ``data``.
        classes: by value name, the name of the class's first value.
        members: by class, its values in the order in which they are computed.
        maker: by value name, the number of the node that computes it.
    """

    def __init__(self, model, arrays):
        self.nodes = list(model.graph.node)
        self.arrays = arrays
        held = {tensor.name for tensor in model.graph.initializer}
        self.inputs = [value.name for value in model.graph.input if value.name not in held]
        self.outputs = {value.name for value in model.graph.output}
        self.maker = {n: at for at, node in enumerate(self.nodes) for n in node.output if n}
        self.kind = dict.fromkeys(held, "constant")
        self.kind.update(dict.fromkeys(self.inputs, "data"))
        self.classes = {name: name for name in self.kind}
        for node in self.nodes:
            self._add(node)
        self.members = defaultdict(list)
        for name in (*self.inputs, *(n for node in self.nodes for n in node.output if n)):
            if self.kind[name] == "data":
                self.members[self.classes[name]].append(name)
        self.readers = defaultdict(list)
        for at, node in enumerate(self.nodes):
            for name in read_by(node):
                self.readers[name].append(at)

    def _add(self, node):
        kinds = {self.kind.get(name, "constant") for name in read_by(node)}
        kind = "data" if "data" in kinds else "size" if "size" in kinds else "constant"
        if node.op_type in SIZES and kind == "data":
            kind = "size"
        for place, name in enumerate(node.output):
            if name:
                self.kind[name] = kind
                self.classes[name] = self._class(node, place, name) if kind == "data" else name

    def _class(self, node, place, name):
        first = node.input[0] if node.input else ""
        if place == 0 and node.op_type in MOVERS and self.kind.get(first) == "data":
            return self.classes[first]
        own = self.arrays.get(name)
        for other in node.input:
            if self.kind.get(other) == "data" and identical(self.arrays.get(other), own):
                return self.classes[other]
        return name

    def data_inputs(self, at):
        """The values that a node computes with."""
        return [name for name in read_by(self.nodes[at]) if self.kind.get(name) == "data"]

    def data_outputs(self, at):
        return [n for n in self.nodes[at].output if n and self.kind[n] == "data"]

    def is_inner(self, at):
        """Whether a node has both ends in one class."""
        ins = {self.classes[name] for name in self.data_inputs(at)}
        outs = [
            self.classes[name]
            for place, name in enumerate(self.nodes[at].output)
            if name
            and self.kind[name] == "data"
            and not (place and self.nodes[at].op_type in MOVERS)
        ]
        return bool(outs) and all(each in ins for each in outs)


def read_by(node):
    """The values that a node reads, those that its bodies read from outside included."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for body in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
            own = {value.name for value in (*body.input, *body.initializer)}
            own |= {name for inner in body.node for name in inner.output}
            inside = [name for inner in body.node for name in read_by(inner)]
            inside += [value.name for value in body.output]
            names += [name for name in inside if name not in own]
    return list(dict.fromkeys(names))


def identical(one, two):
    """Whether a node left a value as it was."""
    if one is None or two is None or one.shape != two.shape or one.dtype != two.dtype:
        return False
    if one.dtype.kind not in "fiub" or one.size == 0:
        return False
    return bool(np.allclose(one, two, rtol=1e-6, atol=1e-9, equal_nan=True))


def distance(new, old):
    """How far a value is from an old one of the same size, in parts of the old one's spread."""
    one, two = new.astype(np.float64).ravel(), old.astype(np.float64).ravel()
    if new.dtype in (np.int8, np.uint8) and old.dtype.kind == "f":
        return apart_but_for_scale(one, two)
    large = [np.isnan(each) | (np.abs(each) > LARGE) for each in (one, two)]
    if old.dtype.kind == "f":
        if not np.array_equal(*large):
            return np.inf
        one, two = one[~large[0]], two[~large[1]]
    spread = np.linalg.norm(two - two.mean()) if two.size else 0.0
    return float(np.linalg.norm(one - two) / spread) if spread else np.inf


def apart_but_for_scale(one, two):
    """The same for quantised numbers, of which the scale is not known."""
    if not (np.isfinite(two).all() and one.std() and two.std()):
        return np.inf
    return float(np.sqrt(max(0.0, 1 - np.corrcoef(one, two)[0, 1] ** 2)))


def distinctive(array, least):
    """Whether a value is unlike others by more than chance."""
    if array is None or array.dtype.kind not in "fiu" or array.size < least:
        return False
    elements = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    elements = elements[np.abs(elements.astype(np.float64)) <= LARGE]
    return np.unique(elements).size >= least - 2


def without_padding(array):
    """The elements in order of size, without the zeros that a blocked layout adds."""
    flat = np.sort(array.astype(np.float64), axis=None)
    return flat[flat != 0]


class Places:
    """The classes of the old graph, to be looked up by what they hold."""

    def __init__(self, graph, tolerance):
        self.tolerance = tolerance
        self.by_shape = defaultdict(list)
        self.by_count = defaultdict(list)
        for name, members in graph.members.items():
            seen = []
            for member in members:
                array = graph.arrays.get(member)
                if distinctive(array, tolerance.elements) and not any(
                    identical(array, other) for other in seen
                ):
                    seen.append(array)
                    self.by_shape[array.shape].append((name, array))
            if seen and seen[0].dtype.kind == "f" and np.isfinite(seen[0]).all():
                bag = without_padding(seen[0])
                self.by_count[bag.size].append((name, bag))

    def of(self, arrays):
        """The one class that holds one of these values; None where it is none or several."""
        best = {}
        for array in arrays:
            if not distinctive(array, self.tolerance.elements):
                continue
            for name, old in self.by_shape[array.shape]:
                # what an unlike type holds may be equal by chance: positions and tokens
                if (array.dtype.kind == "f") == (old.dtype.kind == "f") or self._rough(array):
                    best[name] = min(best.get(name, np.inf), distance(array, old))
            if self.tolerance.moved and array.dtype.kind == "f" and np.isfinite(array).all():
                bag = without_padding(array)
                for name, old in self.by_count[bag.size]:
                    best[name] = min(best.get(name, np.inf), distance(bag, old))
        near = sorted((error, name) for name, error in best.items())
        same, apart, least = self.tolerance[:3]
        if not near or near[0][0] > same:
            return None
        if len(near) > 1 and near[1][0] <= max(near[0][0] * apart, least):
            return None
        return near[0][1]

    def nearest(self, place, array):
        """The array of a class that is nearest to this one, or None where none has its shape."""
        alike = [old for name, old in self.by_shape[array.shape] if name == place]
        return min(alike, key=lambda old: distance(array, old), default=None)

    def _rough(self, array):
        return array.dtype in (np.int8, np.uint8)


def numbers(old, stack_of, new, inputs, tolerance, anchors):
    """The owner of each node of the main graph of ``new``.

    Args:
        old: the old model, tags and all.
        stack_of: gives the stack of a node of ``old``, ``()`` where nothing is known of it.
        new: what a tool made of it.
        inputs: example inputs.
        tolerance: of ``TOLERANCES``.
        anchors: values of ``new`` and the old ones that the same node makes, as markers tell. They
            are believed only where the numbers agree, and between rough numbers, which may agree
            with nothing, where the shapes do.

    Returns:
        A stack for each, or None where nothing decides.
    """
    return Numbers(inlined(old), stack_of, new, inputs, tolerance, anchors).answers()


class Numbers:
    def __init__(self, old, stack_of, new, inputs, tolerance, anchors):
        self.anchors, self.is_rough = anchors, tolerance == "quantised"
        self.old = Graph(old, values_of(old, inputs))
        self.owner = [stack_of(node) for node in self.old.nodes]
        self.places = Places(self.old, TOLERANCES[tolerance])
        self.settled = {}
        if self.is_rough:
            self.new = Graph(new, node_by_node(new, inputs, read_by, self.settle))
        else:
            self.new = Graph(new, values_of(new, inputs))
        self.match = {name: self.place_of(members) for name, members in self.new.members.items()}
        taken = defaultdict(set)
        for name, place in self.match.items():
            taken[place].add(name)
        self.taken = taken
        self.beside = {
            self.new.classes[name]
            for at, node in enumerate(self.new.nodes)
            if node.op_type in QUANTISERS and self.new.data_outputs(at) and self.is_settled(at)
            for name in node.output[1:]
            if name
        }
        """What an inserted node tells beside its value: the scale that it found."""

    def settle(self, name, array):
        """Look a rough value up, and go on with the old one."""
        place = self.places.of([array])
        if place is None:
            place = self.anchored(name, array)
        if place is None:
            return array
        self.settled[name] = place
        old = self.old.arrays.get(self.anchors.get(name))
        if old is None or self.old.classes.get(self.anchors[name]) != place:
            old = self.places.nearest(place, array)
        alike = old is not None and (old.dtype, old.shape) == (array.dtype, array.shape)
        return old if alike else array

    def anchored(self, name, array):
        """The old class of a value by what the node's marker says."""
        old = self.anchors.get(name)
        if self.old.kind.get(old) != "data":
            return None
        one = self.old.arrays.get(old)
        if one is None or array is None or (one.shape, one.dtype) != (array.shape, array.dtype):
            return None
        near = self.is_rough or identical(one, array)
        if near or distance(array, one) <= self.places.tolerance.same:
            return self.old.classes[old]
        return None

    def place_of(self, members):
        """The old class of a new one."""
        known = {self.settled[name] for name in members if name in self.settled}
        if known:  # the values were corrected since
            return known.pop() if len(known) == 1 else None
        found = self.places.of([self.new.arrays.get(member) for member in members])
        if found is None and not self.is_rough:
            told = {self.anchored(name, self.new.arrays.get(name)) for name in members} - {None}
            found = told.pop() if len(told) == 1 else None
        return found

    def answers(self):
        found = {}
        clusters = self.clusters()
        for at in range(len(self.new.nodes)):
            if at in clusters:
                continue
            if self.new.data_outputs(at):
                found[at] = self.inner(at)
        for members in {id(each): each for each in clusters.values()}.values():
            owner = self.region(members)
            for at in members:
                found[at] = owner
        for at in reversed(range(len(self.new.nodes))):
            if self.new.nodes[at].op_type in QUANTISERS and not self.new.data_outputs(at):
                found[at] = self.of_readers(at, found)
        return [found.get(at) or None for at in range(len(self.new.nodes))]

    # computing nodes

    def clusters(self):
        """For each new node in a cluster, all of its members."""
        home = {}
        for at in range(len(self.new.nodes)):
            if self.new.data_outputs(at) and not self.new.is_inner(at):
                home[at] = {at}
        for name, members in self.new.members.items():
            if self.match[name] is not None or name in self.new.inputs or name in self.beside:
                continue
            ends = {self.new.maker[member] for member in members}
            ends |= {reader for member in members for reader in self.new.readers[member]}
            ends = {at for at in ends if self.new.data_outputs(at)}
            ends -= {at for at in ends if self.is_settled(at)}
            joined = set().union(*(home.get(at, {at}) for at in ends)) if ends else set()
            for at in joined:
                home[at] = joined
        return home

    def is_settled(self, at):
        """An inserted node at a boundary, though one of its results is found nowhere: a scale."""
        ins = self.new.data_inputs(at)
        return self.new.is_inner(at) and all(
            self.match.get(self.new.classes[name]) is not None for name in ins
        )

    def region(self, members):
        """The common owner of the old nodes that a cluster stands for."""
        entries, exits, own = set(), set(), set()
        for at in members:
            own |= {self.new.classes[name] for name in self.new.data_outputs(at)}
        for at in members:
            for name in self.new.data_inputs(at):
                kind = self.new.classes[name]
                if kind in own or kind in self.beside:
                    continue
                if self.match[kind] is None:
                    return None  # an input of the model that nothing tells apart
                entries.add(self.match[kind])
        exits = {self.match[kind] for kind in own if self.match[kind] is not None}
        inside = {self.match[kind] for kind in own}
        if not exits or exits & entries:
            return None
        sure, perhaps = set(), set()
        for place in entries | exits:
            perhaps |= self.idle(place)
        seen, pending = set(exits), list(exits)
        while pending:
            place = pending.pop()
            root = self.old.maker.get(self.old.members[place][0])
            if root is None:
                return None  # it begins at an input of the model that the new nodes don't read
            sure.add(root)
            for name in self.old.data_inputs(root):
                above = self.old.classes[name]
                if above in entries or above in seen:
                    continue
                if self.taken[above] and above not in inside:
                    return None  # the new file has this value, too, and yet it is not read
                seen.add(above)
                pending.append(above)
                sure |= self.idle(above)
        return self.agreed(sure, perhaps, len(members) > 1)

    def agreed(self, sure, perhaps, several):
        owners = {self.owner[at] for at in sure}
        more = owners | {self.owner[at] for at in perhaps}
        if () in more:
            return None
        if several:  # which of them stands for what?
            computing = {at for at in sure if self.old.nodes[at].op_type not in MOVERS}
            owners = {self.owner[at] for at in computing or sure}
            return owners.pop() if len(owners) == 1 and common(list(more)) in owners else None
        owner = common(list(owners))
        return owner if common(list(more)) == owner else None

    def idle(self, place):
        """The nodes that compute, but leave the value as it was."""
        members = self.old.members[place][1:]
        made = {self.old.maker[name] for name in members}
        return {at for at in made if self.old.nodes[at].op_type not in MOVERS}

    # inserted nodes and movers

    def inner(self, at):
        node = self.new.nodes[at]
        place = self.match.get(self.new.classes[self.new.data_inputs(at)[0]])
        if place is None:
            return None
        if node.op_type not in MOVERS:
            alike = {o for o in self.idle(place) if self.old.nodes[o].op_type == node.op_type}
            return self.single(alike)
        source, result = node.input[0], node.output[0]
        before, after = self.exact(place, source), self.exact(place, result)
        if node.op_type in QUANTISERS:
            return self.inserted(place, self.climbed(place, source), after)
        steps = self.steps(before, after, node.op_type) if before and after else set()
        if steps and before & after:
            return self.single_value(place, before, steps)
        if steps:
            return self.single(steps)
        if before and not after:
            return self.single_value(place, before, self.below(place, before))
        return self.inserted(place, before, after)

    def climbed(self, place, name):
        """The old values that a quantised one was made of, where one is found."""
        while True:
            found = self.exact(place, name)
            at = self.new.maker.get(name)
            if found or at is None or self.new.nodes[at].op_type not in MOVERS:
                return found
            name = self.new.nodes[at].input[0]
            if self.match.get(self.new.classes.get(name)) != place:
                return set()

    def inserted(self, place, before, after):
        """The owner of the value that a node works on."""
        if before:
            return self.single_value(place, before, set())
        first = self.old.members[place][0]
        between = self.steps({first}, after, None) if after else self.below(place, {first})
        return self.single_value(place, {first}, between | self.idle(place))

    def single_value(self, place, names, others):
        made = {self.old.maker.get(name) for name in names} | others
        if None in made:  # an input of the model
            return self.readers_of(place) if made == {None} else None
        return self.single(made)

    def below(self, place, names):
        """The old movers of a class that work on one of these values, or on what they make."""
        found, reached = set(), set(names)
        for name in self.old.members[place]:
            at = self.old.maker.get(name)
            if at is not None and reached.intersection(self.old.nodes[at].input):
                reached.add(name)
                if self.old.nodes[at].op_type in MOVERS:
                    found.add(at)
        return found

    def exact(self, place, name):
        """The old values of a class that are this very array."""
        array = self.new.arrays.get(name)
        found = set()
        if array is None:
            return found
        for member in self.old.members[place]:
            old = self.old.arrays.get(member)
            alike = array.shape == old.shape and array.dtype.kind == old.dtype.kind
            if alike and distance(array, old) <= self.places.tolerance.same:
                found.add(member)
        return found

    def steps(self, before, after, op):
        """The old movers on the ways from a value to another.

        Where the values are equal, only those of the same operator: the others are gone.
        """
        found = set()
        for end in after:
            way, name = [], end
            while name in self.old.maker:
                at = self.old.maker[name]
                if self.old.nodes[at].op_type not in MOVERS:
                    break
                way.append(at)
                name = self.old.nodes[at].input[0]
                if name in before:
                    found.update(way)
                    break
        if op is not None and before & after:
            return {at for at in found if self.old.nodes[at].op_type == op}
        return found

    def single(self, nodes):
        """The owner of all of these; None where they are none or have several."""
        owners = {self.owner[at] for at in nodes}
        return owners.pop() or None if len(owners) == 1 else None

    def readers_of(self, place):
        """What those have in common that read an input of the old model."""
        readers = {at for name in self.old.members[place] for at in self.old.readers[name]}
        everyone = [self.owner[at] for at in readers]
        computing = [self.owner[at] for at in readers if self.old.data_outputs(at)]
        if not computing or () in everyone:
            return None
        owner = common(computing)  # do those read it that want to know its size only?
        return owner or None if common(everyone) == owner else None

    def of_readers(self, at, found):
        """What is told of those that read a new node, where all of it is."""
        readers = {
            reader for name in self.new.nodes[at].output for reader in self.new.readers[name]
        }
        owners = [found.get(reader) for reader in readers]
        return common(owners) or None if owners and all(owners) else None
