"""Appending to serialised models and cutting out again, on models made by hand."""

import contextlib

import onnx
import pytest
from onnx import TensorProto, helper

from htp.errors import InvalidModelError
from htp.file import wire
from htp.file.entries import entry

PREFIX = "pkg.htp."


def ours(entries):
    return [key.startswith(PREFIX) for key, _ in entries]


def model():
    """A node, a node with two bodies, functions, weights inside and outside."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    bodies = [
        helper.make_graph(
            [helper.make_node(op, ["x"], [f"{op}.y"], name=f"{op}*2Z")],
            op,
            [],
            [],
            [helper.make_tensor(f"{op}.w", TensorProto.FLOAT, [1], [1.0])],
        )
        for op in ("Relu", "Neg")
    ]
    branch = helper.make_node("If", ["c"], ["z"], then_branch=bodies[0], else_branch=bodies[1])
    big = helper.make_tensor("big", TensorProto.FLOAT, [2000], bytes(8000), raw=True)
    nodes = [
        helper.make_node("Constant", [], ["k"], value=big),
        branch,
        helper.make_node("Gemm", ["x"], ["y"], name="gemm", alpha=2.0),
        helper.make_node("Twice", ["y"], ["t"], domain="mine"),
    ]
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, [2000], bytes(8000), raw=True)
        for name in ("w", "untagged")
    ]
    outside = TensorProto(name="far", data_type=1, data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="weights.bin")
    graph = helper.make_graph(nodes, "g", [value], [], [*weights, outside])
    twice = helper.make_node("Add", ["a", "a"], ["b"])
    function = helper.make_function("mine", "Twice", ["a"], ["b"], [twice], [])
    made = helper.make_model(
        graph, functions=[function], opset_imports=[helper.make_opsetid("", 17)]
    )
    made.metadata_props.add(key="mine", value="kept")
    made.graph.node[2].metadata_props.add(key="mine", value="kept")
    return made


NODES = ["Constant", "If", "Neg", "Relu", "Gemm", "Twice", "Add"]
"""In document order: the attributes of a node made by hand are sorted."""


def tagged(data):
    nodes = [entry("node", f"{PREFIX}name", name) for name in NODES]
    tensors = {name: entry("tensor", f"{PREFIX}t", "v" * 200) for name in ("w", "far", "Neg.w")}
    return wire.append(data, nodes, tensors, entry("model", f"{PREFIX}m", "1"))


def test_entries_stand_where_they_belong():
    made = onnx.ModelProto.FromString(wire.join(tagged(model().SerializeToString())))
    graph = made.graph
    bodies = [attribute.g for attribute in graph.node[1].attribute]
    walked = [graph.node[0], graph.node[1], bodies[0].node[0], bodies[1].node[0]]
    walked += [*graph.node[2:], made.functions[0].node[0]]
    order = [node.metadata_props[-1].value for node in walked]
    assert order == [node.op_type for node in walked]
    assert sorted(order) == sorted(NODES)
    assert [(p.key, len(p.value)) for t in graph.initializer for p in t.metadata_props] == [
        (f"{PREFIX}t", 200)
    ] * 2
    named = [t.name for body in bodies for t in body.initializer if t.metadata_props]
    assert named == ["Neg.w"]
    assert [p.key for p in made.metadata_props] == ["mine", f"{PREFIX}m"]
    assert [p.key for p in graph.node[2].metadata_props] == ["mine", f"{PREFIX}name"]


def test_what_is_taken_out_leaves_the_same_bytes():
    data = model().SerializeToString()
    assert wire.join(wire.remove(wire.join(tagged(data)), ours, "needed")) == data
    assert wire.join(wire.remove(data, ours, "needed")) == data


def test_nothing_to_append_changes_nothing():
    data = model().SerializeToString()
    assert wire.join(wire.append(data, [b""] * len(NODES), {}, b"")) == data


def test_weights_are_not_copied():
    data = model().SerializeToString()
    pieces = [chunk for chunk in tagged(data) if len(chunk) > 4096]
    assert pieces
    assert all(isinstance(chunk, memoryview) and chunk.obj is data for chunk in pieces)


@pytest.mark.parametrize(("count", "how"), [(6, "more"), (8, "fewer")])
def test_another_number_of_nodes(count, how):
    with pytest.raises(InvalidModelError, match=f"{how} nodes than the {count} tagged"):
        wire.append(model().SerializeToString(), [b""] * count, {}, b"")


def test_without_weights():
    data = model().SerializeToString()
    outline = onnx.ModelProto.FromString(wire.without_weights(data))
    whole = model()
    assert not outline.graph.initializer[0].raw_data
    for tensor in (*whole.graph.initializer, whole.graph.node[0].attribute[0].t):
        tensor.ClearField("raw_data")
    assert outline == whole


def test_where_weights_stand():
    data = model().SerializeToString()
    spans = list(wire.weights(data, 512))
    assert len(spans) == 2
    assert all(data[begin:end].endswith(bytes(8000)) for begin, end in spans)
    assert all(end - begin < 8010 for begin, end in spans)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 20000])
def test_an_entry_is_what_protobuf_reads(size):
    value = "m\N{LATIN SMALL LETTER E WITH ACUTE}\N{SNOWMAN}"[:3] * size
    held = onnx.NodeProto.FromString(entry("node", f"{PREFIX}n", value)).metadata_props
    assert [(p.key, p.value) for p in held] == [(f"{PREFIX}n", value)]


@pytest.mark.parametrize("key", ["", "k", f"{PREFIX}k", f"{PREFIX}{'k' * 200}"])
@pytest.mark.parametrize("value", ["", "v", "v" * 119, "v" * 128, "v" * 20000])
def test_entries_of_any_length_are_read(key, value):
    seen = []
    node = onnx.NodeProto()
    node.metadata_props.add(key=key, value=value)
    graph = onnx.GraphProto(node=[node])
    data = onnx.ModelProto(graph=graph).SerializeToString()
    wire.remove(data, lambda entries: seen.extend(entries) or [False] * len(entries), key)
    assert seen == [(key, value)]


def test_opset():
    assert wire.opset(model().SerializeToString()) == 17
    assert wire.opset(onnx.ModelProto(ir_version=8).SerializeToString()) is None
    other = onnx.ModelProto(opset_import=[helper.make_opsetid("mine", 3)])
    assert wire.opset(other.SerializeToString()) is None
    other.opset_import.append(helper.make_opsetid("ai.onnx", 11))
    assert wire.opset(other.SerializeToString()) == 11


@pytest.mark.parametrize("place", range(0, 400, 3))
def test_damage_is_told_or_harmless(place):
    """Whatever byte is wrong: HTP's error or pieces, never another error."""
    data = bytearray(wire.join(tagged(model().SerializeToString())))
    data[-place - 1] ^= 0xFF
    for work in (wire.without_weights, wire.opset, lambda data: wire.remove(data, ours, "needed")):
        with contextlib.suppress(InvalidModelError):
            work(bytes(data))


@pytest.mark.parametrize("data", [b"\x3a\xff", b"\x3a\x05\x0a", b"\x0b", b"\x3a\x02\x0a\x09"])
def test_cut_bytes(data):
    with pytest.raises(InvalidModelError, match="damaged"):
        wire.without_weights(data)
