"""Tagged models written down by hand, for tests of what reads tags. Needs no torch."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import htp
from htp.file import origin
from htp.file.document import nodes_of
from htp.file.skeleton import Skeleton
from htp.file.tensors import reduced, tensors_of
from htp.graph.records import CallRecord, Weight
from htp.scope import UNKNOWN, ModuleCall

MARK = "0" * 16
ROOT = ("", "m.Net", 0)


def call(path, kind="Part", number=0):
    """One module call, as a file says it: ``m.Part`` unless another class is named."""
    return (path, f"m.{kind}", number)


def stack(path, kinds=None, number=0):
    """The calls from the root to ``path``; ``kinds`` gives the classes that are not ``Part``."""
    parts = path.split(".") if path else []
    paths = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    known = kinds or {}
    rows = [call(each, known.get(each, "Part")) for each in paths]
    if rows and number:
        rows[-1] = (*rows[-1][:2], number)
    return [ROOT, *rows]


def tag(holder, path, kinds=None, shared=(), sharing="fused", number=0, provenance="captured"):
    """Write a tag into a node; ``path`` None is a node of which nothing is known."""
    rows = [] if path is None else stack(path, kinds, number)
    made = {"stack": json.dumps(rows), "provenance": "unknown" if path is None else provenance}
    if shared:
        made.update(shared=json.dumps([list(each) for each in shared]), sharing=sharing)
    made["origin"] = MARK
    for key, value in made.items():
        holder.metadata_props.add(key=f"pkg.htp.{key}", value=value)


def node(op, inputs, outputs, name, path, kinds=None, attributes=None, **how):
    """A tagged node; inputs and outputs are split at blanks."""
    made = helper.make_node(op, inputs.split(), outputs.split(), name, **(attributes or {}))
    tag(made, path, kinds, **how)
    return made


def weight(name, *shape, parameter=None, value=None):
    """An initializer of ones, or of ``value``; ``parameter`` is its full name."""
    held = np.ones(shape, np.float32) if value is None else np.asarray(value)
    tensor = numpy_helper.from_array(held, name)
    if parameter:
        names = [parameter] if isinstance(parameter, str) else list(parameter)
        tensor.metadata_props.add(key="pkg.htp.parameter", value=json.dumps(names))
    return tensor


def value(name, *shape, kind=TensorProto.FLOAT):
    """A value with its shape: a number, or the name of an axis."""
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs=(), outputs=(), weights=(), calls=None, functions=(), opset=17, domains=()):
    """A model with its origin."""
    graph = helper.make_graph(nodes, "g", list(inputs), list(outputs), list(weights))
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, 1) for domain in (*domains, *["f"] * bool(functions))]
    made = helper.make_model(graph, opset_imports=opsets, functions=list(functions))
    made.ir_version = 8
    said = {
        "schema": "2",
        "backend": "fx",
        "torch": "2.9",
        "htp": "1",
        "calls": calls or [[*ROOT, 0]],
    }
    made.metadata_props.add(key=f"pkg.htp.{MARK}", value=json.dumps(said))
    return made


def checked(made):
    """The same, if onnx finds nothing wrong with it."""
    onnx.checker.check_model(made, full_check=True)
    return made


def known(made, values, folded=()):
    """Say in the origin what each call took and returned: ``{path: (inputs, outputs)}``."""
    paths = ["", *(path for path in values if path)]
    calls = []
    for path in paths:
        way = tuple(ModuleCall(*each) for each in stack(path))
        calls.append(CallRecord(way, *values.get(path, (None, None))))
    nodes = origin.digest((n.op_type, n.output) for n in made.graph.node)
    graph = _skeleton(made, calls) if folded else None
    text = origin.encode("fx", "2.9", "1", calls, nodes, graph, folded)
    made.metadata_props[0].value = text
    assert made.metadata_props[0].key == f"pkg.htp.{MARK}"
    return htp.load(made)


def _skeleton(made, calls):
    held = onnx.ModelProto()
    held.CopyFrom(made)
    for _ in reduced(held):
        pass
    weights = {name: Weight("", tuple(t.dims), t.data_type) for name, t in tensors_of(held) if name}
    return Skeleton(held, [UNKNOWN] * len(list(nodes_of(held))), weights, tuple(calls))
