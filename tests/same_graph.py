"""Whether two models are the same graph up to names, told without HTP: by hashes along the edges.

Every value is known by what it is computed from, down to inputs and the contents of weights; two
models are the same if they have equally many nodes of each hash, and the same outputs. Nothing is
folded: a node more or less, of whatever kind, is another graph.
"""

import collections
import hashlib

from onnx import numpy_helper

__all__ = ["fingerprints"]


def fingerprints(model, folder=""):
    """How often each hash stands in a model, and those of its outputs in order."""
    names = {}
    for at, value in enumerate(model.graph.input):
        names[value.name] = f"input {at}"
    counts = collections.Counter()
    return counts, tuple(graph_of(model.graph, names, counts, folder))


def graph_of(graph, outer, counts, folder):
    known = dict(outer)
    for at, value in enumerate(graph.input):
        known.setdefault(value.name, f"body input {at}")
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor, folder)
        known[tensor.name] = hashed("weight", str(array.dtype), array.shape, array.tobytes())
    for node in graph.node:
        reads = [known[name] if name else "" for name in node.input]
        attributes = sorted(attribute_of(each, known, counts, folder) for each in node.attribute)
        key = hashed(node.domain, node.op_type, reads, attributes, len(node.output))
        counts[key] += 1
        for at, name in enumerate(node.output):
            known[name] = f"{key} {at}"
    return [known[value.name] for value in graph.output]


def attribute_of(attribute, known, counts, folder):
    if attribute.HasField("g"):
        return attribute.name, str(graph_of(attribute.g, known, counts, folder))
    held = type(attribute).FromString(attribute.SerializeToString())
    held.doc_string = ""
    held.ClearField("doc_string")
    if held.HasField("t"):
        array = numpy_helper.to_array(held.t)
        return held.name, hashed(str(array.dtype), array.shape, array.tobytes())
    return held.name, held.SerializeToString().hex()


def hashed(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()
