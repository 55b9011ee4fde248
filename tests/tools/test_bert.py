"""One model through onnxruntime's levels, judged by the oracles. The whole grid is ``grid.py``."""

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from oracles.subject import export
from zoo import subjects

import htp
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.running import named_inputs
from tools.by_markers import every_node, planted
from tools.judging import by_name, judge, survived, truth
from tools.renaming import renamed
from tools.rewriters import TOOLS

RELEASES = json.loads((Path(__file__).parent / "models.json").read_text("utf-8"))["releases"]
pytestmark = [
    LET_TORCH_WARN,
    pytest.mark.skipif(
        ".".join(torch.__version__.split(".")[:2]) not in RELEASES,
        reason=f"the tools are judged on exports by torch {', '.join(RELEASES)}",
    ),
]

USABLE = [info.name for info in htp.available_backends() if info.usable]
LEVELS = ("onnxruntime basic", "onnxruntime extended", "onnxruntime all")


@pytest.fixture(scope="module", params=USABLE)
def fixture(request, tmp_path_factory):
    found = [subject for subject in subjects() if subject.name == "transformers:bert"]
    if not found:
        pytest.skip("transformers is not installed")
    folder = tmp_path_factory.mktemp("bert")
    exported = export(found[0], request.param, str(folder))
    model = onnx.load_model(exported.path)
    old = folder / "tagged.onnx"
    onnx.save_model(model, str(old))
    onnx.save_model(planted(model), str(folder / "marked.onnx"))
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in model.graph.input
    }
    inputs = named_inputs(exported.model, exported.args, exported.kwargs, shapes)
    return model, old, inputs


@pytest.fixture(scope="module", params=LEVELS)
def judged(fixture, request):
    old, path, inputs = fixture
    made = {}
    for kind in ("tagged", "marked"):
        new = path.with_name(f"{kind}-after.onnx")
        TOOLS[request.param].rewrite(str(path.with_name(f"{kind}.onnx")), str(new), inputs)
        made[kind] = onnx.load_model(str(new))
    found = truth(old, made["tagged"], made["marked"], inputs, TOOLS[request.param].tolerance)
    return old, made["tagged"], found


def test_the_truth_is_known(judged):
    _, new, found = judged
    assert found.failed is None
    assert not found.disputed
    assert found.numbers >= 0.9 * len(every_node(new))
    assert found.markers >= 10  # what onnxruntime leaves as it was


def test_the_tool_drops_the_tags_and_names_do_not_replace_them(judged):
    old, new, found = judged
    counted = judge(found.owners, survived(new))
    assert counted["right"] + counted["foreign"] < len(found.owners) / 2
    named = judge(found.owners, by_name(old, new))
    assert named["unresolved"] + named["foreign"] > 0


def carried(old, new):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [tuple(tag.stack) for _, tag in htp.carry(old, new).nodes()]


@pytest.mark.parametrize("change", [lambda model: model, renamed], ids=["named", "renamed"])
def test_every_tag_that_is_carried_is_right(judged, change):
    old, new, found = judged
    counted = judge(found.owners, carried(old, change(new)))
    assert counted["right"] == len(found.owners) - counted["undecided"], counted


def test_owners_that_are_swapped_are_called_foreign(judged):
    old, new, found = judged
    stacks = carried(old, new)
    before = judge(found.owners, stacks)
    one, two = [at for at, node in enumerate(every_node(new)) if node.op_type == "Softmax"]
    stacks[one], stacks[two] = stacks[two], stacks[one]
    after = judge(found.owners, stacks)
    assert (after["right"], after["foreign"]) == (before["right"] - 2, before["foreign"] + 2)


def test_inputs_tell_values_apart(fixture):
    _, _, inputs = fixture
    assert all(np.unique(array).size > 3 for array in inputs.values())
