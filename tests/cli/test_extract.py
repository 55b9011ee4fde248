"""``htp extract``. Needs no torch."""

import json
import os

import onnx
import pytest
from parts import block


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(block().model.SerializeToString())
    return file


def test_a_module(path, run, tmp_path):
    ran = run("extract", path, "a", "-o", tmp_path / "a.onnx")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[1] == "4 nodes; takes 2, gives 2."
    onnx.checker.check_model(str(tmp_path / "a.onnx"), full_check=True)
    assert run("boundary", tmp_path / "a.onnx", "a").code == 0


def test_what_is_not_the_modules_own_is_told(run, tmp_path):
    made = block(a=(None, None)).model
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    ran = run("extract", tmp_path / "model.onnx", "a", "-o", tmp_path / "a.onnx")
    assert ran.code == 0
    assert "Remark: input x is not the module's own (graph)" in ran.err


def test_json(path, run, tmp_path):
    told = json.loads(run("extract", path, "a", "--json", "-o", tmp_path / "a.onnx").out)
    assert told["schema"] == "htp.extract/1"
    assert told["exact"]
    assert [port["name"] for port in told["outputs"]] == ["h", "k"]


def test_two_halves(path, run, tmp_path):
    outputs = ("-o", tmp_path / "1.onnx", "-o", tmp_path / "2.onnx")
    ran = run("extract", path, "--split-at", "b", *outputs)
    assert ran.code == 0
    assert {"1.onnx", "2.onnx"} <= set(os.listdir(tmp_path))
    told = json.loads(run("extract", path, "--split-at", "b", *outputs, "--json").out)
    assert [part["outputs"][0]["name"] for part in told["parts"]] == ["h", "y"]


@pytest.mark.parametrize("words", [["--from", "a.mul", "--to", "a.add"], ["--without", "b"]])
def test_other_parts(path, run, tmp_path, words):
    assert run("extract", path, *words, "-o", tmp_path / "part.onnx").code == 0
    onnx.checker.check_model(str(tmp_path / "part.onnx"), full_check=True)


def test_an_existing_file_is_replaced(path, run, tmp_path):
    (tmp_path / "a.onnx").write_text("old")
    assert run("extract", path, "a", "-o", tmp_path / "a.onnx").code == 0
    onnx.checker.check_model(str(tmp_path / "a.onnx"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nope", "-o", "a.onnx"], 3, "No module is called 'nope'."),
        (["a", "--call", "2", "-o", "a.onnx"], 3, "its calls are 0."),
        (["a"], 2, "one file: -o FILE"),
        (["a", "-o", "a.onnx", "-o", "b.onnx"], 2, "one file: -o FILE"),
        (["--split-at", "b", "-o", "a.onnx"], 2, "two files"),
        (["--split-at", "b", "-o", "a.onnx", "-o", "./a.onnx"], 2, "into one file"),
        (["--from", "a", "-o", "a.onnx"], 2, "two ends"),
        (["-o", "a.onnx"], 2, "Say a PATH"),
        (["a", "--split-at", "b", "-o", "a.onnx"], 2, "Say a PATH"),
        (["a", "-o", "model.onnx"], 2, "cannot replace the file"),
        (["a", "-o", "."], 3, "is a folder"),
        (["a", "-o", "nowhere/a.onnx"], 3, "there is no folder"),
        (["--split-at", "", "-o", "a.onnx", "-o", "b.onnx"], 3, "nothing lies before it"),
    ],
)
def test_bad_input(path, failing, monkeypatch, tmp_path, words, code, said):
    monkeypatch.chdir(tmp_path)
    before = path.read_bytes()
    assert said in failing("extract", "model.onnx", *words, code=code)
    assert os.listdir(tmp_path) == ["model.onnx"]
    assert path.read_bytes() == before


def test_a_data_file_is_not_replaced(failing, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = block().model
    onnx.save(made, "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    before = (tmp_path / "w.bin").read_bytes()
    assert "data file" in failing("extract", "model.onnx", "a", "-o", "w.bin", code=3)
    assert (tmp_path / "w.bin").read_bytes() == before


@pytest.mark.parametrize("keep", [1, 0.3, 0.9])
def test_a_damaged_file(path, failing, monkeypatch, tmp_path, keep):
    monkeypatch.chdir(tmp_path)
    data = path.read_bytes()
    path.write_bytes(b"\xff" * 99 if keep == 1 else data[: int(len(data) * keep)])
    assert "Hint:" in failing("extract", "model.onnx", "a", "-o", "a.onnx", code=3)
    assert os.listdir(tmp_path) == ["model.onnx"]
