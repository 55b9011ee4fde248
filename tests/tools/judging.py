"""Tags of a rewritten file against the truth.

A tag is right only if its owner is the truth exactly, path and call. An ancestor of the truth is
too coarse, anything else is foreign, and a tag that says that it knows nothing is unresolved.
"""

import json
from collections import Counter
from typing import NamedTuple

import onnx

from tools import by_markers, by_numbers
from tools.by_markers import every_node
from tools.running import NotRunnableError, inlined

__all__ = ["VERDICTS", "Truth", "by_name", "judge", "stack_of", "survived", "truth"]

VERDICTS = ("right", "too coarse", "foreign", "unresolved", "undecided")


class Truth(NamedTuple):
    """What is true of a rewritten file.

    Attributes:
        owners: a stack for each node in document order, None where no oracle decides.
        numbers: how many nodes the oracle of numbers decides.
        markers: how many that of markers decides.
        disputed: where both do and don't agree: the node's number and what each says.
        failed: why the files could not be run, or None.
    """

    owners: list
    numbers: int
    markers: int
    disputed: list
    failed: object = None


def stack_of(node):
    """The stack in a node's metadata as HTP publishes it, ``()`` where there is none."""
    for prop in node.metadata_props:
        if prop.key == "pkg.htp.stack":
            return tuple((path, kind, call) for path, kind, call in json.loads(prop.value))
    return ()


def truth(old, new, marked, inputs, tolerance):
    """What both oracles say together; where they contradict each other, nothing.

    Args:
        old: the tagged model, without data files.
        new: what a tool made of it.
        marked: what it made of the model with markers; None where there is none.
        inputs: example inputs by name.
        tolerance: of ``by_numbers.TOLERANCES``.
    """
    nodes = every_node(new)
    two, anchors = [None] * len(nodes), {}
    if marked is not None:
        two = by_markers.markers(old, stack_of, marked, new)
        anchors = by_markers.anchors(old, marked, new) if not old.functions else {}
    one, failed = [None] * len(nodes), None
    try:
        one = numbers_of(old, new, inputs, tolerance, anchors)
    except NotRunnableError as error:
        failed = str(error)[:200]
    owners, disputed = [], []
    for at, (first, second) in enumerate(zip(one, two)):
        if first and second and first != second:
            disputed.append([at, nodes[at].op_type, text(first), text(second)])
            owners.append(None)
        else:
            owners.append(first or second)
    return Truth(owners, sum(map(bool, one)), sum(map(bool, two)), disputed, failed)


def numbers_of(old, new, inputs, tolerance, anchors):
    """What the numbers say, for each node of ``new`` in document order.

    A node of a function is asked for where the function is inlined; where it is called twice, only
    if both say the same.
    """
    numbered = onnx.ModelProto()
    numbered.CopyFrom(new)
    nodes = every_node(numbered)
    for at, node in enumerate(nodes):
        node.doc_string = str(at)
    if numbered.functions:
        called = {(function.domain, function.name) for function in numbered.functions}
        handed_out = {name for n in nodes if (n.domain, n.op_type) in called for name in n.output}
        for node in numbered.graph.node:  # is it the call that makes a value, or a node inside?
            if node.op_type in by_numbers.MOVERS and handed_out.intersection(node.input):
                node.doc_string = ""
        numbered, anchors = inlined(numbered), {}
    in_order(numbered.graph)
    told = by_numbers.numbers(old, stack_of, numbered, inputs, tolerance, anchors)
    found = [set() for _ in nodes]
    for node, owner in zip(numbered.graph.node, told):
        if node.doc_string.isdigit():
            found[int(node.doc_string)].add(owner)
    return [each.pop() if len(each) == 1 else None for each in found]


def in_order(graph):
    """Put every node behind those whose values it reads: some tools append what they insert."""
    makers = {name for node in graph.node for name in node.output if name}
    waiting, known, sorted_nodes = list(graph.node), set(), []
    while waiting:
        ready, others = [], []
        for node in waiting:
            is_ready = not makers.intersection(by_numbers.read_by(node)) - known
            (ready if is_ready else others).append(node)
            if is_ready:
                known.update(node.output)
        if not ready:
            return  # a circle: onnxruntime will say so
        sorted_nodes += ready
        waiting = others
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in sorted_nodes]
    del graph.node[:]
    graph.node.extend(copies)


def text(stack):
    path, _, call = stack[-1]
    return f"{path}@{call}" if call else path


def verdict(owner, stack):
    """Of one tag, both as stacks."""
    if owner is None:
        return "undecided"
    if not stack:
        return "unresolved"
    if call(stack[-1]) == call(owner[-1]):
        return "right"
    return "too coarse" if call(stack[-1]) in map(call, owner) else "foreign"


def call(entry):
    return (entry[0], entry[2])


def judge(owners, stacks):
    """Count the verdicts on tags.

    Args:
        owners: the truth, by node.
        stacks: of the tags, by node; ``()`` where nothing is known.
    """
    owners, stacks = list(owners), list(stacks)
    assert len(owners) == len(stacks), f"{len(owners)} nodes, {len(stacks)} tags"
    counted = Counter(map(verdict, owners, stacks))
    return {name: counted[name] for name in VERDICTS}


def survived(new):
    """What stands in the nodes of a rewritten file by itself."""
    return list(map(stack_of, every_node(new)))


def by_name(old, new):
    """The owner of the old node that computes a value of the same name: the plainest way."""
    maker = {}
    for node in every_node(old):
        for name in node.output:
            if name:
                maker.setdefault(name, stack_of(node))
    return [
        next((maker[name] for name in node.output if name in maker), ()) for node in every_node(new)
    ]
