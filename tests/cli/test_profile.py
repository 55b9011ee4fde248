"""``htp profile``. Needs no torch."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from profiling.devices import RECORDED, inputs, network


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "model.onnx"
    onnx.save_model(network(), str(file))
    return file


def recorded(*names):
    return [word for name in names for word in ("--from", RECORDED / name)]


def lines(ran):
    assert ran.code == 0
    return [line.replace("|-- ", "").replace("`-- ", "").split() for line in ran.out.splitlines()]


def test_the_table(path, run):
    ran = run("profile", path, "--runs", "2")
    found = lines(ran)
    assert found[0] == [
        "module",
        "class",
        "time",
        "share",
        "own",
        "shared",
        "kernels",
        "most",
        "in",
    ]
    assert found[1][:2] == ["(root)", "Net"]
    assert "100.0 %" in ran.out
    assert "2 runs): 100.0 % attributed" in ran.out
    assert "counted at their common ancestor" in ran.err


def test_options_of_the_table(path, run):
    whole = run("profile", path, "--runs", "1")
    short = run("profile", path, "--runs", "1", "--depth", "1")
    assert len(short.out.splitlines()) < len(whole.out.splitlines())
    assert "conv1" not in short.out
    apart = run("profile", path, "--runs", "1", "--calls")
    assert "act@1" in apart.out
    named = run("profile", path, "--runs", "1", "--kernels", "3")
    table = named.out.partition("kernel ")[2]
    assert len(table.splitlines()) == 4
    ran = run("profile", path, *recorded("openvino_graph.xml"), "--sort", "--depth", "1")
    assert ran.out.index("head") < ran.out.index("stem")


def test_json(path, run):
    words = ("--runs", "3", "--depth", "1", "--sort", "--kernels", "2", "--json")
    told = json.loads(run("profile", path, *words).out)
    assert (told["schema"], told["runs"], told["exact"]) == ("htp.profile/1", 3, 1.0)
    assert {row["depth"] for row in told["rows"]} == {0, 1}
    times = [row["seconds"] for row in told["rows"]]
    assert times == sorted(times, reverse=True)
    assert len(told["kernels"]) == 2


def test_inputs_from_files(path, run, tmp_path):
    np.savez(tmp_path / "sample.npz", **inputs())
    assert run("profile", path, "--inputs", "sample.npz", "--runs", "1").code == 0


@pytest.mark.parametrize(
    ("names", "tool"),
    [
        (["onnxruntime_profile.json", "onnxruntime_optimised.onnx"], "onnxruntime"),
        (["openvino_graph.xml", "openvino_average.csv"], "OpenVINO"),
    ],
)
def test_reports(path, run, names, tool):
    ran = run("profile", path, *recorded(*names))
    assert ran.code == 0
    assert f"({tool}, " in ran.out


def test_what_has_no_owner_is_said(path, run):
    ran = run("profile", path, *recorded("openvino_graph.xml"), "--kernels", "40")
    assert "has no known owner and stands in no line above" in ran.out
    assert "? OpenVINO put it in" in ran.out
    assert "are in no row" in ran.err


def test_flame_graphs(path, run, tmp_path):
    words = ("--runs", "1", "--depth", "0", "--flame")
    assert run("profile", path, *words, "flame.txt").code == 0
    assert "(root) (Net);" in (tmp_path / "flame.txt").read_text("utf-8")
    assert run("profile", path, *words, "flame.speedscope.json").code == 0
    assert json.loads((tmp_path / "flame.speedscope.json").read_text("utf-8"))["profiles"]


def test_placement(path, run, failing):
    if not hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info"):
        assert "does not tell" in failing("profile", path, "--placement", "--runs", "1")
        return
    ran = run("profile", path, "--placement", "--runs", "1", "--depth", "1")
    assert "nodes by provider" in ran.out
    assert "CPU 100.0 %" in ran.out
    assert "basic optimisations: CPU " in ran.out


def test_names_from_reports_and_files_are_made_safe(run, tmp_path):
    made = network()
    for node in made.graph.node:
        node.name += "\x1b]0;title\x07" if node.name else ""
    onnx.save_model(made, str(tmp_path / "odd.onnx"))
    graph = (RECORDED / "openvino_graph.xml").read_text("utf-8")
    odd = graph.replace('type="Convolution"', 'type="&#x202e;Conv"')
    (tmp_path / "odd.xml").write_text(odd, "utf-8")
    for words in (["--runs", "1"], ["--from", "odd.xml"]):
        ran = run("profile", "odd.onnx", *words, "--kernels", "50")
        assert ran.code == 0
        assert not {"\x1b", "\x07", "\u202e"}.intersection(ran.out + ran.err)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--runs", "0"], 2, "--runs"),
        (["--shape", "batch"], 2, "AXIS=N"),
        (["--provider", "Nonsense"], 3, "NonsenseExecutionProvider"),
        (["--inputs", "missing.npz"], 3, "missing.npz"),
        (["--from", "missing.json"], 3, "missing.json"),
        (["--from", "model.onnx"], 3, "belong together"),
        (["--from", "a.json", "--runs", "2", "--inputs", "x.npz"], 2, "--from tells"),
        (["--flame", "missing/flame.txt"], 3, "no folder"),
    ],
)
def test_bad_input(path, failing, words, code, said):
    assert said in failing("profile", path, *words, code=code)


def test_a_file_that_is_none(failing):
    assert "missing.onnx" in failing("profile", "missing.onnx")


@pytest.mark.parametrize("command", ["export", "profile", "select"])
def test_examples_in_the_help_keep_their_lines(run, command):
    ran = run(command, "--help")
    examples = ran.out.partition("Examples:\n")[2].partition("\n\n")[0]
    assert all(line.startswith(f"    htp {command} ") for line in examples.splitlines())
    assert "\b" not in ran.out
    assert "\\b" not in ran.out
