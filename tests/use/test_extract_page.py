"""docs/extract.md: what it shows runs, on the demo's model."""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from htp.cli import main
from htp.use.extracting.report import CLASSES

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of while it exports

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "extract.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?: {4}|\$ )(htp .*)$", PAGE, re.MULTILINE)


def test_the_snippets_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(snippets) == 3
    names = {}
    exec(compile("".join(snippets), "docs/extract.md", "exec"), names)
    assert names["part"].extraction.exact
    assert "cannot be cut out" in capsys.readouterr().out
    second = {port.name for port in names["second"].extraction.inputs}
    assert second <= {port.name for port in names["first"].extraction.outputs}


def test_the_commands_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for line in COMMANDS:  # in the order of the page: one reads what another wrote
        out, err = io.StringIO(), io.StringIO()
        with pytest.raises(SystemExit) as stopped, redirect_stdout(out), redirect_stderr(err):
            main(shlex.split(line)[1:])
        assert not stopped.value.code, err.getvalue()
        assert out.getvalue()
    assert len(COMMANDS) == 6


def test_every_class_is_told():
    table = PAGE.partition("| class |")[2].partition("\n\n")[0]
    assert table
    assert [name for name in CLASSES if f"`{name}`" not in table] == []
