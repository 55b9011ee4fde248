"""Completing tags along edges, on graphs written by hand."""

import pytest

from htp.graph.complete import complete
from htp.graph.index import GraphIndex
from htp.graph.parameters import parameters
from htp.graph.records import Capture, GraphRecord, NodeRecord
from htp.scope import ModuleCall, Owner, Provenance, Sharing

ROOT = ModuleCall("", "Model", 0)


def stack(path):
    return (ROOT, ModuleCall(path, "Block", 0))


A, B = stack("a"), stack("b")


def node(op, inputs, outputs, owner=None, bodies=()):
    return NodeRecord(
        op, inputs.split(), outputs.split(), Owner(owner) if owner else None, list(bodies)
    )


def graph(*nodes, inputs="x", outputs="y", **more):
    return GraphRecord(inputs.split(), outputs.split(), list(nodes), **more)


def tags(after, before=None):
    return complete(Capture(after, before))


def told(tag):
    return tag.stack, tag.provenance, tag.shared, tag.sharing


CAPTURED, PROPAGATED = Provenance.CAPTURED, Provenance.PROPAGATED


def test_what_was_recorded_is_captured():
    owner = Owner(A, (B[-1],), Sharing.MERGED)
    (tag,) = tags(graph(NodeRecord("Relu", ["x"], ["y"], owner)))
    assert told(tag) == (A, CAPTURED, (B[-1],), Sharing.MERGED)


def test_a_helper_belongs_to_its_first_reader():
    found = tags(
        graph(
            node("Constant", "", "c"),
            node("Add", "x c", "m", A),
            node("Mul", "m c", "y", B),
        )
    )
    assert told(found[0]) == (A, PROPAGATED, (B[-1],), Sharing.MERGED)


def test_a_chain_of_helpers_is_followed_to_its_reader():
    found = tags(
        graph(
            node("Constant", "", "c"),
            node("Cast", "c", "d"),
            node("Unsqueeze", "d", "e"),
            node("Add", "x e", "y", A),
        )
    )
    assert [tag.stack for tag in found] == [A] * 4


def test_what_only_outputs_read_belongs_to_what_it_reads():
    found = tags(
        graph(
            node("Relu", "x", "m", A),
            node("Neg", "x", "n", B),
            node("Concat", "m n", "y"),
        )
    )
    assert told(found[2]) == ((ROOT,), PROPAGATED, (A[-1], B[-1]), Sharing.FUSED)


def test_a_value_that_was_there_before_keeps_its_owner():
    before = graph(node("Add", "x w", "y", A))
    found = tags(graph(node("Gemm", "x w", "y")), before)
    assert told(found[0]) == (A, PROPAGATED, (), None)


def test_what_a_reader_reads_in_the_place_of_another_value_has_its_owner():
    before = graph(node("Old", "x", "b", A), node("Reader", "b", "y", B))
    found = tags(graph(node("New", "x", "n"), node("Reader", "n", "y", B)), before)
    assert told(found[0]) == (A, PROPAGATED, (), None)


def test_the_node_of_a_body_belongs_to_the_node_that_has_it():
    body = graph(node("Identity", "x", "inner"), inputs="", outputs="inner")
    found = tags(graph(node("If", "x", "y", A, [body])))
    assert told(found[1]) == (A, PROPAGATED, (), None)


def test_the_body_of_a_function_belongs_to_its_callers():
    main = graph(node("here::f", "x", "m", A), node("here::f", "m", "y", B))
    main.add_function("here::f", graph(node("Relu", "p", "q"), inputs="p", outputs="q"))
    found = tags(main)
    assert found[2].stack == (ROOT,)
    assert found[2].shared == (A[-1], B[-1])


def test_nothing_is_said_of_what_nothing_reaches():
    (tag,) = tags(graph(node("Relu", "x", "y")))
    assert tag.provenance is Provenance.UNKNOWN


@pytest.mark.parametrize("length", [5000])
def test_long_chains_need_no_recursion(length):
    helpers = [node("Cast", f"v{i}", f"v{i + 1}") for i in range(length)]
    found = tags(graph(*helpers, node("Add", f"v{length}", "y", A), inputs="v0"))
    assert {tag.stack for tag in found} == {A}


def test_index_of_bodies_and_functions():
    body = graph(node("Neg", "x", "inner"), inputs="", outputs="inner")
    main = graph(node("If", "x", "y", None, [body]))
    main.add_function("here::f", graph(node("Relu", "x", "y"), inputs="x"))
    index = GraphIndex(main)
    assert [n.op for n in index.nodes] == ["If", "Neg", "Relu"]
    assert index.makers["inner"].op == "Neg"
    assert index.makers["here::f/y"].op == "Relu"
    assert [r and r.op for r in index.readers["inner"]] == ["If"]
    assert index.readers["y"] == [None]
    assert index.parents[id(index.nodes[1])].op == "If"


def test_a_folded_initializer_names_every_parameter_behind_it():
    before = graph(
        node("Transpose", "weight", "t"),
        node("Mul", "t scale", "s"),
        node("MatMul", "x s", "y"),
        parameters={"weight": ("l.weight", "tied"), "scale": ("l.scale",)},
    )
    after = graph(node("MatMul", "x folded", "y"))
    assert parameters(Capture(after, before)) == {"folded": ("l.weight", "tied", "l.scale")}


def test_the_origins_of_all_readers_are_named():
    before = graph(
        node("Transpose", "one", "t"),
        node("Transpose", "two", "u"),
        node("MatMul", "x t", "m"),
        node("MatMul", "m u", "y"),
        parameters={"one": ("a.weight",), "two": ("b.weight",)},
    )
    after = graph(node("MatMul", "x folded", "m"), node("MatMul", "m folded", "y"))
    assert parameters(Capture(after, before)) == {"folded": ("a.weight", "b.weight")}


def test_parameters_that_stayed_keep_their_names():
    after = graph(node("MatMul", "x w", "y"), parameters={"w": ("l.weight",)})
    assert parameters(Capture(after)) == {"w": ("l.weight",)}
    assert parameters(Capture(after, graph(node("MatMul", "x w", "y")))) == {"w": ("l.weight",)}


def test_an_edge_between_modules_needs_two_witnesses():
    """A node that was there from the first may be of either side: its reader is a guess."""
    nodes = [
        node("Relu", "x", "b", A),
        node("Erf", "b", "c"),
        node("Tanh", "c", "d"),
        node("Sigmoid", "d", "y", B),
    ]
    found = tags(graph(*nodes))
    assert [tag.stack for tag in found] == [A, B, B, B]
    assert [tag.provenance for tag in found[1:3]] == [Provenance.INFERRED] * 2


def test_a_helper_that_torch_put_on_an_edge_is_its_readers():
    before = graph(node("Relu", "x", "b", A), node("Sigmoid", "b", "y", B))
    after = graph(
        node("Relu", "x", "b", A), node("Cast", "b", "new"), node("Sigmoid", "new", "y", B)
    )
    assert told(tags(after, before)[1])[:2] == (B, PROPAGATED)


def test_both_sides_agree():
    found = tags(
        graph(node("Relu", "x", "b", A), node("Erf", "b", "c"), node("Sigmoid", "c", "y", A))
    )
    assert told(found[1])[:2] == (A, PROPAGATED)
