"""``htp bisect`` and ``htp sensitivity``. Need onnxruntime, no torch."""

import json

import numpy as np
import onnx
import pytest
from proving import faulty

pytest.importorskip("onnxruntime")


@pytest.fixture
def folder(tmp_path):
    onnx.save(faulty.layers(), tmp_path / "model.onnx")
    onnx.save(faulty.layers(faults=[2, 5]), tmp_path / "faulty.onnx")
    for number, sample in enumerate(faulty.samples()):
        np.savez(tmp_path / f"{number}.npz", **sample)
    return tmp_path


def asked(folder, *more):
    return (folder / "model.onnx", folder / "faulty.onnx", "--inputs", folder, *more)


def test_bisect(folder, run):
    ran = run("bisect", *asked(folder))
    assert ran.code == 1
    assert "layer.2.linear" in ran.out
    assert "layer.5.linear" in ran.out
    told = json.loads(run("bisect", *asked(folder, "--json")).out)
    assert told["modules"] == ["layer.2.linear", "layer.5.linear"]


def test_bisect_equal_files(folder, run):
    path = folder / "model.onnx"
    ran = run("bisect", path, path, "--shape", "n=3")
    assert ran.code == 0
    assert "agree within" in ran.out
    assert "random numbers" in ran.err


def test_sensitivity(folder, run):
    ran = run("sensitivity", *asked(folder))
    assert ran.code == 0
    assert "Leave layer.2.linear, layer.5.linear: 2 of 25" in ran.out
    told = json.loads(run("sensitivity", *asked(folder, "--json")).out)
    assert sorted(told["keep"]) == ["layer.2.linear", "layer.5.linear"]


def test_the_list_alone_is_on_standard_output(folder, run):
    ran = run("sensitivity", *asked(folder, "--format", "ort-exclude"))
    assert json.loads(ran.out) == ["l2/MatMul", "l5/MatMul"]
    assert "Leave" in ran.err


def test_overflow(folder, run):
    model, inputs = folder / "model.onnx", ("--inputs", folder / "0.npz")
    ran = run("sensitivity", model, "--overflow", "50000", *inputs)
    assert ran.code == 0
    ran = run("sensitivity", model, "--overflow", "0.5", *inputs, "--format", "names")
    assert ran.code == 1
    assert "l0/MatMul" in ran.out.split()
    told = json.loads(run("sensitivity", model, "--overflow", "9", *inputs, "--json").out)
    assert told["schema"] == "htp.overflow/1"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("bisect", "MODEL", "gone.onnx", "--shape", "n=1"), 3, "Cannot read 'gone.onnx'"),
        (("bisect", "MODEL", "MODEL"), 3, "--shape n=1"),
        (("bisect", "MODEL", "MODEL", "--shape", "n"), 2, "--shape is AXIS=N"),
        (("bisect", "MODEL", "MODEL", "--shape", "n=1", "--inputs", "x"), 2, "Say either"),
        (("bisect", "MODEL", "MODEL", "--inputs", "gone"), 3, "is not there"),
        (("bisect", "MODEL", "MODEL", "--inputs", "MODEL"), 3, "no file of samples"),
        (("sensitivity", "MODEL"), 2, "Say either CANDIDATE.onnx or --overflow"),
        (("sensitivity", "MODEL", "MODEL", "--overflow", "5"), 2, "Say either CANDIDATE.onnx"),
        (("sensitivity", "MODEL", "MODEL", "--target", "80", "--shape", "n=1"), 2, "--target"),
        (("sensitivity", "MODEL", "--overflow", "-5", "--shape", "n=1"), 3, "The limit"),
        (("sensitivity", "MODEL", "MODEL", "--shape", "m=1"), 3, "No dynamic axis"),
    ],
)
def test_bad_input(words, code, text, folder, run):
    ran = run(*(folder / "model.onnx" if word == "MODEL" else word for word in words))
    assert ran.code == code
    assert text in ran.err


def test_a_damaged_candidate(folder, run):
    data = (folder / "faulty.onnx").read_bytes()
    (folder / "faulty.onnx").write_bytes(data[: len(data) // 2])
    ran = run("bisect", *asked(folder))
    assert ran.code == 3
    assert ran.err.startswith("Error: ")


def test_names_from_a_file_are_safe(folder, run):
    made = faulty.layers(faults=[2])
    for each in made.graph.node:
        for at, name in enumerate(each.input):
            each.input[at] = name.replace("l3_mm", "\x1b[31mred")
        for at, name in enumerate(each.output):
            each.output[at] = name.replace("l3_mm", "\x1b[31mred")
    onnx.save(made, folder / "faulty.onnx")
    for verb in ("bisect", "sensitivity"):
        ran = run(verb, *asked(folder))
        assert "\x1b" not in ran.out + ran.err
    ran = run("sensitivity", folder / "faulty.onnx", "--overflow", "0.1", "--inputs", folder)
    assert "\x1b" not in ran.out + ran.err
