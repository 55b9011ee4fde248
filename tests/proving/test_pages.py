"""docs/sensitivity.md, docs/bisect.md, docs/files.md: what they show runs, on the demo's model."""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from pathlib import Path

import pytest
from page import NEWEST, blocks_of, shows

from htp.cli import main

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and the quantiser warn of

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {
    name: (DOCS / f"{name}.md").read_text(encoding="utf-8")
    for name in ("sensitivity", "bisect", "files")
}
COMMANDS = {
    name: re.findall(r"^(?: {4}|\$ )(htp .*)$", page, re.MULTILINE) for name, page in PAGES.items()
}
SHOWN = {
    line: shown
    for text in PAGES.values()
    for block in blocks_of(text)
    for line, shown in block.commands
    if shown
}
"""What the pages show of them."""
EXPECTED = {"sensitivity": 4, "bisect": 3, "files": 3}
SNIPPETS = {
    name: re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for name, page in PAGES.items()
}


def called(line):
    """Exit status and what was printed."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as stopped, redirect_stdout(out), redirect_stderr(err):
        main(shlex.split(line)[1:])
    return stopped.value.code or 0, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the snippets of both pages ran, with what they printed and defined."""
    if tuple(map(int, metadata.version("onnxruntime").split(".")[:2])) < (1, 20):
        pytest.skip("the quantiser of this onnxruntime cannot quantise the demo's model")
    made = tmp_path_factory.mktemp("page")
    (made / "samples").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        assert called("htp demo -o model.onnx")[0] == 0
        told = {}
        for name, snippets in SNIPPETS.items():
            names, out = {}, io.StringIO()
            with redirect_stdout(out):
                exec(compile("".join(snippets), f"docs/{name}.md", "exec"), names)
            told[name] = names, out.getvalue()
    return made, told


def test_the_snippets_run(folder):
    names, out = folder[1]["bisect"]
    assert set(names["found"].modules) == {
        "encoder.layer.0.mlp.0",
        "encoder.layer.1.attention.value",
    }
    assert "to blame" in out
    names, out = folder[1]["files"]
    assert names["found"].first.path == "encoder.layer.0.attention.value"
    assert "arises here" in out
    names, out = folder[1]["sensitivity"]
    assert names["found"].keep == ()  # nothing of the demo overflows
    assert "SQNR" in out
    assert "metric" in out


@pytest.mark.parametrize(("page", "line"), [(p, line) for p in COMMANDS for line in COMMANDS[p]])
def test_the_commands_run(page, line, folder, monkeypatch):
    monkeypatch.chdir(folder[0])
    code, out, err = called(line)
    assert code in {0, 1}, err
    assert code == ("faulty" in line or "wrong" in line) or page == "sensitivity"
    assert out or "--format" in line
    if NEWEST and line in SHOWN:
        assert shows(SHOWN[line], out, numbers=False), out  # the demo's weights are random


def test_the_commands_are_found():
    assert {name: len(lines) for name, lines in COMMANDS.items()} == EXPECTED
