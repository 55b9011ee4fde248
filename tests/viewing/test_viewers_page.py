"""docs/viewers.md: what it shows runs. Needs no torch; the viewers are opened in tests/look."""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import pytest
from proving import faulty

from htp.cli import main

pytest.importorskip("onnxruntime")

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "viewers.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (htp .*)$", PAGE, re.MULTILINE)
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    onnx.save(faulty.layers(), tmp_path / "model.onnx")
    onnx.save(faulty.layers(faults=[3]), tmp_path / "changed.onnx")
    np.savez(tmp_path / "samples.npz", **faulty.samples(1)[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_snippet_runs(folder):
    (snippet,) = SNIPPETS
    with redirect_stdout(io.StringIO()):
        exec(compile(snippet, "docs/viewers.md", "exec"), {})
    assert (folder / "times.json").exists()
    assert (folder / "errors.json").exists()


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_run(line, folder):
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as stopped, redirect_stdout(out), redirect_stderr(err):
        main(shlex.split(line)[1:])
    assert (stopped.value.code or 0) == (1 if " verify " in line else 0), err.getvalue()
    assert out.getvalue().startswith("Wrote ")


def test_the_page_has_what_is_run():
    assert len(COMMANDS) == 2
    for picture in re.findall(r"\((images/[^)]*)\)", PAGE):
        assert 0 < (DOCS / picture).stat().st_size < 150_000
