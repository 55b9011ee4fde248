"""Completing tags along the edges of a graph.

An exporter leaves some nodes without a record: constants that it hoisted, casts and identities that
a later pass added, nodes that a rewrite made anew. What they were made for can be read from the
edges: a value that was there before the rewrite keeps its owner; a helper belongs to the operation
that consumes it. Nothing here looks at operator types or names.

Where the edges lead to nothing that is known, the parameters that a node reads are asked at last.
That is a guess, and called so.
"""

from dataclasses import replace
from typing import Dict, List, Optional, Set, Tuple

from htp.graph.records import Capture, GraphRecord, NodeRecord
from htp.scope import UNKNOWN, ModuleCall, Provenance, Stack, Tag, common_stack

__all__ = ["complete", "parameters"]


def complete(capture: Capture) -> List[Tag]:
    """A tag for every node of the capture, in document order.

    Order of trust: what was recorded; the owner of the operation that computed the same value
    before the graph was rewritten, or what the same reader read in its place; the consumers; the
    producers. All these are ``propagated``. Then the parameters that are read, and the consumers
    and producers once more: these are ``inferred``. What is left is unknown.
    """
    graph = capture.after
    nodes = list(graph.walk())
    tags: Dict[int, Tag] = {
        id(node): Tag(node.owner, Provenance.CAPTURED, node.shared) for node in nodes if node.owner
    }
    if capture.before is not None:
        _from_same_value(nodes, capture.before, tags)
        _from_same_reader(graph, capture.before, tags)
    _along_edges(capture, nodes, tags)
    if len(tags) < len(nodes) and _from_parameters(capture, nodes, tags):
        known = set(tags)
        _along_edges(capture, nodes, tags)
        for place in tags.keys() - known:  # from a guess comes a guess
            tags[place] = replace(tags[place], provenance=Provenance.INFERRED)
    return [tags.get(id(node), UNKNOWN) for node in nodes]


def _along_edges(capture: Capture, nodes: List[NodeRecord], tags: Dict[int, Tag]) -> None:
    """Complete the tags by what consumes, produces and calls, until nothing changes."""
    graph = capture.after
    uses = _uses(graph)
    changed = True
    while changed and len(tags) < len(nodes):
        changed = False
        for node in reversed(nodes):
            if id(node) not in tags:
                tag = _from_consumers(node, uses, tags)
                if tag:
                    tags[id(node)] = tag
                    changed = True
        if not changed:
            changed = _from_producers(graph, nodes, tags)
        if not changed:
            changed = _from_callers(capture, tags)


def _from_parameters(capture: Capture, nodes: List[NodeRecord], tags: Dict[int, Tag]) -> bool:
    """A node that reads parameters may belong to the call of the module that has them.

    Of several such calls, as those of a module that runs twice, what they have in common is named.
    """
    calls: Dict[str, List[Stack]] = {}
    for stack in capture.calls:
        calls.setdefault(stack[-1].path, []).append(stack)
    read = parameters(capture)
    found = False
    for node in nodes:
        if id(node) in tags:
            continue
        modules = {name.rpartition(".")[0] for value in node.inputs for name in read.get(value, ())}
        owner = common_stack([stack for path in sorted(modules) for stack in calls.get(path, ())])
        if owner:
            tags[id(node)] = Tag(owner, Provenance.INFERRED)
            found = True
    return found


def _from_same_value(nodes: List[NodeRecord], before: GraphRecord, tags: Dict[int, Tag]) -> None:
    """A node made anew computes a value that an earlier, recorded node computed."""
    owners = {name: node for node in before.walk() if node.owner for name in node.outputs if name}
    for node in nodes:
        if id(node) in tags:
            continue
        known = [owners[name] for name in node.outputs if name in owners]
        if known:
            stacks = [same.owner for same in known if same.owner]
            owner = common_stack(stacks)
            if owner:
                shared = _others(owner, stacks)
                tags[id(node)] = Tag(owner, Provenance.PROPAGATED, shared or known[0].shared)


def _from_same_reader(graph: GraphRecord, before: GraphRecord, tags: Dict[int, Tag]) -> None:
    """A node made anew computes what its readers used to read from others, which are gone."""
    owners = {name: node.owner for node in before.walk() for name in node.outputs if name}
    readers = {tuple(node.outputs): node for node in before.walk()}
    left = {name for node in graph.walk() for name in node.outputs}
    instead: Dict[str, List[Stack]] = {}

    def compare(old: List[str], new: List[str]) -> None:
        for earlier, now in zip(old, new) if len(old) == len(new) else ():
            owner = owners.get(earlier)
            if owner and now != earlier and earlier not in left:
                instead.setdefault(now, []).append(owner)

    compare(before.outputs, graph.outputs)
    for node in graph.walk():
        reader = readers.get(tuple(node.outputs))
        if reader is not None:
            compare(reader.inputs, node.inputs)
    for node in graph.walk():
        stacks = [stack for name in node.outputs for stack in instead.get(name, ())]
        owner = common_stack(stacks)
        if owner and id(node) not in tags:
            tags[id(node)] = Tag(owner, Provenance.PROPAGATED, _others(owner, stacks))


def _others(owner: Stack, stacks: List[Stack]) -> Tuple[ModuleCall, ...]:
    """The owners of ``stacks`` other than ``owner``, each once, in order."""
    return tuple(dict.fromkeys(stack[-1] for stack in stacks if stack and stack[-1] != owner[-1]))


Use = Optional[NodeRecord]
"""A consumer of a value; None stands for a graph output."""


def _uses(graph: GraphRecord) -> Dict[str, List[Use]]:
    """Who consumes each value. The output of a body is consumed by the node that has the body."""
    uses: Dict[str, List[Use]] = {}

    def visit(body: GraphRecord, parent: Use) -> None:
        for node in body.nodes:
            for name in node.inputs:
                if name:
                    uses.setdefault(name, []).append(node)
            for inner in node.bodies:
                visit(inner, node)
        for name in body.outputs:
            uses.setdefault(name, []).append(parent)

    visit(graph, None)
    for function in graph.functions:
        visit(function, None)
    return uses


def _from_consumers(
    node: NodeRecord, uses: Dict[str, List[Use]], tags: Dict[int, Tag]
) -> Optional[Tag]:
    """A helper belongs to what it was made for; several uses are listed, the first one owns it."""
    stacks: List[Stack] = []
    waiting = False
    for name in node.outputs:
        for use in uses.get(name, ()):
            if use is None:
                continue
            tag = tags.get(id(use))
            if tag is None:
                waiting = True
            elif tag.stack:
                stacks.append(tag.stack)
    if not stacks or waiting:
        return None
    owner = stacks[0]
    return Tag(owner, Provenance.PROPAGATED, _others(owner, stacks))


def _from_producers(graph: GraphRecord, nodes: List[NodeRecord], tags: Dict[int, Tag]) -> bool:
    """A node that only graph outputs consume belongs to what computed its inputs."""
    made: Dict[str, NodeRecord] = {name: node for node in nodes for name in node.outputs if name}
    parents = _parents(graph)
    found = False
    for node in nodes:
        if id(node) in tags:
            continue
        stacks = [
            tags[id(made[name])].stack
            for name in node.inputs
            if name in made and id(made[name]) in tags
        ]
        parent = parents.get(id(node))
        if not stacks and parent is not None and id(parent) in tags:
            stacks = [tags[id(parent)].stack]
        owner = common_stack(stacks)
        if owner:
            tags[id(node)] = Tag(owner, Provenance.PROPAGATED, _others(owner, stacks))
            found = True
    return found


def _from_callers(capture: Capture, tags: Dict[int, Tag]) -> bool:
    """The body of a function belongs to what calls it, or called it before the rewrite."""
    before = list(capture.before.walk()) if capture.before is not None else []
    found = False
    for function in capture.after.functions:
        missing = [node for node in function.walk() if id(node) not in tags]
        if not missing:
            continue
        calls = [node for node in capture.after.walk() if node.op == function.name]
        stacks = [tags[id(node)].stack for node in calls if id(node) in tags]
        stacks += [node.owner for node in before if node.op == function.name and node.owner]
        owner = common_stack(stacks)
        if owner:
            found = True
            tag = Tag(owner, Provenance.PROPAGATED, _others(owner, stacks))
            tags.update((id(node), tag) for node in missing)
    return found


def _parents(graph: GraphRecord) -> Dict[int, NodeRecord]:
    """For each node of a nested body, the node that has the body."""
    parents: Dict[int, NodeRecord] = {}
    for node in graph.walk():
        for body in node.bodies:
            for inner in body.nodes:
                parents[id(inner)] = node
    return parents


def parameters(capture: Capture) -> Dict[str, Tuple[str, ...]]:
    """For each initializer, the full names of the parameters and buffers that it was made from.

    An initializer that torch folded (a transposed weight, a fused normalisation) stands where a
    consumer used to read something computed from parameters: those are its names.
    """
    names: Dict[str, Tuple[str, ...]] = {}
    for graph in capture.after.graphs():
        names.update(graph.parameters)
    before = capture.before
    if before is None:
        return names
    known: Dict[str, Tuple[str, ...]] = {}
    for graph in before.graphs():
        known.update(graph.parameters)
    made = {name: node for node in before.walk() for name in node.outputs if name}
    consumers = {node.outputs[0]: node for node in before.walk() if node.outputs}
    origin: Dict[str, Tuple[str, ...]] = {}
    produced = {name for node in capture.after.walk() for name in node.outputs}
    for node in capture.after.walk():
        earlier = consumers.get(node.outputs[0]) if node.outputs else None
        if earlier is None or len(earlier.inputs) != len(node.inputs):
            continue
        for new, old in zip(node.inputs, earlier.inputs):
            folded = new != old or new in made
            if new and new not in names and new not in produced and folded:
                found = _origins(old, made, known, origin)
                if found:
                    names[new] = tuple(dict.fromkeys(names.get(new, ()) + found))
    return names


def _origins(
    value: str,
    made: Dict[str, NodeRecord],
    known: Dict[str, Tuple[str, ...]],
    origin: Dict[str, Tuple[str, ...]],
) -> Tuple[str, ...]:
    """The parameters that a value was computed from, without recursion: chains may be long."""
    if value in origin:
        return origin[value]
    found: Dict[str, None] = {}
    seen: Set[str] = set()
    stack = [value]
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in known:
            found.update(dict.fromkeys(known[name]))
        elif name in made:
            stack.extend(reversed(made[name].inputs))
    origin[value] = tuple(found)
    return origin[value]
