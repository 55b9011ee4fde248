"""``htp.diff`` on models written by hand. Needs no torch."""

import copy

import numpy as np
import onnx
import pytest
from literal import ROOT, model, node, tag, value, weight
from onnx import TensorProto, helper, numpy_helper

import htp


def calls_of(*paths):
    rows = [[*ROOT, 0]]
    for path in paths:
        name, _, number = path.partition("@")
        rows.append([name, "m.Part", int(number or 0), name.count(".") + 1])
    return rows


def made(change=lambda proto: None):
    nodes = [
        node("MatMul", "x w", "h", "first", "a"),
        node("Relu", "h", "r", "relu", "a"),
        node("Softmax", "r", "s", "soft", "b", attributes={"axis": 1}),
        node("Sub", "s r", "y", "sub", ""),
    ]
    held = np.arange(16, dtype=np.float32).reshape(4, 4)
    proto = model(
        nodes,
        [value("x", 2, 4)],
        [value("y", 2, 4)],
        [weight("w", parameter="a.weight", value=held)],
        calls_of("a", "b"),
    )
    change(proto)
    return proto


def told(change, first=None):
    found = htp.diff(first or made(), made(change))
    return [(row.path, row.kind, row.before, row.after) for row in found.rows]


def test_a_model_is_equal_to_itself():
    found = htp.diff(made(), made())
    assert found.equal
    assert (found.rows, found.nodes, found.calls) == ((), (4, 4), 3)
    assert str(found) == "Equal: 4 nodes in 3 module calls."


def test_whatever_load_takes(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(made().SerializeToString())
    for other in (path, str(path), path.read_bytes(), made(), htp.load(path)):
        assert htp.diff(other, path).equal
    with pytest.raises(htp.InvalidModelError, match=r"missing\.onnx"):
        htp.diff(path, tmp_path / "missing.onnx")
    with pytest.raises(htp.InvalidModelError, match="int"):
        htp.diff(path, 7)


def test_an_attribute():
    def change(proto):
        proto.graph.node[2].attribute[0].i = 0

    assert told(change) == [("b", "attribute", "Softmax axis=1", "Softmax axis=0")]


def test_an_operator():
    def change(proto):
        proto.graph.node[1].op_type = "Tanh"

    assert told(change) == [("a", "operator", "Relu", "Tanh")]


def test_one_element_of_a_weight():
    def change(proto):
        held = numpy_helper.to_array(proto.graph.initializer[0]).copy()
        held[2, 1] += 0.5
        proto.graph.initializer[0].raw_data = held.tobytes()

    text = "float32[4, 4], 1 differ, by 0.5 at most"
    assert told(change) == [("a", "weight", "float32[4, 4]", text)]
    (row,) = htp.diff(made(), made(change)).rows
    assert row.names == ("a.weight",)
    assert str(row.call) == "a"


def test_contents_not_fields_are_compared():
    def change(proto):
        tensor = proto.graph.initializer[0]
        held = numpy_helper.to_array(tensor)
        tensor.ClearField("raw_data")
        tensor.float_data.extend(held.reshape(-1).tolist())

    assert told(change) == []


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *((TensorProto.FLOAT16, "int32_data"), (TensorProto.BFLOAT16, "int32_data")),
        *((TensorProto.INT8, "int32_data"), (TensorProto.BOOL, "int32_data")),
        *((TensorProto.DOUBLE, "double_data"), (TensorProto.INT64, "int64_data")),
        *((TensorProto.UINT32, "uint64_data"), (TensorProto.UINT64, "uint64_data")),
        (TensorProto.COMPLEX64, "float_data"),
    ],
)
def test_every_type_in_either_field(kind, field):
    numbers = [1, 0, 1, 1]
    typed = helper.make_tensor("w", kind, [4], numbers)
    assert len(getattr(typed, field))
    raw = helper.make_tensor("w", kind, [4], raw_of(typed), raw=True)
    other = helper.make_tensor("w", kind, [4], [1, 0, 0, 1])

    def with_weight(tensor):
        def change(proto):
            proto.graph.initializer[0].CopyFrom(tensor)

        return made(change)

    assert htp.diff(with_weight(typed), with_weight(raw)).equal
    (row,) = htp.diff(with_weight(raw), with_weight(other)).rows
    assert (row.path, row.kind) == ("a", "weight")


def raw_of(tensor):
    if tensor.data_type == TensorProto.BFLOAT16:
        return np.asarray(tensor.int32_data, "<u2").tobytes()
    if tensor.data_type == TensorProto.COMPLEX64:  # onnx 1.16 cannot read what it wrote
        return np.asarray(tensor.float_data, "<f4").tobytes()
    return numpy_helper.to_array(tensor).tobytes()


def test_nodes_more_and_fewer():
    def more(proto):
        made = helper.make_node("Neg", ["r"], ["n"], "n")
        tag(made, "b")
        proto.graph.node.insert(2, made)
        proto.graph.node[3].input[0] = "n"

    assert told(more) == [("b", "nodes", None, "Neg")]
    assert [(r.path, r.kind, r.before, r.after) for r in htp.diff(made(more), made()).rows] == [
        ("b", "nodes", "Neg", None)
    ]


def test_what_a_node_reads():
    def swapped(proto):
        proto.graph.node[3].input[:] = ["r", "s"]

    assert told(swapped) == [
        ("", "inputs", "Sub(0: Softmax of b, 1: Relu of a)", "Sub(0: Relu of a, 1: Softmax of b)")
    ]

    def rewired(proto):
        proto.graph.node[2].input[0] = "h"

    assert told(rewired) == [("b", "inputs", "Softmax(0: Relu of a)", "Softmax(0: MatMul of a)")]


def test_operators_that_commute():
    def pair(first, second, *more):
        nodes = [
            node("Tanh", "x", "t", "t", "a"),
            node("Tanh", "x", "u", "u", "b"),
            *more,
            node("Add", f"{first} {second}", "y", "add", ""),
        ]
        return model(nodes, [value("x", 4)], [value("y", 4)], calls=calls_of("a", "b"))

    assert htp.diff(pair("t", "x"), pair("x", "t")).equal
    one = pair("t", "n", node("Neg", "u", "n", "n", "b"))
    for two in (pair("t", "u"), pair("u", "t")):  # t and u are equal: the Neg alone is gone
        assert [(r.path, r.kind, r.before) for r in htp.diff(one, two).rows] == [
            ("b", "nodes", "Neg")
        ]
    assert not htp.diff(pair("t", "x"), pair("t", "u")).equal


def test_where_a_shape_begins_to_differ():
    def change(proto, length=4):
        proto.graph.value_info.extend([value("h", 2, length), value("r", 2, length)])

    first = made(change)
    assert told(lambda proto: change(proto, 5), first) == [
        ("a", "shape", "MatMul float32[2, 4]", "MatMul float32[2, 5]")
    ]
    assert told(change) == []  # what only one file tells is not compared


def test_names_of_axes_are_no_difference():
    def change(name, other):
        def rename(proto):
            proto.graph.input[0].CopyFrom(value("x", name, 4))
            proto.graph.output[0].CopyFrom(value("y", other, 4))
            for each in ("h", "r", "s"):
                proto.graph.value_info.append(value(each, other, 4))

        return rename

    first = made(change("batch", "batch"))
    assert told(change("s0", "s0"), first) == []
    assert [row[:2] for row in told(change("s0", "s1"), first)] == [("a", "shape")]
    assert told(change(3, 3), first)[0][:2] == ("", "input")


def test_inputs_and_outputs():
    def more(proto):
        proto.graph.input.append(value("z", 1))
        proto.graph.output.append(value("s", 2, 4))

    assert told(more) == [("", "input", None, "z float32[1]"), ("", "output", None, "s")]

    def other(proto):
        proto.graph.output[0].name = "s"

    assert told(other)[0] == ("", "output", "s = Sub of (root)", "s = Softmax of b")


def test_an_input_that_is_named_twice():
    def twice(proto):
        proto.graph.input.insert(0, proto.graph.input[0])
        proto.graph.input.append(value("z", 2, 4))

    assert told(lambda proto: None, made(twice)) == [("", "input", "z float32[2, 4]", None)]
    assert told(twice) == [("", "input", None, "z float32[2, 4]")]


@pytest.mark.parametrize("op", ["Identity", "Constant"])
def test_a_node_that_gives_nothing(op):
    def more(proto):
        held = {"value": numpy_helper.from_array(np.float32(1))} if op == "Constant" else {}
        proto.graph.node.append(helper.make_node(op, ["x"] if not held else [], [""], **held))

    assert [(kind, now) for _, kind, _, now in told(more)] == [("nodes", op)]


def test_modules_that_only_one_file_has():
    first = made()
    second = made()
    for each in second.graph.node:
        if each.name == "soft":
            del each.metadata_props[:]
            tag(each, "c")
    second.metadata_props[0].value = made().metadata_props[0].value.replace('"b"', '"c"')
    assert [(r.path, r.kind, r.before, r.after) for r in htp.diff(first, second).rows] == [
        ("b", "module", "Part", None),
        ("c", "module", None, "Part"),
    ]


def test_another_owner_and_how_it_is_known():
    def change(proto):
        del proto.graph.node[1].metadata_props[:]
        tag(proto.graph.node[1], "b", provenance="inferred")

    assert told(change) == [("a", "owner", "a: Relu", "b (inferred): Relu")]

    def unknown(proto):
        del proto.graph.node[1].metadata_props[:]
        tag(proto.graph.node[1], None)

    assert told(unknown) == [("a", "owner", "a: Relu", "(unknown): Relu")]
    found = htp.diff(made(unknown), made(lambda p: (unknown(p), operator(p))))
    (row,) = found.rows
    assert (row.path, row.call) == (None, None)
    assert "(unknown)" in str(found)


def operator(proto):
    proto.graph.node[1].op_type = "Tanh"


def test_another_class():
    def change(proto):
        for each in proto.graph.node:
            for prop in each.metadata_props:
                prop.value = prop.value.replace('["b", "m.Part", 0]', '["b", "n.Part", 0]')
        old = proto.metadata_props[0].value
        proto.metadata_props[0].value = old.replace('["b", "m.Part"', '["b", "n.Part"')

    assert told(change) == [("b", "class", "m.Part", "n.Part")]


def test_versions_of_operators():
    def change(proto):
        proto.opset_import[0].version = 18
        proto.opset_import.append(helper.make_opsetid("unused", 3))

    assert told(change) == [("", "opset", "ai.onnx 17", "ai.onnx 18")]


def test_a_weight_that_nothing_reads():
    def change(proto):
        proto.graph.initializer.append(weight("idle", 3, parameter="b.idle"))

    assert told(change) == [("b", "weight", None, "float32[3] [1, 1, 1]")]


def test_two_calls_of_a_module():
    def twice(change=lambda proto: None):
        nodes = [
            node("Relu", "x", "h", "one", "a"),
            node("Relu", "h", "y", "two", "a", number=1),
        ]
        proto = model(nodes, [value("x", 4)], [value("y", 4)], calls=calls_of("a", "a@1"))
        change(proto)
        return proto

    def change(proto):
        proto.graph.node[1].op_type = "Tanh"

    (row,) = htp.diff(twice(), twice(change)).rows
    assert (row.path, str(row.call), row.kind) == ("a", "a@1", "operator")


# Data files


def in_files(folder, elements, change=None):
    """The model with its weight in a data file."""
    data = np.arange(elements * 4, dtype=np.float32)
    if change is not None:
        data[change] += 1
    folder.mkdir()
    (folder / "w.bin").write_bytes(bytes(16) + data.tobytes())

    def outside(proto):
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.dims[:] = [elements, 4]
        tensor.data_location = TensorProto.EXTERNAL
        for key, held in (("location", "w.bin"), ("offset", "16"), ("length", str(data.nbytes))):
            tensor.external_data.add(key=key, value=held)

    path = folder / "model.onnx"
    path.write_bytes(made(outside).SerializeToString())
    return path


def test_data_files_are_compared_by_all_their_contents(tmp_path):
    elements = 300_000  # more than a piece
    one = in_files(tmp_path / "one", elements)
    same = in_files(tmp_path / "same", elements)
    other = in_files(tmp_path / "other", elements, elements * 2 + 1)
    assert htp.diff(one, same).equal
    (row,) = htp.diff(one, other).rows
    assert (row.path, row.kind) == ("a", "weight")
    assert row.after == f"float32[{elements}, 4], 1 differ, by 1 at most"


def test_a_data_file_that_is_missing(tmp_path):
    one, other = in_files(tmp_path / "one", 4), in_files(tmp_path / "other", 4)
    (tmp_path / "other" / "w.bin").unlink()
    found = htp.diff(one, other)
    assert not found.equal
    assert not found.rows
    assert found.not_judged == ("a.weight: a data file of it is missing or cannot be read",)
    assert "Not compared: a.weight" in str(found)
    (tmp_path / "other" / "w.bin").write_bytes(bytes(20))
    assert htp.diff(one, other).not_judged


@pytest.mark.parametrize("key", ["location", "offset", "length"])
def test_a_place_that_is_no_text(key):
    def damaged(proto):
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key=key, value="7777777")

    data = made(damaged).SerializeToString()
    assert data.count(b"7777777") == 1
    assert not htp.diff(made(), data.replace(b"7777777", b"7\xff77777")).equal


def test_no_path_out_of_the_folder_is_read(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(64))
    path = in_files(tmp_path / "one", 4)
    proto = onnx.load(path, load_external_data=False)
    proto.graph.initializer[0].external_data[0].value = "../secret"
    path.write_bytes(proto.SerializeToString())
    assert htp.diff(path, path).not_judged


# Damaged files


def test_nodes_in_a_circle_end():
    def change(proto):
        proto.graph.node[0].input[0] = "s"

    assert htp.diff(made(change), made(change)).equal
    assert told(change)


def test_identities_in_a_circle():
    def change(proto):
        for one, other in (("p", "q"), ("q", "p")):
            each = helper.make_node("Identity", [one], [other])
            tag(each, "b")
            proto.graph.node.append(each)

    with pytest.raises(htp.InvalidModelError, match="in a circle"):
        htp.diff(made(), made(change))


def test_values_that_nothing_makes():
    def change(proto):
        proto.graph.node[2].input[0] = "nowhere"

    assert htp.diff(made(change), made(change)).equal
    assert told(change) == [("b", "inputs", "Softmax(0: Relu of a)", "Softmax(0: input nowhere)")]


def test_contents_of_another_size():
    def change(proto):
        proto.graph.initializer[0].raw_data = b"abc"

    assert told(change)[0][:2] == ("a", "weight")


def test_nothing_of_the_files_is_changed():
    first, second = made(), made(operator)
    before = [copy.deepcopy(each).SerializeToString() for each in (first, second)]
    htp.diff(first, second)
    assert [each.SerializeToString() for each in (first, second)] == before


def test_json():
    def change(proto):
        proto.graph.node[2].attribute[0].i = 0

    told = htp.diff(made(), made(change)).to_json()
    assert told["schema"] == "htp.diff/1"
    assert told["equal"] is False
    assert told["rows"] == [
        {
            "path": "b",
            "kind": "attribute",
            "before": "Softmax axis=1",
            "after": "Softmax axis=0",
            "type": "m.Part",
            "call": 0,
            "names": ["soft", "soft"],
        }
    ]
    assert [call["path"] for call in told["equal_calls"]] == ["a"]


def test_the_same_in_many_modules_is_one_line():
    def layers(op):
        nodes, before = [], "x"
        for at in range(4):
            nodes.append(node(op, before, f"y{at}", f"n{at}", f"layer.{at}.act"))
            before = f"y{at}"
        return model(nodes, [value("x", 4)], [value(before, 4)])

    text = str(htp.diff(layers("Relu"), layers("Tanh"))).split("\n")
    assert text[1].split() == ["layer.{0-3}.act", "x4", "operator", "Relu", "Tanh"]
    assert text[3] == "4 differences in 4 of 10 module calls."
