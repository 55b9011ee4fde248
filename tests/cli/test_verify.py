"""``htp verify``: a table, the first module that is wrong, and an exit status."""

import json

import onnx
import pytest
from onnx import numpy_helper

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of while it exports

SOME = """
import torch


def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()).eval(), (torch.ones(2, 4),)
"""


@pytest.fixture
def files(tmp_path, run):
    """``some_net.py``, its file, and one with another bias."""
    (tmp_path / "some_net.py").write_text(SOME, encoding="utf-8")
    assert run("export", "some_net.py:build", "-o", "model.onnx").code == 0
    model = onnx.load(str(tmp_path / "model.onnx"))
    (bias,) = (each for each in model.graph.initializer if each.name == "0.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, "0.bias"))
    onnx.save_model(model, str(tmp_path / "faulty.onnx"))
    return tmp_path


def test_a_clean_file(files, run):
    ran = run("verify", "some_net.py:build", "model.onnx", "--level", "none")
    assert (ran.code, ran.out) == (0, "No error arises in any of 3 module calls.\n")
    ran = run("verify", "some_net.py:build", "model.onnx", "--all")
    assert ran.out.startswith("module")
    assert "  0: what it returns is not among the values of the file as it runs\n" in ran.out


def test_a_wrong_file(files, run):
    ran = run("verify", "some_net.py:build", "faulty.onnx", "--level", "none")
    assert ran.code == 1
    assert "0       Linear" in ran.out
    assert "arises here" in ran.out
    assert "An error first arises in 0:\n" in ran.out
    assert run("verify", "some_net.py:build", "faulty.onnx", "--atol", "9").code == 0


def test_json(files, run):
    ran = run("verify", "some_net.py:build", "faulty.onnx", "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["schema"]) == (1, "htp.verify/1")
    assert told["first"]["path"] == "0"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["some_net.py:bild", "model.onnx"], 3, "did you mean 'build'"),
        (["some_net.py", "model.onnx"], 2, "is a file: say --inputs"),
        (["model.onnx", "faulty.onnx"], 2, "is a file: say --inputs"),
        (["model", "model.onnx"], 2, "not MODULE:FUNCTION"),
        (["some_net.py:build", "missing.onnx"], 3, "missing.onnx"),
        (["some_net.py:build", "model.onnx", "--level", "most"], 2, "most"),
        (["model.onnx", "model.onnx", "--inputs", "missing"], 3, "missing"),
    ],
)
def test_bad_input(files, failing, words, code, said):
    assert said in failing("verify", *words, code=code)
