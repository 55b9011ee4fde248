"""htp carry: tags onto what a tool made of a file. Needs no torch but for the first export."""

import json

import onnx
import pytest


@pytest.fixture
def rewritten(demo, tmp_path):
    """The demo's file without tags, origin and the name of a single node."""
    model = onnx.load(demo)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.name = ""
    del model.metadata_props[:]
    path = tmp_path / "rewritten.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture
def partly(rewritten, tmp_path):
    """The same with a node that nothing in it tells of."""
    model = onnx.load(rewritten)
    model.graph.input.append(onnx.ValueInfoProto(name="alone"))
    model.graph.node.add(op_type="Relu", input=["alone"], output=["nothing"], name="\x1b[31mRed")
    path = tmp_path / "partly.onnx"
    onnx.save(model, path)
    return path


def test_it_writes_a_tagged_file(run, demo, rewritten):
    ran = run("carry", demo, rewritten, "-o", "out.onnx")
    assert ran.code == 0
    first, second, third = ran.out.splitlines()
    assert first.startswith("Wrote out.onnx (")
    assert second in run("tree", demo).out.splitlines()  # what is known is known as it was
    assert third == f"matched: {second.split()[0]} by structure"
    assert run("tree", "out.onnx").out == run("tree", demo).out


def test_its_report(run, demo, rewritten):
    ran = run("carry", demo, rewritten, "--report")
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0] == ["module", "kept", "renamed", "fused", "added", "lost"]
    assert ["encoder.layer.0.mlp.0", "2"] in lines


def test_its_report_for_programs(run, demo, partly):
    document = json.loads(run("carry", demo, partly, "--json").out)
    assert document["schema"] == "htp.carry/1"
    assert document["unresolved"] == ["\x1b[31mRed"]
    assert document["evidence"]["structure"] == document["nodes"] - 1


def test_what_stays_unresolved_is_found_under_strict(run, demo, partly):
    assert run("carry", demo, partly, "--json").code == 0
    assert run("carry", demo, partly, "--json", "--strict").code == 1
    ran = run("carry", demo, partly, "-o", "out.onnx", "--strict")
    assert ran.code == 1
    assert "Nothing is known of" in ran.err
    assert "\x1b" not in ran.err + ran.out


def test_it_asks_what_to_do(failing, demo, rewritten):
    assert "-o FILE" in failing("carry", demo, rewritten, code=2)


def test_a_file_of_another_model(failing, demo, tmp_path):
    node = onnx.helper.make_node("Relu", ["a"], ["b"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], []))
    onnx.save(model, tmp_path / "other.onnx")
    told = failing("carry", demo, "other.onnx", "-o", "out.onnx")
    assert "was not made from the tagged one" in told
    assert "Hint: " in told
