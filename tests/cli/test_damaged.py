"""Files that are damaged, deep or absurd, each kind on a literal. Needs no torch.

``test_fuzz_files.py`` makes them at random, under every operation.
"""

import json

import onnx
import pytest
from onnx import helper

import htp
from htp.file.dialects import NAME_SCOPES, infer
from htp.file.protobuf import head

MARK = "0" * 16


def model(stack='[["","m.Net",0]]', name="n", **said):
    node = helper.make_node("Relu", ["x"], ["y"], name)
    for key, value in (("stack", stack), ("provenance", "captured"), ("origin", MARK)):
        node.metadata_props.add(key=f"pkg.htp.{key}", value=value)
    made = helper.make_model(helper.make_graph([node], "g", [], []))
    for key, value in said.items():
        made.metadata_props.add(key=f"pkg.htp.{key}", value=value)
    return made


def first_schema(calls, **more):
    texts = {"schema": "1", "backend": "fx", "torch": "2.9", "version": "0", **more}
    return model(**texts, calls=calls if isinstance(calls, str) else json.dumps(calls))


def deep(count, deepest=10**9):
    below = [[str(n), "m", 0, min(n, deepest)] for n in range(1, count)]
    return [["", "m.Net", 0, 0], *below]


def everything(data):
    tagged = htp.load(data)
    return tagged.tree(), tagged.parameters()


def refused(made, *texts):
    data = made if isinstance(made, bytes) else made.SerializeToString()
    with pytest.raises(htp.InvalidModelError) as caught:
        everything(data)
    for text in texts:
        assert text in str(caught.value)


def test_calls_that_are_too_deep():
    refused(first_schema(deep(1500)), "1000 calls within each other")
    tree = htp.load(first_schema(deep(1000)).SerializeToString()).tree()
    assert len(list(tree.walk())) == 1000
    assert repr(tree) == "<ModuleTree '': 1 nodes: 1 captured; 1 calls below>"


@pytest.mark.parametrize("options", [(), ("--calls",), ("--depth", "990")])
def test_deep_trees_are_drawn_in_the_size_of_the_file(options, tmp_path, run):
    """Of the lines that lead to a row only the last are drawn, so a row has a length."""
    path = tmp_path / "deep.onnx"
    path.write_bytes(first_schema(deep(1500, 990)).SerializeToString())
    ran = run("tree", path, *options)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert len(lines) > 1400
    assert max(map(len, lines)) < 250


def test_a_deep_tree_is_no_json(tmp_path, run):
    path = tmp_path / "deep.onnx"
    path.write_bytes(first_schema(deep(900)).SerializeToString())
    ran = run("tree", path, "--json")
    assert ran.code == 3
    assert "say --depth" in ran.err
    assert json.loads(run("tree", path, "--json", "--depth", 100).out)["tree"]


@pytest.mark.parametrize(
    "text", ["Infinity", "[Infinity]", '[["","m",0,Infinity]]', '[["","m",NaN,0]]', "-1"]
)
def test_numbers_that_are_none(text):
    refused(first_schema(text))
    refused(model(stack=text))
    refused(model(**{MARK: f'{{"schema":"2","calls":{text}}}'}))


@pytest.mark.parametrize("text", ["[" * 50_000, '{"a":' * 50_000, "[[" * 20_000 + "]]" * 20_000])
def test_deep_json(text):
    refused(model(stack=text))
    refused(first_schema(text))
    refused(model(**{MARK: text}))
    made = model()
    made.graph.initializer.add(name="w").metadata_props.add(key="pkg.htp.parameter", value=text)
    refused(made)


def test_a_deep_stack():
    stack = json.dumps([[str(n), "m", 0] for n in range(2000)])
    refused(model(stack=stack), "has 2000 calls")


def nested(count):
    graph = b""
    for _ in range(count):
        attribute = head(6, len(graph)) + graph
        node = head(5, len(attribute)) + attribute
        graph = head(1, len(node)) + node
    return head(7, len(graph)) + graph


@pytest.mark.parametrize("count", [40, 400, 5000])
def test_deep_graphs(count):
    refused(nested(count))


def test_a_deep_graph_that_was_never_a_file():
    made = model()
    graph = made.graph
    for number in range(1000):
        node = graph.node.add(op_type="If", name=str(number))
        graph = node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g
    tagged = htp.load(made)
    assert [node.name for node, _ in tagged.nodes()] == ["n", *map(str, range(1000))]
    assert tagged.coverage.unknown == 1000
    with pytest.raises(htp.InvalidModelError, match=r"cannot be written|nested too deep"):
        tagged.strip()


def test_names_of_very_many_parts():
    """Of each scope the path would be kept: the square of the name's length."""
    assert infer({}, "/a" * 30_000) == htp.Tag()
    assert infer({"winml.hierarchy.tag": "/a" * 30_000}, "") == htp.Tag()
    assert len(infer({}, "/a" * 99 + "/Add").stack) == 100


@pytest.mark.parametrize(
    "text",
    [
        "{[]:1}",
        "[{[]:1}]",
        "__import__('os')",
        "['a'] + ['b']",
        "('a',)",
        "['a' 'b']",
        "['a',,]",
        "['a",
        "['a']]",
        "[b'a']",
        "[1]",
        "['\\U99999999']",
        "(" * 90_000,
        "['" + "\\" * 90_001 + "']",
        "[" + "-" * 90_000 + "1]",
    ],
)
def test_lists_that_are_none(text):
    props = {NAME_SCOPES: text, "pkg.torch.onnx.class_hierarchy": text}
    assert infer(props, "") == htp.Tag()


@pytest.mark.parametrize(
    "names",
    [
        ["", "a", "b.c"],
        ["it's", 'a "quote"', "both ' and \"", "back\\slash", "a, b", "['a']"],
        ["\n\t\r\x00\x1b", "\N{GREEK SMALL LETTER PI}\u202e", "\U0001f600"],
    ],
)
def test_lists_as_torch_writes_them(names):
    written = repr([*names, "node"])
    props = {NAME_SCOPES: written, "pkg.torch.onnx.class_hierarchy": written}
    assert [call.path for call in infer(props, "").stack] == names


@pytest.mark.parametrize("old", [b"node_name", b"out_name"])
def test_names_that_are_no_text(old, tmp_path, run):
    made = model(name="node_name", **{MARK: '{"schema":"2","calls":[["","m.Net",0,0]]}'})
    made.graph.node[0].output[0] = "out_name"
    path = tmp_path / "model.onnx"
    path.write_bytes(made.SerializeToString().replace(old, old[:-1] + b"\xff"))
    tagged = htp.load(path)
    with pytest.raises(htp.InvalidModelError, match="no text"):
        tagged.tag("missing")
    for options in ((), ("--json",)):
        ran = run("nodes", path, *options)
        assert ran.code == 3
        assert "A name in the model is no text" in ran.err


def test_parameters_of_a_name_that_is_no_text():
    made = model(**{MARK: '{"schema":"2","calls":[["","m.Net",0,0]]}'})
    weight = made.graph.initializer.add(name="weight_name")
    weight.metadata_props.add(key="pkg.htp.parameter", value='["w"]')
    refused(made.SerializeToString().replace(b"weight_name", b"weight_nam\xff"), "no text")


def test_very_many_functions_that_call_each_other():
    made = model()
    for number in range(3000):
        node = helper.make_node(f"F{number + 1}", ["i"], ["o"], domain="mine")
        made.functions.append(helper.make_function("mine", f"F{number}", ["i"], ["o"], [node], []))
    made.graph.node.append(helper.make_node("F0", ["x"], ["z"], domain="mine"))
    assert len(list(htp.load(made.SerializeToString()).nodes())) == 3002
