"""Files that ``onnx.compose`` made of several: each model keeps its root, with its own nodes."""

import json

import onnx
import pytest
import torch
from onnx import compose
from torch import nn

import htp
from htp.cli.tree import as_json, rows
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]


class Net(nn.Module):
    """Two of the same class, with weights of their own."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x):
        return self.body(x) + 1


class Other(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 4)

    def forward(self, x):
        return self.head(x).relu()


def export(model, backend):
    return htp.export(
        model.eval(),
        (torch.ones(2, 4),),
        backend=backend,
        opset_version=None,
        input_names=["x"],
        output_names=["y"],
    )


def merge(one, two):
    """The second model behind the first."""
    first, second = one.model, two.model
    for model in (first, second):  # what compose wants to be equal, and what is not told here
        model.ir_version = 8
        del model.functions[:]
    return compose.merge_models(first, second, [("y", "x")], prefix1="a/", prefix2="b/")


@pytest.fixture(scope="module", params=USABLE)
def pair(request):
    return [export(Net(seed), request.param) for seed in (0, 1)]


def own(tree):
    return {str(branch.call): branch.own.total for branch in tree.walk()}


def test_two_models_of_one_class(pair, tmp_path):
    trees = [each.tree() for each in pair]
    onnx.save(merge(*pair), str(tmp_path / "merged.onnx"))
    merged = htp.load(tmp_path / "merged.onnx")
    tree = merged.tree()
    assert tree.joined
    assert not any(tree.joined for tree in trees)
    assert list(map(own, tree.roots)) == list(map(own, trees))
    assert [root.total for root in tree.roots] == [each.total for each in trees]
    assert tree.total == merged.coverage
    assert [each.fingerprint for each in merged.origins] == [
        origin.fingerprint for each in pair for origin in each.origins
    ]
    assert (merged.backend, merged.torch) == (pair[0].backend, pair[0].torch)
    assert merged.schema == "4"


def test_models_of_several_backends():
    exported = [export(Other(), backend) for backend in USABLE]
    exported.append(export(Net(0), USABLE[0]))
    opsets = {opset.version for each in exported[-2:] for opset in each.model.opset_import}
    if len(opsets) > 1:  # compose wants one
        for each in exported:
            each.model.opset_import[0].version = 18
    merged = htp.load(merge(*exported[-2:]))
    assert [root.call.class_name for root in merged.tree().roots] == ["Other", "Net"]
    assert merged.backend == ", ".join(dict.fromkeys(each.backend for each in exported[-2:]))


def test_one_model_twice_is_one_origin(pair):
    """What was exported is the same, so no node can say which of the two it is of."""
    merged = htp.load(merge(pair[0], pair[0]))
    tree = merged.tree()
    assert not tree.joined
    assert tree.total.total == 2 * pair[0].coverage.total


def test_a_merged_file_strips_to_the_merged_plain_files(pair):
    plain = [htp.load(each.model).strip() for each in pair]
    stripped = htp.load(merge(*pair)).strip().model
    assert stripped == merge(*plain)


def test_find_takes_nodes_of_both(pair):
    merged = htp.load(merge(*pair))
    both = sum(len(each.find("body.0")) for each in pair)
    assert len(merged.find("body.0")) == both


def test_the_same_export_has_the_same_fingerprint(pair):
    again = export(Net(0), pair[0].backend)
    assert again.origins[0].fingerprint == pair[0].origins[0].fingerprint
    assert again.origins[0].fingerprint != pair[1].origins[0].fingerprint


@pytest.mark.parametrize("apart", [False, True])
def test_the_printed_tree_has_a_line_for_each_root(pair, apart):
    merged = htp.load(merge(*pair))
    line = rows(merged.tree(), apart=apart, depth=0)
    assert line.name == "(2 models)"
    assert [(child.first.class_name, child.calls) for child in line.children] == [("Net", 1)] * 2
    assert not any(child.children for child in line.children)
    report = as_json(merged, rows(merged.tree(), apart=apart), 0, apart)
    assert [len(root["children"]) for root in json.loads(json.dumps(report))["tree"]["children"]]
