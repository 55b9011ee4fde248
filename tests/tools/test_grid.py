"""The grid's own machinery: what fails is told, and what differs is seen."""

import os
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from tools import grid, rewriters
from tools.by_markers import every_node
from tools.rewriters import TOOLS, Tool

TAGGED = grid.HERE.parent / "files" / "schema3_torchscript.onnx"


def copied(old, new, inputs):
    onnx.save_model(onnx.load_model(old), new)


def without_tags(old, new, inputs):
    model = onnx.load_model(old)
    for node in every_node(model):
        del node.metadata_props[:]
    onnx.save_model(model, new)


def disturbed(old, new, inputs):
    model = onnx.load_model(old)
    if model.graph.node[0].metadata_props:
        model.graph.node[0].name = "seen"
    onnx.save_model(model, new)


def only_without_tags(old, new, inputs):
    if onnx.load_model(old).metadata_props:
        raise ValueError("what is this?\nno idea")
    copied(old, new, inputs)


def lazy(old, new, inputs):
    """Writes nothing."""


def crashing(old, new, inputs):
    os._exit(3)


@pytest.fixture
def fixture(tmp_path):
    path = tmp_path / "bert-torch2.4-torchscript.onnx"
    model = onnx.load_model(str(TAGGED))
    onnx.save_model(model, str(path))
    arrays = {}
    for value in model.graph.input:
        shape = [axis.dim_value or 2 for axis in value.type.tensor_type.shape.dim]
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        arrays[value.name] = np.random.default_rng(0).normal(size=shape).astype(kind)
    np.savez(str(path.with_suffix(".npz")), **arrays)
    return grid.Fixture(path, tmp_path / "cache")


def row(fixture, monkeypatch, rewrite):
    monkeypatch.setitem(TOOLS, "mine", Tool("onnx", rewrite))
    return grid.row(fixture, "mine", [])


def test_a_tool_that_changes_nothing(fixture, monkeypatch):
    found = row(fixture, monkeypatch, copied)
    assert found["errors"] == {}
    assert found["differs"] is None
    assert found["ways"]["survived"]["right"] == found["nodes"] > 3
    assert found["ways"]["carried"]["right"] == found["nodes"]
    assert found["told by markers"] == found["nodes"]


def test_a_tool_that_drops_tags(fixture, monkeypatch):
    found = row(fixture, monkeypatch, without_tags)
    assert found["ways"]["survived"]["unresolved"] == found["nodes"]
    assert found["ways"]["by name"]["right"] == found["nodes"]


def test_a_tool_that_sees_the_tags(fixture, monkeypatch):
    assert row(fixture, monkeypatch, disturbed)["differs"] == "graph.node"


def test_a_tool_that_fails_says_so_in_a_line(fixture, monkeypatch):
    found = row(fixture, monkeypatch, only_without_tags)
    assert found["errors"] == {
        "tagged": "ValueError: what is this?",
        "marked": "ValueError: what is this?",
    }
    assert "nodes" not in found


def test_a_tool_that_writes_nothing_or_crashes(fixture, monkeypatch):
    assert row(fixture, monkeypatch, lazy)["errors"]["tagged"] == "it wrote no file"
    fixture.of("mine", "json").unlink()
    crashed = row(fixture, monkeypatch, crashing)["errors"]
    assert crashed == {"tagged": "the process ended without an answer"}


def test_what_is_known_is_not_found_again(fixture, monkeypatch):
    first = row(fixture, monkeypatch, copied)
    assert row(fixture, monkeypatch, crashing) == first
    monkeypatch.setattr(grid, "ORACLES", ("by_numbers.py",))
    assert row(fixture, monkeypatch, crashing) != first


def test_rows_of_another_environment_are_kept(tmp_path):
    path = tmp_path / "one.json"
    names = list(TOOLS)[:2]
    before = {"code": "a", "tools": [{"tool": names[0]}], "companions": {"onnx": "1"}}
    after = {"code": "a", "tools": [{"tool": names[1]}], "companions": {"nncf": "2", "onnx": None}}
    path.write_text(grid.json.dumps(before), encoding="utf-8")
    joined = grid.joined(after, path)
    assert [each["tool"] for each in joined["tools"]] == names
    assert joined["companions"] == {"onnx": "1", "nncf": "2"}
    assert grid.joined({**after, "code": "b"}, path) == {**after, "code": "b"}


def test_every_model_is_in_one_group():
    assert grid.group_of("bert-torch2.4-fx") == "tuning"
    assert grid.group_of("t5-torch2.4-fx") == "kept_aside"
    with pytest.raises(StopIteration):
        grid.group_of("nothing-torch2.4-fx")


def test_the_oracles_import_nothing_of_what_they_judge():
    for name in grid.ORACLES:
        lines = (grid.HERE / name).read_text("utf-8").splitlines()
        imports = [line for line in lines if line.lstrip().startswith(("import ", "from "))]
        assert imports
        assert not [line for line in imports if "htp" in line]


def test_preloading_leaves_out_what_is_not_installed(monkeypatch):
    seen = []
    fake = SimpleNamespace(
        import_module=seen.append,
        util=SimpleNamespace(find_spec=lambda name: name == "onnxruntime"),
    )
    monkeypatch.setattr(rewriters, "importlib", fake)
    rewriters.preload()
    assert seen
    assert all(name.startswith("onnxruntime") for name in seen)
