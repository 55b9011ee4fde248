"""``as_functions`` on models written by hand. Needs no torch."""

import copy
import warnings

import numpy as np
import onnx
import pytest
from literal import checked, model, node, tag, value, weight
from onnx import helper, inliner
from same_graph import fingerprints

import htp

ROOT = ["", "m.Net", 0]


def calls_of(*paths):
    rows = [[*ROOT, 0]]
    for path in paths:
        name, _, number = path.partition("@")
        rows.append([name, "m.Part", int(number or 0), name.count(".") + 1])
    return rows


def layers(count=2, change=lambda nodes: None):
    """Layers of a product and an activation, one behind the other."""
    nodes, weights, before = [], [], "x"
    for at in range(count):
        path = f"layer.{at}"
        weights.append(weight(f"w{at}", 4, 4, parameter=f"{path}.lin.weight", value=random(at)))
        nodes += [
            node("MatMul", f"{before} w{at}", f"h{at}", f"mm{at}", f"{path}.lin"),
            node("Relu", f"h{at}", f"y{at}", f"relu{at}", path),
        ]
        before = f"y{at}"
    change(nodes)
    paths = [p for at in range(count) for p in (f"layer.{at}", f"layer.{at}.lin")]
    return checked(
        model(nodes, [value("x", 2, 4)], [value(before, 2, 4)], weights, calls_of("layer", *paths))
    )


def random(seed):
    return np.random.default_rng(seed).standard_normal((4, 4)).astype(np.float32)


def made(proto, *patterns):
    tagged = htp.load(proto)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = tagged.as_functions(*patterns)
    refused = found.functions.refused
    assert [str(each.message) for each in said] == [found.functions.partly] * bool(refused)
    assert [each.filename for each in said] == [__file__] * bool(refused)
    onnx.checker.check_model(found.model, full_check=True)
    return found


def back(found):
    return inliner.inline_local_functions(found.model)


def refused(found):
    return {str(each.call): each.reason for each in found.functions.refused}


def test_equal_calls_share_a_body():
    proto = layers(3)
    found = made(proto, "layer.*")
    (row,) = found.functions.rows
    assert (row.domain, row.name, row.nodes, row.inputs, row.outputs) == ("m", "Part", 2, 2, 1)
    assert [each.path for each in row.calls] == ["layer.0", "layer.1", "layer.2"]
    assert [(n.op_type, list(n.input), list(n.output)) for n in found.model.graph.node] == [
        ("Part", ["x", "w0"], ["y0"]),
        ("Part", ["y0", "w1"], ["y1"]),
        ("Part", ["y1", "w2"], ["y2"]),
    ]
    assert not found.functions.refused
    assert fingerprints(back(found)) == fingerprints(proto)


def test_the_original_stays_as_it_was():
    proto = layers()
    before = proto.SerializeToString()
    tagged = htp.load(proto)
    tagged.as_functions("layer.*")
    assert proto.SerializeToString() == before
    assert tagged.functions is None


def test_tags_of_a_body_name_every_call():
    found = made(layers(3), "layer.*")
    tags = {n.op_type: t for n, t in found.nodes()}
    assert tags["Relu"].path == "layer.0"
    assert [str(call) for call in tags["Relu"].shared] == ["layer.1", "layer.2"]
    assert tags["Relu"].sharing is htp.Sharing.MERGED
    assert tags["MatMul"].path == "layer.0.lin"
    assert [str(call) for call in tags["MatMul"].shared] == ["layer.1.lin", "layer.2.lin"]
    calls = [t.path for n, t in found.nodes() if n.op_type == "Part"]
    assert calls == ["layer.0", "layer.1", "layer.2"]
    assert [n.op_type for n, _ in found.find("layer.2")] == ["Part", "MatMul", "Relu"]


def test_it_is_saved_with_tags_and_an_origin_of_its_own(tmp_path):
    found = made(layers(), "layer.*")
    found.save(tmp_path / "out.onnx")
    again = htp.load(tmp_path / "out.onnx")
    assert again.carried is None
    assert again.coverage.captured == 4
    assert [t for _, t in again.nodes()] == [t for _, t in found.nodes()]
    plain = copy.deepcopy(found).strip().model
    assert not any(n.metadata_props for n in plain.functions[0].node)
    assert htp.load(again.model).tree().total == again.tree().total


def test_calls_of_different_structure_have_different_functions():
    def change(nodes):
        nodes[3].op_type = "Tanh"

    found = made(layers(3, change), "layer.*")
    assert [(row.name, len(row.calls)) for row in found.functions.rows] == [
        ("Part", 2),
        ("Part_1", 1),
    ]

    def attribute(nodes):
        nodes[3].op_type = "LeakyRelu"
        nodes[5].op_type = "LeakyRelu"
        nodes[5].attribute.append(helper.make_attribute("alpha", 0.5))

    assert len(made(layers(3, attribute), "layer.*").functions.rows) == 3


def test_functions_call_functions():
    proto = layers()
    found = made(proto, "layer", "layer.*", "*.lin")
    rows = found.functions.rows
    assert [(row.name, len(row.calls), row.nodes) for row in rows] == [
        ("Part", 2, 1),
        ("Part_1", 2, 2),
        ("Part_2", 1, 2),
    ]
    assert len(found.model.graph.node) == 1
    assert fingerprints(back(found)) == fingerprints(proto)


def test_of_a_pattern_the_uppermost():
    found = made(layers(), "*")
    assert [str(call) for row in found.functions.rows for call in row.calls] == [""]
    assert found.model.graph.node[0].name == "model"


def test_ir_version():
    proto = layers()
    proto.ir_version = 7
    assert made(proto, "layer.*").model.ir_version == 8
    proto.ir_version = 9
    assert made(proto, "layer.*").model.ir_version == 9


def test_names_that_are_taken():
    def change(nodes):
        nodes[0].name = "layer.0"

    proto = layers(2, change)
    proto.opset_import.append(helper.make_opsetid("m", 3))
    found = made(proto, "layer.*")
    assert {(row.domain, row.name) for row in found.functions.rows} == {("modules.m", "Part")}
    assert [n.name for n in found.model.graph.node] == ["layer.0_1", "layer.1"]


# What cannot be a function


def test_a_node_of_others_between():
    nodes = [
        node("Relu", "x", "a", "one", "part"),
        node("Neg", "a", "b", "other", "rest"),
        node("Add", "a b", "y", "two", "part"),
    ]
    proto = model(nodes, [value("x", 4)], [value("y", 4)], calls=calls_of("part", "rest"))
    found = made(proto, "part", "rest")
    assert refused(found) == {"part": "between"}
    assert [str(row.calls[0]) for row in found.functions.rows] == ["rest"]
    with pytest.raises(htp.HTPError, match="needs what they compute"):
        htp.load(proto).as_functions("part")


def test_two_that_lie_between_each_other():
    nodes = [
        node("Relu", "x", "a1", "a1", "a"),
        node("Neg", "x", "b2", "b2", "b"),
        node("Tanh", "a1", "b1", "b1", "b"),
        node("Exp", "b2", "a2", "a2", "a"),
        node("Add", "a2 b1", "y", "sum", ""),
    ]
    proto = model(nodes, [value("x", 4)], [value("y", 4)], calls=calls_of("a", "b"))
    found = made(proto, "a", "b")
    assert refused(found) == {"b": "between"}
    assert fingerprints(back(found)) == fingerprints(proto)


def test_work_that_is_done_together_with_others():
    nodes = [
        node("Relu", "x", "h", "relu", "part"),
        node("Neg", "h", "y", "fused", "", shared=[["part", "m.Part", 0]]),
    ]
    proto = model(nodes, [value("x", 4)], [value("y", 4)], calls=calls_of("part"))
    with pytest.raises(htp.HTPError, match="in a node of the root, together with others'"):
        htp.load(proto).as_functions("part")
    nodes[1] = node("Neg", "h", "y", "m", "", shared=[["part", "m.Part", 0]], sharing="merged")
    proto = model(nodes, [value("x", 4)], [value("y", 4)], calls=calls_of("part"))
    assert not made(proto, "part").functions.refused


def test_no_node_and_nothing_that_is_read():
    nodes = [node("Relu", "x", "y", "relu", "part"), node("Neg", "x", "z", "neg", "idle")]
    calls = calls_of("part", "idle", "empty")
    proto = model(nodes, [value("x", 4)], [value("y", 4)], calls=calls)
    found = made(proto, "part", "idle", "empty")
    assert refused(found) == {"empty": "none", "idle": "unread"}
    assert "idle stays as it is: nothing reads what its nodes compute." in str(found.functions)
    with pytest.warns(RuntimeWarning, match="2 of 3 module calls are no functions: empty stays"):
        htp.load(proto).as_functions("part", "idle", "empty")


def test_a_warning_names_a_few_and_safely():
    nodes = [node("Relu", "x", "y", "relu", "part")]
    calls = calls_of("part", *(f"empty.{at}\x1b[2J" for at in range(9)))
    proto = model(nodes, [value("x", 4)], [value("y", 4)], calls=calls)
    said = made(proto, "part", "empty.*").functions.partly
    assert said.startswith("9 of 10 module calls are no functions: ")
    assert said.endswith(" 6 more: see 'functions.refused'.")
    assert said.isprintable()


def in_branches(first, second):
    then = helper.make_graph(
        [node("Relu", "x", "t", "in.then", first), node("Add", "t x", "t2", "sum", first)],
        "then",
        [],
        [value("t2", 4)],
    )
    other = helper.make_graph(
        [node("Neg", "x", "e", "in.else", second)], "else", [], [value("e", 4)]
    )
    branch = node(
        "If", "c", "y", "if", "cond", attributes={"then_branch": then, "else_branch": other}
    )
    ends = [value("x", 4), value("c", 1, kind=onnx.TensorProto.BOOL)]
    calls = calls_of("cond", "cond.yes", "cond.no", "out")
    return checked(model([branch], ends, [value("y", 4)], calls=calls))


def test_a_module_in_a_branch_reads_what_is_outside():
    proto = in_branches("cond.yes", "cond.no")
    found = made(proto, "cond.yes", "cond", "cond.no")
    assert not found.functions.refused
    assert [(str(row.calls[0]), row.inputs) for row in found.functions.rows] == [
        ("cond.no", 1),
        ("cond.yes", 1),
        ("cond", 2),
    ]
    assert fingerprints(back(found)) == fingerprints(proto)


def test_a_module_in_several_branches():
    found = htp.load(in_branches("out", "out"))
    with pytest.raises(htp.HTPError, match="its nodes stand in several bodies"):
        found.as_functions("out")


def test_a_module_in_a_function():
    inner = helper.make_node("Relu", ["p"], ["q"], "in.function")
    tag(inner, "part")
    function = helper.make_function("f", "F", ["p"], ["q"], [inner], [helper.make_opsetid("", 17)])
    caller = node("F", "x", "y", "caller", "")
    caller.domain = "f"
    proto = model(
        [caller], [value("x", 4)], [value("y", 4)], functions=[function], calls=calls_of("part")
    )
    with pytest.raises(htp.HTPError, match="in the body of a function"):
        htp.load(proto).as_functions("part")
    found = made(proto, "")
    assert [(f.domain, f.name) for f in found.model.functions] == [("f", "F"), ("m", "Net")]
    assert [t.path for _, t in found.nodes()] == ["", "part", ""]


def test_a_module_that_is_called_twice():
    nodes = [
        node("MatMul", "x w", "h", "first", "block"),
        node("MatMul", "h w", "y", "second", "block", number=1),
    ]
    calls = calls_of("block", "block@1")
    proto = model(nodes, [value("x", 2, 4)], [value("y", 2, 4)], [weight("w", 4, 4)], calls)
    found = made(proto, "block")
    assert [[str(c) for c in row.calls] for row in found.functions.rows] == [["block", "block@1"]]
    assert len(made(proto, "block@1").functions.rows[0].calls) == 1


def test_nodes_in_any_order():
    proto = layers(3)
    nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in proto.graph.node]
    wild = copy.deepcopy(proto)
    del wild.graph.node[:]
    wild.graph.node.extend(reversed(nodes))
    assert fingerprints(back(made(wild, "layer.*"))) == fingerprints(proto)


# What is asked


def test_bad_input():
    tagged = htp.load(layers())
    with pytest.raises(htp.UnknownModuleError, match="did you mean 'layer"):
        tagged.as_functions("layer.11")
    with pytest.raises(TypeError, match="Say which modules"):
        tagged.as_functions()
    with pytest.raises(TypeError, match="A pattern is a text"):
        tagged.as_functions(3)


def test_names_that_are_no_names():
    evil = "x\x1b[31m\n.Y\u202e z"

    def change(nodes):
        for each in nodes:
            del each.metadata_props[:]
            tag(each, "part", {"part": evil})

    proto = layers(2, change)
    (row,) = made(proto, "part").functions.rows
    assert (row.domain, row.name) == ("m.x__31m_", "Y__z")


def test_json():
    found = made(layers(), "layer.*").functions
    told = found.to_json()
    assert told["schema"] == "htp.functions/1"
    assert told["rows"][0]["calls"][1] == {"path": "layer.1", "type": "m.Part", "call": 0}
    assert str(found).split("\n")[0].split() == [
        *("function", "domain", "nodes", "inputs", "outputs", "calls"),
    ]
