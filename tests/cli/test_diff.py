"""``htp diff``: exit statuses, JSON, and what comes from a file. Needs no torch."""

import copy
import json

import pytest
from literal import model, node, value, weight


def made():
    nodes = [
        node("MatMul", "x w", "h", "first", "a", {"a": "Linear"}),
        node("Softmax", "h", "y", "second", "b", attributes={"axis": 1}),
    ]
    return model(nodes, [value("x", 2, 4)], [value("y", 2, 4)], [weight("w", 4, 4)])


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "a.onnx"
    file.write_bytes(made().SerializeToString())
    return file


@pytest.fixture
def other(tmp_path):
    changed = made()
    changed.graph.node[1].attribute[0].i = 0
    file = tmp_path / "b.onnx"
    file.write_bytes(changed.SerializeToString())
    return file


def test_equal_files(path, run):
    ran = run("diff", path, path)
    assert (ran.code, ran.out, ran.err) == (0, "Equal: 2 nodes in 3 module calls.\n", "")


def test_files_that_differ(path, other, run):
    ran = run("diff", path, other)
    assert ran.code == 1
    lines = ran.out.split("\n")
    assert lines[1].split() == ["b", "attribute", "Softmax", "axis=1", "Softmax", "axis=0"]
    assert lines[3] == "1 differences in 1 of 3 module calls."
    assert lines[4] == "Equal with all below: a."


def test_json(path, other, run):
    ran = run("diff", path, other, "--json")
    assert ran.code == 1
    told = json.loads(ran.out)
    assert told["schema"] == "htp.diff/1"
    assert told["equal"] is False
    (row,) = told["rows"]
    assert (row["path"], row["kind"], row["before"]) == ("b", "attribute", "Softmax axis=1")
    assert json.loads(run("diff", path, path, "--json").out)["equal"] is True


def test_names_that_are_no_names(path, tmp_path, run):
    changed = copy.deepcopy(made())
    changed.graph.node[1].op_type = "\x1b[31m\nSoft"
    file = tmp_path / "b.onnx"
    file.write_bytes(changed.SerializeToString())
    ran = run("diff", path, file)
    assert ran.code == 1
    assert "\x1b" not in ran.out
    assert "\\x1b[31m\\nSoft" in ran.out


def test_bad_input(path, failing, tmp_path):
    assert "missing.onnx" in failing("diff", path, "missing.onnx")
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model at all")
    assert "damaged" in failing("diff", bad, path)
    assert "Missing argument" in failing("diff", path, code=2)
