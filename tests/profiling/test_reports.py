"""Reports from elsewhere: of the real tools, and some in their form. Needs no torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from literal import model, node, value, weight
from profiling.devices import RECORDED, inputs, network

import htp


def owners(profile):
    """For each kernel its owner, and whether that is exact; None where nothing is known."""
    return {
        each.kernel.name: (str(each.tag.owner), each.exact) if each.tag.stack else None
        for each in profile.kernels
    }


def reported(*names, folder=RECORDED):
    return htp.profile(network(), report=[folder / name for name in names])


# onnxruntime


def test_onnxruntime_with_the_model_that_it_saved():
    profile = reported("onnxruntime_profile.json", "onnxruntime_optimised.onnx")
    assert (profile.tool, profile.runs) == ("onnxruntime", 3)
    assert (profile.attributed, profile.exact) == (1.0, 1.0)
    here = htp.profile(network(), inputs(), runs=2)
    assert {str(row.call): row.count for row in profile.rows} == {
        str(row.call): row.count for row in here.rows
    }
    convolutions = {each.tag.path for each in profile.kernels if each.kernel.operator == "Conv"}
    assert convolutions == {"stem", "block"}
    fused = [len(each.tag.shared) for each in profile.kernels if each.tag.path == "block"]
    assert sorted(fused) == [2, 2]  # conv1 with act, and conv2 with the sum and act@1


def test_onnxruntime_without_it_goes_by_names():
    profile = reported("onnxruntime_profile.json")
    assert profile.attributed > 0.95
    whole = reported("onnxruntime_profile.json", "onnxruntime_optimised.onnx")
    assert profile.seconds == pytest.approx(whole.seconds)
    assert profile.exact < whole.exact
    known, better = owners(profile), owners(whole)
    for name, (path, is_exact) in ((n, o) for n, o in known.items() if o is not None):
        assert better[name] is not None
        if is_exact:
            assert better[name] == (path, True)


# OpenVINO

LISTED = {
    "/stem/conv/Conv/WithoutBiases": "stem",
    "/block/conv1/Conv/WithoutBiases": "block",
    "/block/conv2/Conv/WithoutBiases": "block",
    "/pool/GlobalAveragePool": "pool",
    "/head/fc1/Add": "head",
    "/head/fc2/Gemm": "head.fc2",
    "probabilities": "",
}
"""Whose the layers are by what OpenVINO lists for them."""


@pytest.mark.parametrize(
    "names",
    [
        ["openvino_graph.xml"],
        ["openvino_graph.xml", "openvino_average.csv"],
        ["openvino_detailed.json", "openvino_graph.xml"],
    ],
)
def test_openvino(names):
    profile = reported(*names)
    assert profile.tool == "OpenVINO"
    known = owners(profile)
    assert {name: known[name][0] for name in LISTED} == LISTED
    assert all(known[name][1] for name in LISTED if "/Conv/" in name)
    apart = {name for name, owner in known.items() if owner is None}
    assert apart == {name for name in known if name not in LISTED}
    assert apart
    assert any("OpenVINO put it in" in each for each in profile.remarks)
    assert profile.attributed == pytest.approx(1 - profile.unowned.seconds / profile.seconds)


def test_openvino_counters_alone_go_by_names():
    profile = reported("openvino_average.csv")
    assert profile.exact == 0
    assert owners(profile)["/block/conv2/Conv/WithoutBiases"] == ("block.conv2", False)
    assert any("-exec_graph_path" in each for each in profile.remarks)


def test_openvino_counters_are_milliseconds_of_one_run():
    profile = reported("openvino_average.csv", "openvino_graph.xml")
    (kernel,) = (each for each in profile.kernels if each.kernel.name == "/head/fc1/Add")
    assert kernel.kernel.seconds == pytest.approx(0.617e-3)
    assert profile.seconds == pytest.approx(2.206e-3, abs=1e-6)


def test_openvino_in_this_environment(tmp_path):
    """A report that OpenVINO makes now, where it is installed."""
    pytest.importorskip("openvino")
    onnx.save_model(network(), str(tmp_path / "model.onnx"))
    words = [str(Path(sys.executable).parent / "benchmark_app"), "-m", "model.onnx", "-d", "CPU"]
    words += ["-niter", "3", "-nireq", "1", "-hint", "none", "-report_type", "average_counters"]
    words += ["-report_folder", ".", "-exec_graph_path", "graph.xml"]
    subprocess.run(words, check=True, cwd=tmp_path, capture_output=True)
    profile = reported("graph.xml", "benchmark_average_counters_report.csv", folder=tmp_path)
    known = owners(profile)
    assert {name: known[name][0] for name in LISTED if name in known} == {
        name: path for name, path in LISTED.items() if name in known
    }
    assert "/block/conv2/Conv/WithoutBiases" in known


# TensorRT: in the form of what trtexec writes, RS and US as it has them, unescaped

UNIT, RECORD = "\x1f", "\x1e"


def layers(*names):
    """The metadata of a layer."""
    return UNIT.join(f"[ONNX Layer: {name}]" for name in names)


TENSORRT = {
    "Reformatting CopyNode for Input Tensor 0 to /stem/conv/Conv + /stem/act/Relu": (
        "Reformat",
        "",
        ("stem", False),
    ),
    "/stem/conv/Conv + /stem/act/Relu": (
        "CaskConvolution",
        layers("/stem/conv/Conv", "/stem/act/Relu"),
        ("stem", True),
    ),
    "/block/conv1/Conv + /block/act/Relu": (
        "CaskConvolution",
        layers("/block/conv1/Conv", "/block/act/Relu | a note | with bars"),
        ("block", True),
    ),
    "/block/conv2/Conv + /block/Add + /block/act_1/Relu": (
        "CaskConvolution",
        layers("/block/conv2/Conv") + RECORD + layers("/block/Add", "/block/act_1/Relu"),
        ("block", True),
    ),
    "/pool/GlobalAveragePool": ("Pooling", layers("/pool/GlobalAveragePool"), ("pool", True)),
    "__myl_FcAdd_myl0_1": (
        "gemm",
        layers("/Flatten", "/head/fc1/MatMul", "/head/fc1/Add"),
        ("head.fc1", True),
    ),
    "__myl_SigMul_myl0_2": (
        "kgen",
        "[ONNX Layer: /head/act/Sigmoid] [ONNX Layer: /head/act/Mul]",
        ("head.act", True),
    ),
    "__myl_FcSoft_myl0_3": ("kgen", layers("/head/fc2/Gemm", "node_of_probabilities"), ("", True)),
    "__mye_123copy": ("Reformat", "", None),
}


@pytest.fixture
def tensorrt(tmp_path):
    """Writes both files: times and, unless that is left out, layers."""

    def write(table, details=True):
        rows = [
            {"name": name, "timeMs": 50.0 * (at + 1), "averageMs": 0.1 * (at + 1), "percentage": 1}
            for at, name in enumerate(table)
        ]
        (tmp_path / "times.json").write_text(json.dumps([{"count": 500}, *rows]), "utf-8")
        told = [
            {"Name": name, "LayerType": kind, "Inputs": [], "Metadata": metadata}
            for name, (kind, metadata, _) in table.items()
        ]
        text = json.dumps({"Layers": told if details else list(table), "Bindings": ["image"]})
        for mark in (UNIT, RECORD):
            text = text.replace(json.dumps(mark)[1:-1], mark)
        (tmp_path / "layers.json").write_text(text, "utf-8")
        return [tmp_path / "times.json", tmp_path / "layers.json"]

    return write


def test_tensorrt(tensorrt):
    profile = htp.profile(network(), report=tensorrt(TENSORRT))
    assert (profile.tool, profile.runs) == ("TensorRT", 500)
    assert owners(profile) == {name: owner for name, (_, _, owner) in TENSORRT.items()}
    assert profile.seconds == pytest.approx(sum(range(1, 10)) * 1e-4)
    assert profile.unowned.seconds == pytest.approx(9e-4)
    (fused,) = (each for each in profile.kernels if each.kernel.name.endswith("myl0_3"))
    assert [str(call) for call in fused.tag.shared] == ["head.fc2"]


NAMES = {
    "/stem/conv/Conv + /stem/act/Relu": ("stem", True),
    "/block/conv1/Conv + PWN(/block/act/Relu)": ("block", True),
    "/block/conv2/Conv + /block/Add + /block/act_1/Relu": ("block", True),
    "/pool/GlobalAveragePool": ("pool", True),
    "{ForeignNode[/Flatten.../head/act/Mul]}": ("head", False),
    "n2 + (Unnamed Layer* 9) [Shuffle] + /head/fc2/Gemm": ("head.fc2", False),
    "node_of_probabilities": ("", True),
    "/head/fc2/Gemm_myl2_21": ("head.fc2", False),
    "PWN(PWN(/head/act/Sigmoid), /head/act/Mul)": ("head.act", True),
    "Reformatting CopyNode for Output Tensor 0 to {ForeignNode[/Flatten.../head/act/Mul]}": (
        "head",
        False,
    ),
    "(Unnamed Layer* 12) [Shuffle]": None,
}


def test_tensorrt_without_details_goes_by_names(tensorrt):
    table = {name: ("", "", owner) for name, owner in NAMES.items()}
    paths = tensorrt(table, details=False)
    for report in (paths, paths[:1]):
        profile = htp.profile(network(), report=report)
        assert owners(profile) == NAMES
        assert any("--profilingVerbosity=detailed" in each for each in profile.remarks)


def test_a_layer_may_hide_what_no_layer_tells_of(tensorrt):
    """Without the Add, one of its neighbours does its work, and it is not known which."""
    table = dict(TENSORRT)
    name = "/block/conv2/Conv + /block/Add + /block/act_1/Relu"
    table[name] = ("CaskConvolution", layers("/block/conv2/Conv"), ("block.conv2", False))
    found = owners(htp.profile(network(), report=tensorrt(table)))
    assert found[name] == ("block.conv2", False)
    assert found["/pool/GlobalAveragePool"] == ("pool", False)
    assert found["/block/conv1/Conv + /block/act/Relu"] == ("block", True)


def test_two_layers_of_the_same_nodes_are_not_exact(tensorrt):
    """Where they are of several owners: which did which part is not known."""
    table = dict(TENSORRT)
    for name in ("__myl_half_myl0_1", "__myl_other_half_myl0_2"):
        table[name] = ("kgen", layers("/head/fc1/Add", "/head/act/Mul"), ("head", False))
    for name in ("__myl_FcAdd_myl0_1", "__myl_SigMul_myl0_2"):
        del table[name]
    twice = layers("/pool/GlobalAveragePool", "/Flatten", "/head/fc1/MatMul", "/head/act/Sigmoid")
    table["/pool/GlobalAveragePool"] = ("Pooling", twice, ("", True))
    found = owners(htp.profile(network(), report=tensorrt(table)))
    assert found == {name: owner for name, (_, _, owner) in table.items()}


def test_names_may_hold_what_reports_cut_at(tmp_path, tensorrt):
    """Commas, bars, brackets and `` + `` in the names of nodes."""
    odd = ["a,b", "c | d", "e + f", "g]"]
    nodes = [node("MatMul", f"x{i} w", f"x{i + 1}", name, f"m{i}") for i, name in enumerate(odd)]
    made = model(
        nodes, [value("x0", 4, 4)], [value("x4", 4, 4)], [weight("w", value=np.eye(4, dtype="f4"))]
    )
    table = {f"layer {i}": ("gemm", layers(name), None) for i, name in enumerate(odd)}
    found = owners(htp.profile(made, report=tensorrt(table)))
    assert found == {f"layer {i}": (f"m{i}", True) for i in range(4)}
    rows = "".join(
        f'<layer id="{i}" name="n{i}" type="T"><data execTimeMcs="7" '
        f'originalLayersNames="{name}"/></layer>'
        for i, name in enumerate(["a,b,c | d", "e + f", "g]"])
    )
    path = tmp_path / "graph.xml"
    path.write_text(f"<net><layers>{rows}</layers></net>", "utf-8")
    profile = htp.profile(made, report=path)
    assert owners(profile) == {"n0": ("", True), "n1": ("m2", True), "n2": ("m3", True)}
    assert profile.seconds == pytest.approx(21e-6)


# What is damaged, hostile, or does not belong together


def broken(path):
    """The same file cut off, with a word changed to a number, and nested deep."""
    data = path.read_bytes()
    yield data[: len(data) // 2]
    yield data.replace(b'"', b"7", 1).replace(b";", b":", 1)
    yield b"[" * 100_000
    yield b'{"a":' * 100_000
    yield data[:-3] + b"\xff\xfe"


@pytest.mark.parametrize("name", sorted(each.name for each in RECORDED.iterdir()))
def test_damaged_reports(name, tmp_path):
    for data in broken(RECORDED / name):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(htp.HTPError):
            htp.profile(network(), report=path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '[{"cat": "Node", "ts": 1, "dur": -4, "name": "a_kernel_time", "args": {}}]'),
        ("a.json", '[{"cat": "Node", "ts": 1, "dur": 1e999, "name": "a_kernel_time", "args": {}}]'),
        ("a.json", '[{"cat": "Node", "ts": 1, "dur": NaN, "name": "a_kernel_time", "args": {}}]'),
        ("a.json", '[{"cat": "Node", "ts": 1, "dur": 2, "name": "a_kernel_time"}]'),
        ("a.json", '[{"cat": "Node", "ts": 1, "dur": 2}, 7]'),
        ("a.json", '[{"count": 5}, {"name": "a", "averageMs": "fast"}]'),
        ("a.json", '[{"count": -5}, {"name": "a", "averageMs": 1}]'),
        ("a.json", '[{"count": 5}, {"name": 7, "averageMs": 1}]'),
        ("a.json", '[{"count": 5}, ["averageMs"], {"averageMs": 1}]'),
        ("a.json", '{"Layers": [{"Name": "a", "Metadata": "[ONNX Layer: a]"}]}'),
        ("a.json", '{"nodes": 1}'),
        ("a.json", "7"),
        ("a.txt", "hello"),
        ("a.txt", ""),
        ("a.csv", "layerName;execStatus;layerType;execType;realTime (ms);cpuTime (ms)\na;b\n"),
        ("a.csv", "layerName;execStatus;\na;Status.EXECUTED;T;e;soon;1\n"),
        ("a.xml", "<net><layers></layers></net>"),
        ("a.xml", '<net><layer name="a" type="T"><data execTimeMcs="-1"/></layer></net>'),
        ("a.xml", '<net><layer name="a" type="T"><data execTimeMcs="later"/></layer></net>'),
        ("a.xml", '<net><layer name="a" type="T"><data/></layer></net>'),
        ("a.xml", "<net>" + "<a>" * 200 + "</a>" * 200 + "</net>"),
        (
            "a.xml",
            '<!DOCTYPE net [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><net name="&b;"></net>',
        ),
        (
            "a.xml",
            """<!DOCTYPE net [<!ENTITY a "/stem/conv/Conv">]><net><layer name="&a;" type="T">
            <data execTimeMcs="4" originalLayersNames="&a;"/></layer></net>""",
        ),
        ("a.xml", '<!DOCTYPE net SYSTEM "file:///etc/passwd"><net></net>'),
        ("a.onnx", "no model"),
    ],
)
def test_reports_that_are_none(name, text, tmp_path):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(htp.HTPError) as raised:
        htp.profile(network(), report=path)
    assert "Hint: " in str(raised.value)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["onnxruntime_profile.json", "openvino_graph.xml"], "belong together"),
        (["onnxruntime_optimised.onnx"], "belong together"),
        (["openvino_average.csv", "openvino_detailed.json"], "Two of the reports"),
        (["openvino_graph.xml", "openvino_graph.xml"], "Two of the reports"),
    ],
)
def test_reports_that_do_not_belong_together(names, said):
    with pytest.raises(htp.HTPError, match=said):
        reported(*names)


def test_a_report_of_another_model_says_so():
    other = model(
        [node("Relu", "q", "z", "/other/Relu", "other")], [value("q", 2)], [value("z", 2)]
    )
    profile = htp.profile(other, report=RECORDED / "openvino_graph.xml")
    assert profile.attributed == 0
    assert any("in no row" in each for each in profile.remarks)


def test_a_saved_model_of_another_one_is_not_taken(tmp_path):
    other = model(
        [node("Tanh", "q", "z", "/other/Tanh", "other")], [value("q", 2)], [value("z", 2)]
    )
    onnx.save_model(other, str(tmp_path / "saved.onnx"))
    names = [RECORDED / "onnxruntime_profile.json", tmp_path / "saved.onnx"]
    profile = htp.profile(network(), report=names)
    alone = reported("onnxruntime_profile.json")
    assert owners(profile) == owners(alone)
    assert any("cannot be carried onto" in each for each in profile.remarks)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    with pytest.raises(htp.HTPError, match="folder"):
        htp.profile(network(), report=tmp_path)


def test_many_overlapping_events_take_time_in_proportion(tmp_path):
    """Each lies in the one before it, as none of onnxruntime's do."""
    event = {"cat": "Node", "tid": 1, "args": {"op_name": "Relu", "provider": "CPU"}}
    rows = [
        {**event, "ts": at, "dur": 200_000 - 2 * at, "name": "/other_kernel_time"}
        for at in range(50_000)
    ]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(rows), "utf-8")
    profile = htp.profile(network(), report=path)
    assert profile.kernels[0].kernel.count == 50_000
    assert profile.runs == 0


def test_many_layers_of_the_same_nodes_take_time_in_proportion(tensorrt):
    """Each of them all nodes, and none of the one in the middle."""
    every = [each.name for each in network().graph.node if each.name not in {"", "/block/Add"}]
    table = {f"layer {at}": ("kgen", layers(*every), None) for at in range(2_000)}
    profile = htp.profile(network(), report=tensorrt(table))
    assert (profile.exact, profile.attributed) == (0.0, 1.0)
    assert all(not each.tag.path for each in profile.kernels)


def test_the_recorded_files_are_those_that_the_tools_wrote(tmp_path):
    assert {each.name for each in RECORDED.iterdir()} == {
        "onnxruntime_profile.json",
        "onnxruntime_optimised.onnx",
        "openvino_graph.xml",
        "openvino_average.csv",
        "openvino_detailed.json",
    }
    shutil.copy(RECORDED / "openvino_graph.xml", tmp_path / "graph")  # by what is in it
    assert htp.profile(network(), report=tmp_path / "graph").tool == "OpenVINO"
