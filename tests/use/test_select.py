"""Choosing nodes by module, and the lists that tools are given. Needs no torch."""

import json
import re

import onnx
import pytest
from literal import call, checked, model, node, tag, value, weight

import htp
from htp.use.forms import FORMS

KINDS = {"a": "Block", "a.norm": "LayerNorm", "b": "Block", "b.norm": "LayerNorm"}


def small():
    """Two blocks with a tied weight, a node without a name, two of one name, and an unknown one."""
    nodes = [
        node("MatMul", "x w", "v1", "a.mm", "a", KINDS),
        node("Add", "v1 bias", "v2", "", "a", KINDS),
        node("Relu", "v2", "v3", "relu", "a.norm", KINDS),
        node("MatMul", "v3 w", "v4", "b.mm", "b", KINDS),
        node("Relu", "v4", "v5", "relu", "b.norm", KINDS),
        node("Shape", "v5", "v6", "b,'shape*", "b", KINDS),
        node("Identity", "v5", "y", "lost", None),
    ]
    return model(
        nodes,
        [value("x", "batch", 4)],
        [value("y", "batch", 4), value("v6", 2, kind=onnx.TensorProto.INT64)],
        [
            weight("w", 4, 4, parameter="a.lin.weight"),
            weight("bias", 4, parameter=["a.lin.bias", "a.other"]),
        ],
        calls=[
            ["", "m.Net", 0, 0],
            ["a", "m.Block", 0, 1],
            ["a.norm", "m.LayerNorm", 0, 2],
            ["b", "m.Block", 0, 1],
            ["b.norm", "m.LayerNorm", 0, 2],
        ],
    )


@pytest.fixture
def tagged():
    return htp.load(checked(small()))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((("a",), {}), ["a.mm", "", "relu"]),
        ((("a", "b.norm"), {}), ["a.mm", "", "relu", "relu"]),
        ((("*.norm",), {}), ["relu", "relu"]),
        ((("a",), {"without": "a.norm"}), ["a.mm", ""]),
        (((), {"without": ["a", "*.norm"]}), ["b.mm", "b,'shape*", "lost"]),
        (((), {"op_type": "MatMul"}), ["a.mm", "b.mm"]),
        (((), {"op_type": ["MatMul", "Shape"]}), ["a.mm", "b.mm", "b,'shape*"]),
        (((), {"type": "LayerNorm"}), ["relu", "relu"]),
        (((), {"type": "m.Block"}), ["a.mm", "", "relu", "b.mm", "relu", "b,'shape*"]),
        ((("b",), {"type": ["LayerNorm"]}), ["relu"]),
        ((("b",), {"type": "LayerNorm", "op_type": "MatMul"}), []),
        (((), {}), ["a.mm", "", "relu", "b.mm", "relu", "b,'shape*", "lost"]),
    ],
)
def test_what_is_chosen(tagged, asked, expected):
    patterns, more = asked
    chosen = tagged.select(*patterns, **more)
    assert [row.node.name for row in chosen.rows] == expected
    assert [node.name for node, _ in chosen] == expected
    assert len(chosen) == len(expected)


def test_what_is_known_of_it(tagged):
    chosen = tagged.select("a")
    assert chosen.names == ("a.mm", "relu")
    assert chosen.values == ("v1", "v2", "v3")
    assert chosen.initializers == ("w", "bias")
    assert chosen.parameters == ("a.lin.weight", "a.lin.bias", "a.other")
    told = "\n".join(chosen.remarks)
    assert "1 of the 3 nodes have no name" in told
    assert "'relu': nodes outside the selection have the same name" in told
    assert "'w': nodes outside the selection read the same weight" in told
    assert "1 nodes of the model have no known owner and are not among these" in told
    assert len(chosen.remarks) == 4
    assert repr(chosen) == "<Selection: 3 of 7 nodes>"


def test_nothing_is_remarked_where_there_is_nothing():
    made = model([node("Relu", "x", "y", "r", "a")], [value("x", 1)], [value("y", 1)])
    assert htp.load(made).select("a").remarks == ()


def test_its_nodes_are_those_of_the_model(tagged):
    chosen = tagged.select("a")
    for each, _ in chosen:
        each.metadata_props.add(key="layer_ann", value="here")
    marked = [n for n in tagged.model.graph.node if n.metadata_props[-1].key == "layer_ann"]
    assert len(marked) == 3
    del tagged.model.graph.node[0]
    with pytest.raises(htp.HTPError, match="changed since"):
        _ = chosen.nodes


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ((("c",), {}), "known are a, a.norm, b, b.norm"),
        ((("a.nrom",), {}), "did you mean 'a.norm'"),
        ((("a", "zzz"), {}), "zzz"),
        (((), {"type": "LayerNrom"}), "did you mean 'LayerNorm'"),
        (((), {"without": ["a", "b.nrom"]}), "did you mean 'b.norm'"),
    ],
)
def test_what_names_nothing(tagged, asked, hint):
    with pytest.raises(htp.UnknownModuleError, match=re.escape(hint)):
        tagged.select(*asked[0], **asked[1])


@pytest.mark.parametrize(
    "asked", [((3,), {}), ((), {"type": 3}), ((), {"type": [3]}), ((), {"op_type": 3})]
)
def test_what_is_no_text(tagged, asked):
    with pytest.raises(TypeError):
        tagged.select(*asked[0], **asked[1])


def test_an_operator_that_no_node_has(tagged):
    [told, *_] = tagged.select("a", op_type="MatMull").remarks
    assert told.startswith("no node is left")
    assert "did you mean 'MatMul'" in told


def test_nodes_that_stand_for_several_modules():
    fused = node(
        "Conv", "x w", "y", "conv", "block", shared=[call("block.conv"), call("block.norm")]
    )
    merged = node(
        "Relu", "y", "z", "relu", "block", shared=[call("block", number=1)], sharing="merged"
    )
    calls = [["", "m.Net", 0, 0], ["block", "m.Part", 0, 1], ["block.conv", "m.Part", 0, 2]]
    calls += [["block.norm", "m.Part", 0, 2], ["block", "m.Part", 1, 1]]
    tagged = htp.load(model([fused, merged], calls=calls))
    assert tagged.select("block").remarks == ()
    assert tagged.select("block.norm").names == ("conv",)
    for pattern in ("block.norm", "block@1"):
        assert tagged.select(pattern).remarks == (
            "1 nodes stand for modules outside the selection, too",
        )
    assert tagged.select("block", without="block.conv").names == ("relu",)


# Forms


def test_lines(tagged):
    chosen = tagged.select("a")
    assert chosen.text() == "a.mm\nrelu"
    assert chosen.text("values") == "v1\nv2\nv3"
    assert chosen.text("parameters") == "a.lin.weight\na.lin.bias\na.other"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_empty_selection(tagged, form):
    listing = tagged.select("a", op_type="Conv").listed(form)
    assert any("no node is left" in each for each in listing.remarks)
    assert (
        form in ("names", "values", "parameters", "trtexec") or json.loads(listing.text) is not None
    )


def test_lists_of_names(tagged):
    chosen = tagged.select("b")
    names = ["b.mm", "relu", "b,'shape*"]
    assert json.loads(chosen.text("ort-exclude")) == names
    assert json.loads(chosen.text("nncf")) == {"names": names}
    for form in ("olive", "optimum"):
        assert json.loads(chosen.text(form)) == {"nodes_to_exclude": names}


def test_names_of_the_parts_of_a_gemm():
    gemm = node("Gemm", "x w", "y", "fc", "a")
    made = model([gemm], [value("x", 2, 4)], [value("y", 2, 4)], [weight("w", 4, 4)])
    chosen = htp.load(made).select("a")
    names = ["fc", "fc_MatMul", "fc_Add"]
    assert json.loads(chosen.text("ort-exclude")) == names
    assert json.loads(chosen.text("optimum")) == {"nodes_to_exclude": names}
    assert json.loads(chosen.text("nncf")) == {"names": ["fc"]}


def test_expressions_match_one_name_alone(tagged):
    expressions = json.loads(tagged.select("a", "b").text("modelopt"))
    names = ["a.mm", "relu", "b.mm", "b,'shape*"]
    others = ["aXmm", "a.mm2", "xa.mm", "relu_1", "relu\n", "b,'shap", "b,'shape"]
    found = [[n for n in names + others if re.match(each, n)] for each in expressions]
    assert found == [[name] for name in names]


def test_trtexec_gets_what_it_can_read(tagged):
    listing = tagged.select("b").listed("trtexec")
    assert listing.text == "b.mm:fp32,relu:fp32"
    assert any("1 nodes that compute no fractions" in each for each in listing.remarks)
    bad = model([node("Relu", "x", "y", "it's, *", "a")], [value("x", 1)], [value("y", 1)])
    listing = htp.load(bad).select("a").listed("trtexec")
    assert listing.text == ""
    assert any('cannot say them: "it\'s, *"' in each for each in listing.remarks)


def test_overrides_are_of_values_with_fractions(tagged):
    listing = tagged.select("b").listed("ort-overrides")
    assert json.loads(listing.text) == {name: [{"quant_type": "QUInt16"}] for name in ("v4", "v5")}
    assert any("1 values that hold no fractions" in each for each in listing.remarks)


def test_json_has_all(tagged):
    told = json.loads(tagged.select("b").text("json"))
    assert told == tagged.select("b").to_json()
    assert told["schema"] == "htp.select/1"
    assert [row["path"] for row in told["nodes"]] == ["b", "b.norm", "b"]
    assert told["names"] == ["b.mm", "relu", "b,'shape*"]


def test_an_unknown_form(tagged):
    with pytest.raises(htp.HTPError, match="did you mean 'nncf'"):
        tagged.select("a").text("nnfc")


EVIL = "x\x1b[31m\nHint: y\u202e"


def test_names_that_a_line_cannot_hold():
    made = model([node("Relu", "x", f"{EVIL}1".replace("\n", ""), EVIL, "a")])
    made.graph.node[0].output[0] = f"{EVIL}1"
    chosen = htp.load(made).select("a")
    for form in ("names", "values"):
        listing = chosen.listed(form)
        assert listing.text == ""
        assert any("left out" in each for each in listing.remarks)
        assert "".join(listing.remarks).isprintable()
    for form in ("ort-exclude", "nncf", "modelopt", "olive", "json"):
        text = chosen.text(form)
        assert all(line.isprintable() for line in text.split("\n"))
        assert text.isascii()
    assert json.loads(chosen.text("ort-exclude")) == [EVIL]


# Nested graphs and functions


def nested():
    then = onnx.helper.make_graph(
        [node("Relu", "x", "t", "in.then", "a")], "then", [], [value("t", 4)]
    )
    other = onnx.helper.make_graph(
        [node("Neg", "x", "e", "in.else", "a")], "else", [], [value("e", 4)]
    )
    branch = node("If", "c", "y", "if", "a", attributes={"then_branch": then, "else_branch": other})
    body = onnx.helper.make_node("Relu", ["p"], ["q"], "in.function")
    tag(body, "a")
    function = onnx.helper.make_function(
        "f", "F", ["p"], ["q"], [body], [onnx.helper.make_opsetid("", 17)]
    )
    caller = node("F", "y", "z", "caller", "a")
    caller.domain = "f"
    return model(
        [branch, caller],
        [value("x", 4), value("c", 1, kind=onnx.TensorProto.BOOL)],
        [value("z", 4)],
        functions=[function],
    )


def test_where_nodes_stand():
    chosen = htp.load(nested()).select("a")
    assert [(row.node.name, row.place) for row in chosen.rows] == [
        ("if", "graph"),
        ("in.else", "body"),
        ("in.then", "body"),
        ("caller", "graph"),
        ("in.function", "function"),
    ]
    assert chosen.remarks == (
        "1 nodes stand in bodies of functions, and inlining gives them other names",
    )
    assert json.loads(chosen.text("ort-exclude")) == ["if", "in.else", "in.then", "caller"]
    for form in ("nncf", "modelopt", "trtexec", "ort-overrides"):
        listing = chosen.listed(form)
        assert "in." not in listing.text
        assert any(
            "3 nodes in nested graphs and functions are left out" in r for r in listing.remarks
        )
