"""``--format model-explorer`` of profile and verify. Needs no torch."""

import json

import numpy as np
import onnx
import pytest
from proving import faulty

pytest.importorskip("onnxruntime")


@pytest.fixture
def folder(tmp_path):
    onnx.save(faulty.layers(), tmp_path / "model.onnx")
    onnx.save(faulty.layers(faults=[3]), tmp_path / "faulty.onnx")
    bare = faulty.layers(faults=[3])
    for holder in (bare, *bare.graph.node):
        del holder.metadata_props[:]
    onnx.save(bare, tmp_path / "bare.onnx")
    np.savez(tmp_path / "x.npz", **faulty.samples(1)[0])
    return tmp_path


def test_a_profile(folder, run):
    words = ("profile", folder / "model.onnx", "--inputs", folder / "x.npz", "--runs", "1")
    ran = run(*words, "--format", "model-explorer")
    assert ran.code == 0
    printed = json.loads(ran.out)
    assert {"l0/MatMul", "l7/Add", "head/MatMul"} <= set(printed["g"]["results"])
    ran = run(*words, "--format", "model-explorer", "-o", folder / "times.json")
    assert ran.code == 0
    assert ran.out.startswith("Wrote ")
    assert ran.out.endswith("times.json: node data of 25 nodes.\n")
    written = json.loads((folder / "times.json").read_text("utf-8"))
    assert set(written["g"]["results"]) == set(printed["g"]["results"])


@pytest.mark.parametrize("candidate", ["faulty.onnx", "bare.onnx"])
def test_a_verification(folder, run, candidate):
    words = ("verify", folder / "model.onnx", folder / candidate, "--inputs", folder / "x.npz")
    ran = run(*words, "--level", "none", "--format", "model-explorer")
    assert ran.code == 1  # an error arises
    results = json.loads(ran.out)["g"]["results"]
    worst = max(results, key=lambda name: results[name]["value"])
    assert worst == "l3/MatMul"
    assert len({each["bgColor"] for each in results.values()}) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "x.json"], "say --format model-explorer"),
        (["--json", "--format", "model-explorer"], "not both"),
        (["--format", "netron"], "netron"),
    ],
)
def test_what_does_not_fit(folder, run, words, said):
    ran = run("profile", folder / "model.onnx", *words)
    assert ran.code == 2
    assert said in ran.err
