"""README and CONTRIBUTING: what they show is what happens, what they name is there."""

import re
import shlex
from pathlib import Path

import pytest
import torch

import htp
from htp.cli.demo_model import example
from htp.torch_release import NEWEST_TESTED, RELEASE

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere

NEWEST = RELEASE is not None and f"{RELEASE.major}.{RELEASE.minor}" == NEWEST_TESTED


def block(first):
    """The indented lines that begin with a line, without their indentation."""
    after = README[README.index(f"\n    {first}") + 1 :]
    lines = re.match(r"((    .*)?\n)+", after).group().rstrip("\n").splitlines()
    return [line[4:] for line in lines]


@pytest.mark.skipif(not NEWEST, reason=f"README shows the demo on torch {NEWEST_TESTED}")
def test_the_demo_prints_what_readme_shows(python, monkeypatch):
    monkeypatch.delenv("HTP_BACKEND", raising=False)
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    ran = python("-m", "htp", "demo", stdout=-1)
    assert ran.returncode == 0
    assert ["$ htp demo", *ran.stdout.decode("utf-8").rstrip().splitlines()] == block("$ htp demo")


MY_MODEL = """
from htp.cli.demo_model import example


def build():
    arguments = example()
    return arguments["model"], arguments["args"]
"""


def test_readmes_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    around, call = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    names = {"model": example()["model"], "tokens": example()["args"][0], "torch": torch}
    exec(compile(f"import htp\n{around}", "README.md", "exec"), names)
    assert " captured" in capsys.readouterr().out
    assert htp.load("model.onnx").coverage.unknown == 0
    exec(compile(call, "README.md", "exec"), names)
    found = [line.split() for line in capsys.readouterr().out.splitlines() if "encoder" in line]
    assert {(path.split(".")[2], call) for *_, path, call, _ in found} >= {("0", "0"), ("1", "0")}
    assert htp.load("model.onnx").coverage.unknown == 0


COMMANDS = [shlex.split(line, comments=True) for line in block("htp export my_model.py:build")]


def test_readmes_commands_run(run, tmp_path):
    (tmp_path / "my_model.py").write_text(MY_MODEL)
    assert {words[0] for words in COMMANDS} == {"htp"}
    done = {words[1]: run(*words[1:]) for words in COMMANDS if words[1] != "doctor"}
    assert list(done) == ["export", "tree", "nodes", "strip"]
    assert {name: ran.err for name, ran in done.items() if ran.code} == {}
    assert "encoder" in done["tree"].out
    assert "MatMul" in done["nodes"].out
    assert b"pkg.htp" not in Path("plain.onnx").read_bytes()
    assert run("doctor").out


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_the_files_that_are_named_are_there(text):
    folders = "htp|tests|tools|benchmarks|docs|examples|constraints"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    named += re.findall(r"\]\(([\w./-]+)\)", text)
    named = [name for name in named if "X.Y" not in name]
    assert len(named) > 3
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_rooms_that_a_node_passes_are_there():
    drawn = re.findall(r"^ {4}[a-z ]{11}(\w+/\w+\.py)", CONTRIBUTING, re.MULTILINE)
    assert len(drawn) > 8
    places = (ROOT, ROOT / "htp", ROOT / "htp" / "backends")
    assert [name for name in drawn if not any((place / name).exists() for place in places)] == []
