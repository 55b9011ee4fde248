"""docs/verify.md: what it shows runs."""

import io
import re
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from htp.cli import main

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of while it exports

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "verify.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (htp verify .*)$", PAGE, re.MULTILINE)
NET, *SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("page")
    (made / "net.py").write_text(NET, encoding="utf-8")
    return made


@pytest.fixture
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    forget_nets()  # other tests have theirs
    yield
    forget_nets()


def forget_nets():
    for name in ("net", "net_file"):
        sys.modules.pop(name, None)


def test_the_snippets_run(inside, capsys):
    names = {}
    exec(compile("".join(SNIPPETS), "docs/verify.md", "exec"), names)
    assert len(SNIPPETS) == 2
    assert names["found"].first.path == "1"
    out = capsys.readouterr().out
    for line in ("arises here", "passes through", "An error first arises in 1: "):
        assert line in out
        assert line in PAGE


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_run(line, inside):
    """After the snippets, which write the files."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as stopped, redirect_stdout(out), redirect_stderr(err):
        main(shlex.split(line)[1:])
    assert (stopped.value.code or 0) == ("faulty" in line), err.getvalue()
    assert out.getvalue()


def test_the_commands_are_found():
    assert len(COMMANDS) == 4
