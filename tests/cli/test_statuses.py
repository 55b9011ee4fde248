"""Every command's exit statuses, and what goes where: a row for each command of the app.

0: done, or nothing found where finding is the point. 1: it found something. 2: wrong usage. 3: it
could not be done. The files are made by hand: most rows need no torch.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional

import click
import numpy as np
import pytest
from onnx import TensorProto, helper
from proving import faulty

from htp.cli.app import app

RUNTIME, TORCH = "onnxruntime", "torch"

NET = """
import torch


def build():
    return torch.nn.Sequential(torch.nn.Linear(4, 3)).eval(), (torch.ones(2, 4),)


def broken():
    raise ValueError("no weights here")
"""


@dataclass
class Row:
    """What is tried of one command.

    Attributes:
        done: command lines that end with 0.
        found: with 1; where nothing can be found, there is none.
        usage: with 2.
        failed: with 3, beside those that follow from ``reads`` and ``writes``.
        reads: command lines with ``{}`` for a file that has to be there and be a model.
        writes: the same for a file that is written.
        needs: packages without which the first of ``done`` cannot be.
        json: the schema of what ``--json`` prints, added to the first of ``done`` and ``found``.
    """

    done: List[str] = field(default_factory=list)
    found: List[str] = field(default_factory=list)
    usage: List[str] = field(default_factory=list)
    failed: List[str] = field(default_factory=list)
    reads: List[str] = field(default_factory=list)
    writes: List[str] = field(default_factory=list)
    needs: List[str] = field(default_factory=list)
    json: Optional[str] = None


TABLE: Dict[str, Row] = {
    "annotate": Row(
        done=["named.onnx -o out.onnx"],
        usage=["named.onnx", "-o out.onnx"],
        failed=["model.onnx -o out.onnx", "plain.onnx -o out.onnx"],
        reads=["{} -o out.onnx"],
        writes=["named.onnx -o {}"],
        json="htp.annotate/1",
    ),
    "bisect": Row(
        done=["model.onnx model.onnx --inputs in.npz"],
        found=["model.onnx faulty.onnx --inputs in.npz"],
        usage=[
            *("model.onnx", "model.onnx faulty.onnx --inputs in.npz --shape n=1"),
            *("model.onnx faulty.onnx --shape n", "model.onnx faulty.onnx --most 0"),
        ],
        failed=[
            *("model.onnx faulty.onnx", "model.onnx faulty.onnx --shape nothing=1"),
            *("model.onnx faulty.onnx --inputs none.npz", "model.onnx other.onnx --inputs in.npz"),
        ],
        reads=["{} model.onnx --inputs in.npz", "model.onnx {} --inputs in.npz"],
        needs=[RUNTIME],
        json="htp.bisect/1",
    ),
    "boundary": Row(
        done=["model.onnx head"],
        usage=["model.onnx", "model.onnx head --call x", "model.onnx head --call -1"],
        failed=["model.onnx nothing", "model.onnx head --call 7"],
        reads=["{} head"],
        json="htp.boundary/1",
    ),
    "carry": Row(
        done=["model.onnx bare.onnx -o out.onnx", "model.onnx grown.onnx -o out.onnx"],
        found=["model.onnx grown.onnx --report --strict"],
        usage=["model.onnx bare.onnx", "model.onnx -o out.onnx"],
        failed=["model.onnx other.onnx -o out.onnx"],
        reads=["{} bare.onnx -o out.onnx", "model.onnx {} -o out.onnx"],
        writes=["model.onnx bare.onnx -o {}"],
        json="htp.carry/1",
    ),
    "completion": Row(done=["bash", "zsh", "fish"], usage=["", "powershell"]),
    "demo": Row(usage=["more"], writes=["-o {}"], failed=["--backend nothing"], needs=[TORCH]),
    "diff": Row(
        done=["model.onnx model.onnx"],
        found=["model.onnx faulty.onnx", "model.onnx other.onnx"],
        usage=["model.onnx"],
        reads=["{} model.onnx", "model.onnx {}"],
        json="htp.diff/1",
    ),
    "doctor": Row(usage=["more"]),  # whether it finds something: test_shell.py
    "export": Row(
        done=["net.py:build -o out.onnx --backend torchscript"],
        usage=["net.py:build", "net.py -o out.onnx", "net.py:build -o out.onnx --opset x"],
        failed=[
            *("net.py:nothing -o out.onnx", "net.py:broken -o out.onnx", "no.py:f -o out.onnx"),
            *(
                "net.py:build -o out.onnx --backend no",
                "net.py:build -o out.onnx --opset 99 --backend torchscript",
            ),
        ],
        writes=["net.py:build -o {}"],
        needs=[TORCH],
        json="htp.export/1",
    ),
    "extract": Row(
        done=[
            "model.onnx layer.1 -o out.onnx",
            "model.onnx --split-at layer.1 -o 1.onnx -o 2.onnx",
        ],
        usage=[
            *(
                "model.onnx -o out.onnx",
                "model.onnx layer.1",
                "model.onnx --from layer.1 -o o.onnx",
            ),
            *("model.onnx --split-at layer.1 -o 1.onnx", "model.onnx layer.1 -o model.onnx"),
        ],
        failed=["model.onnx nothing -o out.onnx", "model.onnx layer.1 --call 3 -o out.onnx"],
        reads=["{} layer.1 -o out.onnx"],
        writes=["model.onnx layer.1 -o {}"],
        json="htp.extract/1",
    ),
    "functions": Row(
        done=["model.onnx layer.? -o out.onnx"],
        usage=["model.onnx -o out.onnx", "model.onnx layer.1"],
        failed=["model.onnx nothing -o out.onnx"],
        reads=["{} layer.? -o out.onnx"],
        writes=["model.onnx layer.? -o {}"],
        json="htp.functions/1",
    ),
    "nodes": Row(
        done=["model.onnx", "model.onnx layer.*", "model.onnx layer.1 --op-type Conv"],
        usage=["", "model.onnx layer.1 more"],
        failed=["model.onnx nothing"],
        reads=["{}"],
        json="htp.nodes/1",
    ),
    "profile": Row(
        done=["model.onnx --inputs in.npz --runs 1"],
        usage=[
            "model.onnx --runs 0",
            "model.onnx --from a.json --threads 1",
            "model.onnx --sort x",
        ],
        failed=[
            *("model.onnx", "model.onnx --shape nothing=1", "model.onnx --inputs none.npz"),
            *("model.onnx --inputs in.npz --provider Nothing", "model.onnx --from none.json"),
            *("model.onnx --from net.py", "model.onnx --inputs in.npz --flame no/such/f.json"),
            *("model.onnx --from model.onnx", "other.onnx --inputs in.npz"),
        ],
        reads=["{} --inputs in.npz"],
        needs=[RUNTIME],
        json="htp.profile/1",
    ),
    "report": Row(
        done=[
            "model.onnx -o report.html --shape n=1",
            "model.onnx -o report.html --extract layer.1 --parts parts",
        ],
        usage=[
            *("model.onnx", "-o report.html", "model.onnx -o model.onnx"),
            *("model.onnx -o r.html --extract layer.1", "model.onnx -o r.html --parts parts"),
        ],
        failed=[
            *("model.onnx -o r.html --with none.json", "model.onnx -o r.html --with text.onnx"),
            "model.onnx -o r.html --extract nothing --parts parts",
        ],
        reads=["{} -o report.html"],
        writes=["model.onnx -o {}"],
    ),
    "run": Row(  # its status is the command's
        done=["-- net.py"],
        usage=["", "-- nothing-of-that-name", "-- -m"],
        failed=["--backend nothing -- net.py"],
    ),
    "select": Row(
        done=["model.onnx layer.1", "model.onnx --op-type Conv"],
        usage=["", "model.onnx --format nothing"],
        failed=["model.onnx nothing", "model.onnx --class Nothing", "model.onnx --not nothing"],
        reads=["{} layer.1"],
        json="htp.select/1",
    ),
    "sensitivity": Row(
        done=[
            *("model.onnx faulty.onnx --inputs in.npz", "model.onnx model.onnx --inputs in.npz"),
            "model.onnx --overflow 50000 --inputs in.npz",
        ],
        found=["model.onnx --overflow 1 --inputs in.npz"],
        usage=[
            *("model.onnx", "model.onnx faulty.onnx --overflow 1", "model.onnx --overflow x"),
            *("model.onnx faulty.onnx --target 2", "model.onnx faulty.onnx --format nothing"),
        ],
        failed=[
            *("model.onnx faulty.onnx", "model.onnx --overflow 70000 --inputs in.npz"),
            *("model.onnx --overflow 0 --inputs in.npz", "model.onnx other.onnx --inputs in.npz"),
        ],
        reads=[
            *("{} faulty.onnx --inputs in.npz", "model.onnx {} --inputs in.npz"),
            "{} --overflow 1 --inputs in.npz",
        ],
        needs=[RUNTIME],
        json="htp.sensitivity/1",
    ),
    "strip": Row(
        done=["model.onnx -o out.onnx"],
        usage=["model.onnx", "model.onnx -o out.onnx --in-place"],
        reads=["{} -o out.onnx"],
        writes=["model.onnx -o {}"],
        json="htp.strip/1",
    ),
    "tree": Row(
        done=["model.onnx", "model.onnx --cost --shape n=1"],
        usage=["", "model.onnx --depth x", "model.onnx --sort nothing", "model.onnx --shape n"],
        failed=["model.onnx --shape nothing=1"],
        reads=["{}"],
        json="htp.tree/1",
    ),
    "verify": Row(
        done=["model.onnx model.onnx --inputs in.npz"],
        found=["model.onnx faulty.onnx --inputs in.npz"],
        usage=["model.onnx", "model.onnx faulty.onnx", "net.py model.onnx", "a:b m --level no"],
        failed=["model.onnx other.onnx --inputs in.npz", "model.onnx model.onnx --inputs none.npz"],
        reads=["{} model.onnx --inputs in.npz", "model.onnx {} --inputs in.npz"],
        needs=[RUNTIME],
        json="htp.verify/1",
    ),
}


def named(name="/act/Relu"):
    """A file that was exported without HTP; the name of its node tells of a module."""
    node = helper.make_node("Relu", ["a"], ["b"], name)
    ends = [helper.make_tensor_value_info(each, TensorProto.FLOAT, [2]) for each in "ab"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def grown(made):
    """The model with a node that nobody reads, of which nothing can be told."""
    made.graph.node.append(helper.make_node("Cos", ["c"], ["d"], "strange"))
    made.graph.input.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, [2]))
    made.graph.output.append(helper.make_tensor_value_info("d", TensorProto.FLOAT, [2]))
    return made


@pytest.fixture(scope="module")
def held():
    bare = faulty.layers()
    for node in bare.graph.node:
        del node.metadata_props[:]
    models = {"model": faulty.layers(), "faulty": faulty.layers(faults=[2, 5]), "bare": bare}
    models.update(other=named(), named=named(), plain=named("r"), grown=grown(faulty.layers()))
    found = {f"{name}.onnx": each.SerializeToString() for name, each in models.items()}
    half = len(found["model.onnx"]) // 2
    found.update({"cut.onnx": found["model.onnx"][:half], "empty.onnx": b"", "text.onnx": b"hello"})
    return found


@pytest.fixture
def folder(tmp_path, held):
    for name, data in held.items():
        (tmp_path / name).write_bytes(data)
    np.savez(tmp_path / "in.npz", **faulty.samples()[0])
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    (tmp_path / "folder.onnx").mkdir()
    return tmp_path


def lines(what):
    return [
        pytest.param(name, line, id=f"{name} {line}")
        for name, row in TABLE.items()
        for line in getattr(row, what)
    ]


def check(name, line, status, run):
    """Run a command line; its status, and that no more than one error is told, and alone."""
    for package in TABLE[name].needs:
        pytest.importorskip(package)
    if ".py" in line:
        pytest.importorskip(TORCH)
    ran = run(name, *line.split())
    assert ran.code == status, ran.out + ran.err
    assert "Traceback" not in ran.err
    errors = [each for each in ran.err.split("\n") if each.startswith("Error: ")]
    assert len(errors) == (status in {2, 3}), ran.err
    if status in {2, 3}:
        assert not ran.out
    return ran


pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere


def test_every_command_has_a_row():
    assert sorted(TABLE) == sorted(app.commands)


@pytest.mark.parametrize(("name", "line"), lines("done"))
def test_done(name, line, folder, run):
    if name == "run":
        ran = subprocess.run([sys.executable, "-m", "htp", "run", *line.split()], check=False)
        assert ran.returncode == 0
        return
    check(name, line, 0, run)


@pytest.mark.parametrize(("name", "line"), lines("found"))
def test_found(name, line, folder, run):
    check(name, line, 1, run)


@pytest.mark.parametrize(("name", "line"), lines("usage"))
def test_wrong_usage(name, line, folder, run):
    before = sorted(os.listdir(folder))
    assert "Usage: htp " in check(name, line, 2, run).err
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("name", sorted(app.commands))
def test_an_unknown_option(name, folder, run):
    ran = run(name, "--no-such-option")
    assert ran.code == 2
    assert "no-such-option" in ran.err


@pytest.mark.parametrize(("name", "line"), lines("failed"))
def test_it_could_not_be_done(name, line, folder, run):
    before = sorted(os.listdir(folder))
    check(name, line, 3, run)
    assert sorted(os.listdir(folder)) == before


BAD = ("missing.onnx", "cut.onnx", "text.onnx", "empty.onnx", "folder.onnx")


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(("name", "line"), lines("reads"))
def test_a_bad_file(name, line, bad, folder, run):
    before = sorted(os.listdir(folder))
    assert bad in check(name, line.format(bad), 3, run).err
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("place", ["no/such/out.onnx", "folder.onnx"])
@pytest.mark.parametrize(("name", "line"), lines("writes"))
def test_where_nothing_can_be_written(name, line, place, folder, run):
    assert "folder" in check(name, line.format(place), 3, run).err


WITHOUT = [(name, package) for name, row in TABLE.items() for package in row.needs]


@pytest.mark.parametrize(("name", "package"), WITHOUT)
def test_without_a_package(name, package, folder, run, monkeypatch):
    for module in [each for each in sys.modules if each.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "htp.cli.demo_model", raising=False)
    line = next(iter(TABLE[name].done), "")
    ran = run(name, *line.split())
    assert ran.code == 3, ran.out + ran.err
    assert package in ran.err
    assert "Hint: " in ran.err


WITH_JSON = [
    pytest.param(name, line, row.json, id=f"{name} {line}")
    for name, row in TABLE.items()
    if row.json
    for line in (*row.done[:1], *row.found[:1])
]


@pytest.mark.parametrize(("name", "line", "schema"), WITH_JSON)
def test_json_is_one_document_and_alone(name, line, schema, folder, run):
    for package in TABLE[name].needs:
        pytest.importorskip(package)
    ran = run(name, *line.split(), "--json")
    told = json.loads(ran.out)
    assert told["schema"] == ("htp.overflow/1" if "--overflow" in line else schema)
    assert ran.code == (0 if line in TABLE[name].done else 1)


@pytest.mark.parametrize("name", sorted(app.commands))
def test_help(name, run):
    """It fits 100 columns and shows how the command is called."""
    ran = run(name, "-h")
    assert ran.code == 0
    assert max(map(len, ran.out.split("\n"))) <= 100
    assert "  Examples:" in ran.out
    assert f"    htp {name}" in ran.out or name == "completion"


def test_an_option_is_the_same_everywhere():
    """Of one name one form; what it says may differ where it is of something else."""
    forms = {}
    for command in app.commands.values():
        for param in command.params:
            for word in param.opts if isinstance(param, click.Option) else ():
                forms.setdefault(word, set()).add((param.metavar, param.is_flag, param.multiple))
    several = {word for word, found in forms.items() if len(found) > 1}
    assert several == set(SEVERAL)


SEVERAL = {
    "--format": "a tool's list, a viewer's data",
    "--from": "a module in extract, a report in profile",
    "--output": "two in extract --split-at",
    "-o": "likewise",
    "--sort": "by what, where there are several figures",
}


def test_what_has_json_says_its_schema():
    with_json = {
        name
        for name, command in app.commands.items()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert with_json == {name for name, row in TABLE.items() if row.json} | {"doctor"}


@pytest.mark.parametrize("words", ["nodes model.onnx", "tree model.onnx --json", "tree --help"])
def test_a_reader_that_leaves(words, folder, python):
    reader, writer = os.pipe()
    os.close(reader)
    ran = python("-m", "htp", *words.split(), stdout=writer, stderr=-1, text=True)
    os.close(writer)
    assert ran.stderr == ""
    assert ran.returncode == 3


PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"


class TestThePage:
    """docs/commands.md is of the commands that there are."""

    TEXT = PAGE.read_text(encoding="utf-8")
    ROWS = re.findall(
        r"^\| \[`htp ([a-z]+)`\]\(.*?\) \| (.*?) \| ?(.*?) ?\| ?`?(.*?)`? ?\|$", TEXT, re.MULTILINE
    )
    LINKS = re.findall(r"^\| \[`htp ([a-z]+)`\]\((.*?)\) \|", TEXT, re.MULTILINE)

    def test_every_command_stands_there(self):
        listed = [(name, what) for name, what, _, _ in self.ROWS]
        told = {name: command.get_short_help_str(200) for name, command in app.commands.items()}
        assert listed == sorted(told.items())

    @pytest.mark.parametrize(("name", "link"), LINKS)
    def test_each_has_a_page_that_shows_how_it_is_used(self, name, link):
        page, _, _ = link.partition("#")
        text = (PAGE.parent / (page or PAGE.name)).read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.startswith("|")]
        assert [line for line in lines if re.search(rf"htp {name}\b", line)]

    def test_schemas(self):
        told = {name: schema for name, _, _, schema in self.ROWS if schema}
        known = {name: row.json for name, row in TABLE.items() if row.json}
        assert told == {**known, "doctor": "htp.doctor/1"}

    def test_who_finds_something(self):
        told = {name for name, _, found, _ in self.ROWS if found}
        assert told == {name for name, row in TABLE.items() if row.found} | {"doctor", "run"}

    def test_the_snippet_runs(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "model.onnx").write_bytes(faulty.layers().SerializeToString())
        (snippet,) = re.findall(r"^```python\n(.*?)^```", self.TEXT, re.MULTILINE | re.DOTALL)
        exec(compile(snippet.replace("encoder.layer.0", "layer.0"), str(PAGE), "exec"), {})
        assert f"    {capsys.readouterr().out}" in self.TEXT
