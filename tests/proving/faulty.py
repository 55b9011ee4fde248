"""Small models written by hand, with and without faults, for tests of what blames modules."""

import numpy as np
from literal import ROOT, model, node, value, weight
from onnx import TensorProto, helper, numpy_helper

WIDTH = 8


def layers(count=8, faults=(), width=WIDTH, scale=1.0):
    """``count`` layers: a linear part, an activation, and what the layer itself adds.

    Args:
        count: how many.
        faults: numbers of layers whose linear part has another weight.
        width: of each.
        scale: by how much the weights are larger.
    """
    random = np.random.default_rng(0)
    nodes, weights, calls, before = [], [], [[*ROOT, 0]], "x"
    for number in range(count):
        path, at = f"layer.{number}", f"l{number}"
        held = random.standard_normal((width, width)).astype(np.float32) * scale / width**0.5
        if number in faults:
            held = held * np.float32(1.5)
        weights.append(weight(f"{path}.w", parameter=f"{path}.linear.weight", value=held))
        nodes += [
            node("MatMul", f"{before} {path}.w", f"{at}_mm", f"{at}/MatMul", f"{path}.linear"),
            node("Tanh", f"{at}_mm", f"{at}_act", f"{at}/Tanh", f"{path}.act"),
            node("Add", f"{at}_act {before}", f"{at}_out", f"{at}/Add", path),
        ]
        calls += [
            [path, "m.Part", 0, 1],
            [f"{path}.linear", "m.Part", 0, 2],
            [f"{path}.act", "m.Part", 0, 2],
        ]
        before = f"{at}_out"
    weights.append(weight("head.w", value=random.standard_normal((width, 3)).astype(np.float32)))
    nodes.append(node("MatMul", f"{before} head.w", "y", "head/MatMul", "head"))
    calls.append(["head", "m.Part", 0, 1])
    inputs, outputs = [value("x", "n", width)], [value("y", "n", 3)]
    return model(nodes, inputs, outputs, weights, calls)


def samples(count=2, rows=4, width=WIDTH):
    random = np.random.default_rng(1)
    return [{"x": random.standard_normal((rows, width)).astype(np.float32)} for _ in range(count)]


def changed(made, name, change):
    """The same model with another weight."""
    for tensor in made.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), name))
    return made


def with_a_branch(fault=False):
    """``layer.0``, then a choice whose branches are ``choice.yes`` and ``choice.no``."""
    branches = {}
    for name, operator in (("then_branch", "Exp" if fault else "Tanh"), ("else_branch", "Neg")):
        inner = node(operator, "l_out", f"{name}_out", name, f"choice.{name[:4]}")
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, ["n", WIDTH])
        branches[name] = helper.make_graph([inner], name, [], [out])
    nodes = [
        node("Relu", "x", "l_out", "relu", "layer.0"),
        node("If", "c", "y", "if", "choice", attributes=branches),
    ]
    inputs = [value("x", "n", WIDTH), value("c", kind=TensorProto.BOOL)]
    return model(nodes, inputs, [value("y", "n", WIDTH)])


def halved(made, blocked):
    """The model in float16, as docs/recipes.md converts it."""
    from onnxruntime.transformers import float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    half = float16.convert_float_to_float16(made, keep_io_types=True, node_block_list=blocked)
    written = set()
    for each in list(half.graph.node):
        if each.output[0] in written:
            half.graph.node.remove(each)
        written.add(each.output[0])
    tidy = OnnxModel(half)
    tidy.remove_cascaded_cast_nodes()
    tidy.remove_useless_cast_nodes()
    tidy.topological_sort()
    return tidy.model
