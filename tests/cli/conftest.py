"""Running the command line as a user does, in folders of their own."""

import os
import re
import struct
import subprocess
import sys
import warnings
from typing import NamedTuple

import pytest

from htp.cli import main

NET = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())

    def forward(self, x):
        return self.body(x) + 1


def pair():
    return Net().eval(), (torch.ones(2, 4),)


def mapping():
    return {
        "model": Net().eval(),
        "args": (torch.ones(2, 4),),
        "input_names": ["x"],
        "dynamic_shapes": {"x": {0: "batch"}},
    }


def nothing():
    return None


def alone():
    return (Net(),)


def misspelt():
    return {"model": Net(), "arguments": ()}


def without_model():
    return {"args": ()}


def misfit():
    return Net().eval(), (torch.ones(2, 5),)


def broken():
    raise ValueError("no weights here")


model = Net()
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _no_wishes_about_terminals(monkeypatch):
    """What the one who runs the tests wants of colours is not what they are about."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "TORCH_LOGS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in a folder of its own; what it does to the import path is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a __pycache__ is not the command's

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        return Ran(int(stopped.value.code or 0), *capsys.readouterr())

    yield call
    for name in ("some_net", "some_net_file", "sick"):
        sys.modules.pop(name, None)


@pytest.fixture
def failing(run):
    """Run a command that must fail with one clear error, and hand that over."""

    def call(*arguments, code=3):
        before = sorted(os.listdir("."))
        ran = run(*arguments)
        assert ran.code == code
        assert "Error: " in ran.err
        assert "Traceback" not in ran.out + ran.err
        assert not ran.out
        assert sorted(os.listdir(".")) == before
        return ran.err

    return call


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The demo's file, exported once."""
    path = tmp_path_factory.mktemp("demo") / "demo.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's; HTP's own stay errors
        warnings.filterwarnings("error", module=r"htp(\.(?!testing|backends|arguments)|$)")
        with pytest.raises(SystemExit) as stopped:
            main(["demo", "-o", str(path)])
    assert not stopped.value.code
    return path


class Shown(NamedTuple):
    """What a terminal got, and the exit status."""

    code: int
    raw: str

    def screen(self):
        """The lines that are left: a return goes back to the first column, colours are no text."""
        lines = []
        for line in re.sub(r"\x1b\[[0-9;]*m", "", self.raw).split("\n"):
            cells, at = [], 0
            for character in line:
                if character == "\r":
                    at = 0
                    continue
                assert character.isprintable(), ascii(line)
                cells[at : at + 1] = [character]
                at += 1
            lines.append("".join(cells).rstrip())
        return lines


_DELAYED = """
import fcntl, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # as a shell's job: what is typed reaches it
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
from htp.cli import main, progress
progress.DELAY = float(sys.argv[1])
main(sys.argv[2:])
"""


@pytest.fixture
def terminal(tmp_path):
    """Run a command on a terminal of its own, as its foreground process."""
    pty = pytest.importorskip("pty")
    import fcntl
    import termios

    def call(*arguments, delay=0, columns=80, press=None, streams=("out", "err"), **environment):
        """What it shows.

        Args:
            delay: seconds after which progress is shown.
            columns: of the terminal.
            press: a text, and what is typed once it is seen.
            streams: those that are the terminal; the others are pipes that nobody reads.
        """
        base = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        base = {**base, **environment}
        for name in ("CI", "COLUMNS", *(name for name, value in base.items() if value is None)):
            if environment.get(name) is None:
                base.pop(name, None)
        reader, writer = pty.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        words = [sys.executable, "-c", _DELAYED, str(delay), *map(str, arguments)]
        out, err = (writer if name in streams else subprocess.DEVNULL for name in ("out", "err"))
        ran = subprocess.Popen(
            words,
            cwd=tmp_path,
            start_new_session=True,
            env=base,
            stdin=writer,
            stdout=out,
            stderr=err,
        )
        os.close(writer)
        text = b""
        while True:
            try:
                piece = os.read(reader, 65536)
            except OSError:  # how Linux ends a terminal
                piece = b""
            if not piece:
                break
            text += piece
            if press is not None and press[0].encode() in text:
                os.write(reader, press[1].encode())
                press = None
        os.close(reader)
        return Shown(ran.wait(), text.decode().replace("\r\n", "\n"))

    return call


@pytest.fixture
def net(tmp_path):
    """A file with functions that return models, rightly and wrongly."""
    path = tmp_path / "some_net.py"
    path.write_text(NET, encoding="utf-8")
    return path


@pytest.fixture
def python(tmp_path):
    """Start Python in a folder of its own."""

    def call(*arguments, **options):
        words = [sys.executable, *map(str, arguments)]
        return subprocess.run(words, check=False, cwd=tmp_path, **options)

    return call
