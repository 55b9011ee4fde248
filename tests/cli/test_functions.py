"""``htp functions``. Needs no torch."""

import json

import onnx
import pytest
from literal import model, node, value


@pytest.fixture
def path(tmp_path):
    nodes = [
        node("Relu", "x", "h", "first", "a", {"a": "Act"}),
        node("Relu", "h", "y", "second", "b", {"b": "Act"}),
    ]
    calls = [["", "m.Net", 0, 0], *([each, "m.Act", 0, 1] for each in "abc")]
    made = model(nodes, [value("x", 4)], [value("y", 4)], calls=calls)
    file = tmp_path / "model.onnx"
    file.write_bytes(made.SerializeToString())
    return file


def test_it_writes_and_tells(path, run, tmp_path):
    ran = run("functions", path, "a", "b", "c", "-o", "out.onnx")
    assert ran.code == 0
    assert ran.err == "Remark: c stays as it is: it has no node.\n"
    lines = ran.out.split("\n")
    assert lines[0].startswith("Wrote out.onnx (")
    assert lines[2].split() == ["Act", "m", "1", "1", "1", "a,", "b"]
    made = onnx.load(tmp_path / "out.onnx")
    assert [(n.op_type, n.name) for n in made.graph.node] == [("Act", "a"), ("Act", "b")]


def test_json(path, run):
    told = json.loads(run("functions", path, "?", "-o", "out.onnx", "--json").out)
    assert told["schema"] == "htp.functions/1"
    assert [call["path"] for call in told["rows"][0]["calls"]] == ["a", "b"]
    assert told["refused"][0]["reason"] == "none"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["d", "-o", "out.onnx"], 3, "No module call matches 'd'."),
        (["c", "-o", "out.onnx"], 3, "No function can be made: c stays as it is"),
        (["a"], 2, "-o"),
        (["-o", "out.onnx"], 2, "PATTERN"),
        (["a", "-o", "no/such/folder.onnx"], 3, "create the folder first"),
    ],
)
def test_bad_input(path, failing, words, code, said):
    assert said in failing("functions", path, *words, code=code)
