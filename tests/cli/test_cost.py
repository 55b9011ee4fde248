"""``htp tree --cost``. Needs no torch."""

import json

import pytest
from literal import model, node, value, weight


@pytest.fixture
def path(tmp_path):
    nodes = [
        node("MatMul", "x w", "h", "one", "a"),
        node("MatMul", "h v", "i", "two", "b.c"),
        node("MatMul", "i v", "y", "three", "b.d"),
    ]
    weights = [weight("w", 4, 8, parameter="w"), weight("v", 8, 8, parameter="v")]
    made = model(nodes, [value("x", "batch", 4)], [value("y", "batch", 8)], weights)
    file = tmp_path / "model.onnx"
    file.write_bytes(made.SerializeToString())
    return file


def table(ran):
    assert ran.code == 0
    return [line.replace("|-- ", "").replace("`-- ", "").split() for line in ran.out.splitlines()]


def test_the_table(path, run):
    found = table(run("tree", path, "--cost", "--shape", "batch=2"))
    assert found[0][:4] == ["module", "class", "nodes", "parameters"]
    assert found[1][:3] == ["(root)", "Net", "3"]
    assert "96 parameters, 384 B, 320 MACs" in run("tree", path, "--cost", "--shape", "batch=2").out


def test_the_dearest_first(path, run):
    ran = run("tree", path, "--sort", "macs", "--shape", "x=2x4", "--depth", "1")
    assert ran.code == 0
    assert ran.out.index(" b ") < ran.out.index(" a ")


def test_what_is_not_known(path, run):
    ran = run("tree", path, "--cost")
    assert "? MACs" in ran.out
    assert "of 3 nodes the multiply-accumulates are not known" in ran.err


def test_json(path, run):
    words = ("--shape", "batch=2", "--json")
    told = json.loads(run("tree", path, "--cost", *words).out)
    assert told["schema"] == "htp.cost/1"
    assert [row["path"] for row in told["rows"]] == ["", "a", "b", "b.c", "b.d"]
    told = json.loads(run("tree", path, "--sort", "macs", "--depth", "1", *words).out)
    assert [(row["path"], row["macs"]) for row in told["rows"]] == [
        ("", 320),
        ("b", 256),
        ("a", 64),
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--shape", "bacth=2"], 3, "did you mean 'batch'"),
        (["--shape", "batch"], 2, "AXIS=N"),
        (["--shape", "batch=x"], 2, "AXIS=N"),
        (["--shape", "x=2x5"], 3, "cannot be"),
        (["--sort", "mcas"], 2, "mcas"),
    ],
)
def test_bad_input(path, failing, words, code, said):
    assert said in failing("tree", path, "--cost", *words, code=code)
