"""docs/functions.md: what it shows runs, on the demo's model."""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

import htp
from htp.cli import main

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of while it exports

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "functions.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?: {4}|\$ )(htp .*)$", PAGE, re.MULTILINE)


def test_the_snippet_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (snippet,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(snippet, "docs/functions.md", "exec"), names)
    rows = names["made"].functions.rows
    made = {str(call): row.nodes for row in rows for call in row.calls}
    assert list(made) == ["encoder.layer.0", "encoder.layer.1"]
    # before the newer exporter one layer may read a constant that another has
    assert len(rows) == len(set(made.values()))
    assert capsys.readouterr().out


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_run(line, folder, monkeypatch):
    monkeypatch.chdir(folder)
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as stopped, redirect_stdout(out), redirect_stderr(err):
        main(shlex.split(line)[1:])
    assert not stopped.value.code, err.getvalue()
    assert out.getvalue()
    assert err.getvalue() == ""


def test_every_reason_is_told():
    assert len(COMMANDS) == 3
    told = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    said = re.findall(r"``(\w+)``", htp.use.outlining.wanted.Refused.__doc__)
    assert set(told) == set(said)
