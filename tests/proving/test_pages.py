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


HARMED = pytest.mark.xfail(
    tuple(map(int, metadata.version("onnxruntime").split(".")[:2])) < (1, 20),
    reason="the quantiser of onnxruntime before 1.20 loses the data file of the demo's model",
    strict=True,
)
MARKS = {"sensitivity": [HARMED]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the demo's model."""
    made = tmp_path_factory.mktemp("page")
    (made / "samples").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        assert called("htp demo -o model.onnx")[0] == 0
    return made


@pytest.fixture(scope="module")
def ran(request, folder):
    """What the snippets of a page defined and printed in that folder."""
    names, out = {}, io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.chdir(folder)
        exec(compile("".join(SNIPPETS[request.param]), f"docs/{request.param}.md", "exec"), names)
    return names, out.getvalue()


def bisected(found, out):
    assert set(found.modules) == {"encoder.layer.0.mlp.0", "encoder.layer.1.attention.value"}
    assert "to blame" in out


def verified(found, out):
    assert found.first.path == "encoder.layer.0.attention.value"
    assert "arises here" in out


def sensitive(found, out):
    assert found.keep == ()  # nothing of the demo overflows
    assert "SQNR" in out
    assert "metric" in out


CHECKS = {"sensitivity": sensitive, "bisect": bisected, "files": verified}


@pytest.mark.parametrize(
    ("ran", "check"),
    [pytest.param(page, CHECKS[page], id=page, marks=MARKS.get(page, [])) for page in PAGES],
    indirect=["ran"],
)
def test_the_snippets_run(ran, check):
    names, out = ran
    check(names["found"], out)


@pytest.mark.parametrize(
    ("ran", "page", "line"),
    [
        pytest.param(page, page, line, id=f"{page}-{line}", marks=MARKS.get(page, []))
        for page, lines in COMMANDS.items()
        for line in lines
    ],
    indirect=["ran"],
)
def test_the_commands_run(ran, page, line, folder, monkeypatch):
    monkeypatch.chdir(folder)
    code, out, err = called(line)
    assert code in {0, 1}, err
    assert code == ("faulty" in line or "wrong" in line) or page == "sensitivity"
    assert out or "--format" in line
    if NEWEST and line in SHOWN:
        assert shows(SHOWN[line], out, numbers=False), out  # the demo's weights are random


def test_the_commands_are_found():
    assert {name: len(lines) for name, lines in COMMANDS.items()} == EXPECTED
