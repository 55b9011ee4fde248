"""Running the command line as a user does, in folders of their own."""

import os
import subprocess
import sys
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
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "-o", str(path)])
    assert not stopped.value.code
    return path


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
