"""How ``htp.export`` takes its arguments, and models that are odd in other ways."""

import ast

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import htp
from htp.testing.eager import watched
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.oracle import tagged_nodes
from htp.testing.running import run_eager, run_onnx

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]


@pytest.fixture(params=USABLE)
def backend(request):
    return request.param


def pair():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh()).eval()


def owners(tagged):
    return [tag.owner for _, tag, _ in tagged_nodes(tagged)]


def check(model, args, tagged, path):
    """Every node is tagged with a call that an eager run made, and the numbers are right."""
    with torch.no_grad(), watched(model) as watch:
        model(*args)
    assert {tag.stack for _, tag, _ in tagged_nodes(tagged)} <= set(watch.stacks)
    for one, other in zip(run_onnx(str(path), model, args), run_eager(model, args, {})):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("args", [torch.ones(2, 3), (torch.ones(2, 3),)])
def test_args_may_be_one_tensor_or_a_tuple(backend, args):
    tagged = htp.export(pair(), args, backend=backend)
    assert {owner.path for owner in owners(tagged)} == {"0", "1"}


def test_the_default_backend_is_the_chosen_one():
    assert htp.export(pair(), torch.ones(2, 3)).backend == htp.backend


def test_the_environment_chooses(backend, monkeypatch):
    monkeypatch.setenv("HTP_BACKEND", backend)
    assert htp.export(pair(), torch.ones(2, 3)).backend == backend


@pytest.mark.parametrize("opset", [18])
def test_opset_version_of_fx(opset):
    if "fx" in USABLE:
        tagged = htp.export(pair(), torch.ones(2, 3), opset_version=opset, backend="fx")
        assert [o.version for o in tagged.model.opset_import if o.domain == ""] == [opset]


@pytest.mark.parametrize("opset", [11, 13])
def test_opset_version_of_torchscript(opset):
    tagged = htp.export(pair(), torch.ones(2, 3), opset_version=opset, backend="torchscript")
    assert [o.version for o in tagged.model.opset_import if o.domain == ""] == [opset]


def test_options_of_torch_are_passed_through():
    class Folded(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 2))

        def forward(self, x):
            return torch.matmul(x, self.weight.transpose(0, 1))

    counts = [
        htp.export(
            Folded().eval(),
            torch.ones(4, 2),
            backend="torchscript",
            do_constant_folding=folding,
        ).coverage.total
        for folding in (True, False)
    ]
    assert counts == [1, 2]


class Dictionary(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x, more):
        return self.linear(x) + more["y"]


def test_an_input_that_is_a_dictionary(backend):
    args = (torch.ones(2, 3), {"y": torch.zeros(2, 3)}, {})  # torch's sign: no keyword inputs
    tagged = htp.export(Dictionary().eval(), args, backend=backend)
    assert len(tagged.model.graph.input) == 2
    assert {owner.path for owner in owners(tagged)} == {"linear", ""}


NAMES = ["größe", "with space", "a/b", "at@1", "quote'", "0", "コンボ", "x" * 300]
"""A double quote is missing here: torch.fx writes Python with it that does not parse."""


def test_modules_with_unusual_names(backend, tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential()
    for name in NAMES:
        model.add_module(name, nn.Sequential(nn.Linear(3, 3), nn.Tanh()))
    path = tmp_path / "model.onnx"
    args = (torch.ones(2, 3),)
    tagged = htp.export(model.eval(), args, path, backend=backend)
    check(model, args, tagged, path)
    paths = list(dict.fromkeys(owner.path for owner in owners(tagged) if owner.path))
    assert paths == [f"{name}.{place}" for name in NAMES for place in (0, 1)]
    assert owners(htp.load(path)) == owners(tagged)


def test_a_model_in_training_mode_stays_so(backend):
    model = pair().train()
    htp.export(model, torch.ones(2, 3), backend=backend)
    assert all(module.training for module in model.modules())


class Deep(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.inner = Deep(depth - 1) if depth else nn.Tanh()

    def forward(self, x):
        return self.inner(x)


def test_a_deep_model(backend, tmp_path):
    path, args = tmp_path / "model.onnx", (torch.ones(2, 3),)
    model = Deep(40).eval()
    tagged = htp.export(model, args, path, backend=backend)
    check(model, args, tagged, path)
    assert [len(tag.stack) for _, tag, _ in tagged_nodes(tagged)] == [42]


def test_a_model_without_parameters_or_children(backend, tmp_path):
    path, args = tmp_path / "model.onnx", (torch.ones(2, 3),)
    tagged = htp.export(nn.Softplus(), args, path, backend=backend)
    assert {owner[:2] for owner in owners(tagged)} == {("", "torch.nn.modules.activation.Softplus")}


class PassesOn(nn.Module):
    """Calls a child with keywords and takes any arguments itself."""

    def __init__(self):
        super().__init__()
        self.child = Dictionary()

    def forward(self, *args):
        return self.child(x=args[0], more={"y": args[1]})


def test_calls_with_keywords_and_any_arguments(backend, tmp_path):
    path, args = tmp_path / "model.onnx", (torch.ones(2, 3), torch.ones(2, 3))
    model = PassesOn().eval()
    tagged = htp.export(model, args, path, backend=backend)
    check(model, args, tagged, path)
    assert {owner.path for owner in owners(tagged)} == {"child", "child.linear"}


class PartlyFrozen(nn.Module):
    """Its first block runs without gradients, as a frozen backbone does."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(2)])

    def forward(self, x):
        with torch.no_grad():
            first = self.blocks[0](x)
        return self.blocks[1](first.detach() + x)


def test_gradients_switched_off_inside(backend, tmp_path):
    path, args = tmp_path / "model.onnx", (torch.ones(2, 3),)
    torch.manual_seed(0)
    model = PartlyFrozen().eval()
    tagged = htp.export(model, args, path, backend=backend)
    check(model, args, tagged, path)
    assert {"blocks.0.0", "blocks.0.1", "blocks.1.0", "blocks.1.1"} <= {
        owner.path for owner in owners(tagged)
    }


def test_the_second_export_of_a_model_counts_anew(backend):
    model, x = pair(), torch.ones(2, 3)
    first = htp.export(model, x, backend=backend)
    second = htp.export(model, x, backend=backend)
    assert owners(first) == owners(second)


def test_other_tools_can_read_the_tags(backend, tmp_path):
    """``namespace``, ``name_scopes`` and ``class_hierarchy`` as torch itself writes them."""
    htp.export(pair(), torch.ones(2, 3), tmp_path / "model.onnx", backend=backend)
    model = onnx.load(str(tmp_path / "model.onnx"), load_external_data=False)
    for node in model.graph.node:
        props = {prop.key: prop.value for prop in node.metadata_props}
        scopes = ast.literal_eval(props["pkg.torch.onnx.name_scopes"])
        classes = ast.literal_eval(props["pkg.torch.onnx.class_hierarchy"])
        assert len(scopes) == len(classes)
        if backend == "torchscript":  # otherwise torch wrote them, and 2.5 wrote L['fn']
            path = props["pkg.htp.path"]
            assert scopes[:2] == ["", path]
            assert props["namespace"].split("/")[1].startswith(f"{path}: ")
