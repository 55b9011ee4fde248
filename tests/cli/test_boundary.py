"""``htp boundary``. Needs no torch."""

import json

import pytest
from literal import model, node, value


@pytest.fixture
def path(tmp_path):
    nodes = [node("Relu", "x", "h", "one", "a"), node("Relu", "h", "y", "two", "a", number=1)]
    file = tmp_path / "model.onnx"
    file.write_bytes(model(nodes, [value("x", 1)], [value("y", 1)]).SerializeToString())
    return file


def test_the_table(path, run):
    ran = run("boundary", path, "a@1")
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines()] == [
        ["a@1", "Part"],
        ["place", "value", "known"],
        ["takes", "h", "from", "the", "graph"],
        ["returns", "y", "from", "the", "graph"],
        ["Not", "exact."],
    ]
    assert "the graph was asked" in ran.err


def test_json(path, run):
    told = json.loads(run("boundary", path, "a", "--call", "1", "--json").out)
    assert told["schema"] == "htp.boundary/1"
    assert [row["name"] for row in told["inputs"]] == ["h"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["b"], 3, "No module is called 'b'."),
        (["a", "--call", "2"], 3, "its calls are 0, 1."),
        (["a", "--call", "-1"], 2, "--call"),
    ],
)
def test_bad_input(path, failing, words, code, said):
    assert said in failing("boundary", path, *words, code=code)
