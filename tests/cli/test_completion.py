"""What a shell is offered when Tab is pressed. Needs no torch; shells that are here are asked."""

import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import onnx
import pytest
from click.shell_completion import get_completion_class
from onnx import helper
from proving import faulty

from htp.cli.app import app
from htp.cli.asked import VARIABLE
from htp.cli.completing import COMPLETED, UNKNOWN, offered
from htp.file.glimpse import calls_at, operators_at
from htp.file.protobuf import head
from htp.scope import ModuleCall

FILES = Path(__file__).parent.parent / "files"


def calls(*paths):
    return [ModuleCall(path, "m.Part", 0) for path in paths]


class TestOffered:
    TREE = calls("", "a", "a.x", "a.x.p", "a.y", "b.0", "b.1", "b.1.x", "c")

    @pytest.mark.parametrize(
        ("typed", "expected"),
        [
            ("", ["a", "b.0", "b.1", "c"]),
            ("a", ["a", "a.x", "a.y"]),
            ("a.", ["a.x", "a.y"]),
            ("a.x", ["a.x", "a.x.p"]),
            ("b", ["b.0", "b.1"]),
            ("b.1", ["b.1", "b.1.x"]),
            ("c", ["c"]),
            ("d", []),
            ("a*", []),
        ],
    )
    def test_a_level_at_a_time(self, typed, expected):
        assert offered(self.TREE, typed) == expected

    def test_calls(self):
        twice = [*calls("norm", "act"), ModuleCall("norm", "m.Part", 1)]
        assert offered(twice, "norm") == ["norm", "norm@0", "norm@1"]
        assert offered(twice, "norm@") == ["norm@0", "norm@1"]
        assert offered(twice, "norm@1") == ["norm@1"]
        assert offered(twice, "act@") == []

    @pytest.mark.parametrize(
        "name",
        [
            *("$(reboot)", "a;b", "a b", "a\x1b[2J", "a\nb", "`b`", "*", "a'b", "\u202eb", "a&b"),
            *("~", "x" * 501),
        ],
    )
    def test_no_name_that_means_something_to_a_shell(self, name):
        assert offered(calls(name, "fine"), "") == ["fine"]


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(faulty.layers(), path)
    return str(path)


class TestAtAGlance:
    def test_calls_are_those_of_the_file(self, model):
        assert ModuleCall("layer.1.linear", "m.Part", 0) in calls_at(model)
        assert sorted(operators_at(model)) == ["Add", "MatMul", "Tanh"]

    @pytest.mark.parametrize("name", sorted(path.name for path in FILES.glob("*.onnx")))
    def test_every_schema(self, name):
        assert "norm" in [call.path for call in calls_at(str(FILES / name))]

    def test_a_gigabyte_of_weights_is_not_read(self, model, tmp_path):
        made = onnx.load(model)
        said = [prop.SerializeToString() for prop in made.metadata_props]
        end = b"".join(head(14, len(raw)) + raw for raw in said)
        path = tmp_path / "large.onnx"
        with open(path, "wb") as file:
            file.write(head(7, 1 << 30) + head(5, (1 << 30) - 6))
            file.seek((1 << 30) + 6)
            file.write(end)
        assert calls_at(str(path)) == calls_at(model)

    @pytest.mark.parametrize("cut", [0, 1, 100, 1000, -1, -40])
    def test_a_cut_file(self, model, cut, tmp_path):
        data = Path(model).read_bytes()
        (tmp_path / "cut.onnx").write_bytes(data[:cut])
        path = str(tmp_path / "cut.onnx")
        assert isinstance(calls_at(path), list)
        assert set(operators_at(path)) <= {"Add", "MatMul", "Tanh"}

    @pytest.mark.parametrize("value", ["[" * 100_000, "{}", "7", '{"calls": 7}', "\x00"])
    def test_an_origin_that_is_none(self, value, tmp_path):
        made = helper.make_model(helper.make_graph([], "g", [], []))
        made.metadata_props.add(key=f"pkg.htp.{'0' * 16}", value=value)
        path = tmp_path / "odd.onnx"
        path.write_bytes(made.SerializeToString())
        assert calls_at(str(path)) == []

    def test_what_is_no_file(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.onnx")
        for name in ("pipe.onnx", "nothing.onnx", ".", "a\0b"):
            assert calls_at(str(tmp_path / name)) == []
            assert operators_at(str(tmp_path / name)) == []

    def test_a_large_origin_is_left_alone(self, model, monkeypatch):
        monkeypatch.setattr("htp.file.glimpse._MOST", 100)
        assert calls_at(model) == []
        monkeypatch.undo()
        monkeypatch.setattr("htp.file.glimpse._CALLS", 10)
        assert calls_at(str(FILES / "schema3_fx.onnx")) == []


def test_every_text_has_an_answer():
    """A new parameter says what is offered for it, or that nothing is known."""
    texts = {
        param.name
        for command in app.commands.values()
        for param in command.params
        if isinstance(param.type, type(click.STRING)) or param.type is click.UNPROCESSED
    }
    assert texts - UNKNOWN <= set(COMPLETED) | {"command"}


def asked(*words):
    """What bash is offered where the last word is not complete."""
    made = get_completion_class("bash")(app, {}, "htp", VARIABLE)
    *before, last = words
    return [(each.type, each.value) for each in made.get_completions(before, last)]


class TestAsked:
    def test_of_the_file_on_the_line(self, model):
        assert asked("extract", model, "hea") == [("plain", "head")]
        assert asked("extract", model, "--from", "layer.3.l") == [("plain", "layer.3.linear")]
        assert asked("nodes", model, "--op-type", "Mat") == [("plain", "MatMul")]
        assert asked("select", model, "--class", "") == [("plain", "Net"), ("plain", "Part")]

    def test_of_the_app(self):
        assert asked("sel") == [("plain", "select")]
        assert asked("select", "m.onnx", "--format", "trt") == [("plain", "trtexec")]
        assert ("plain", "--op-type") in asked("nodes", "m.onnx", "--")
        assert ("plain", "fx") in asked("demo", "--backend", "")

    @pytest.mark.parametrize(
        "words",
        [
            *(["extract", "mod"], ["diff", "a.onnx", "b"], ["strip", "a.onnx", "-o", ""]),
            *(["bisect", "a", "b", "--inputs", "x"], ["export", ""]),
        ],
    )
    def test_of_the_folder(self, words):
        assert asked(*words) == [("file", words[-1])]

    def test_a_damaged_file_tells_nothing(self, tmp_path):
        path = tmp_path / "odd.onnx"
        path.write_bytes(b"\x3a\xff\xff\xff\xff\x0f\x0a\x1b[2J")
        assert asked("extract", str(path), "") == []
        assert asked("extract", "none.onnx", "") == []

    def test_something_slow_ends(self, model, python):
        code = (
            "import time, htp.cli as c, htp.cli.asked as a; a.PATIENCE = 0.2\n"
            "from htp.cli import completing\n"
            "completing.COMPLETED['paths'] = lambda *_: time.sleep(600)\n"
            "c.main([])"
        )
        asked = {"COMP_WORDS": "htp extract model.onnx ", "_HTP_COMPLETE": "bash_complete"}
        ran = python("-c", code, env={**os.environ, **asked}, stdout=-1, stderr=-1)
        assert (ran.returncode, ran.stdout, ran.stderr) == (1, b"", b"")


SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
LOADED = {
    "bash": 'eval "$(htp completion bash)"',
    "zsh": 'autoload -Uz compinit; compinit -D; eval "$(htp completion zsh)"',
    "fish": "htp completion fish | source",
}


_LEADING = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
STATUS = {"bash": "$?", "zsh": "$?", "fish": "$status"}


class Typed:
    """A shell on a terminal, into which is typed."""

    def __init__(self, shell, folder):
        pty = pytest.importorskip("pty")
        script = folder / "htp"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m htp "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "TERM": "xterm"}
        environment.update(PS1="", HOME=str(folder), PYTHONPATH=os.pathsep.join(sys.path))
        self.text = ""
        self._reader, writer = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LEADING, *SHELLS[shell]],
            cwd=folder,
            env=environment,
            stdin=writer,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
        )
        os.close(writer)

    def type(self, keys, until):
        """Type, and wait for what is to be shown."""
        os.write(self._reader, keys.encode())
        end = time.monotonic() + 120  # of a busy machine
        seen = len(self.text)
        while until not in self.text[seen:]:
            assert time.monotonic() < end, ascii(self.text)
            if select.select([self._reader], [], [], 1)[0]:
                piece = os.read(self._reader, 65536).decode(errors="replace")
                self.text += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", piece)

    def complete(self, line, until, shown, more=""):
        """Type a line, press Tab, and run what it became."""
        self.type(line, line[-3:])
        self.type("\t", until)
        self.type(f"{more}\n", shown)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._reader)


@pytest.fixture
def typed(tmp_path):
    shells = []

    def start(shell):
        if shutil.which(shell) is None:
            pytest.skip(f"there is no {shell} here")
        shells.append(Typed(shell, tmp_path))
        return shells[-1]

    yield start
    for each in shells:
        each.close()


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_a_real_shell(shell, typed, model, tmp_path):
    """What it completes is run: the names of nodes that htp prints show what stood there."""
    shutil.copy(FILES / "schema3_fx.onnx", tmp_path / "twice.onnx")
    it = typed(shell)
    it.type(f"{LOADED[shell]}; echo rea''dy\n", "ready")
    it.complete("htp nodes model.onnx hea", "d", "head/MatMul")
    it.complete("htp nodes model.onnx --op-type Tan", "h", "l7/Tanh")
    it.complete("htp nodes twice.onnx twice@1", " ", "status=0", f"; echo status={STATUS[shell]}")
