"""What every command shares: help, errors, terminals and pipes; and the doctor."""

import json
import os

import pytest
from packaging.version import Version

import htp
from htp.cli import main
from htp.cli.companions import KnownBreak, installed, known_breaks
from htp.torch_release import RELEASE, TORCH

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere


def test_help_names_every_command(run):
    ran = run("--help")
    assert ran.code == 0
    for command in ("export", "tree", "nodes", "strip", "doctor", "demo"):
        assert command in ran.out
        assert run(command, "--help").code == 0


def test_version(run):
    ran = run("--version")
    assert ran == (0, f"htp {htp.__version__} (torch {TORCH}, backend {htp.backend})\n", "")


def test_unknown_command_gets_a_suggestion(failing):
    assert "did you mean 'doctor'" in failing("doctr", code=2).lower()


def test_examples_in_a_help_stand_in_lines_of_their_own(run):
    lines = run("carry", "--help").out.splitlines()
    assert "  Examples:" in lines
    assert "    htp carry model.onnx quantised.onnx --report" in lines


def test_help_imports_neither_torch_nor_onnx_nor_rich(python):
    code = (
        "import sys; from htp.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(*(m for m in ('torch', 'onnx', 'rich') if m in sys.modules), 'end')"
    )
    ran = python("-c", code, stdout=-1, text=True)
    assert ran.stdout.splitlines()[-1].strip() == "end"


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_missing_extra_is_one_line(missing, python):
    code = f"import sys; sys.modules[{missing!r}] = None; from htp.cli import main; main(['demo'])"
    ran = python("-c", code, stderr=-1, text=True)
    assert ran.returncode == 3
    expected = f"Error: the command line needs {missing}. Install with: pip install {missing}\n"
    assert ran.stderr == expected


def test_traceback_on_demand(run, monkeypatch):
    monkeypatch.setattr("sys.excepthook", None)
    with pytest.raises(htp.InvalidModelError):
        main(["--traceback", "tree", "missing.onnx"])
    assert run("tree", "missing.onnx").code == 3


def on_a_terminal(python, stream, *arguments, **environment):
    """What ``htp`` shows when stdout or stderr is a terminal."""
    pty = pytest.importorskip("pty")
    base = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "COLUMNS": "60"}
    base.update(environment)
    reader, writer = pty.openpty()
    python("-m", "htp", *arguments, env=base, **{stream: writer})
    os.close(writer)
    text = b""
    while True:
        try:
            piece = os.read(reader, 65536)
        except OSError:  # how Linux ends a terminal
            piece = b""
        if not piece:
            os.close(reader)
            return text.decode()
        text += piece


def test_tree_on_a_terminal_is_coloured_unless_told_not_to(demo, python):
    assert "\x1b[32m" in on_a_terminal(python, "stdout", "tree", demo)
    plain = on_a_terminal(python, "stdout", "tree", demo, NO_COLOR="1")
    assert "\x1b[32m" not in plain
    assert "attention" in plain


def test_doctor(run):
    ran = run("doctor", "--json")
    report = json.loads(ran.out)
    assert report["torch"] == TORCH
    assert report["backend"] == htp.backend
    assert report["packages"] == installed()
    assert {info["name"] for info in report["backends"]} >= {"torchscript", "fx"}
    assert all(info["usable"] or info["reason"] for info in report["backends"])
    assert ran.code == (0 if report["ok"] else 1)
    text = run("doctor")
    assert text.code == ran.code
    for name, version in installed().items():
        assert f"{name} " in text.out
        assert (version or "not installed") in text.out


def test_doctor_tells_of_a_backend_that_cannot_be(run, monkeypatch):
    monkeypatch.setenv("HTP_BACKEND", "torchscrip")
    ran = run("doctor")
    assert ran.code == 1
    assert "did you mean 'torchscript'" in ran.out
    assert "Traceback" not in ran.out + ran.err


def test_no_known_break_is_installed():
    """The pins of this project's own test sessions are not among the combinations that break."""
    broken = [row for row in known_breaks(RELEASE) if row.hits(installed())]
    assert not broken


def test_known_breaks_are_rows_of_releases():
    assert [row.package for row in known_breaks(Version("2.6.0"))]
    assert not known_breaks(None)
    row = KnownBreak("==2.6.0", "protobuf", ">=7", "an error", "protobuf<7")
    assert row.hits({"protobuf": "7.36.2"})
    assert not row.hits({"protobuf": "6.33.6"})
    assert not row.hits({"protobuf": None})
    old = KnownBreak("==2.6.0", "protobuf", ">=7", "an error", "protobuf<7", "onnxscript<=0.2.7")
    assert old.hits({"protobuf": "7.36.2", "onnxscript": "0.2.7"})
    assert not old.hits({"protobuf": "7.36.2", "onnxscript": "0.5.3"})
