"""The command line, run for real: every verb, every bad input, terminals and pipes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import onnx
import pytest

import htp
from htp.cli import main
from htp.companions import KnownBreak, installed, known_breaks
from htp.torch_release import RELEASE, TORCH

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere

TIMES = "\N{MULTIPLICATION SIGN}"

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


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in a folder of its own; what it does to the import path is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

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

    def call(*arguments, code=1):
        before = sorted(os.listdir("."))
        ran = run(*arguments)
        assert ran.code == code
        assert "Error: " in ran.err
        assert "Traceback" not in ran.out + ran.err
        assert not ran.out
        assert sorted(os.listdir(".")) == before
        return ran.err

    return call


@pytest.fixture(scope="module")
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


def python(*arguments, **options):
    return subprocess.run([sys.executable, *map(str, arguments)], check=False, **options)


# --- what every command shares


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


def test_help_imports_neither_torch_nor_onnx_nor_rich(tmp_path):
    code = (
        "import sys; from htp.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(*(m for m in ('torch', 'onnx', 'rich') if m in sys.modules), 'end')"
    )
    ran = python("-c", code, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert ran.stdout.splitlines()[-1].strip() == "end"


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_missing_extra_is_one_line(missing, tmp_path):
    code = f"import sys; sys.modules[{missing!r}] = None; from htp.cli import main; main(['demo'])"
    ran = python("-c", code, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert ran.returncode == 1
    expected = f"Error: the command line needs {missing}. Install with: pip install {missing}\n"
    assert ran.stderr == expected


def test_traceback_on_demand(run):
    with pytest.raises(htp.InvalidModelError):
        main(["--traceback", "tree", "missing.onnx"])
    assert run("tree", "missing.onnx").code == 1


# --- export


@pytest.mark.parametrize("target", ["some_net:pair", "some_net.py:mapping", "{net}:mapping"])
def test_export(target, net, run):
    ran = run("export", target.format(net=net), "-o", "net.onnx")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("Wrote net.onnx (")
    assert f"backend {htp.backend}, torch {TORCH}" in lines[2]
    tagged = htp.load("net.onnx")
    assert lines[1].startswith(str(tagged.coverage).split(",", maxsplit=1)[0])
    assert tagged.find("body.0")[0][1].stack[0].type.endswith("some_net.Net")
    onnx.checker.check_model("net.onnx")


def test_export_takes_backend_and_opset(net, run):
    ran = run("export", f"{net}:pair", "-o", "net.onnx", "--backend", htp.backend, "--opset", 18)
    if ran.code == 0:
        assert [item.version for item in onnx.load("net.onnx").opset_import if not item.domain] == [
            18
        ]
    else:  # a torch that does not know this opset
        assert "18" in ran.err
        assert not os.path.exists("net.onnx")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("some_net:par", "did you mean 'pair'"),
        ("some_net:model", "is a Net; a function without arguments is needed"),
        ("some_net:nothing", "returned a NoneType"),
        ("some_net:alone", "returned a tuple of 1"),
        ("some_net:misspelt", "the key 'arguments'"),
        ("some_net:without_model", "without a 'model'"),
        ("some_net:broken", "ValueError: no weights here (" + os.sep),
        ("no_such_module:pair", "There is no module 'no_such_module'"),
        ("no_such_file.py:pair", "There is no file 'no_such_file.py'"),
        ("some_net:misfit", ""),
    ],
)
def test_export_of_a_wrong_target(target, said, net, failing):
    assert net.exists()
    assert said in failing("export", target, "-o", "net.onnx")


@pytest.mark.parametrize("target", ["some_net", ":pair", "some_net:"])
def test_export_of_no_target(target, failing):
    assert "is not MODULE:FUNCTION" in failing("export", target, "-o", "net.onnx", code=2)


def test_export_of_a_module_that_cannot_be_imported(failing, tmp_path):
    (tmp_path / "sick.py").write_text("import not_there_either\n", encoding="utf-8")
    for target in ("sick:pair", "sick.py:pair"):
        said = failing("export", target, "-o", "net.onnx")
        assert "sick" in said
        assert "No module named 'not_there_either'" in said


def test_export_into_a_missing_folder_is_told_before_the_model_is_built(failing, net):
    assert net.exists()
    assert "no folder" in failing("export", "some_net:broken", "-o", "missing/net.onnx")


def test_export_to_a_folder(failing, tmp_path):
    assert "is a folder" in failing("export", "some_net:pair", "-o", tmp_path)


def test_export_with_an_unknown_backend(failing):
    said = failing("export", "some_net:pair", "-o", "net.onnx", "--backend", "torchscrip")
    assert "did you mean 'torchscript'" in said


def test_export_overwrites_only_when_it_succeeds(net, run):
    Path("net.onnx").write_text("old", encoding="utf-8")
    assert run("export", f"{net}:misfit", "-o", "net.onnx").code == 1
    assert Path("net.onnx").read_text(encoding="utf-8") == "old"
    assert run("export", f"{net}:pair", "-o", "net.onnx").code == 0
    assert htp.load("net.onnx").backend == htp.backend


# --- demo, tree


def test_demo_prints_the_tree_and_writes_nothing(run):
    ran = run("demo")
    assert ran.code == 0
    assert "layer.1" in ran.out
    assert f"norm {TIMES}2" in ran.out
    assert f"backend {htp.backend}, torch {TORCH}" in ran.out
    assert not os.listdir(".")


def test_tree(demo, run):
    ran = run("tree", demo)
    assert ran.code == 0
    rows = {line.split("  ")[0].strip(" │├└─"): line.split() for line in ran.out.splitlines()}
    coverage = htp.load(demo).coverage
    assert str(coverage) in ran.out
    assert str(coverage.total) in rows["(root)"]
    assert "DemoTransformer" in rows["(root)"]
    assert "Embedding" in rows["tokens"]
    assert not any(line.endswith(" ") for line in ran.out.splitlines())


def test_tree_of_every_call(demo, run):
    out = run("tree", demo, "--calls").out
    assert "norm@1" in out
    assert TIMES not in out


def test_tree_depth(demo, run):
    assert "encoder" not in run("tree", demo, "--depth", 0).out
    out = run("tree", demo, "--depth", 1).out
    assert "encoder" in out
    assert "layer.0" not in out


def _calls_of(row):
    yield row
    for child in row["children"]:
        yield from _calls_of(child)


@pytest.mark.parametrize("apart", [False, True])
def test_tree_as_json_adds_up(apart, demo, run):
    ran = run("tree", demo, "--json", *(["--calls"] if apart else []))
    report = json.loads(ran.out)
    tagged = htp.load(demo)
    rows = list(_calls_of(report["tree"]))
    assert report["backend"] == htp.backend
    assert report["torch"] == TORCH
    assert report["coverage"]["total"] == tagged.coverage.total
    assert sum(row["own"]["total"] for row in rows) + report["unknown"] == tagged.coverage.total
    assert report["tree"]["total"]["total"] + report["unknown"] == tagged.coverage.total
    norms = [row for row in rows if row["path"] == "encoder.layer.0.norm"]
    if apart:
        assert [row["call"] for row in norms] == [0, 1]
    else:
        assert [row["calls"] for row in norms] == [2]
    if not report["unknown"]:
        assert report["tree"]["total"] == report["coverage"]


def test_tree_on_a_terminal_is_coloured_unless_told_not_to(demo, tmp_path):
    pty = pytest.importorskip("pty")

    def shown(**environment):
        reader, writer = pty.openpty()
        python("-m", "htp", "tree", demo, stdout=writer, cwd=tmp_path, env=environment)
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

    base = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    base.update(TERM="xterm-256color", PYTHONIOENCODING="utf-8", COLUMNS="60")
    assert "\x1b[32m" in shown(**base)
    plain = shown(**base, NO_COLOR="1")
    assert "\x1b[32m" not in plain
    assert "attention" in plain


def test_tree_in_ascii(demo, tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = python("-m", "htp", "tree", demo, stdout=-1, cwd=tmp_path, env=environment)
    assert ran.returncode == 0
    assert "`-- head" in ran.stdout.decode("ascii")
    assert "norm x2" in ran.stdout.decode("ascii")


# --- nodes


def test_nodes_are_names_to_pipe_onward(demo, run):
    ran = run("nodes", demo, "encoder.layer.0.*")
    names = ran.out.splitlines()
    model = onnx.load(str(demo))
    known = {node.name or node.output[0] for node in model.graph.node}
    assert names
    assert set(names) <= known
    assert set(names) < set(run("nodes", demo).out.splitlines())


def test_nodes_of_one_operator(demo, run):
    found = json.loads(
        run("nodes", demo, "encoder.layer.0.mlp", "--op-type", "MatMul", "--json").out
    )
    assert {row["path"] for row in found} == {"encoder.layer.0.mlp.0", "encoder.layer.0.mlp.2"}
    assert {row["op_type"] for row in found} == {"MatMul"}
    assert all(row["stack"][0]["path"] == "" for row in found)


def test_nodes_without_a_name_are_called_by_their_output(demo, run):
    model = onnx.load(str(demo))
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, "nameless.onnx")
    names = run("nodes", "nameless.onnx", "head").out.splitlines()
    outputs = {value for node in model.graph.node for value in node.output}
    assert names
    assert set(names) <= outputs


def test_nodes_of_an_unknown_module(demo, failing):
    said = failing("nodes", demo, "encoder.layr.0")
    assert "did you mean 'encoder.layer.0'" in said


def test_nodes_stop_quietly_when_the_reader_leaves(demo, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    ran = python("-m", "htp", "nodes", demo, stdout=writer, stderr=-1, cwd=tmp_path)
    os.close(writer)
    assert ran.returncode != 0
    assert not ran.stderr


# --- strip


def test_strip_into_another_file(demo, run):
    before = demo.read_bytes()
    ran = run("strip", demo, "-o", "plain.onnx")
    assert ran.code == 0, ran.err
    assert demo.read_bytes() == before
    assert b"pkg.htp" in before
    assert b"pkg.htp" not in Path("plain.onnx").read_bytes()
    onnx.checker.check_model("plain.onnx")


def test_strip_in_place(net, run):
    run("export", f"{net}:pair", "-o", "net.onnx")
    assert run("strip", "net.onnx", "--in-place").code == 0
    assert b"pkg.htp" not in Path("net.onnx").read_bytes()


def test_strip_needs_one_place_to_write_to(demo, failing):
    assert "either -o FILE or --in-place" in failing("strip", demo, code=2)
    failing("strip", demo, "-o", "plain.onnx", "--in-place", code=2)


def test_strip_into_a_missing_folder(demo, failing):
    assert "no folder" in failing("strip", demo, "-o", "missing/plain.onnx")


# --- files that are no tagged models


@pytest.mark.parametrize("command", ["tree", "nodes", "strip"])
@pytest.mark.parametrize("content", [None, b"", b"not a model at all", b"\x08\x08\x3a\xff\xff\x01"])
def test_a_bad_file(command, content, failing, tmp_path):
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    failing(command, path, *(["--in-place"] if command == "strip" else []))
    assert content is None or path.read_bytes() == content


def test_a_cut_file(demo, failing, tmp_path):
    path = tmp_path / "cut.onnx"
    path.write_bytes(demo.read_bytes()[:5000])
    failing("tree", path)


def test_a_folder_is_no_model(failing, tmp_path):
    failing("tree", tmp_path)


def test_a_model_without_tags(failing):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [out])), "bare.onnx"
    )
    assert "no tags" in failing("tree", "bare.onnx")


# --- doctor


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
    broken = [row for row in known_breaks(RELEASE) if row.hits(installed()[row.package])]
    assert not broken


def test_known_breaks_are_rows_of_releases():
    assert [row.package for row in known_breaks(htp.torch_release.Version("2.6.0"))]
    assert not known_breaks(None)
    row = KnownBreak("==2.6.0", "protobuf", ">=7", "an error", "protobuf<7")
    assert row.hits("7.36.2")
    assert not row.hits("6.33.6")
    assert not row.hits(None)
