"""Faults for files: one node of a known module is made wrong, and who it is, is the truth.

The node is one of the plain file, whose owner was captured while it was exported; where the numbers
of an eager run tell the owner as well (``oracles.values``), they must agree. Nothing here matches
anything: what a tool makes of the faulty file afterwards does not change the truth.
"""

import random
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model

__all__ = ["Fault", "Plain", "planted"]

LEAST = 1e-3
"""By how much the output of the module must change."""

ACTIVATIONS = {
    "Relu": "Sigmoid",
    "Sigmoid": "Tanh",
    "Tanh": "Sigmoid",
    "Erf": "Tanh",
    "Gelu": "Sigmoid",
    "HardSwish": "Relu",
    "HardSigmoid": "Sigmoid",
    "Softmax": "LogSoftmax",
}
"""An activation, and what stands in its place; what takes attributes loses them."""
KEEP = {"axis"}


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        kind: weight, epsilon, axis, activation or limit.
        node: which node of the main graph.
        what: what was done to it.
        truth: the calls whose work the node does, as ``(path, call)``.
    """

    kind: str
    node: int
    what: str
    truth: tuple

    @property
    def name(self):
        path, call = self.truth[0]
        return f"{self.kind} {self.what} of node {self.node} in {path or '(root)'}@{call}"


class Plain:
    """A plain file in memory, its tags, and what may go wrong in it."""

    def __init__(self, tagged, folder, feeds):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(tagged.model)
        load_external_data_for_model(self.model, folder)
        self.nodes = list(self.model.graph.node)
        tags = {}
        for node, tag in tagged.nodes():
            tags.setdefault(tuple(node.output), tag)
        self.tags = [tags[tuple(node.output)] for node in self.nodes]
        self.feeds = feeds
        self.weights = {t.name: t for t in self.model.graph.initializer}
        self.constants = {
            node.output[0]: node.attribute[0].t
            for node in self.nodes
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        }
        self.clean = run(self.model, feeds, every=True)

    def truth(self, number):
        tag = self.tags[number]
        calls = (*tag.stack[-1:], *tag.shared)
        return tuple((call.path, call.call) for call in calls)

    def candidates(self):
        """Every fault that can be planted, whether it shows or not."""
        for number, node in enumerate(self.nodes):
            if self.tags[number].stack and str(self.tags[number].provenance) == "captured":
                for kind, what in self._kinds(node):
                    yield Fault(kind, number, what, self.truth(number))

    def _kinds(self, node):
        for at, name in enumerate(node.input):
            tensor = self.weights.get(name)
            if tensor is not None and tensor.data_type == TensorProto.FLOAT and len(tensor.dims):
                yield "weight", f"input {at}"
        names = {attribute.name for attribute in node.attribute}
        if "epsilon" in names:
            yield "epsilon", "attribute"
        if node.op_type == "Add" and any(self._small(name) for name in node.input):
            yield "epsilon", "addend"
        if node.op_type in {"Softmax", "LogSoftmax", "LayerNormalization"} and "axis" in names:
            yield "axis", "attribute"
        if node.op_type in {"ReduceMean", "ReduceSum"}:
            yield "axis", "reduced"
        if node.op_type in ACTIVATIONS:
            yield "activation", ACTIVATIONS[node.op_type]
        if node.op_type == "Clip":
            yield "activation", "upper limit"

    def _small(self, name):
        """Whether a value is an epsilon."""
        array = self._held(name)
        return array is not None and array.size == 1 and 0 < float(array.reshape(-1)[0]) < 1e-3

    def _held(self, name):
        tensor = self.weights.get(name, self.constants.get(name))
        kinds = (TensorProto.FLOAT, TensorProto.INT64)
        return (
            None
            if tensor is None or tensor.data_type not in kinds
            else numpy_helper.to_array(tensor)
        )

    def shows(self, fault):
        """Whether the module's output changes, and the file still runs with the same shapes."""
        try:
            found = run(planted(self, [fault]), self.feeds, every=True)
        except Exception:  # onnxruntime raises what it likes: then it is no fault of the kind
            return False
        change = 0.0
        for name in self.leaving(fault):
            one, two = self.clean.get(name), found.get(name)
            if one is None or two is None or one.shape != two.shape or one.dtype != two.dtype:
                return False
            change = max(change, float(np.abs(one.astype(float) - two.astype(float)).max()))
        return bool(np.isfinite(change)) and change > LEAST

    def leaving(self, fault):
        """The values that leave the module: its nodes compute them, and others read them."""
        tag = self.tags[fault.node]
        inside = {n for n, other in enumerate(self.tags) if other.stack == tag.stack}
        read = {name for n, node in enumerate(self.nodes) if n not in inside for name in node.input}
        read |= {value.name for value in self.model.graph.output}
        made = [name for n in inside for name in self.nodes[n].output]
        return [name for name in made if name in read] or list(self.nodes[fault.node].output)

    def drawn(self, count, seed=0):
        """So many faults that show, of every kind in turn, each of another node if possible."""
        by_kind = {}
        draw = random.Random(seed)
        for fault in self.candidates():
            by_kind.setdefault(fault.kind, []).append(fault)
        for faults in by_kind.values():
            draw.shuffle(faults)
        found = []
        while len(found) < count and any(by_kind.values()):
            for faults in by_kind.values():
                while faults and len(found) < count:
                    fault = faults.pop()
                    if self.shows(fault):
                        found.append(fault)
                        break
        return found


def planted(plain, faults):
    """A copy of the file with the faults in it."""
    model = onnx.ModelProto()
    model.CopyFrom(plain.model)
    for number, fault in enumerate(faults):
        _plant(plain, model, fault, f"planted.{number}")
    if any(fault.kind == "axis" for fault in faults):
        del model.graph.value_info[:]  # shapes that are no longer so
    return model


def _plant(plain, model, fault, name):
    node = model.graph.node[fault.node]
    if fault.kind == "weight":
        at = int(fault.what.split()[1])
        array = numpy_helper.to_array(plain.weights[node.input[at]])
        _replace(model, node, at, array * np.float32(1.2), name)
    elif fault.kind == "epsilon" and fault.what == "attribute":
        attribute = next(each for each in node.attribute if each.name == "epsilon")
        attribute.f = 0.05
    elif fault.kind == "epsilon":
        at = next(n for n, each in enumerate(node.input) if plain._small(each))
        _replace(model, node, at, np.full_like(plain._held(node.input[at]), 0.05), name)
    elif fault.kind == "axis" and fault.what == "attribute":
        attribute = next(each for each in node.attribute if each.name == "axis")
        attribute.i = -2
    elif fault.kind == "axis":
        _reduce_another(plain, model, node, name)
    elif fault.what == "upper limit":
        _replace(model, node, 2, np.float32(1.0), name)
    else:
        node.op_type = fault.what
        kept = [attribute for attribute in node.attribute if attribute.name in KEEP]
        del node.attribute[:]
        node.attribute.extend(kept if fault.what == "LogSoftmax" else ())


def _reduce_another(plain, model, node, name):
    """Take the mean along the axis before."""
    axes = next((each for each in node.attribute if each.name == "axes"), None)
    if axes is not None:
        axes.ints[:] = [axis - 1 for axis in axes.ints]
        return
    held = plain._held(node.input[1]) if len(node.input) > 1 else None
    if held is None:
        raise ValueError("it reduces along nothing that is written down")
    _replace(model, node, 1, held - 1, name)


def _replace(model, node, at, array, name):
    """Give one reader another constant; other readers keep theirs."""
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    node.input[at] = name


def run(model, feeds, every=False):
    """What a model computes, each node for itself."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    if every:
        there = {value.name for value in model.graph.output}
        made = [name for node in model.graph.node for name in node.output if name]
        shown.graph.output.extend(helper.ValueInfoProto(name=n) for n in made if n not in there)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds)))
