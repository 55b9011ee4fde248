"""docs/report.md: its commands and its snippet run, and what it lists is so. Needs no torch."""

import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import pytest
from proving import faulty
from reporting.shown import data

from htp.cli import main
from htp.reporting.results.reading import READERS

pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (htp .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model, what became of it, and samples."""
    monkeypatch.chdir(tmp_path)
    onnx.save(faulty.layers(4), "model.onnx")
    onnx.save(faulty.layers(4, faults=(2,)), "changed.onnx")
    np.savez("samples.npz", **faulty.samples(1)[0])
    return tmp_path


def shown(folder):
    return data((folder / "report.html").read_text("utf-8"))


def test_the_commands_run(folder):
    found = []
    for command in COMMANDS:
        words, _, target = command.partition(" > ")
        out = io.StringIO()
        with pytest.raises(SystemExit) as stopped, redirect_stdout(out):
            main(shlex.split(words)[1:])
        if target:
            Path(target).write_text(out.getvalue(), "utf-8")
        assert stopped.value.code in (0, 1), command
        if "htp report" in words:
            document = shown(folder)
            found.append([each["kind"] for each in document["results"]] or len(document["parts"]))
    assert found == [0, 4, ["profile", "verify"]]
    assert len(list((folder / "parts").iterdir())) == 4


def test_the_snippet_runs(folder):
    (snippet,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(snippet, "docs/report.md", "exec"), {})
    document = shown(folder)
    profile, verify = document["results"]
    assert document["head"]["file"] == "model.onnx"
    assert profile["columns"][0][0] == "time"
    rows = [document["texts"][document["modules"]["path"][row]] for row in verify["found"]]
    assert set(rows) == {"layer.2.linear"}


def test_every_schema_is_listed():
    assert set(re.findall(r"`(htp\.\w+/\d)`", PAGE)) == set(READERS)


def test_the_picture_is_small():
    (name,) = re.findall(r"!\[.*?\]\((.*?)\)", PAGE)
    picture = ROOT / "docs" / name
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 150_000


def test_the_benchmark_and_the_tests_that_are_named_are_there():
    named = re.findall(r"`((?:tests|benchmarks)/[\w/.]+)`", PAGE)
    assert len(named) == 3
    assert [name for name in named if not (ROOT / name).exists()] == []
