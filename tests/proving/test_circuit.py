"""A graph that is cut: who makes what, and pieces. No torch, no onnxruntime."""

import onnx
import pytest
from literal import model, node, value, weight
from onnx import TensorProto, helper

from htp.proving.circuit import Circuit


def diamond():
    """x -> a -> b and c -> y, with a weight."""
    return model(
        [
            node("Neg", "x", "a", "a", ""),
            node("Relu", "a", "b", "b", ""),
            node("MatMul", "a w", "c", "c", ""),
            node("Add", "b c", "y", "y", ""),
        ],
        [value("x", 2, 2)],
        [value("y", 2, 2)],
        [weight("w", 2, 2)],
    )


def shown(piece):
    return [(n.op_type, list(n.input), list(n.output)) for n in piece.model.graph.node]


def test_who_makes_and_reads():
    circuit = Circuit(diamond())
    assert circuit.made_by == {"a": 0, "b": 1, "c": 2, "y": 3}
    assert circuit.reads == [("x",), ("a",), ("a", "w"), ("b", "c")]
    assert (circuit.inputs, circuit.outputs) == (("x",), ("y",))
    assert all(name in circuit for name in ("x", "a", "w"))
    assert "z" not in circuit


@pytest.mark.parametrize(
    ("known", "nodes", "reads"),
    [
        (set(), [0, 1, 2, 3], {"x"}),
        ({"a"}, [1, 2, 3], {"a"}),
        ({"a", "b"}, [2, 3], {"a", "b"}),
        ({"b", "c"}, [3], {"b", "c"}),
    ],
)
def test_what_is_behind(known, nodes, reads):
    assert Circuit(diamond()).behind("y", known) == (nodes, reads)


def test_a_piece_has_its_weights():
    piece = Circuit(diamond()).piece([2, 3], ["y"], {"a", "b"})
    assert piece.reads == ("a", "b")
    assert piece.gives == {"y": "y"}
    assert [tensor.name for tensor in piece.model.graph.initializer] == ["w"]
    assert piece.model.opset_import == diamond().opset_import


def test_what_is_given_is_computed_beside_it():
    piece = Circuit(diamond()).piece([0, 1], ["a", "b"], {"a"})
    assert piece.gives == {"a": "a/computed", "b": "b"}
    assert shown(piece) == [("Neg", ["x"], ["a/computed"]), ("Relu", ["a"], ["b"])]
    assert piece.reads == ("x", "a")


def test_a_weight_that_is_given_is_no_weight():
    piece = Circuit(diamond()).piece([2], ["c"], {"a", "w"})
    assert piece.reads == ("a", "w")
    assert not piece.model.graph.initializer


def test_a_name_that_is_taken():
    made = diamond()
    made.graph.node[1].output[0] = made.graph.node[3].input[0] = "a/computed"
    assert Circuit(made).piece([0], ["a"], {"a"}).gives == {"a": "a/computed_"}


def test_what_bodies_read():
    inner = helper.make_graph(
        [helper.make_node("Add", ["a", "own"], ["sum"]), helper.make_node("Neg", ["sum"], ["z"])],
        "body",
        [],
        [onnx.ValueInfoProto(name="z")],
        [helper.make_tensor("own", TensorProto.FLOAT, [1], [1.0])],
    )
    passes = helper.make_graph([], "body", [], [onnx.ValueInfoProto(name="b")])
    branch = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=passes)
    made = diamond()
    made.graph.node[3].CopyFrom(branch)
    assert set(Circuit(made).reads[3]) == {"x", "a", "b"}
