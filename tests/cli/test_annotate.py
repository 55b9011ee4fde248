"""``htp annotate``."""

import json

import pytest

import htp

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere

NET = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = torch.nn.Linear(4, 5)

    def forward(self, x):
        return self.body(x) + 1


def net():
    return Net().eval()


def pair():
    return net(), (torch.ones(2, 4),)
"""


@pytest.fixture
def plain(run, tmp_path):
    """A file that torch alone would have written, and the module that it comes from."""
    (tmp_path / "some_net.py").write_text(NET)
    assert run("export", "some_net.py:pair", "-o", "tagged.onnx").code == 0
    assert run("strip", "tagged.onnx", "-o", "plain.onnx").code == 0
    return tmp_path


@pytest.mark.parametrize("function", ["net", "pair"])
def test_it_says_what_each_source_gave(plain, run, function):
    ran = run("annotate", "plain.onnx", "-o", "out.onnx", "--model", f"some_net.py:{function}")
    assert ran.code == 0, ran.err
    rows = [line.split() for line in ran.out.splitlines() if line.strip()]
    total = htp.load("out.onnx").coverage.total
    assert sum(int(row[-1]) for row in rows[1:-1]) == total
    assert "unknown" in [row[0] for row in rows]
    assert "out.onnx" in rows[-1]
    assert htp.load("out.onnx").find("body")


def test_json(plain, run):
    ran = run("annotate", "plain.onnx", "-o", "out.onnx", "--model", "some_net.py:net", "--json")
    told = json.loads(ran.out)
    assert told["schema"] == "htp.annotate/1"
    assert sum(told["sources"].values()) + len(told["unknown"]) == told["coverage"]["total"]
    assert told["coverage"]["unknown"] == len(told["unknown"])


def test_what_has_tags_is_refused(plain, failing):
    error = failing("annotate", "tagged.onnx", "-o", "out.onnx")
    assert "already" in error
    assert "htp.load" in error


def test_a_function_that_returns_no_model(plain, failing):
    (plain / "sick.py").write_text("def none():\n    return None\n")
    assert "returned" in failing("annotate", "plain.onnx", "-o", "o.onnx", "--model", "sick:none")
