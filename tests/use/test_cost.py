"""What module calls cost: by hand on small graphs. Needs no torch."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from literal import call, checked, model, node, value, weight
from onnx import TensorProto, helper

import htp
from htp.scope import ModuleCall
from htp.use.macs import macs_of


def small():
    """``a`` and ``b`` read one weight; ``c`` computes with whole numbers."""
    nodes = [
        node("MatMul", "x w", "h1", "a.mm", "a"),
        node("Add", "h1 bias", "h2", "a.add", "a"),
        node("MatMul", "h2 w", "h3", "b.mm", "b"),
        node("Relu", "h3", "y", "relu", ""),
        node("Shape", "y", "size", "size", "c"),
        node("Neg", "y", "z", "lost", None),
    ]
    return model(
        nodes,
        [value("x", "batch", 4)],
        [value("z", "batch", 4), value("size", 2, kind=TensorProto.INT64)],
        [
            weight("w", 4, 4, parameter="a.weight"),
            weight("bias", 4, parameter=["a.bias", "norm.bias"]),
            weight("unread", 9, parameter="unread"),
        ],
        calls=[
            ["", "m.Net", 0, 0],
            ["a", "m.Part", 0, 1],
            ["dropped", "m.Part", 0, 1],
            ["b", "m.Part", 0, 1],
            ["c", "m.Part", 0, 1],
        ],
    )


@pytest.fixture
def cost():
    return htp.load(checked(small())).cost({"batch": 2})


def rows(found):
    return {str(row.call): row for row in found.rows}


def test_a_row_for_each_call(cost):
    assert [(str(row.call), row.depth) for row in cost.rows] == [
        ("", 0),
        ("a", 1),
        ("dropped", 1),
        ("b", 1),
        ("c", 1),
    ]


def test_what_is_counted(cost):
    found = {path: (r.parameters, r.bytes, r.macs, r.nodes) for path, r in rows(cost).items()}
    assert found == {
        "": (20, 80, 64, 5),
        "a": (20, 80, 32, 2),
        "dropped": (0, 0, 0, 0),
        "b": (16, 64, 32, 1),
        "c": (0, 0, 0, 1),
    }
    assert {path: r.activations for path, r in rows(cost).items()} == {
        "": 32,
        "a": 16,
        "dropped": 0,
        "b": 8,
        "c": 0,
    }
    assert rows(cost)["a"].operators == {"MatMul": 1, "Add": 1}
    assert cost.unowned.nodes == 1
    assert (cost.total.nodes, cost.total.macs, cost.total.parameters) == (6, 64, 20)


def test_shared_and_folded_weights_are_marked(cost):
    assert {path: r.figures.shared for path, r in rows(cost).items() if r.figures.shared} == {
        "a": 16,
        "b": 16,
    }
    assert rows(cost)["a"].figures.folded == 4
    assert cost.total.shared == 0
    together = cost.of([ModuleCall("a", "m.Part", 0), ModuleCall("b", "m.Part", 0)])
    assert (together.parameters, together.shared, together.macs) == (20, 0, 64)


@pytest.mark.parametrize(("second", "parameters"), [(lambda w: w.T, 16), (lambda w: -w, 32)])
def test_a_parameter_that_the_file_holds_twice_is_one(second, parameters):
    """The same transposed is the same; another part of the same parameter is not."""
    held = np.arange(16, dtype=np.float32).reshape(4, 4)
    nodes = [
        node("MatMul", "x one", "h", "first", "a"),
        node("MatMul", "h two", "y", "second", "b"),
    ]
    weights = [
        weight("one", parameter="w", value=held),
        weight("two", parameter="w", value=np.ascontiguousarray(second(held))),
    ]
    cost = htp.load(model(nodes, [value("x", 2, 4)], [value("y", 2, 4)], weights)).cost()
    assert (cost.total.parameters, cost.total.bytes) == (parameters, 128)
    shared = 16 if parameters == 16 else 0
    assert [row.figures.shared for row in cost.rows] == [0, shared, shared]


def test_a_dynamic_axis_is_not_known():
    cost = htp.load(small()).cost()
    assert (cost.total.macs, cost.total.unknown) == (0, 2)
    assert rows(cost)["a"].unknown == 1
    assert rows(cost)["c"].unknown == 0
    assert any("2 nodes the multiply-accumulates are not known" in each for each in cost.remarks)


@pytest.mark.parametrize(
    "shapes", [{"batch": 2}, {"x": (2, 4)}, {"x": [2, 4], "batch": 2}, {"batch": 2, "x": (2, 4)}]
)
def test_ways_to_say_a_shape(shapes):
    assert htp.load(small()).cost(shapes).total.macs == 64


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"bacth": 2}, "did you mean 'batch'"),
        ({"batch": 2.5}, "whole number"),
        ({"batch": "2"}, "could be '2'"),
        ({"batch": -1}, "whole number"),
        ({"batch": True}, "whole number"),
        ({"x": (2, 5)}, "cannot be"),
        ({"x": (2,)}, "cannot be"),
        ({"batch": 3, "x": (2, 4)}, "two lengths"),
    ],
)
def test_bad_shapes(shapes, said):
    with pytest.raises(htp.HTPError, match=said):
        htp.load(small()).cost(shapes)


def test_the_model_stays_as_it_is():
    made = small()
    before = made.SerializeToString()
    tagged = htp.load(made)
    tagged.cost({"batch": 2})
    assert tagged.model.SerializeToString() == before


def test_json(cost):
    told = cost.to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["schema"] == "htp.cost/1"
    assert told["rows"][1] == {
        "path": "a",
        "type": "m.Part",
        "call": 0,
        "depth": 1,
        "parameters": 20,
        "bytes": 80,
        "shared": 16,
        "folded": 4,
        "macs": 32,
        "elsewhere": 0,
        "activations": 16,
        "nodes": 2,
        "unknown": 0,
        "operators": {"MatMul": 1, "Add": 1},
    }


def test_what_is_fused_is_counted_once():
    both = [call("block.conv"), call("block.norm")]
    nodes = [node("Conv", "x w", "y", "conv", "block", shared=both)]
    calls = [["", "m.Net", 0, 0], ["block", "m.Part", 0, 1]]
    calls += [["block.conv", "m.Part", 0, 2], ["block.norm", "m.Part", 0, 2]]
    made = model(
        nodes, [value("x", 1, 3, 8, 8)], [value("y", 1, 2, 6, 6)], [weight("w", 2, 3, 3, 3)], calls
    )
    found = rows(htp.load(checked(made)).cost())
    macs = 2 * 6 * 6 * 3 * 3 * 3
    assert [(r.macs, r.figures.elsewhere) for r in found.values()] == [
        (macs, 0),
        (macs, 0),
        (0, macs),
        (0, macs),
    ]


def test_bodies_are_counted_for_one_iteration():
    inner = [node("MatMul", "i w", "o", "in.mm", "a")]
    cond = value("c", kind=TensorProto.BOOL)
    body = helper.make_graph(
        inner,
        "b",
        [value("n", kind=TensorProto.INT64), cond, value("i", 4, 4)],
        [cond, value("o", 4, 4)],
    )
    nodes = [node("Loop", "times always x", "y", "loop", "a", attributes={"body": body})]
    given = [
        value("x", 4, 4),
        value("times", kind=TensorProto.INT64),
        value("always", kind=TensorProto.BOOL),
    ]
    cost = htp.load(model(nodes, given, [value("y", 4, 4)], [weight("w", 4, 4)])).cost()
    assert cost.total.macs == 64
    assert cost.total.parameters == 16
    assert "bodies of Loop are counted for one iteration" in cost.remarks


def test_quantised_weights_and_their_bytes():
    nodes = [
        node("DequantizeLinear", "q s", "w", "dq", "a"),
        node("MatMul", "x w", "y", "mm", "a"),
        node("MatMulInteger", "i k", "z", "int", "b"),
    ]
    made = model(
        nodes,
        [value("x", 2, 4), value("i", 2, 4, kind=TensorProto.UINT8)],
        [value("y", 2, 3), value("z", 2, 5, kind=TensorProto.INT32)],
        [
            weight("q", value=np.ones((4, 3), np.int8)),
            weight("s", value=np.float32(1)),
            weight("k", value=np.ones((4, 5), np.int8)),
        ],
    )
    found = rows(htp.load(checked(made)).cost())
    assert (found["a"].parameters, found["a"].bytes, found["a"].macs) == (12, 16, 24)
    assert (found["b"].parameters, found["b"].bytes, found["b"].macs) == (20, 20, 40)


def test_four_bits_packed_two_in_a_byte():
    told = {"K": 32, "N": 8, "bits": 4, "block_size": 32}
    made = node("MatMulNBits", "x p s", "y", "nbits", "a", attributes=told)
    made.domain = "com.microsoft"
    weights = [weight("p", value=np.ones((8, 1, 16), np.uint8)), weight("s", 8)]
    tagged = htp.load(
        model([made], [value("x", 2, 32)], [value("y", 2, 8)], weights, domains=["com.microsoft"])
    )
    [root, part] = tagged.cost().rows
    assert (part.parameters, part.bytes, part.macs) == (256, 128 + 32, 2 * 32 * 8)
    assert root.figures == part.figures


def test_an_unknown_operator_is_said_to_be_unknown():
    made = node("Secret", "x w", "y", "secret", "a")
    made.domain = "somewhere"
    weights = [weight("w", 4, 4)]
    made = model([made], [value("x", 2)], [value("y", 2)], weights, domains=["somewhere"])
    cost = htp.load(made).cost()
    assert cost.total.unknown == 1
    assert cost.total.macs == 0


def sized(*middle):
    """``x`` (batch, 4) in a shape that the graph computes, times ``w``."""
    nodes = [
        *middle,
        node("Reshape", "x shape", "flat", "reshape", "a"),
        node("MatMul", "flat w", "y", "mm", "a"),
    ]
    weights = [
        weight("w", 2, 3),
        *(weight(name, value=np.array(held, np.int64)) for name, held in NUMBERS.items()),
    ]
    return htp.load(model(nodes, [value("x", "batch", 4)], [value("y", "n", 3)], weights))


NUMBERS = {
    "zero": 0,
    "two": [2],
    "minus": [-1],
    "much": [1 << 40],
    "first": [0],
    "many": [65],
    "six": [6],
}


@pytest.mark.parametrize(
    "middle",
    [
        [
            node("Shape", "x", "s", "s", "a"),
            node("Gather", "s zero", "b", "b", "a"),
            node("Unsqueeze", "b first", "u", "u", "a"),
            node("Mul", "u two", "m", "m", "a"),
            node("Concat", "m two", "shape", "c", "a", attributes={"axis": 0}),
        ],
        [
            node("ConstantOfShape", "two", "zeros", "zeros", "a"),
            node("Cast", "zeros", "whole", "cast", "a", attributes={"to": 7}),
            node("Equal", "whole whole", "same", "same", "a"),
            node("Where", "same sizes whole", "shape", "where", "a"),
            node("Concat", "six two", "sizes", "sizes", "a", attributes={"axis": 0}),
        ][::-1],
    ],
)
def test_sizes_that_the_graph_computes(middle):
    made = sized(*sorted(middle, key=lambda each: each.output[0] == "shape"))
    cost = made.cost({"batch": 3})
    assert cost.total.unknown == 0
    assert cost.total.macs == 6 * 2 * 3


@pytest.mark.parametrize(
    "middle",
    [
        [node("ConstantOfShape", "much", "shape", "big", "a")],
        [node("ConstantOfShape", "many", "shape", "big", "a")],
        [node("ConstantOfShape", "minus", "shape", "less", "a")],
        [node("Div", "two first", "shape", "div", "a")],
        [node("Gather", "two much", "shape", "gather", "a")],
        [node("Slice", "two", "shape", "slice", "a")],
        [node("Range", "zero many two", "shape", "range", "a")],
    ],
)
def test_sizes_that_are_not_computed(middle):
    assert sized(*middle).cost({"batch": 3}).total.unknown == 1


def test_two_values_of_one_name_hide_no_length():
    """The one is short, and stands in a body; the other is as long as it likes."""
    body = helper.make_graph(
        [helper.make_node("Constant", [], ["shape"], value_ints=[2])], "then", [], []
    )
    branch = helper.make_node("If", ["flag"], [], then_branch=body, else_branch=body)
    made = sized(branch, node("ConstantOfShape", "much", "shape", "big", "a"))
    assert made.cost({"batch": 3}).total.unknown >= 1


def test_operators_of_onnxruntime_have_stand_ins():
    def own(op, inputs, output, **attributes):
        made = node(op, inputs, output, op, "a", attributes=attributes)
        made.domain = "com.microsoft"
        return made

    nodes = [
        own("SkipLayerNormalization", "x x g", "h1"),
        own("FastGelu", "h1", "h2"),
        own("FusedMatMul", "h2 w", "h3"),
        own("MatMulNBits", "h3 p s", "h4", K=4, N=8, bits=4, block_size=32),
        own("FusedGemm", "h4 v", "h5", activation="Relu"),
        node("MatMul", "h5 u", "y", "last", "b"),
    ]
    weights = [
        weight("g", 4),
        weight("w", 4, 4),
        weight("s", 8),
        weight("v", 8, 3),
        weight("u", 3, 2),
    ]
    weights.append(weight("p", value=np.ones((8, 1, 16), np.uint8)))
    made = model(nodes, [value("x", 2, 4)], [value("y", 2, 2)], weights, domains=["com.microsoft"])
    cost = htp.load(made).cost()
    assert cost.total.unknown == 0
    assert cost.total.macs == 2 * (16 + 32 + 24 + 6)
    assert [row.macs for row in cost.rows if row.call.path == "b"] == [12]


KNOWN = {
    "x": (2, 3, 8, 8),
    "k": (5, 3, 3, 3),
    "t": (3, 5, 2, 2),
    "c": (2, 5, 6, 6),
    "u": (2, 5, 16, 16),
    "q": (1, 6, 8),
    "kv": (1, 4, 4),
    "qh": (1, 2, 6, 4),
    "kh": (1, 2, 7, 4),
    "vh": (1, 2, 7, 3),
    "a": (3, 4),
    "b": (4, 5),
    "ab": (3, 5),
    "ta": (4, 3),
    "seq": (7, 2, 4),
    "W": (1, 12, 4),
    "R": (1, 12, 3),
}


@pytest.mark.parametrize(
    ("op", "inputs", "output", "attributes", "expected"),
    [
        ("Conv", "x k", "c", {}, 2 * 5 * 6 * 6 * 27),
        ("ConvTranspose", "x t", "u", {}, 2 * 3 * 8 * 8 * 20),
        ("Gemm", "a b", "ab", {}, 60),
        ("Gemm", "ta b", "ab", {"transA": 1}, 60),
        ("Einsum", "a b", "ab", {"equation": "ij, jk -> ik"}, 60),
        ("Einsum", "a b", "ab", {"equation": "...j,jk->...k"}, None),
        ("Einsum", "a", "ta", {"equation": "ij->ji"}, 0),
        ("Einsum", "a b", "ab", {"equation": "ijk,jk->ik"}, None),
        ("Attention", "qh kh vh", "y", {}, 2 * 6 * 7 * (4 + 3)),
        ("Attention", "q kv kv", "y", {"q_num_heads": 2, "kv_num_heads": 1}, 6 * 4 * (8 + 8)),
        ("GRU", "seq W R", "y", {}, 7 * 2 * (48 + 36)),
        ("Softmax", "a", "y", {}, 0),
        ("MatMul", "a missing", "ab2", {}, None),
        ("MatMul", "", "ab", {}, None),
        ("Conv", "x", "c", {}, None),
    ],
)
def test_multiply_accumulates(op, inputs, output, attributes, expected):
    made = helper.make_node(op, inputs.split(), [output], **attributes)
    assert macs_of(made, KNOWN) == expected


def test_shapes_that_do_not_fit_are_not_known():
    made = small()
    made.graph.node[0].input[1] = "x"  # (2, 4) by itself
    assert htp.load(made).cost({"batch": 2}).total.unknown > 0


def test_files_that_are_damaged():
    made = small()
    made.graph.node[0].domain = "never.declared"
    with pytest.raises(htp.InvalidModelError, match="cannot be inferred"):
        htp.load(made).cost()


def test_weights_are_not_read(tmp_path):
    made = small()
    tensor = made.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "missing.data")
    tensor.ClearField("raw_data")
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    cost = htp.load(tmp_path / "model.onnx").cost({"batch": 2})
    assert (cost.total.macs, cost.total.parameters, cost.total.bytes) == (64, 20, 80)


def elsewhere(tensor, content):
    """The same tensor, which says of its contents that a data file holds them."""
    made = onnx.TensorProto.FromString(tensor.SerializeToString())
    made.data_location = TensorProto.EXTERNAL
    made.external_data.add(key="location", value="sizes")
    Path("sizes").write_bytes(np.array(content, np.int64).tobytes())
    return made


@pytest.mark.parametrize("place", ["initializer", "constant", "filled"])
def test_sizes_are_not_read_from_the_working_directory(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = elsewhere(weight("shape", value=np.zeros(2, np.int64)), [6, 2])
    if place == "filled":
        sizes = elsewhere(weight("shape", value=np.zeros(1, np.int64)), [2])
        middle = [node("ConstantOfShape", "two", "shape", "s", "a", attributes={"value": sizes})]
    elif place == "constant":
        middle = [node("Constant", "", "shape", "s", "a", attributes={"value": sizes})]
    else:
        middle = []
    made = sized(*middle).model
    if place == "initializer":
        made.graph.initializer.append(sizes)
    assert htp.load(made).cost({"batch": 3}).total.unknown == 1


def calling(count, last):
    """Functions of which each calls the next; and what the last one calls."""
    made = small()
    opsets = [helper.make_opsetid("mine", 1), helper.make_opsetid("", 17)]
    for at in range(count):
        op, domain = (f"F{at + 1}", "mine") if at + 1 < count else last
        inner = helper.make_node(op, ["i"], ["o"], domain=domain)
        made.functions.append(helper.make_function("mine", f"F{at}", ["i"], ["o"], [inner], opsets))
    made.opset_import.add(domain="mine", version=1)
    made.graph.node.append(helper.make_node("F0", ["x"], ["again"], domain="mine"))
    return htp.load(made)


def test_functions_that_call_each_other_without_an_end():
    """Older releases of onnx end the process then."""
    with pytest.raises(htp.InvalidModelError, match="each other in a circle"):
        calling(1, ("F0", "mine")).cost()
    with pytest.raises(htp.InvalidModelError, match="each other in a circle"):
        calling(3, ("F1", "mine")).cost()
    with pytest.raises(htp.InvalidModelError, match="more than 100 deep"):
        calling(20_000, ("Relu", "")).cost()
    assert calling(100, ("Relu", "")).cost().total.unknown == 102
