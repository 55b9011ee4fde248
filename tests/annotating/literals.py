"""Graphs and models in a few lines: what sources read, without files and without torch."""

from htp.annotating.joined import SOURCES, annotated
from htp.annotating.model import Model
from htp.annotating.modules import Module, Modules
from htp.annotating.samples import Sample, Weight
from htp.annotating.subject import Subject
from htp.graph.records import GraphRecord, NodeRecord


def node(name, inputs, output, op="Op", bodies=()):
    return NodeRecord(op, inputs.split(), [output], name=name, bodies=list(bodies))


def graph(*nodes, inputs="x", initializers=""):
    return GraphRecord(
        inputs.split(), [nodes[-1].outputs[0]], list(nodes), initializers=initializers.split()
    )


def subject(record, props=None, **extra):
    count = sum(1 for _ in record.walk())
    return Subject(record, props or [{}] * count, **extra)


def modules(*paths, lists=(), aliases=None, tensors=()):
    """Modules of one class each: ``Layer`` for ``layers.0``."""
    firsts = aliases or {}
    rows = [Module("", "net.Net", True, "")]
    for path in paths:
        words = [part for part in path.split(".") if not part.isdigit()]
        kind = f"net.{words[-1].rstrip('s').title()}"
        rows.append(Module(path, kind, path not in lists, firsts.get(path, path)))
    return Modules(rows, {name: (name,) for name in tensors})


def model(known, states=None, scales=None):
    return Model(known, states or {}, scales or {})


def weight(*elements, shape=None):
    shape = shape or (len(elements),)
    return Weight(Sample(tuple(sorted(n for n in shape if n != 1)), elements), shape)


def owners(found):
    """Of every node its owner, ``None`` where it is unknown."""
    return [str(tag.owner) if tag.stack else None for tag in found.tags]


def told(given, *names, flow=False):
    """The owners by these sources alone."""
    asked = [source for source in SOURCES if source.name in names] if names else SOURCES
    return owners(annotated(given, asked, flow or not names))
