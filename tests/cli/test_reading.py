"""``htp demo``, ``tree``, ``nodes`` and ``strip``."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import onnx
import pytest

import htp
from htp.torch_release import TORCH

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere
TIMES = "\N{MULTIPLICATION SIGN}"


def test_demo_prints_the_tree_and_ends_with_its_report(run):
    ran = run("demo")
    assert ran.code == 0
    assert "layer.1" in ran.out
    assert f"norm {TIMES}2" in ran.out
    assert f"backend {htp.backend}, torch {TORCH}" in ran.out
    assert not os.listdir(".")
    report = Path(ran.out.splitlines()[-1])
    assert {"model.onnx", "report.html"} <= set(os.listdir(report.parent))
    assert htp.load(report.parent / "model.onnx").coverage.unknown == 0
    assert "DemoTransformer" in report.read_text("utf-8")
    shutil.rmtree(report.parent)


def test_the_report_of_a_demo_that_is_kept_lies_beside_it(demo, run):
    assert demo.with_name("demo.report.html").exists()
    told = run("demo", "-o", "again.onnx").out.splitlines()[-1]
    assert told == "again.report.html"
    os.mkdir("kept.report.html")  # where it cannot be written, the demo is as it was
    ran = run("demo", "-o", "kept.onnx")
    assert ran.code == 0
    assert "There is no report of it" in ran.err
    assert htp.load("kept.onnx").coverage.unknown == 0


def test_a_demo_that_fails_leaves_nothing(run, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr("htp.cli.demo.SAMPLE", "htp.cli.demo_model:nothing")
    assert run("demo").code == 3
    assert sorted(os.listdir(tmp_path)) == before


def test_tree(demo, run):
    ran = run("tree", demo)
    assert ran.code == 0
    rows = {line.split("  ")[0].strip(" │├└─"): line.split() for line in ran.out.splitlines()}
    coverage = htp.load(demo).coverage
    assert str(coverage) in ran.out
    assert str(coverage.total) in rows["(root)"]
    assert "DemoTransformer" in rows["(root)"]
    assert "Embedding" in rows["tokens"]
    assert not any(line.endswith(" ") for line in ran.out.splitlines())


def test_tree_of_every_call(demo, run):
    out = run("tree", demo, "--calls").out
    assert "norm@1" in out
    assert TIMES not in out


def test_tree_depth(demo, run):
    assert "encoder" not in run("tree", demo, "--depth", 0).out
    out = run("tree", demo, "--depth", 1).out
    assert "encoder" in out
    assert "layer.0" not in out


def _calls_of(row):
    yield row
    for child in row["children"]:
        yield from _calls_of(child)


@pytest.mark.parametrize("apart", [False, True])
def test_tree_as_json_adds_up(apart, demo, run):
    ran = run("tree", demo, "--json", *(["--calls"] if apart else []))
    report = json.loads(ran.out)
    tagged = htp.load(demo)
    rows = list(_calls_of(report["tree"]))
    assert report["backend"] == htp.backend
    assert report["torch"] == TORCH
    assert report["coverage"]["total"] == tagged.coverage.total
    assert sum(row["own"]["total"] for row in rows) + report["unknown"] == tagged.coverage.total
    assert report["tree"]["total"]["total"] + report["unknown"] == tagged.coverage.total
    norms = [row for row in rows if row["path"] == "encoder.layer.0.norm"]
    if apart:
        assert [row["call"] for row in norms] == [0, 1]
    else:
        assert [row["calls"] for row in norms] == [2]
    if not report["unknown"]:
        assert report["tree"]["total"] == report["coverage"]


def test_tree_in_ascii(demo, python):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = python("-m", "htp", "tree", demo, stdout=-1, env=environment)
    assert ran.returncode == 0
    assert "`-- head" in ran.stdout.decode("ascii")
    assert "norm x2" in ran.stdout.decode("ascii")


def test_nodes_are_names_to_pipe_onward(demo, run):
    ran = run("nodes", demo, "encoder.layer.0.*")
    names = ran.out.splitlines()
    model = onnx.load(str(demo))
    known = {node.name or node.output[0] for node in model.graph.node}
    assert names
    assert set(names) <= known
    assert set(names) < set(run("nodes", demo).out.splitlines())


def test_nodes_of_one_operator(demo, run):
    found = json.loads(
        run("nodes", demo, "encoder.layer.0.mlp", "--op-type", "MatMul", "--json").out
    )["nodes"]
    assert {row["path"] for row in found} == {"encoder.layer.0.mlp.0", "encoder.layer.0.mlp.2"}
    assert {row["op_type"] for row in found} == {"MatMul"}
    assert all(row["stack"][0]["path"] == "" for row in found)
    assert {row["sharing"] for row in found} == {None}


def test_nodes_of_several_operators(demo, run):
    both = ("--op-type", "MatMul", "--op-type", "Softmax")
    found = json.loads(run("nodes", demo, "encoder.layer.0", *both, "--json").out)["nodes"]
    assert {row["op_type"] for row in found} == {"MatMul", "Softmax"}


def test_nodes_without_a_name_are_called_by_their_output(demo, run):
    model = onnx.load(str(demo))
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, "nameless.onnx")
    names = run("nodes", "nameless.onnx", "head").out.splitlines()
    outputs = {value for node in model.graph.node for value in node.output}
    assert names
    assert set(names) <= outputs


def test_nodes_of_an_unknown_module(demo, failing):
    said = failing("nodes", demo, "encoder.layr.0")
    assert "did you mean 'encoder.layer.0'" in said


def test_nodes_stop_quietly_when_the_reader_leaves(demo, python):
    reader, writer = os.pipe()
    os.close(reader)
    ran = python("-m", "htp", "nodes", demo, stdout=writer, stderr=-1)
    os.close(writer)
    assert ran.returncode == 3
    assert not ran.stderr


def test_strip_into_another_file(demo, run):
    before = demo.read_bytes()
    ran = run("strip", demo, "-o", "plain.onnx")
    assert ran.code == 0, ran.err
    assert demo.read_bytes() == before
    assert b"pkg.htp" in before
    assert b"pkg.htp" not in Path("plain.onnx").read_bytes()
    onnx.checker.check_model("plain.onnx")


def test_strip_in_place(net, run):
    run("export", f"{net}:pair", "-o", "net.onnx")
    assert run("strip", "net.onnx", "--in-place").code == 0
    assert b"pkg.htp" not in Path("net.onnx").read_bytes()


def test_strip_needs_one_place_to_write_to(demo, failing):
    assert "either -o FILE or --in-place" in failing("strip", demo, code=2)
    failing("strip", demo, "-o", "plain.onnx", "--in-place", code=2)


def test_strip_into_a_missing_folder(demo, failing):
    assert "no folder" in failing("strip", demo, "-o", "missing/plain.onnx")


@pytest.mark.parametrize("command", ["tree", "nodes", "strip"])
@pytest.mark.parametrize("content", [None, b"", b"not a model at all", b"\x08\x08\x3a\xff\xff\x01"])
def test_a_bad_file(command, content, failing, tmp_path):
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    failing(command, path, *(["--in-place"] if command == "strip" else []))
    assert content is None or path.read_bytes() == content


def test_a_cut_file(demo, failing, tmp_path):
    path = tmp_path / "cut.onnx"
    path.write_bytes(demo.read_bytes()[:5000])
    failing("tree", path)


def test_a_folder_is_no_model(failing, tmp_path):
    failing("tree", tmp_path)


def test_a_model_without_tags(failing):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [out])), "bare.onnx"
    )
    assert "no tags" in failing("tree", "bare.onnx")
