"""``htp export`` with targets that are right and wrong."""

import os
from pathlib import Path

import onnx
import pytest

import htp
from htp.torch_release import TORCH

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere


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


def test_export_without_an_origin(net, run):
    for options, wanted in (([], True), (["--no-origin"], False)):
        ran = run("export", f"{net}:pair", "-o", "net.onnx", *options)
        assert ran.code == 0, ran.err
        assert htp.load("net.onnx").origins[0].has_skeleton is wanted


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
    assert run("export", f"{net}:misfit", "-o", "net.onnx").code == 3
    assert Path("net.onnx").read_text(encoding="utf-8") == "old"
    assert run("export", f"{net}:pair", "-o", "net.onnx").code == 0
    assert htp.load("net.onnx").backend == htp.backend


def test_export_of_a_part(net, run):
    ran = run("export", f"{net}:pair", "-o", "net.onnx", "--root", "model.encoder")
    assert ran.code == 0, ran.err
    assert run("tree", "net.onnx").out.splitlines()[1].startswith("model.encoder")
    whole, part = (run("nodes", "net.onnx", pattern).out for pattern in ("model", "model.encoder"))
    assert whole == part != ""


@pytest.mark.parametrize("root", ["a/b", "a..b", "a\x1b[2J"])
def test_export_of_a_part_that_can_be_none(root, net, failing):
    said = failing("export", f"{net}:pair", "-o", "net.onnx", "--root", root)
    assert "root is no dotted path of a module" in said
    assert "\x1b" not in said
