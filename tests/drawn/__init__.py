"""Small graphs as text, a node a line, for tests of matching.

sides("a.relu: %1 = Relu %x", "%1 = Relu %x") gives two sides; owners are paths below the root.
"""

from htp.graph.records import GraphRecord, NodeRecord, Weight
from htp.matching import Side, match
from htp.scope import ModuleCall, Provenance, Tag

__all__ = ["carried", "owners", "side", "stack", "tag"]


def stack(path):
    """The calls from the root to a module: one for each dot, ``@1`` for a second call."""
    path, _, call = path.partition("@")
    parts = path.split(".") if path else []
    above = [".".join(parts[:depth]) for depth in range(len(parts) + 1)]
    calls = [ModuleCall(each, f"m.{each or 'Net'}", 0) for each in above]
    return (*calls[:-1], calls[-1]._replace(call=int(call or 0)))


def tag(path, provenance=Provenance.CAPTURED):
    return Tag(stack(path), provenance)


def node(line):
    """``owner: %out %out2 = Op/attributes %in %in2 # name``; without an owner it has no tag."""
    owner, colon, rest = line.partition(":")
    if not colon:
        owner, rest = None, line
    rest, _, name = rest.partition("#")
    outputs, _, made = rest.partition("=")
    op, *inputs = made.split()
    op, _, attributes = op.partition("/")
    names = [[each.lstrip("%") for each in values] for values in (outputs.split(), inputs)]
    record = NodeRecord(op, names[1], names[0], name=name.strip(), attributes=int(attributes or 0))
    return record, None if owner is None else tag(owner.strip())


def side(text, weights=(), inputs=("x",), outputs=None):
    """A side.

    Args:
        text: its nodes, a line each.
        weights: names, or names with contents: ``{"w": "random"}``; each has 64 elements.
        inputs: of the graph.
        outputs: of the graph; by default what the last node computes.
    """
    rows = [node(line) for line in text.strip().splitlines() if line.strip()]
    known = weights if isinstance(weights, dict) else {name: f"of {name}" for name in weights}
    held = {name: Weight(contents, (8, 8), 1, (name,)) for name, contents in known.items()}
    records = [record for record, _ in rows]
    last = list(outputs) if outputs else list(records[-1].outputs)
    graph = GraphRecord(list(inputs), last, records, initializers=list(held))
    return Side(graph, [told for _, told in rows], held)


def carried(old, new):
    """What is told of the nodes of the new side."""
    return match(old, new)


def owners(matched):
    """The owner of each node, ``?`` where it is not known, and how it was found."""
    return [
        (str(tag.owner) if tag.stack else "?", tag.evidence and str(tag.evidence))
        for tag in matched.tags
    ]
