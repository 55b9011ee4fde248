"""What stands behind a capture that knows little: data flow first, then the parameters."""

import importlib

import onnx
import pytest
import torch
from torch import nn

import htp
from htp.cli.tree import coverage_pieces
from htp.graph import complete as dataflow
from htp.graph.records import CallRecord, Capture, GraphRecord, NodeRecord
from htp.scope import ModuleCall, Owner, Provenance
from htp.testing.models import case
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]


class Apart(nn.Module):
    """Two parts that have nothing to do with each other."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 4)
        self.two = nn.Linear(4, 4)

    def forward(self, x, y):
        return torch.relu(self.one(x)), self.two(y)


def forgetful(monkeypatch, backend, forgets):
    """Let a backend lose the owners of the nodes whose stack ``forgets`` says yes to."""
    exporting = importlib.import_module("htp.export")
    plain = exporting.record

    def record(request, spec):
        assert spec.name == backend
        recorded = plain(request, spec)
        found = recorded.capture
        for node in found.after.walk():
            if node.owner and forgets(node.owner.stack):
                node.owner = None
        return recorded._replace(capture=Capture(found.after, None, found.calls))

    monkeypatch.setattr(exporting, "record", record)


def owners(tagged, *operators):
    return [
        (str(tag.owner), tag.provenance)
        for node, tag in tagged.nodes()
        if node.op_type in operators
    ]


@pytest.mark.parametrize("backend", USABLE)
def test_without_any_record_the_parameters_tell(backend, monkeypatch, tmp_path):
    forgetful(monkeypatch, backend, lambda stack: True)
    example = case("siblings").example()
    tagged = htp.export(example.model, example.args, str(tmp_path / "m.onnx"), backend=backend)
    products = owners(tagged, "Gemm", "MatMul")
    assert products == [
        ("one.linear", Provenance.INFERRED),
        ("two.linear", Provenance.INFERRED),
        ("three.linear", Provenance.INFERRED),
    ]
    coverage = tagged.coverage
    assert (coverage.captured, coverage.propagated) == (0, 0)
    assert coverage.inferred >= len(products)
    assert coverage.inferred + coverage.unknown == coverage.total
    assert f"{coverage.inferred} inferred" in str(coverage)
    assert "inferred" in str(coverage_pieces(coverage))
    assert tagged.tree().total.inferred == coverage.inferred
    assert htp.load(str(tmp_path / "m.onnx")).coverage == coverage


@pytest.mark.parametrize("backend", USABLE)
def test_parameters_come_last(backend, monkeypatch, tmp_path):
    """``one`` is read by a node whose owner is known, ``two`` by nobody."""
    forgetful(monkeypatch, backend, lambda stack: stack[-1].path)
    inputs = (torch.ones(1, 4), torch.zeros(1, 4))
    path = str(tmp_path / "m.onnx")
    tagged = htp.export(Apart().eval(), inputs, path, backend=backend)
    assert owners(tagged, "Gemm") == [("", Provenance.PROPAGATED), ("two", Provenance.INFERRED)]


ROOT = ModuleCall("", "Model", 0)
A = (ROOT, ModuleCall("a", "Linear", 0))
B = (ROOT, ModuleCall("b", "Linear", 0))


def calls(*stacks):
    return tuple(map(CallRecord, stacks))


def test_a_guess_that_is_handed_on_stays_a_guess():
    graph = GraphRecord(
        ["x", "y"],
        ["p", "q"],
        [
            NodeRecord("Gemm", ["x", "a.weight"], ["m"], Owner(A)),
            NodeRecord("Relu", ["m"], ["p"]),
            NodeRecord("Gemm", ["y", "b.weight"], ["n"]),
            NodeRecord("Relu", ["n"], ["q"]),
        ],
        {"a.weight": ("a.weight",), "b.weight": ("b.weight",)},
    )
    tags = dataflow.complete(Capture(graph, None, calls(A[:1], A, B)))
    assert [(tag.stack, tag.provenance) for tag in tags] == [
        (A, Provenance.CAPTURED),
        (A, Provenance.PROPAGATED),
        (B, Provenance.INFERRED),
        (B, Provenance.INFERRED),
    ]


def test_of_several_calls_what_they_have_in_common_is_named():
    outer = (ROOT, ModuleCall("outer", "Outer", 0))
    twice = [(*outer, ModuleCall("outer.b", "Linear", number)) for number in (0, 1)]
    graph = GraphRecord(
        ["x"],
        ["y"],
        [NodeRecord("Gemm", ["x", "w"], ["y"])],
        {"w": ("outer.b.weight",)},
    )
    tag = dataflow.complete(Capture(graph, None, calls((ROOT,), outer, *twice)))[0]
    assert (tag.stack, tag.provenance) == (outer, Provenance.INFERRED)


def test_nothing_tells_of_a_node_without_neighbours_and_parameters():
    graph = GraphRecord(["x"], ["y"], [NodeRecord("Relu", ["x"], ["y"])])
    assert not dataflow.complete(Capture(graph, None, calls(A)))[0].stack


def test_values_of_functions_are_not_those_of_the_graph():
    """Both may have a value of the same name, as torch 2.5 writes them."""
    record = importlib.import_module("htp.file.records").record_model(
        onnx.parser.parse_model("""
            <ir_version: 8, opset_import: ["" : 17, "here" : 1]>
            main (float[2] x) => (float[2] y) {
                minus = Neg (x)
                z = here.twice (minus)
                y = Relu (z)
            }
            <domain: "here", opset_import: ["" : 17]>
            twice (a) => (b) { minus = Identity (a)  b = Add (minus, minus) }
        """)
    )
    neg, call, relu, identity, add = record.walk()
    for node, owner in ((neg, A), (relu, A), (call, B)):
        node.owner = Owner(owner)
    tags = dataflow.complete(Capture(record, None, calls(A, B)))
    assert [tag.stack for tag in tags] == [A, B, A, B, B]
    assert identity.outputs == add.inputs[:1] != neg.outputs
