"""No text of a file, a plug-in or the environment does anything to a terminal. Needs no torch."""

import ast
import json
import os
import re
from importlib import metadata
from pathlib import Path

import onnx
import pytest
from onnx import helper

import htp
from htp import registry
from htp.cli import doctor, terminal

EVIL = (
    "a\x1b[31mred\x1b]0;title\x07\x1b]8;;http://evil\x1b\\link\x9b31m\u202edlrow\u2066\u200b"
    "\x00\x7f\nHint: fake\r\b\x85\u2028\ud7ff"
)
ROOT = Path(terminal.__file__).parent


def hostile(name=EVIL, kept=True):
    """A file in which every text that HTP reads is hostile."""
    calls = [["", f"m.{name}", 0], [name, f"m.{name}", 0]]
    node = helper.make_node(name, ["x"], [f"{name}1"], name)
    unknown = helper.make_node("Relu", ["x"], [f"{name}2"], f"{name}?")
    tags = {"stack": json.dumps(calls), "path": name, "provenance": "captured"}
    shared = json.dumps([["other", name, 1]])
    for key, value in {**tags, "shared": shared, "sharing": "merged", "origin": "0" * 16}.items():
        if kept:
            node.metadata_props.add(key=f"pkg.htp.{key}", value=value)
    graph = helper.make_graph([node, unknown], name, [], [])
    model = helper.make_model(graph)
    said = {"schema": "2", "backend": name, "torch": name, "htp": name}
    said["calls"] = [[*call, depth] for depth, call in enumerate(calls)]
    model.metadata_props.add(key=f"pkg.htp.{'0' * 16}", value=json.dumps(said))
    return model


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "hostile.onnx"
    file.write_bytes(hostile().SerializeToString())
    return file


def is_safe(text):
    return all(line.isprintable() for line in text.split("\n"))


def said_all(ran):
    text = ran.out + ran.err
    assert is_safe(text), ascii(text)
    assert not [line for line in text.split("\n") if line.startswith(("Hint: fake", "Error: fake"))]
    return text


def test_the_hostile_text_is_hostile():
    assert not is_safe(EVIL)
    assert {ascii(each) for each in EVIL if not each.isprintable()} >= {"'\\x00'", "'\\x9b'"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("tree",),
        ("tree", "--calls"),
        ("tree", "--json"),
        ("nodes",),
        ("nodes", "--json"),
        ("nodes", "*"),
        ("select",),
        ("select", "--json"),
        ("boundary", ""),
        ("tree", "--cost"),
        ("tree", "--cost", "--json"),
        ("boundary", "", "--json"),
        ("select", "--format", "trtexec"),
        ("select", "--format", "ort-exclude"),
        ("strip", "-o", "a\x1b[31m\u202eb\n.onnx"),
    ],
)
def test_what_a_file_says_is_spelled_out(arguments, path, run):
    command, *options = arguments
    ran = run(command, path, *options)
    assert ran.code == 0, ran.err
    text = said_all(ran)
    assert "\\x1b" in text or "\\u001b" in text


def test_a_name_in_nodes_is_one_line(path, run):
    assert len(run("nodes", path).out.splitlines()) == 2
    listed = json.loads(run("nodes", path, "--json").out)
    assert [row["name"] for row in listed["nodes"]] == [EVIL]


@pytest.mark.parametrize("pattern", ["red", EVIL + "x", "a\x1b[31m"])
def test_hints(pattern, path, run):
    ran = run("nodes", path, pattern)
    assert ran.code == 3
    assert "Hint: " in said_all(ran)


@pytest.mark.parametrize(
    "change",
    [
        {"pkg.htp.stack": EVIL},
        {"pkg.htp.provenance": EVIL},
        {"pkg.htp.sharing": EVIL},
        {"pkg.htp.shared": EVIL},
    ],
)
def test_errors(change, path, run):
    model = hostile()
    for prop in model.graph.node[0].metadata_props:
        prop.value = change.get(prop.key, prop.value)
    path.write_bytes(model.SerializeToString())
    ran = run("tree", path)
    assert ran.code == 3
    assert "Error: " in said_all(ran)


@pytest.mark.parametrize("key", ["schema", "calls"])
def test_errors_of_an_origin(key, path, run):
    model = hostile()
    held = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps({**held, key: EVIL})
    path.write_bytes(model.SerializeToString())
    assert "Error: " in said_all(run("tree", path))


def test_a_data_file_with_such_a_name(path, run, tmp_path):
    model = hostile()
    tensor = model.graph.initializer.add(data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=EVIL.replace("\0", ""))
    path.write_bytes(model.SerializeToString())
    (tmp_path / "out").mkdir()
    ran = run("strip", path, "-o", tmp_path / "out" / "plain.onnx")
    assert ran.code == 3
    assert "is missing" in said_all(ran)


@pytest.mark.parametrize(
    "arguments",
    [
        ("tree", "no\x1b[31msuch\n\u202efile"),
        ("no\x1b[31msuch\u202ecommand",),
        ("tree", "--no\x1b[31msuch\u202eoption"),
        ("tree", "a.onnx", "--depth", "\x1b[31m\u202e"),
        ("strip", "a\x1b.onnx", "-o", "no\x1b[31m/such\u202e/folder"),
        ("export", "no\x1b[31msuch\u202e:f", "-o", "x.onnx"),
        ("export", "\x1b[31m\u202e", "-o", "x.onnx"),
        ("export", "a:b", "-o", "x.onnx", "--backend", "\x1b[31m\u202e"),
        ("--traceback", "tree", "a\x1b[31m\u202eb"),
    ],
)
def test_what_is_typed(arguments, run, monkeypatch, capsys):
    if arguments[0] == "--traceback":
        monkeypatch.setattr("sys.excepthook", None)
        with pytest.raises(htp.HTPError) as caught:
            run(*arguments)
        import sys

        sys.excepthook(caught.type, caught.value, caught.tb)
        text = capsys.readouterr().err
        assert "InvalidModelError" in text
        assert is_safe(text)
        return
    ran = run(*arguments)
    assert ran.code in (2, 3)
    assert "Error: " in said_all(ran)


@pytest.mark.filterwarnings("always")
def test_warnings(path, run):
    path.write_bytes(hostile(kept=False).SerializeToString())
    text = said_all(run("tree", path))
    assert "Warning: " in text
    assert "no node of it has a tag any more" in text


def plug_in(monkeypatch):
    """One whose every text is hostile, and fails with such a text."""
    spec = htp.BackendSpec(
        name=f"evil{EVIL}",
        since="2.5",
        target=f"not_there_{EVIL}:Backend",
        exporter="fx",
        protocol=2,
    )
    monkeypatch.setattr(registry, "available_backends", lambda: [told(spec)])


def told(spec):
    return registry.BackendInfo(
        name=spec.name,
        torch=f">=1{EVIL}",
        default=False,
        usable=False,
        reason=f"it said {EVIL}",
    )


def test_doctor(run, monkeypatch):
    monkeypatch.setenv("HTP_BACKEND", "\x1b[31m\u202enone\nHint: fake")
    plug_in(monkeypatch)
    monkeypatch.setattr("platform.platform", lambda: f"OS {EVIL}")
    monkeypatch.setattr(metadata, "version", lambda name: "1.0")
    monkeypatch.setattr(doctor.companions, "installed", lambda: {"onnx": "99", EVIL: EVIL})
    for options in ((), ("--json",)):
        text = said_all(run("doctor", *options))
        assert "evila" in text


def test_version(run, monkeypatch):
    monkeypatch.setattr(registry, "default_name", lambda: f"evil{EVIL}")
    assert "evila" in said_all(run("--version"))


COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("arguments", [("tree",), ("nodes",), ("tree", "--json")])
def test_on_a_terminal(arguments, path, python):
    """Colours are HTP's own; but for them there is nothing else."""
    pty = pytest.importorskip("pty")
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    reader, writer = pty.openpty()
    command, *options = arguments
    python("-m", "htp", command, path, *options, stdout=writer, stderr=writer, env=environment)
    os.close(writer)
    text = b""
    while True:
        try:
            piece = os.read(reader, 65536)
        except OSError:  # how Linux ends a terminal
            break
        if not piece:
            break
        text += piece
    os.close(reader)
    plain = COLOURS.sub("", text.decode()).replace("\r\n", "\n")
    assert "red" in plain
    assert "\x1b[31mred" not in text.decode()
    assert is_safe(plain), ascii(plain)


def test_lines_of_an_error_are_set_in():
    assert terminal.paragraph("one\nHint: two\x1b") == "one\n  Hint: two\\x1b"


PRINTS = {"print", "echo", "secho", "Console", "Table", "Text", "write", "writelines", "show"}
ALLOWED = {
    "terminal.py": PRINTS,
    "progress.py": {"write"},  # a line on standard error, whose text is made safe
    "commands.py": {"show"},  # click's own words, into a buffer
    "children.py": {"write"},  # into a folder of its own
    "__init__.py": {"write"},  # without click there is no terminal.py
}


def test_no_command_prints_by_itself():
    found = {}
    for file in sorted(ROOT.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in PRINTS - ALLOWED.get(file.name, set()):
                    found.setdefault(file.name, []).append((node.lineno, name))
    assert found == {}


def test_nothing_is_lost_in_a_pipe_but_what_is_absurd(tmp_path, run):
    file = tmp_path / "long.onnx"
    file.write_bytes(hostile("b" * 300).SerializeToString())
    assert "b" * 300 in run("tree", file).out
    file.write_bytes(hostile("c" * 90_000).SerializeToString())
    drawn, _, _ = run("tree", file).out.partition("\n\n")
    assert max(map(len, drawn.split("\n"))) < 2_000
