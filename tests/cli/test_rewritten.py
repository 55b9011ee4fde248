"""The commands on files that a tool rewrote, and on what is damaged or of another model."""

import json
import os

import onnx
import pytest

import htp

pytest.importorskip("torch")
# What torch warns of is looked at elsewhere.
pytestmark = pytest.mark.filterwarnings(
    "ignore:(?!.*rewritten by a tool)", "always:.*rewritten by a tool"
)


@pytest.fixture
def bare(demo, run):
    """The demo's file without what its nodes said; in the folder in which commands run."""
    model = onnx.load(demo)
    for node in model.graph.node:
        del node.metadata_props[:]
    onnx.save(model, "bare.onnx")
    return "bare.onnx"


def test_reading_what_a_tool_rewrote(bare, demo, run):
    for command in (["tree"], ["tree", "--json"], ["nodes"], ["nodes", "encoder.*"]):
        whole, rewritten = (run(command[0], path, *command[1:]) for path in (demo, bare))
        assert (rewritten.code, rewritten.out) == (0, whole.out)
        told = " ".join(rewritten.err.split())
        assert told.count("Warning: ") == 1
        assert "'bare.onnx' was tagged by HTP and then rewritten by a tool" in told


def test_stripping_what_a_tool_rewrote(bare, run):
    ran = run("strip", bare, "-o", "plain.onnx")
    assert (ran.code, ran.err) == (0, "")
    with open("plain.onnx", "rb") as file:
        assert b"pkg.htp" not in file.read()


def damaged(value):
    start = value.index('"graph":"') + len('"graph":"')
    return value[:start] + value[start + 8 :]


@pytest.fixture
def broken(bare):
    """Its origin is damaged where it is needed."""
    model = onnx.load(bare)
    [entry] = [prop for prop in model.metadata_props if len(prop.value) > 100]
    entry.value = damaged(entry.value)
    onnx.save(model, "broken.onnx")
    return "broken.onnx"


@pytest.fixture
def stranger(demo, run):
    """Another model with the origin of the demo's."""
    node = onnx.helper.make_node("Sin", ["in"], ["out"])
    values = [onnx.helper.make_tensor_value_info(name, 1, [3, 5]) for name in ("in", "out")]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", values[:1], values[1:]))
    model.metadata_props.extend(onnx.load(demo).metadata_props)
    onnx.save(model, "stranger.onnx")
    return "stranger.onnx"


@pytest.mark.parametrize("command", [["tree"], ["tree", "--json"], ["nodes"], ["nodes", "*"]])
def test_a_damaged_origin(broken, failing, command):
    said = " ".join(failing(command[0], broken, *command[1:]).split())
    assert "skeleton" in said
    assert "cannot be read" in said


@pytest.mark.parametrize("command", [["tree"], ["nodes"]])
def test_an_origin_of_another_model(stranger, failing, command):
    assert "not made from" in failing(command[0], stranger)


def test_carrying_from_and_onto_another_model(stranger, broken, demo, failing):
    assert "not made from" in failing("carry", demo, stranger, "-o", "out.onnx")
    assert "cannot be read" in " ".join(failing("carry", broken, demo, "-o", "out.onnx").split())


def test_stripping_what_is_damaged(broken, stranger, run):
    for path in (broken, stranger):
        ran = run("strip", path, "-o", "plain.onnx")
        assert (ran.code, ran.err) == (0, "")


def test_a_sidecar(net, run):
    ran = run("export", f"{net}:pair", "-o", "net.onnx", "--sidecar")
    assert ran.code == 0, ran.err
    assert "Its tags are in net.htp.json" in ran.out
    assert {name for name in os.listdir() if name.startswith("net.")} >= {
        "net.onnx",
        "net.htp.json",
    }
    with open("net.onnx", "rb") as file:
        assert b"pkg.htp" not in file.read()
    assert "body.0" in run("nodes", "net.onnx", "--json").out
    assert run("carry", "net.htp.json", "net.onnx", "-o", "out.onnx").code == 0
    assert htp.load("out.onnx").coverage.unknown == 0


@pytest.mark.parametrize("command", [["tree"], ["nodes"], ["strip", "-o", "plain.onnx"]])
def test_a_sidecar_of_another_model(net, run, failing, command):
    run("export", f"{net}:pair", "-o", "net.onnx", "--sidecar")
    with open("net.htp.json", encoding="utf-8") as file:
        told = json.load(file)
    told["model"] = "\x1b[2J"
    with open("net.htp.json", "w", encoding="utf-8") as file:
        json.dump(told, file)
    said = failing(command[0], "net.onnx", *command[1:])
    assert "belongs to another model" in " ".join(said.split())
    assert "\x1b" not in said
    os.remove("net.htp.json")


def test_a_sidecar_cannot_be_without_an_origin(net, failing):
    said = failing("export", f"{net}:pair", "-o", "net.onnx", "--sidecar", "--no-origin")
    assert "contradict each other" in said
