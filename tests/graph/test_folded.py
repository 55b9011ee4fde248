"""Weights that torch folded name all parameters that they were made from."""

import io

import pytest
import torch
from torch import nn

import htp
from htp.graph.parameters import parameters
from htp.graph.records import Capture, GraphRecord, NodeRecord
from htp.testing.noise import LET_TORCH_WARN

BACKENDS = [info.name for info in htp.available_backends() if info.usable]


def graph(*nodes, initializers="", **named):
    records = [NodeRecord(op, reads.split(), made.split()) for op, reads, made in nodes]
    record = GraphRecord(["x"], ["y"], records, initializers=initializers.split())
    record.parameters = {name: (name,) for name in named.get("names", "").split()}
    return record


BEFORE = graph(
    ("onnx::Conv", "x w b", "c"),
    ("onnx::BatchNormalization", "c scale shift mean var", "n"),
    ("onnx::Relu", "n", "y"),
    names="w b scale shift mean var",
)


@pytest.mark.parametrize(
    "nodes",
    [
        [("Conv", "x v t", "c"), ("Relu", "c", "y")],
        [("Conv", "x v t", "n"), ("Relu", "n", "y")],
        [("Conv", "x v t", "new"), ("Relu", "new", "y")],
    ],
    ids=["the_first_name", "the_last_name", "a_new_name"],
)
def test_a_convolution_that_took_over_its_normalisation(nodes):
    found = parameters(Capture(graph(*nodes, initializers="v t"), BEFORE))
    assert found == {"v": ("w", "scale", "var"), "t": ("b", "scale", "shift", "mean", "var")}


def test_the_name_of_a_weight_that_was_folded_into_itself():
    after = graph(("Conv", "x w b", "n"), ("Relu", "n", "y"), initializers="w b", names="w b")
    found = parameters(Capture(after, BEFORE))
    assert found == {"w": ("w", "scale", "var"), "b": ("b", "scale", "shift", "mean", "var")}


def test_what_is_computed_from_an_input_went_into_no_weight():
    before = graph(("Relu", "x", "r"), ("CastLike", "w r", "t"), ("MatMul", "r t", "y"), names="w")
    after = graph(("Relu", "x", "r"), ("MatMul", "r v", "y"), initializers="v")
    assert parameters(Capture(after, before)) == {"v": ("w",)}


def test_every_reader_tells():
    before = graph(
        ("Transpose", "w", "t"), ("MatMul", "x t", "m"), ("Neg", "u", "v"), ("Add", "m v", "y"),
        names="w u",
    )  # fmt: skip
    after = graph(("MatMul", "x same", "m"), ("Add", "m same", "y"), initializers="same")
    assert parameters(Capture(after, before)) == {"same": ("w", "u")}


class Unit(nn.Sequential):
    def __init__(self, taken, given, bias):
        super().__init__(nn.Conv2d(taken, given, 3, bias=bias), nn.BatchNorm2d(given), nn.ReLU())


@LET_TORCH_WARN
@pytest.mark.parametrize("backend", BACKENDS)
def test_convolutions_fused_by_torch(backend):
    torch.manual_seed(0)
    model = nn.Sequential(Unit(3, 4, bias=True), Unit(4, 4, bias=False)).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (*module.parameters(), module.running_mean, module.running_var):
                tensor.data.uniform_(0.5, 1)
    tagged = htp.export(model, (torch.randn(1, 3, 8, 8),), io.BytesIO(), backend=backend)
    nodes = [node for node, _ in tagged.nodes()]
    assert [node.op_type for node in nodes] == ["Conv", "Relu", "Conv", "Relu"]
    told = [
        [set(tagged.parameters().get(name, ())) for name in node.input[1:]]
        for node in nodes
        if node.op_type == "Conv"
    ]
    added = {"weight", "bias", "running_mean", "running_var"}
    for at, pair in enumerate(told):
        norm = {f"{at}.1.{name}" for name in added}
        bias = {"0.0.bias"} if at == 0 else set()
        assert pair[0] == {f"{at}.0.weight", f"{at}.1.weight", f"{at}.1.running_var"}
        assert pair[1] == {*bias, *norm}
