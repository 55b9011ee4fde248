"""Changes planted into files at random places, and files that say the same in other words.

It works on ``ModelProto`` alone and knows nothing of HTP but the keys of its metadata: what a
change belongs to is read from the node that is changed. Each function of ``PLANTS`` changes a model
in place and gives the paths of which each must be told and no other may be; None where the model
has no place for it.
"""

import json
import random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["DISGUISES", "PLANTS", "Chance", "copied"]

STACK, PARAMETER = "pkg.htp.stack", "pkg.htp.parameter"
SWAPPED_IS_SAME = {"Add", "Mul", "And", "Or", "Xor", "Equal", "Max", "Min", "Mean", "Sum"}
SWAPPED_IS_SAME |= {"BitwiseAnd", "BitwiseOr", "BitwiseXor"}
UNARY = {
    *("Relu", "Sigmoid", "Tanh", "Erf", "Sqrt", "Neg", "Exp", "Cos", "Sin", "Not", "Abs"),
    *("Gelu", "HardSwish", "HardSigmoid", "LeakyRelu", "Softplus", "Reciprocal", "Softmax"),
    *("Floor", "Transpose", "Cast", "Trilu"),
}
INSTEAD = {
    "Relu": "Tanh",
    "Sigmoid": "Tanh",
    "Tanh": "Relu",
    "Sqrt": "Exp",
    "Erf": "Tanh",
    "Add": "Sub",
    "Sub": "Add",
    "Mul": "Div",
    "Div": "Mul",
    "Neg": "Abs",
    "Cos": "Sin",
    "Sin": "Cos",
    "MaxPool": "AveragePool",
    "ReduceMean": "ReduceMax",
}


class Chance(random.Random):
    """A generator of its own."""

    def one(self, found):
        found = list(found)
        return self.choice(found) if found else None


def copied(model):
    made = onnx.ModelProto()
    made.CopyFrom(model)
    return made


def owner_of(node):
    """The path of the module that a node says it comes from; None where it says nothing."""
    told = next((p.value for p in node.metadata_props if p.key == STACK), "[]")
    rows = json.loads(told)
    return rows[-1][0] if rows else None


def bodies(graph):
    """A graph with everything nested in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for body in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from bodies(body)


def graphs(model):
    """Every graph whose values have owners: functions are left out."""
    return list(bodies(model.graph))


def nodes(model, nested=None):
    for at, graph in enumerate(graphs(model)):
        if nested is None or nested == (at > 0):
            for node in graph.node:
                if owner_of(node) is not None:
                    yield graph, node


def read_names(model):
    """How often each name is read anywhere."""
    counts = {}
    for graph in graphs(model):
        for node in graph.node:
            for name in node.input:
                counts[name] = counts.get(name, 0) + 1
        for value in graph.output:
            counts[value.name] = counts.get(value.name, 0) + 1
    return counts


def readers(model, name):
    return [node for graph in graphs(model) for node in graph.node if name in node.input]


def read_through(model, name):
    """The nodes that read a value, also behind Identity."""
    found = []
    for node in readers(model, name):
        found += read_through(model, node.output[0]) if node.op_type == "Identity" else [node]
    return found


def attribute_of(node, name):
    return next((each for each in node.attribute if each.name == name), None)


def set_attribute(node, name, value):
    held = attribute_of(node, name)
    if held is not None:
        node.attribute.remove(held)
    node.attribute.append(helper.make_attribute(name, value))


def maker_op(model, name):
    return next((n.op_type for _, n in nodes(model) if name in n.output), None)


# --- attributes


def with_attribute(model, chance, kind, only=None, nested=None):
    rows = [
        (node, attribute)
        for _, node in nodes(model, nested)
        for attribute in node.attribute
        if attribute.type == kind
        and node.op_type != "Constant"
        and (only is None or (node.op_type, attribute.name) in only or attribute.name in only)
    ]
    return chance.one(rows) or (None, None)


def whole_number(model, chance):
    node, attribute = with_attribute(model, chance, onnx.AttributeProto.INT)
    if node is None:
        return None
    attribute.i += 1
    return {owner_of(node)}


def axis(model, chance):
    node, attribute = with_attribute(model, chance, onnx.AttributeProto.INT, {"axis"})
    if node is None:
        return None
    attribute.i = 0 if attribute.i else 1
    return {owner_of(node)}


def cast_type(model, chance):
    node, attribute = with_attribute(model, chance, onnx.AttributeProto.INT, {("Cast", "to")})
    if node is None:
        return None
    attribute.i = TensorProto.DOUBLE if attribute.i != TensorProto.DOUBLE else TensorProto.FLOAT
    return {owner_of(node)}


def fraction(model, chance):
    node, attribute = with_attribute(model, chance, onnx.AttributeProto.FLOAT)
    if node is None:
        return None
    attribute.f = attribute.f * 1.001 + 1e-6
    return {owner_of(node)}


def whole_numbers(model, chance):
    node, attribute = with_attribute(model, chance, onnx.AttributeProto.INTS)
    if node is None or not attribute.ints:
        return None
    attribute.ints[chance.randrange(len(attribute.ints))] += 1
    return {owner_of(node)}


def order_of_axes(model, chance):
    node, attribute = with_attribute(model, chance, onnx.AttributeProto.INTS, {"perm"})
    if node is None or len(attribute.ints) < 2:
        return None
    attribute.ints[:] = [*attribute.ints[1:], attribute.ints[0]]
    return {owner_of(node)}


def text(model, chance):
    node, attribute = with_attribute(model, chance, onnx.AttributeProto.STRING)
    if node is None:
        return None
    attribute.s += b"x"
    return {owner_of(node)}


def attribute_gone(model, chance):
    kinds = (onnx.AttributeProto.INTS, onnx.AttributeProto.STRING)
    node, attribute = with_attribute(model, chance, chance.choice(kinds))
    if node is None:
        return None
    if is_default(model, node, attribute):
        return None
    node.attribute.remove(attribute)
    return {owner_of(node)}


def is_default(model, node, attribute):
    version = next(e.version for e in model.opset_import if e.domain == node.domain)
    if node.domain:
        return False
    known = onnx.defs.get_schema(node.op_type, version).attributes[attribute.name].default_value
    return helper.get_attribute_value(attribute) == (
        known.type and helper.get_attribute_value(known)
    )


def attribute_new(model, chance):
    _, node = chance.one(each for each in nodes(model) if each[1].op_type != "Identity")
    if node.op_type == "Constant":
        return None
    node.attribute.append(helper.make_attribute("new", 7))
    return {owner_of(node)}


# --- operators


def operator(model, chance):
    _, node = chance.one(e for e in nodes(model) if e[1].op_type in INSTEAD) or (None, None)
    if node is None:
        return None
    node.op_type = INSTEAD[node.op_type]
    return {owner_of(node)}


def domain(model, chance):
    row = chance.one(e for e in nodes(model) if e[1].op_type in UNARY and not e[1].domain)
    if row is None:
        return None
    row[1].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return {owner_of(row[1])}


# --- weights


def weights(model, least=1, kinds=(TensorProto.FLOAT,)):
    counts = read_names(model)
    return [
        tensor
        for graph in graphs(model)
        for tensor in graph.initializer
        if tensor.data_type in kinds
        and counts.get(tensor.name)
        and np.prod(tensor.dims, initial=1) >= least
    ]


def weight_owner(model, tensor):
    """The only one that reads it; else the one of them that has the parameter; None if unclear."""
    found = {owner_of(node) for node in read_through(model, tensor.name)}
    if len(found) == 1:
        return found.pop()
    told = next((p.value for p in tensor.metadata_props if p.key == PARAMETER), "[]")
    paths = {name.rpartition(".")[0] for name in json.loads(told)}
    return paths.pop() if len(paths) == 1 and paths <= found else None


def change_weight(model, tensor, change):
    owner = weight_owner(model, tensor)
    if owner is None:
        return None
    array = numpy_helper.to_array(tensor).copy()
    made = numpy_helper.from_array(change(array), tensor.name)
    for name in ("raw_data", "float_data", "int32_data", "int64_data", "external_data"):
        tensor.ClearField(name)
    tensor.ClearField("data_location")
    tensor.raw_data, tensor.data_type = made.raw_data, made.data_type
    tensor.dims[:] = made.dims
    return {owner}


def nudge(array, at):
    flat = array.reshape(-1)
    flat[at] = np.nextafter(flat[at], np.inf, dtype=flat.dtype)
    return array


def middle_of_a_big_weight(model, chance):
    found = sorted(weights(model, 64), key=lambda each: np.prod(each.dims))
    if not found:
        return None
    tensor = chance.one(found[-5:])
    return change_weight(model, tensor, lambda array: nudge(array, array.size // 2 + 1))


def any_element(model, chance):
    tensor = chance.one(weights(model))
    if tensor is None:
        return None
    return change_weight(
        model, tensor, lambda array: nudge(array.reshape(array.shape), chance.randrange(array.size))
    )


def weight_shape(model, chance):
    tensor = chance.one(t for t in weights(model, 2) if len(t.dims) >= 1)
    if tensor is None:
        return None
    return change_weight(model, tensor, lambda array: array.reshape(1, *array.shape))


def weight_turned(model, chance):
    square = (
        t
        for t in weights(model, 4)
        if len(t.dims) == 2 and t.dims[0] == t.dims[1] and t.dims[0] > 1
    )
    tensor = chance.one(square)
    if tensor is None:
        return None
    array = numpy_helper.to_array(tensor)
    if (array == array.T).all():
        return None
    return change_weight(model, tensor, lambda array: np.ascontiguousarray(array.T))


def weight_type(model, chance):
    tensor = chance.one(weights(model))
    if tensor is None:
        return None
    return change_weight(model, tensor, lambda array: array.astype(np.float64))


def weights_swapped(model, chance):
    """Two nodes read each other's weight."""
    rows = [
        (node, place, tensor)
        for tensor in weights(model, 4)
        for node in readers(model, tensor.name)
        for place, name in enumerate(node.input)
        if name == tensor.name and len(read_through(model, tensor.name)) == 1
    ]
    chance.shuffle(rows)
    for one in rows:
        for other in rows:
            differ = one[2].raw_data != other[2].raw_data
            alike = list(one[2].dims) == list(other[2].dims) and differ
            if (
                alike
                and one[0] is not other[0]
                and "Identity" not in (one[0].op_type, other[0].op_type)
            ):
                if owner_of(one[0]) is None or owner_of(other[0]) is None:
                    continue
                one[0].input[one[1]], other[0].input[other[1]] = other[2].name, one[2].name
                return {owner_of(one[0]), owner_of(other[0])}
    return None


def one_reader_of_a_shared_weight(model, chance):
    """One of several that read a weight reads a copy that differs in one element."""
    rows = [
        (tensor, found)
        for tensor in weights(model, 4)
        for found in [readers(model, tensor.name)]
        if len(found) > 1 and all(n.op_type != "Identity" for n in found)
    ]
    row = chance.one(rows)
    if row is None:
        return None
    tensor, found = row
    node = chance.one(n for n in found if owner_of(n) is not None)
    array = nudge(numpy_helper.to_array(tensor).copy(), 1)
    model.graph.initializer.append(numpy_helper.from_array(array, "copied.weight"))
    for place, name in enumerate(node.input):
        if name == tensor.name:
            node.input[place] = "copied.weight"
    return {owner_of(node)}


# --- constants


def constants(model, nested=None):
    counts = read_names(model)
    for _, node in nodes(model, nested):
        held = attribute_of(node, "value")
        if node.op_type != "Constant" or held is None or not counts.get(node.output[0]):
            continue
        if held.t.data_type in (TensorProto.FLOAT, TensorProto.INT64):
            yield node, held.t


def change_constant(model, chance, change, nested=None):
    row = chance.one(each for each in constants(model, nested) if np.prod(each[1].dims, initial=1))
    if row is None:
        return None
    node, tensor = row
    made = numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()))
    tensor.CopyFrom(made)
    return {owner_of(node)}


def bump(array):
    array = np.atleast_1d(array).reshape(array.shape)
    flat = array.reshape(-1)
    flat[-1] += 1
    return flat.reshape(array.shape)


def constant(model, chance):
    return change_constant(model, chance, bump)


def constant_type(model, chance):
    return change_constant(
        model, chance, lambda a: a.astype(np.int32 if a.dtype == np.int64 else np.float64)
    )


# --- nodes


def edge(model, chance, nested=None):
    """A node, the place of one of its inputs that a node of the same graph makes, and the graph."""
    rows = []
    for graph, node in nodes(model, nested):
        made = {name for each in graph.node for name in each.output}
        rows += [
            (graph, node, place)
            for place, name in enumerate(node.input)
            if name in made and node.op_type != "Identity"
        ]
    return chance.one(rows) or (None, None, None)


def tagged(made, like):
    del made.metadata_props[:]
    made.metadata_props.extend(like.metadata_props)
    return made


def place_of(graph, node):
    return next(at for at, each in enumerate(graph.node) if each is node or each == node)


def insert(graph, before, made):
    at = next(at for at, each in enumerate(graph.node) if each.output[:] == before.output[:])
    graph.node.insert(at, made)


def extra_node(model, chance):
    graph, node, place = edge(model, chance)
    if node is None:
        return None
    made = helper.make_node("Softsign", [node.input[place]], ["planted"], "planted")
    node.input[place] = "planted"
    insert(graph, node, tagged(made, node))
    return {owner_of(node)}


def extra_node_of_the_maker(model, chance):
    graph, node, place = edge(model, chance)
    maker = node and next((n for n in graph.node if node.input[place] in n.output), None)
    if maker is None or owner_of(maker) is None:
        return None
    made = helper.make_node("Softsign", [node.input[place]], ["planted"], "planted")
    node.input[place] = "planted"
    insert(graph, node, tagged(made, maker))
    return {owner_of(maker)}


def extra_node_that_nobody_reads(model, chance):
    graph, node, place = edge(model, chance)
    if node is None:
        return None
    made = helper.make_node("Softsign", [node.input[place]], ["planted"], "planted")
    insert(graph, node, tagged(made, node))
    return {owner_of(node)}


def extra_nodes(model, chance):
    graph, node, place = edge(model, chance)
    if node is None:
        return None
    first = helper.make_node("Neg", [node.input[place]], ["planted"], "planted")
    second = helper.make_node("Neg", ["planted"], ["planted too"], "planted too")
    node.input[place] = "planted too"
    for made in (first, second):
        insert(graph, node, tagged(made, node))
    return {owner_of(node)}


def a_node_done_twice(model, chance):
    """A node stands there once more, and one of those that read it reads the other."""
    graph, node, place = edge(model, chance)
    name = node and node.input[place]
    maker = node and next((n for n in graph.node if name in n.output), None)
    if maker is None or owner_of(maker) is None or maker.op_type in ("Identity", "Constant"):
        return None
    made = onnx.NodeProto()
    made.CopyFrom(maker)
    made.name = "planted"
    made.output[:] = [f"planted {each}" for each in maker.output]
    for at, each in enumerate(node.input):
        if each == name:
            node.input[at] = f"planted {name}"
    if not any(each.HasField("g") for each in made.attribute):
        insert(graph, node, made)
        return {owner_of(maker)}
    return None


def bypass(model, graph, node, source):
    """Everybody who reads a node reads one of its inputs instead."""
    target = node.output[0]
    for each in graphs(model):
        for reader in each.node:
            for place, name in enumerate(reader.input):
                if name == target:
                    reader.input[place] = source
        if each is not graph or all(value.name != target for value in each.output):
            continue
        maker = next((n for n in graph.node if source in n.output), None)
        if node.op_type not in UNARY - {"Transpose", "Cast"}:
            return False  # it would be of another shape than the file says of its output
        if maker is None or source in {v.name for v in each.output}:
            return False
        for reader in graph.node:
            reader.input[:] = [target if name == source else name for name in reader.input]
        maker.output[:] = [target if name == source else name for name in maker.output]
    return True


def missing(model, chance, wanted):
    rows = [
        (graph, node)
        for graph, node in nodes(model)
        if wanted(node)
        and len(node.output) == 1
        and not any(a.HasField("g") for a in node.attribute)
    ]
    row = chance.one(rows)
    if row is None:
        return None
    graph, node = row
    made = {name for each in graph.node for name in each.output if each.op_type != "Constant"}
    source = next((name for name in node.input if name in made), None)
    if source is None:
        return None
    owner = owner_of(node)
    kept = onnx.NodeProto()
    kept.CopyFrom(node)
    if not bypass(model, graph, kept, source):
        return None
    graph.node.remove(
        next(n for n in graph.node if n.output[:] == kept.output[:] and n.name == kept.name)
    )
    return {owner}


def missing_node(model, chance):
    return missing(model, chance, lambda node: node.op_type in UNARY)


def missing_node_of_two_inputs(model, chance):
    return missing(
        model, chance, lambda node: len(node.input) >= 2 and node.op_type not in ("Loop", "Scan")
    )


# --- edges


def swapped_inputs(model, chance):
    rows = [
        node
        for _, node in nodes(model)
        if len([name for name in node.input if name]) >= 2
        and node.op_type not in SWAPPED_IS_SAME
        and node.input[0] != node.input[1]
        and node.input[0]
        and node.input[1]
    ]
    chance.shuffle(rows)
    for node in rows:
        if equal_values(model, node.input[0], node.input[1]):
            continue
        node.input[0], node.input[1] = node.input[1], node.input[0]
        return {owner_of(node)}
    return None


def equal_values(model, one, other):
    """Whether two values are known to be the same: constants of equal contents, or equal nodes."""
    held = {}
    for graph in graphs(model):
        held.update((t.name, contents(t)) for t in graph.initializer)
        for node in graph.node:
            value = attribute_of(node, "value")
            if node.op_type == "Constant" and value is not None:
                held[node.output[0]] = contents(value.t)
    if one in held or other in held:
        return held.get(one) == held.get(other)
    return maker_op(model, one) == maker_op(model, other)


def contents(tensor):
    return (tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes())


def rewired(model, chance):
    """A node reads another value that is computed before it."""
    for _ in range(20):
        graph, node, place = edge(model, chance)
        if node is None:
            return None
        before = []
        for each in graph.node:
            if each.output[:] == node.output[:]:
                break
            if each.op_type not in ("Identity", "Constant"):
                before += [name for name in each.output if name and name not in node.input]
        old = maker_op(model, node.input[place])
        others = [name for name in before if maker_op(model, name) != old]
        alone = len(node.input) == 1 or node.op_type not in SWAPPED_IS_SAME
        if others and alone and old not in ("Identity", "Constant"):
            node.input[place] = chance.one(others)
            return {owner_of(node)}
    return None


def bias_gone(model, chance):
    rows = [
        n
        for _, n in nodes(model)
        if n.op_type in ("Gemm", "Conv", "LayerNormalization") and len(n.input) == 3
    ]
    node = chance.one(rows)
    if node is None:
        return None
    del node.input[2]
    return {owner_of(node)}


def another_output(model, chance):
    """A reader of one of several outputs reads another."""
    rows = [
        (reader, name, other)
        for _, node in nodes(model)
        if len(node.output) > 1
        for name in node.output
        for other in node.output
        if name and other and name != other
        for reader in readers(model, name)
        if owner_of(reader) is not None and reader.op_type != "Identity"
    ]
    row = chance.one(rows)
    if row is None:
        return None
    reader, name, other = row
    if reader.op_type in SWAPPED_IS_SAME and other in reader.input:
        return None
    reader.input[:] = [other if each == name else each for each in reader.input]
    return {owner_of(reader)}


# --- bodies


def operator_in_a_body(model, chance):
    row = chance.one(e for e in nodes(model, True) if e[1].op_type in INSTEAD)
    if row is None:
        return None
    row[1].op_type = INSTEAD[row[1].op_type]
    return {owner_of(row[1])}


def constant_in_a_body(model, chance):
    return change_constant(model, chance, bump, True)


def extra_node_in_a_body(model, chance):
    graph, node, place = edge(model, chance, True)
    if node is None:
        return None
    made = helper.make_node("Softsign", [node.input[place]], ["planted"], "planted")
    node.input[place] = "planted"
    insert(graph, node, tagged(made, node))
    return {owner_of(node)}


def branches_swapped(model, chance):
    rows = [n for _, n in nodes(model) if n.op_type == "If"]
    node = chance.one(rows)
    if node is None:
        return None
    for attribute in node.attribute:
        attribute.name = {"then_branch": "else_branch", "else_branch": "then_branch"}[
            attribute.name
        ]
    inner = {owner_of(n) for a in node.attribute for g in bodies(a.g) for n in g.node}
    return {"*", owner_of(node), *inner}


# --- the model


def input_type(model, chance):
    value = chance.one(v for v in model.graph.input if v.type.HasField("tensor_type"))
    if value is None:
        return None
    value.type.tensor_type.elem_type = TensorProto.DOUBLE
    return {root_of(model)}


def input_shape(model, chance):
    value = chance.one(v for v in model.graph.input if len(v.type.tensor_type.shape.dim))
    if value is None:
        return None
    value.type.tensor_type.shape.dim[0].Clear()
    value.type.tensor_type.shape.dim[0].dim_value = 77
    return {root_of(model)}


def opset(model, chance):
    entry = next(e for e in model.opset_import if e.domain in ("", "ai.onnx"))
    entry.version += 1
    return {root_of(model)}


def outputs_swapped(model, chance):
    if len(model.graph.output) < 2:
        return None
    one, other = model.graph.output[0].name, model.graph.output[1].name
    if maker_op(model, one) == maker_op(model, other):
        return None
    types = [onnx.TypeProto.FromString(v.type.SerializeToString()) for v in model.graph.output[:2]]
    for end in (0, 1):
        model.graph.output[end].type.CopyFrom(types[1 - end])
    for name, end in ((one, 1), (other, 0)):
        model.graph.output[end].name = f"{name}.out"
        model.graph.node.append(helper.make_node("Identity", [name], [f"{name}.out"]))
        like = next(iter(n for _, n in nodes(model)))
        tagged(model.graph.node[-1], like)
    return {root_of(model)}


def root_of(model):
    _, node = next(iter(nodes(model)))
    told = next(p.value for p in node.metadata_props if p.key == STACK)
    return json.loads(told)[0][0]


def another_owner(model, chance):
    """A node says that it is another module's: told in both, or in one of them."""
    counts = read_names(model)
    rows = [
        n
        for _, n in nodes(model)
        if n.op_type not in ("Identity", "Constant") and any(counts.get(o) for o in n.output)
    ]
    one = chance.one(rows)
    other = chance.one(n for n in rows if owner_of(n) != owner_of(one))
    if other is None:
        return None
    paths = {owner_of(one), owner_of(other)}
    tagged(one, other)
    return {"*", *paths}


PLANTS = (
    *(whole_number, axis, cast_type, fraction, whole_numbers, order_of_axes, text, attribute_gone),
    *(attribute_new, operator, domain),
    *(middle_of_a_big_weight, any_element, weight_shape, weight_turned, weight_type),
    *(weights_swapped, one_reader_of_a_shared_weight, constant, constant_type),
    *(extra_node, extra_node_of_the_maker, extra_node_that_nobody_reads, extra_nodes),
    *(a_node_done_twice, missing_node, missing_node_of_two_inputs),
    *(swapped_inputs, rewired, bias_gone, another_output),
    *(operator_in_a_body, constant_in_a_body, extra_node_in_a_body, branches_swapped),
    *(input_type, input_shape, opset, outputs_swapped, another_owner),
)
"""``"*"`` among the paths: at least one of them must be told, not each."""


# --- the same in other words


def other_names(model, chance):
    """Every value and node has another name; tags stay."""
    count = [0]

    def fresh(kind):
        count[0] += 1
        return f"{kind}{count[0] * 7919 % 1000003}"

    def rename(graph, outer):
        known = dict(outer)
        inner = (
            [v.name for v in graph.input] if hasattr(graph, "initializer") else list(graph.input)
        )
        inner += [t.name for t in getattr(graph, "initializer", ())]
        inner += [name for node in graph.node for name in node.output if name]
        for name in inner:
            known[name] = fresh("v")
        for tensor in getattr(graph, "initializer", ()):
            tensor.name = known[tensor.name]
        for node in graph.node:
            node.name = fresh("n")
            node.input[:] = [known.get(name, name) for name in node.input]
            node.output[:] = [known.get(name, name) for name in node.output]
            for attribute in node.attribute:
                for body in ([attribute.g] if attribute.HasField("g") else []) + list(
                    attribute.graphs
                ):
                    rename(body, known)
        for value in graph.value_info:
            value.name = known.get(value.name, value.name)
        if hasattr(graph, "initializer"):
            for value in (*graph.input, *graph.output):
                value.name = known.get(value.name, value.name)
        else:
            graph.input[:] = [known[name] for name in graph.input]
            graph.output[:] = [known.get(name, name) for name in graph.output]

    rename(model.graph, {})
    for function in model.functions:
        rename(function, {})


def other_order(model, chance):
    """Nodes stand in another order that is also topological."""
    for graph in [*graphs(model), *model.functions]:
        left = list(graph.node)
        chance.shuffle(left)
        own = {name for node in left for name in node.output if name}
        ready, done = [], set()
        needs = {id(node): (read_by(node) & own) - set(node.output) for node in left}
        while left:
            free = [node for node in left if needs[id(node)] <= done]
            node = chance.choice(free)
            left.remove(node)
            ready.append(node)
            done |= set(node.output)
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ready]
        del graph.node[:]
        graph.node.extend(copies)
        initializers = [
            onnx.TensorProto.FromString(t.SerializeToString())
            for t in getattr(graph, "initializer", ())
        ]
        if initializers:
            chance.shuffle(initializers)
            del graph.initializer[:]
            graph.initializer.extend(initializers)


def read_by(node):
    found = set(node.input)
    for attribute in node.attribute:
        for body in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            for inner in bodies(body):
                for each in inner.node:
                    found |= set(each.input)
                found |= {value.name for value in inner.output}
    return found


def identities_in(model, chance):
    """Identity nodes stand between a node and what it reads, here and there."""
    for at, graph in enumerate(graphs(model)):
        placed = []
        for node in list(graph.node):
            for place, name in enumerate(node.input):
                if name and chance.random() < 0.3:
                    made = helper.make_node("Identity", [name], [f"id{at}.{len(placed)}"])
                    node.input[place] = made.output[0]
                    placed.append((node.output[0] if node.output else "", tagged(made, node)))
        for output, made in placed:
            before = next(i for i, each in enumerate(graph.node) if output in each.output)
            graph.node.insert(before, made)


def identities_out(model, chance):
    """Identity nodes are gone where that is possible."""
    for graph in graphs(model):
        for node in list(graph.node):
            outputs = {value.name for value in graph.output}
            if node.op_type == "Identity" and node.output[0] not in outputs:
                kept = onnx.NodeProto()
                kept.CopyFrom(node)
                if bypass(model, graph, kept, kept.input[0]):
                    graph.node.remove(node)


def constants_as_weights(model, chance):
    """Constants are initializers."""
    for node in list(model.graph.node):
        held = attribute_of(node, "value")
        if node.op_type == "Constant" and held is not None:
            tensor = model.graph.initializer.add()
            tensor.CopyFrom(held.t)
            tensor.name = node.output[0]
            model.graph.node.remove(node)


def defaults_said(model, chance):
    """Attributes are said that operators take by default."""
    versions = {each.domain: each.version for each in model.opset_import}
    for _, node in nodes(model):
        try:
            schema = onnx.defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
        except Exception:
            continue
        said = {each.name for each in node.attribute}
        for name, attribute in schema.attributes.items():
            if attribute.default_value.type and name not in said:
                node.attribute.append(attribute.default_value)


def other_words(model, chance):
    """Documentation, producer, and the order of attributes and opsets."""
    model.producer_name, model.producer_version, model.doc_string = "other", "9", "words"
    model.graph.name = "other"
    for _, node in nodes(model):
        node.doc_string = "words"
        attributes = [onnx.AttributeProto.FromString(a.SerializeToString()) for a in node.attribute]
        if not any(a.HasField("g") or a.graphs for a in attributes):
            chance.shuffle(attributes)
            del node.attribute[:]
            node.attribute.extend(attributes)
    del model.graph.value_info[:]


DISGUISES = (
    *(other_names, other_order, identities_in, identities_out, constants_as_weights),
    *(defaults_said, other_words),
)
