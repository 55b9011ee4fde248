"""The truth by markers: what was planted in a node before the tool ran, and is found after it.

Each node of a copy of the old file, those in bodies and functions too, gets a doc string of its
own, the tool runs on that copy, and what stands in the nodes of its result tells which old node
each was made from. The result is asked only if it is, but for doc strings, what the tool makes of
the file itself.

A marker alone does not show that nothing else was taken in: onnxruntime multiplies the weights of a
``Conv`` by what stood behind it, and keeps the node. So a new node is judged where it is the very
operation: the same operator, attributes and number of operands, and the constants that it reads
have the same contents.

What it cannot judge, and answers None to:
- what a tool writes without the doc string: fused and inserted nodes, all of onnxslim's;
- one of several equal operations, where some of them are gone: it may stand for the others;
- nodes of a function body that stands for several calls.
"""

from collections import defaultdict

import numpy as np
import onnx

__all__ = ["anchors", "every_node", "markers", "planted", "with_bodies"]

PREFIX = "planted "


def every_node(model):
    """Every node in document order: a node, then its bodies; the called functions last."""
    called, pending = set(), [model.graph]
    bodies = {(function.domain, function.name): function for function in model.functions}
    while pending:
        for node in with_bodies(pending.pop().node):
            name = (node.domain, node.op_type)
            if name in bodies and name not in called:
                called.add(name)
                pending.append(bodies[name])
    found = list(with_bodies(model.graph.node))
    for function in model.functions:
        if (function.domain, function.name) in called:
            found += with_bodies(function.node)
    return found


def with_bodies(nodes):
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from with_bodies(body.node)


def planted(model):
    """A copy of the model with a marker in every node."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for number, node in enumerate(every_node(copy)):
        node.doc_string = f"{PREFIX}{number}"
    return copy


def plain(model):
    """The form of a model: operators and what they read, without names and doc strings."""
    return [
        (node.domain, node.op_type, len(node.input), len(node.output)) for node in every_node(model)
    ]


def markers(old, stack_of, marked, new):
    """The owner of each node of ``new`` in document order, None where nothing decides.

    Args:
        old: the old model.
        stack_of: gives the stack of a node of ``old``.
        marked: what the tool made of ``planted(old)``.
        new: what it made of ``old``.
    """
    return Read(old, marked, new).owners(stack_of)


def anchors(old, marked, new):
    """By the values of ``new``, those of ``old`` that the same node makes.

    Only what the main graphs compute, and not what may stand for several equal values. Whether the
    values are still equal it does not say.
    """
    return Read(old, marked, new).anchors()


class Read:
    """What the markers in ``marked`` tell of the nodes of ``new``."""

    def __init__(self, old, marked, new):
        self.before, self.new = every_node(old), every_node(new)
        self.after = every_node(marked) if plain(marked) == plain(new) else []
        self.ours, self.theirs = constants(old), constants(marked)
        self.origin = [number_in(node, len(self.before)) for node in self.after]
        self.survivors = {each for each in self.origin if each is not None}
        self.alike = groups(self.before, self.ours)

    def is_alone(self, number, stack_of):
        """Whether an old node stands for itself: equal ones are all there, or one owner's."""
        group = self.alike[number]
        owners = {stack_of(self.before[each]) for each in group}
        return len(owners) == 1 or group <= self.survivors

    def owners(self, stack_of):
        copies = defaultdict(int)
        for number in self.origin:
            if number is not None:
                copies[number] += 1
        found = [None] * len(self.new)
        for at, (node, number) in enumerate(zip(self.after, self.origin)):
            if number is None or not is_same(self.before[number], self.ours, node, self.theirs):
                continue
            old = self.before[number]
            stands_for_several = any(p.key == "pkg.htp.shared" for p in old.metadata_props)
            if copies[number] > 1 and stands_for_several:
                continue
            if self.is_alone(number, stack_of):
                found[at] = stack_of(old) or None
        return found

    def anchors(self):
        found, twice = {}, set()
        for node, number in zip(self.new if self.after else (), self.origin):
            if number is None or not self.alike[number] <= self.survivors:
                continue
            old = self.before[number]
            if (old.domain, old.op_type) != (node.domain, node.op_type):
                continue
            alike = len(old.output) == len(node.output)
            if alike and same_attributes(attributes(old), attributes(node)):
                twice |= set(node.output) & set(found)
                found.update(zip(node.output, old.output))
        return {name: old for name, old in found.items() if name and name not in twice}


def number_in(node, count):
    """What was planted in a node, if it is still there."""
    if not node.doc_string.startswith(PREFIX):
        return None
    digits = node.doc_string[len(PREFIX) :]
    return int(digits) if digits.isdigit() and int(digits) < count else None


def constants(model):
    """Initializers and Constant nodes by the names of their values, in bodies too.

    A name that stands for two things is left out.
    """
    found, twice = {}, set()
    graphs = [model.graph, *(b for n in every_node(model) for b in bodies_of(n))]
    for graph in graphs:
        for tensor in graph.initializer:
            if tensor.name in found:
                twice.add(tensor.name)
            found[tensor.name] = onnx.numpy_helper.to_array(tensor)
    for node in every_node(model):
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            found[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    return {name: array for name, array in found.items() if name not in twice}


def bodies_of(node):
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def attributes(node):
    """Names and contents, nested graphs left out."""
    return {
        each.name: onnx.helper.get_attribute_value(each)
        for each in node.attribute
        if not each.HasField("g") and not each.graphs
    }


def is_same(old, ours, new, theirs):
    """Whether a node is the operation that its marker names, and no more than that."""
    if (old.domain or "", old.op_type) != (new.domain or "", new.op_type):
        return False
    if len([n for n in old.output if n]) != len([n for n in new.output if n]):
        return False
    if [bool(n) for n in trimmed(old.input)] != [bool(n) for n in trimmed(new.input)]:
        return False
    if not same_attributes(attributes(old), attributes(new)):
        return False
    for mine, other in zip(old.input, new.input):
        if mine in ours and other in theirs and not equal(ours[mine], theirs[other]):
            return False
        if mine in ours and other not in theirs:
            return False
    return True


def trimmed(names):
    names = list(names)
    while names and not names[-1]:
        names.pop()
    return names


def same_attributes(one, two):
    if set(one) != set(two):
        return False
    for name, value in one.items():
        other = two[name]
        if isinstance(value, onnx.TensorProto):
            if not equal(onnx.numpy_helper.to_array(value), onnx.numpy_helper.to_array(other)):
                return False
        elif value != other:
            return False
    return True


def equal(one, two):
    return one.shape == two.shape and one.dtype == two.dtype and bool(np.array_equal(one, two))


def groups(nodes, held):
    """For each node all that do the same to the same values, itself included."""
    names, by_work = {}, defaultdict(set)
    found = []
    for number, node in enumerate(nodes):
        inputs = tuple(names.get(name) or content(name, held) for name in node.input)
        nested = any(True for _ in bodies_of(node))
        work = (
            (node.domain, node.op_type, inputs, repr(sorted(attributes(node).items())))
            if not nested
            else ("nested", number)
        )
        by_work[work].add(number)
        for place, name in enumerate(node.output):
            names[name] = ("made", min(by_work[work]), place)
        found.append(work)
    return [by_work[work] for work in found]


def content(name, held):
    if name in held:
        array = held[name]
        return ("held", array.shape, str(array.dtype), array.tobytes())
    return ("named", name)
