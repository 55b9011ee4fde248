"""docs/diff.md: what it shows is what is printed, and its snippet runs."""

import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from comparing import planting

import htp
from htp.cli import main

FILES = Path(__file__).resolve().parent / "files"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "diff.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^    \$ (htp diff .*)\n((?:    .*\n|\n(?=    ))*)", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("command", "shown"), SHOWN)
def test_what_is_shown_is_printed(command, shown, monkeypatch):
    monkeypatch.chdir(FILES)
    out = io.StringIO()
    with pytest.raises(SystemExit) as stopped, redirect_stdout(out):
        main(shlex.split(command)[1:])
    assert stopped.value.code == 1
    assert out.getvalue().rstrip().split("\n") == [line[4:] for line in shown.rstrip().split("\n")]


def test_there_is_something_to_run():
    assert len(SHOWN) == 2


def test_the_snippet_runs(monkeypatch, capsys):
    monkeypatch.chdir(FILES)
    (snippet,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(snippet, "docs/diff.md", "exec"), names)
    assert "htp.diff/1" in capsys.readouterr().out
    assert {row.kind for row in names["found"].rows} == {"opset", "attribute", "inputs", "nodes"}


def test_how_many_kinds_are_planted():
    assert f"{len(planting.PLANTS)} kinds" in PAGE
    assert len(planting.DISGUISES) == 7
    assert "seven ways" in PAGE


def test_every_kind_is_told():
    table = PAGE.partition("| kind |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    said = re.findall(r"``(\w+)``", htp.comparing.row.DiffRow.__doc__)
    assert told == set(said)
