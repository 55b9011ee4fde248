"""``htp select``: a list on standard output, remarks on standard error. Needs no torch."""

import json

import pytest
from literal import model, node, value, weight


@pytest.fixture
def path(tmp_path):
    nodes = [
        node("MatMul", "x w", "h", "first", "a", {"a": "Linear"}),
        node("MatMul", "h w", "y", "second", "b", {"b": "Linear"}),
    ]
    made = model(nodes, [value("x", 2, 4)], [value("y", 2, 4)], [weight("w", 4, 4)])
    file = tmp_path / "model.onnx"
    file.write_bytes(made.SerializeToString())
    return file


def test_the_list_and_nothing_else(path, run):
    ran = run("select", path, "a")
    assert (ran.code, ran.out) == (0, "first\n")
    assert ran.err == "Remark: 'w': nodes outside the selection read the same weight\n"


def test_its_options(path, run):
    ran = run("select", path, "--class", "Linear", "--without", "a", "--op-type", "MatMul")
    assert (ran.code, ran.out) == (0, "second\n")
    assert json.loads(run("select", path, "b", "--format", "ort-exclude").out) == ["second"]
    assert run("select", path, "--format", "trtexec").out == "first:fp32,second:fp32\n"


def test_json(path, run):
    told = json.loads(run("select", path, "a", "--json").out)
    assert told["schema"] == "htp.select/1"
    assert told == json.loads(run("select", path, "a", "--format", "json").out)


def test_nothing_left_is_said(path, run):
    ran = run("select", path, "a", "--op-type", "MatMull")
    assert (ran.code, ran.out) == (0, "")
    assert "did you mean 'MatMul'" in ran.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["c"], 3, "No module that owns a node matches 'c'."),
        (["--not", "c"], 3, "No module that owns a node matches 'c'."),
        (["--class", "Linaer"], 3, "did you mean 'Linear'"),
        (["--format", "nnfc"], 2, "nnfc"),
    ],
)
def test_bad_input(path, failing, words, code, said):
    assert said in failing("select", path, *words, code=code)


def test_no_such_file(failing):
    assert "missing.onnx" in failing("select", "missing.onnx")
