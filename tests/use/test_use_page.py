"""docs/use.md: what it shows runs, on the demo's model."""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from htp.cli import main
from htp.use.forms import FORMS

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of while it exports

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "use.md").read_text(encoding="utf-8")
WORKING, _, _ = PAGE.partition("## When it fails")
COMMANDS = re.findall(r"^(?: {4}|\$ )(htp .*)$", WORKING, re.MULTILINE)


def test_the_snippets_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(snippets) == 3
    names = {}
    exec(compile("".join(snippets), "docs/use.md", "exec"), names)
    assert len(names["chosen"]) == 2
    assert names["found"].exact
    assert names["cost"].total.unknown == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_run(line, folder, monkeypatch):
    monkeypatch.chdir(folder)
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as stopped, redirect_stdout(out), redirect_stderr(err):
        main(shlex.split(line)[1:])
    assert not stopped.value.code, err.getvalue()
    assert out.getvalue()


def test_every_form_is_told():
    told = re.findall(r"^\| (`.*?) \|", PAGE.partition("| form |")[2], re.MULTILINE)
    table = PAGE.partition("| form |")[2].partition("\n\n")[0]
    assert told
    for form in FORMS:
        assert f"`{form}`" in table
    assert len(COMMANDS) == 8
