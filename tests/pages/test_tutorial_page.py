"""docs/tutorial.md: it runs from top to bottom, and prints what it shows."""

import re
import sys

import pytest
from page import NEWEST, ROOT, blocks_of, run_page, shows

from htp.torch_release import NEWEST_TESTED

TUTORIAL = "docs/tutorial.md"
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere


@pytest.mark.skipif(not NEWEST, reason=f"the tutorial shows torch {NEWEST_TESTED}")
def test_the_tutorial_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HTP_BACKEND", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    names, ended = run_page(TUTORIAL)
    assert {line: code for line, code in ended.items() if code} == {
        "htp verify net.py:build faulty.onnx": 1,
        "htp diff optimised.onnx faulty.onnx": 1,
    }
    assert names["node"].op_type == "LayerNormalization"


def test_a_page_is_taken_apart():
    text = "# A\n\n    htp tree a.onnx\n\n```python\nx = 1\n```\n\n```console\n$ htp a\nb\n```\n"
    kinds = [(block.kind, block.line) for block in blocks_of(text)]
    assert kinds == [("indented", 3), ("python", 5), ("console", 9)]
    assert [block.commands for block in blocks_of(text)] == [
        [("htp tree a.onnx", "")],
        [],
        [("htp a", "b")],
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a b\nc", "a  b c\n", True),
        ("a\n...\nc", "a\nb\nc\n", True),
        ("a ...c", "a /tmp/c", True),
        ("...\nc", "a b\nc", True),
        ("a b", "a b c", False),
        ("a\n...\nc", "a\nb\nd\n", False),
        ("1.5", "105", False),
    ],
)
def test_shown_is_compared_with_printed(shown, printed, same):
    assert shows(shown, printed) is same


def test_numbers_of_random_weights_are_not_compared():
    assert shows("a.0  0.5  2e+03  -1 dB ...", "a.0  17  3  2 dB b", numbers=False)
    assert not shows("a.0  0.5", "a.0  none", numbers=False)
    assert not shows("a.0  0.5", "a.0  0.6")


def test_the_tutorial_begins_with_the_installation():
    text = (ROOT / TUTORIAL).read_text(encoding="utf-8")
    assert re.search(r"pip install \"\.\[cli,runtime\]\"", text)
