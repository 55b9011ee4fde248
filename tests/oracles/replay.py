"""What PyTorch's profiler saw in each module call, held against the nodes of that call.

The model runs once under the profiler, with a mark where each module call begins and ends. An
operation belongs to the innermost call around it. Exporters keep the order of execution, so for
each kind of operation the owners in the order of the document must be a part, in order, of the
calls that executed it: no call owns what it did not execute, and siblings that did the same stand
in turn.
"""

from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import onnx
import torch

from htp.testing.eager import Call
from htp.testing.graph import document_order
from oracles.calls import Stack, key, run_watched
from oracles.lowerings import COMPILED, EXECUTED, KINDS, Part
from oracles.subject import Exported, Report

__all__ = ["replay"]

_ENTER = "htp.oracles.replay:enter:"
_LEAVE = "htp.oracles.replay:leave"
_FLOATS = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16,
    onnx.TensorProto.DOUBLE,
)


class Anchor:
    """A part of an operation that a module call executed.

    Attributes:
        name: of the operation.
        part: what it may be in the graph.
        call: the module call.
        found: a node of the graph stands for it.
    """

    def __init__(self, name: str, part: Part, call: Call) -> None:
        self.name = name
        self.part = part
        self.call = call
        self.found = False

    @property
    def taken(self) -> bool:
        """No further node may stand for it."""
        return self.found and not self.part.many


class Node(NamedTuple):
    """A node of the graph that stands for an operation of some kind."""

    kind: str
    label: str
    tag: Any


def replay(exported: Exported) -> Report:
    """Is every recognisable node owned by a call that executed what it stands for?"""
    anchors, stacks = _executed(exported)
    nodes, in_functions = _nodes(exported.tagged)
    wrong = []
    for kind in dict.fromkeys(node.kind for node in nodes):
        wrong += _misplaced(
            [node for node in nodes if node.kind == kind],
            [anchor for anchor in anchors if kind in anchor.part.kinds],
            {key(stack[-1]): stack for stack in stacks},
        )
    undecided = list(_left(anchors, {node.kind for node in nodes}, in_functions))
    return Report(len(nodes), tuple(wrong), tuple(undecided))


def _executed(exported: Exported) -> Tuple[List[Anchor], List[Stack]]:
    """The anchors in the order of execution, and the stacks of the calls.

    What counts is when things began. Old releases round times to microseconds, after which an
    operation may seem to end after the one that it is a part of.
    """

    def between(number: int, call: Any, args: Any, kwargs: Any) -> Any:
        _mark(f"{_ENTER}{number}")
        try:
            return call(*args, **kwargs)
        finally:
            _mark(_LEAVE)

    with torch.autograd.profiler.profile() as profile:
        stacks = run_watched(exported, between)
    events: List[Any] = sorted(profile.function_events, key=lambda e: (e.time_range.start, e.id))
    anchors: List[Anchor] = []
    active: List[Call] = []
    until = 0.0
    for event in events:
        parts = _parts(event.name)
        if event.name.startswith(_ENTER):
            active.append(stacks[int(event.name[len(_ENTER) :])][-1])
        elif event.name == _LEAVE:
            active.pop()
        elif active and event.time_range.start >= until:
            anchors += [Anchor(event.name, part, active[-1]) for part in parts]
            if any(part.sure for part in parts):
                until = event.time_range.end  # what is within is a part of it
    return anchors, stacks


def _mark(text: str) -> None:
    with torch.autograd.profiler.record_function(text):
        pass


def _parts(name: str) -> Tuple[Part, ...]:
    if name.startswith("fused_"):
        return COMPILED
    space, _, operation = name.partition("::")
    if space != "aten":
        return ()
    return EXECUTED.get(operation) or EXECUTED.get(operation.rstrip("_"), ())


def _nodes(tagged: Any) -> Tuple[List[Node], Dict[str, str]]:
    """The nodes to be decided in document order, and the kinds that are in functions' bodies.

    A function's body stands once for all of its calls, so the calls of its nodes are not to be had.
    """
    model: onnx.ModelProto = tagged.model
    tables = {
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type in _FLOATS and len(tensor.dims) == 2
    }
    inside = sum(1 for _ in document_order(model.graph.node))
    nodes: List[Node] = []
    in_functions: Dict[str, str] = {}
    for place, (node, tag) in enumerate(tagged.nodes()):
        for kind in KINDS.get(node.op_type, ()) if node.domain in ("", "ai.onnx") else ():
            if kind == "embedding" and node.input[0] not in tables:
                continue
            if place < inside:
                label = f"{node.op_type}({node.name or ', '.join(node.output)})"
                nodes.append(Node(kind, label, tag))
            else:
                in_functions[kind] = node.op_type
    return nodes, in_functions


def _misplaced(
    nodes: List[Node], anchors: List[Anchor], stacks: Dict[Tuple[str, int], Stack]
) -> Iterator[str]:
    """Go through the nodes of one kind and the calls that executed it, both in order."""
    at = 0
    for node in nodes:
        calls = {key(call) for call in (*node.tag.stack[-1:], *node.tag.shared)}
        place = next(
            (
                place
                for place in range(at, len(anchors))
                if key(anchors[place].call) in calls and not anchors[place].taken
            ),
            None,
        )
        if place is None or not _owns(node.tag, anchors[place].call, stacks):
            done = ", ".join(anchor.call.short or "the root" for anchor in anchors)
            yield (
                f"{node.label}: owned by {str(node.tag.owner) or 'the root'}, "
                f"but {node.kind} was executed in {done or 'no call'}, in this order"
            )
            continue
        at = place
        anchors[place].found = True
        for call in node.tag.shared:
            merged = (a for a in anchors[at:] if key(a.call) == key(call) and not a.found)
            for anchor in merged:
                anchor.found = True
                break


def _owns(tag: Any, call: Call, stacks: Dict[Tuple[str, int], Stack]) -> bool:
    """Merged nodes are the first call's, fused ones a common ancestor's."""
    if key(tag.owner) == key(call):
        return True
    shared = [stacks.get(key(other), ()) for other in tag.shared]
    return all(key(tag.owner) in map(key, stack) for stack in shared)


def _left(anchors: List[Anchor], kinds: Any, in_functions: Dict[str, str]) -> Iterator[str]:
    """Operations that no node was found for, once for each call and operation."""
    left: Dict[Tuple[str, str], Tuple[int, Anchor]] = {}
    for anchor in anchors:
        if anchor.part.sure and not anchor.found:
            place = (anchor.name, anchor.call.short)
            left[place] = (left.get(place, (0, anchor))[0] + 1, anchor)
    for (name, call), (count, anchor) in left.items():
        if not in_functions.keys().isdisjoint(anchor.part.kinds):
            reason = "stands in the body of a function, once for all of its calls"
        elif kinds.isdisjoint(anchor.part.kinds):
            reason = "no node of its kind: written in smaller operators, folded or fused"
        else:
            reason = "the graph has fewer of them: merged, folded, fused or not used"
        yield f"{count} x {name} of {call or 'the root'}: {reason}"
