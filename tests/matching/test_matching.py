"""Each stage of matching, on graphs that are drawn."""

import dataclasses

import pytest
from drawn import carried, owners, side, stack, tag

from htp.graph.records import GraphRecord, NodeRecord
from htp.matching import Change, Side
from htp.scope import ModuleCall, Provenance, Sharing

LINEAR = """
    fc: %a = MatMul %x %w
    fc: %b = Add %a %bias
    act: %c = Relu %b
    out: %y = MatMul %c %v
"""
WEIGHTS = ("w", "bias", "v")


def test_the_same_graph_keeps_its_tags():
    old = side(LINEAR, WEIGHTS)
    matched = carried(old, side(LINEAR, WEIGHTS))
    assert owners(matched) == [(path, "kept") for path in ("fc", "fc", "act", "out")]
    assert [each.provenance for each in matched.tags] == [Provenance.CAPTURED] * 4
    assert matched.stands_for == [(0,), (1,), (2,), (3,)]
    assert matched.changes == [Change.KEPT] * 4
    assert matched.stranger == ""


def test_all_names_and_tags_gone_the_structure_is_left():
    new = """
        %n1 = MatMul %i %k1
        %n2 = Add %n1 %k2
        %n3 = Relu %n2
        %n4 = MatMul %n3 %k3
    """
    contents = {"k1": "of w", "k2": "of bias", "k3": "of v"}
    matched = carried(side(LINEAR, WEIGHTS), side(new, contents, inputs=["i"]))
    assert owners(matched) == [(path, "structure") for path in ("fc", "fc", "act", "out")]
    assert {each.provenance for each in matched.tags} == {Provenance.CAPTURED}
    assert set(matched.changes) == {Change.RENAMED}


@pytest.mark.parametrize("told", [Provenance.PROPAGATED, Provenance.INFERRED])
def test_a_carried_tag_is_known_no_better_than_it_was(told):
    old = side(LINEAR, WEIGHTS)
    old = old._replace(tags=[dataclasses.replace(each, provenance=told) for each in old.tags])
    new = side(LINEAR, WEIGHTS)._replace(tags=[None] * 4)
    assert {each.provenance for each in carried(old, new).tags} == {told}


def test_a_stale_tag_is_noticed():
    """The tool put another operation under the node's old tag."""
    new = side(LINEAR.replace("act: %c", "out: %c"), WEIGHTS)
    matched = carried(side(LINEAR, WEIGHTS), new)
    assert owners(matched)[2] == ("act", "structure")


def test_nodes_in_another_order():
    old = """
        a: %1 = Relu %x
        b: %2 = Exp %x
        c: %3 = Relu %2
        d: %y = Add %1 %3
    """
    new = """
        %q = Exp %x
        %r = Relu %q
        %s = Relu %x
        %t = Add %s %r
    """
    assert [owner for owner, _ in owners(carried(side(old), side(new)))] == ["b", "c", "a", "d"]


def test_a_list_in_no_order_is_put_in_one():
    """Some tools append what they put in."""
    new = """
        fc: %a = MatMul %x2 %w
        fc: %b = Add %a %bias
        act: %c = Relu %b
        out: %y = MatMul %c %v
        %x2 = Cast %x
    """
    assert owners(carried(side(LINEAR, WEIGHTS), side(new, WEIGHTS)))[-1][0] == "fc"


def test_nodes_in_a_circle_come_to_an_end():
    new = side("%1 = Relu %2\n%2 = Exp %1", outputs=["2"])
    assert len(carried(side(LINEAR, WEIGHTS), new).tags) == 2


def test_equal_nodes_are_told_apart_by_who_reads_them():
    old = """
        a: %1 = Constant/7
        b: %2 = Constant/7
        a: %3 = Add %x %1
        b: %4 = Mul %3 %2
    """
    new = """
        %p = Constant/7
        %q = Constant/7
        %r = Add %x %q
        %s = Mul %r %p
    """
    assert [owner for owner, _ in owners(carried(side(old), side(new)))] == ["b", "a", "a", "b"]


def test_equal_nodes_that_a_tool_merged_belong_to_the_first():
    """It is the name of the last that is left, as onnxruntime leaves it."""
    old = """
        a: %1 = Exp %x
        b: %2 = Exp %x
        a: %3 = Relu %1
        b: %4 = Tanh %2
        c: %y = Add %3 %4
    """
    new = """
        %2 = Exp %x
        %3 = Relu %2
        %4 = Tanh %2
        %y = Add %3 %4
    """
    matched = carried(side(old), side(new))
    first = matched.tags[0]
    assert (first.path, first.sharing) == ("a", Sharing.MERGED)
    assert first.shared == (ModuleCall("b", "m.b", 0),)
    assert matched.changes[0] is Change.FUSED
    assert matched.stands_for[0] == (0, 1)


def test_one_node_that_a_tool_copied():
    old = """
        a: %1 = Exp %x
        b: %2 = Relu %1
        c: %3 = Tanh %1
        d: %y = Add %2 %3
    """
    new = """
        %1 = Exp %x
        %1b = Exp %x
        %2 = Relu %1
        %3 = Tanh %1b
        %y = Add %2 %3
    """
    assert [owner for owner, _ in owners(carried(side(old), side(new)))] == [
        "a",
        "a",
        "b",
        "c",
        "d",
    ]


def test_a_fused_node_is_owned_by_what_its_parts_have_in_common():
    old = """
        m.conv: %1 = Conv %x %w
        m.norm: %2 = BatchNormalization %1 %g
        m.relu: %y = Relu %2
        head: %z = MatMul %y %v
    """
    new = """
        %y = FusedConv %x %w2
        %z = MatMul %y %v
    """
    matched = carried(side(old, ("w", "g", "v")), side(new, {"w2": "other", "v": "of v"}))
    fused, head = matched.tags
    assert (fused.path, fused.sharing) == ("m", Sharing.FUSED)
    assert [call.path for call in fused.shared] == ["m.conv", "m.norm", "m.relu"]
    assert fused.provenance is Provenance.PROPAGATED
    assert matched.stands_for[0] == (0, 1, 2)
    assert head.path == "head"
    assert head.provenance is Provenance.PROPAGATED  # what it reads is the same, but not proven


def test_what_leaves_a_region_of_which_all_that_enters_is_the_same_is_the_same():
    """A Gelu that became one node reads what its parts read; behind it all is as it was."""
    old = """
        act: %1 = Div %x %s
        act: %2 = Erf %1
        act: %y = Mul %x %2
        fc: %z = MatMul %y %w
    """
    new = """
        %n = Gelu %x
        %m = MatMul %n %k
    """
    before = side(old, {"s": "one", "w": "many"})
    before.weights["s"] = before.weights["s"]._replace(shape=())
    matched = carried(before, side(new, {"k": "many"}))
    assert owners(matched) == [("act", "region"), ("fc", "structure")]
    assert matched.tags[1].provenance is Provenance.CAPTURED


def test_only_what_computes_decides_who_owns_a_fused_node():
    old = """
        m.fc: %1 = MatMul %x %w
        m: %2 = Reshape %1 %s
        m.fc: %3 = Add %2 %b
        head: %z = Relu %3
    """
    new = """
        %3 = Gemm %x %w %b
        %z = Relu %3
    """
    weights = ("w", "b", "s")
    matched = carried(side(old, weights), side(new, ("w", "b")))
    assert matched.tags[0].path == "m.fc"
    assert [call.path for call in matched.tags[0].shared] == ["m"]


def test_several_new_nodes_for_several_old_ones_are_paired_by_weights():
    """MatMul and Add became Gemm between two Reshapes, and the parts of a Gelu one node."""
    old = """
        fc: %1 = MatMul %x %w
        fc: %2 = Add %1 %b
        act: %3 = Erf %2
        act: %4 = Mul %2 %3
        out: %y = MatMul %4 %v
    """
    new = """
        %p = Reshape %x %shape
        %q = Gemm %p %k %b
        %r = Reshape %q %shape2
        %s = Gelu %r
        %y = MatMul %s %v
    """
    contents = {"k": "of w", "b": "of b", "v": "of v", "shape": "s", "shape2": "s2"}
    matched = carried(side(old, ("w", "b", "v")), side(new, contents))
    assert [tag.path for tag in matched.tags[1:]] == ["fc", "fc", "act", "out"]
    assert matched.stands_for[1] == (0, 1)
    assert matched.stands_for[3] == (2, 3)


def test_a_residual_goes_into_the_node_that_reads_it():
    old = """
        m.fc: %1 = MatMul %x %w
        m: %2 = Add %1 %x
        m.norm: %3 = LayerNormalization %2 %g
        head: %y = MatMul %3 %v
    """
    new = """
        %a = MatMulInteger %x %w8
        %b = SkipLayerNormalization %a %x %g
        %y = MatMul %b %v
    """
    contents = {"w8": "rounded", "g": "of g", "v": "of v"}
    matched = carried(side(old, ("w", "g", "v")), side(new, contents))
    assert [tag.path for tag in matched.tags] == ["m.fc", "m", "head"]
    assert [call.path for call in matched.tags[1].shared] == ["m.norm"]


def test_what_was_put_in_belongs_with_what_it_works_on():
    old = """
        a: %1 = Relu %x
        b: %y = MatMul %1 %w
    """
    new = """
        a: %1 = Relu %x
        %q = QuantizeLinear %1 %s
        %d = DequantizeLinear %q %s
        %k = DequantizeLinear %w8 %s
        b: %y = MatMul %d %k
    """
    contents = {"w8": "rounded", "s": "scale"}
    matched = carried(side(old, ("w",)), side(new, contents))
    assert [tag.path for tag in matched.tags] == ["a", "a", "a", "b", "b"]
    assert matched.changes[1:4] == [Change.ADDED] * 3
    assert matched.beside[1:4] == [(0,), (0,), (1,)]
    assert matched.tags[4].provenance is Provenance.PROPAGATED  # it reads what was rounded


def test_a_name_that_was_used_again_is_noticed_by_its_readers():
    """onnxslim folds a factor into a Gemm and keeps the Gemm's name."""
    old = """
        m.fc: %u = Gemm %x %w
        m: %v = Mul %u %gamma
        m: %y = Add %x %v
    """
    new = """
        %u = Gemm %x %w2
        %y = Add %x %u
    """
    matched = carried(side(old, ("w", "gamma")), side(new, {"w2": "scaled"}))
    assert (matched.tags[0].path, str(matched.tags[0].evidence)) == ("m", "region")
    assert matched.stands_for[0] == (0, 1)


def test_a_name_alone_is_never_captured():
    old = "a: %1 = Foo/1 %x\nb: %y = Relu %1"
    new = "%1 = Foo/2 %x\n%y = Relu %1"
    first = carried(side(old), side(new)).tags[0]
    assert (first.path, str(first.evidence), first.provenance) == ("a", "name", Provenance.INFERRED)


def test_a_recognised_structure_overrides_a_name():
    """The tool gave the names of the two to each other."""
    old = "a: %1 = Relu %x\nb: %2 = Exp %x\nc: %y = Sub %1 %2"
    new = "%2 = Relu %x\n%1 = Exp %x\n%y = Sub %2 %1"
    assert owners(carried(side(old), side(new))) == [
        ("a", "structure"),
        ("b", "structure"),
        ("c", "structure"),
    ]


def test_backwards_through_what_was_quantised_without_a_name_left():
    old = """
        a: %1 = MatMul %x %w
        a: %2 = Add %1 %b
        c: %3 = Relu %2
        d: %y = MatMul %3 %v
    """
    new = """
        %n1 = QuantizeLinear %i %s1
        %n2 = DequantizeLinear %n1 %s1
        %n3 = DequantizeLinear %w8 %s2
        %n4 = MatMul %n2 %n3
        %n5 = DequantizeLinear %b8 %s3
        %n6 = Add %n4 %n5
        %n7 = Relu %n6
        %n8 = QuantizeLinear %n7 %s1
        %n9 = DequantizeLinear %n8 %s1
        %n10 = DequantizeLinear %v8 %s3
        %n11 = MatMul %n9 %n10
    """
    contents = {name: f"new {name}" for name in ("s1", "s2", "s3", "w8", "b8", "v8")}
    matched = carried(side(old, ("w", "b", "v")), side(new, contents, inputs=["i"]))
    paths = ["a", "a", "a", "a", "a", "a", "c", "c", "c", "d", "d"]
    assert [tag.path for tag in matched.tags] == paths


def test_what_cannot_be_known_is_unknown():
    new = """
        %1 = Foo %x
        %2 = Bar %1
        %y = Baz %2
        %z = Relu %other
    """
    matched = carried(
        side("a: %1 = Relu %x\nb: %y = Exp %1", outputs=["y"]),
        side(new, inputs=["x", "other"], outputs=["w"]),
    )
    assert owners(matched)[3] == ("?", None)
    assert matched.changes[3] is Change.UNRESOLVED


def test_bodies_are_matched_by_what_they_hold():
    def looped(names):
        a, b, c = names
        body = GraphRecord([f"i{a}", f"s{a}"], [f"t{c}"])
        body.nodes = [
            NodeRecord("Relu", [f"s{a}"], [f"t{b}"]),
            NodeRecord("Add", [f"t{b}", "x"], [f"t{c}"]),
        ]
        loop = NodeRecord("Loop", ["n", "", "x"], [f"y{a}"], bodies=[body])
        return GraphRecord(["n", "x"], [f"y{a}"], [loop])

    old = Side(looped("abc"), [tag("m"), tag("m.a"), tag("m.b")], {})
    new = Side(looped("rst"), [None] * 3, {})
    assert owners(carried(old, new)) == [
        ("m", "structure"),
        ("m.a", "structure"),
        ("m.b", "structure"),
    ]


def with_function(times):
    """A graph that calls a function so many times, one behind the other."""
    body = GraphRecord(["x"], ["y"])
    body.nodes = [NodeRecord("Relu", ["x"], ["r"]), NodeRecord("Exp", ["r"], ["y"])]
    graph = GraphRecord(["v0"], [f"v{times}"])
    graph.nodes = [NodeRecord("l::f", [f"v{at}"], [f"v{at + 1}"]) for at in range(times)]
    graph.add_function("l::f", body)
    return graph


INLINED = """
    %f_r = Relu %x
    %a = Exp %f_r
    %f_r_1 = Relu %a
    %y = Exp %f_r_1
"""


def test_an_inlined_function():
    old = Side(with_function(2), [tag("m@0"), tag("m@1"), tag("m.relu"), tag("m.exp")], {})
    matched = carried(old, side(INLINED))
    assert [each.path for each in matched.tags] == ["m.relu", "m.exp"] * 2
    assert {str(each.evidence) for each in matched.tags} == {"structure"}
    assert matched.stands_for[0] == (2, 0)  # the node of the function, and the call


def test_an_inlined_function_whose_nodes_are_of_several_calls():
    """Its node is of the first call and of the second; each copy is of one."""
    merged = dataclasses.replace(tag("m"), shared=(stack("m@1")[-1],), sharing=Sharing.MERGED)
    old = Side(with_function(2), [tag("m"), tag("m@1"), merged, merged], {})
    assert [str(each.owner) for each in carried(old, side(INLINED)).tags] == [
        "m",
        "m",
        "m@1",
        "m@1",
    ]


def test_an_outlined_function():
    lines = "a: %f = Relu %x\nb: %a = Exp %f\nc: %g = Relu %a\nd: %y = Exp %g"
    matched = carried(side(lines), Side(with_function(2), [None] * 4, {}))
    first, second, relu, exp = matched.tags
    assert [call.path for call in first.shared] == ["a", "b"]
    assert (relu.path, [call.path for call in relu.shared]) == ("a", ["c"])
    assert (exp.path, [call.path for call in exp.shared]) == ("b", ["d"])
    assert (relu.sharing, second.sharing) == (Sharing.MERGED, Sharing.FUSED)


def test_functions_within_functions_are_inlined_no_further_than_files_are_long():
    """Each calls the next twice: inlined it would be a thousand million nodes."""
    graph = GraphRecord(["x"], ["y"], [NodeRecord("l::f0", ["x"], ["y"])])
    for depth in range(30):
        body = GraphRecord(["x"], ["y"])
        op = f"l::f{depth + 1}" if depth < 29 else "Relu"
        body.nodes = [NodeRecord(op, ["x"], ["r"]), NodeRecord(op, ["r"], ["y"])]
        graph.add_function(f"l::f{depth}", body)
    old = Side(graph, [tag("m")] * sum(1 for _ in graph.walk()), {})
    assert len(carried(old, side("%y = Relu %x")).tags) == 1


def test_a_long_chain_needs_no_recursion():
    lines = "\n".join(f"a: %v{at + 1} = Relu %v{at}" for at in range(20000))
    new = "\n".join(f"%w{at + 1} = Relu %w{at}" for at in range(20000))
    matched = carried(side(lines, inputs=["v0"]), side(new, inputs=["w0"]))
    assert {str(each.evidence) for each in matched.tags} == {"structure"}


def test_parameters_go_with_weights():
    old = side(
        "c: %1 = Conv %x %w\nn: %y = BatchNormalization %1 %g\nh: %z = MatMul %y %v",
        ("w", "g", "v"),
    )
    new = side("%y = Conv %x %w2\n%z = MatMul %y %k", {"w2": "folded", "k": "of v"})
    assert carried(old, new).parameters == {"w2": ("w", "g"), "k": ("v",)}


STRANGERS = {
    "other contents": ("fc: %a = MatMul %x %w\nfc: %y = Relu %a", {"w": "trained elsewhere"}),
    "other weights": ("fc: %a = Conv %x %k\nfc: %y = Relu %a", {"k": "something"}),
    "other operations": ("%y = Foo %x", {}),
}


@pytest.mark.parametrize(("text", "weights"), STRANGERS.values(), ids=STRANGERS)
def test_files_of_another_model(text, weights):
    new = side(text, weights)
    for name in new.weights:
        shape = (8, 8) if name == "w" else (3, 5, 7)
        new.weights[name] = new.weights[name]._replace(shape=shape)
    assert carried(side("fc: %a = MatMul %x %w\nfc: %y = Relu %a", ("w",)), new).stranger


def test_what_was_made_half_as_exact_is_no_stranger():
    """All weights have other contents, under their names and of another type."""
    new = side("%a = MatMul %x %w\n%y = Relu %a", {"w": "rounded"})
    new.weights["w"] = new.weights["w"]._replace(dtype=10)
    matched = carried(side("fc: %a = MatMul %x %w\nact: %y = Relu %a", ("w",)), new)
    assert matched.stranger == ""
    assert [each.path for each in matched.tags] == ["fc", "act"]


def test_what_has_no_weights_left_is_no_stranger():
    """A tool dropped them; what reads them still says so."""
    text = "fc: %a = MatMul %x %w\nact: %y = Relu %a"
    matched = carried(side(text, ("w",)), side(text)._replace(tags=[None] * 2))
    assert matched.stranger == ""
    assert [each.path for each in matched.tags] == ["fc", "act"]


def test_operands_that_changed_places():
    """And no name is left of what the one that is computed is read as."""
    old = "fc: %a = MatMul %x %w\nfc: %y = Add %b %a\nact: %z = Relu %y"
    new = """
        %n1 = MatMulInteger %x %w8
        %n2 = Mul %n1 %s
        %y = Add %n2 %b
        %z = Relu %y
    """
    contents = {"w8": "rounded", "s": "scale", "b": "of b"}
    matched = carried(side(old, ("w", "b")), side(new, contents))
    assert [tag.path for tag in matched.tags] == ["fc", "fc", "fc", "act"]
    assert matched.stands_for[0] == (0,)


def test_operands_that_changed_places_without_a_name_left():
    old = "fc: %a = MatMul %x %w\nfc: %y = Add %b %a\nact: %z = Relu %y"
    new = """
        %n1 = MatMulInteger %i %w8
        %n2 = Mul %n1 %s
        %n3 = Add %n2 %k
        %n4 = Relu %n3
    """
    contents = {"w8": "rounded", "s": "scale", "k": "of b"}
    matched = carried(side(old, ("w", "b")), side(new, contents, inputs=["i"]))
    assert [tag.path for tag in matched.tags] == ["fc", "fc", "fc", "act"]
    assert matched.stands_for[0] == (0,)


def test_what_was_put_in_behind_a_fused_node_is_of_its_last_part():
    """It works on the value, which is the last one's; the fused node is of all."""
    old = """
        m: %1 = Add %x %z
        m.norm: %2 = LayerNormalization %1 %g
        head: %y = MatMul %2 %v
    """
    new = """
        %n = SkipLayerNormalization %x %z %g
        %c = Cast %n
        %y = MatMul %c %v
    """
    before = side(old, ("g", "v"), inputs=["x", "z"])
    matched = carried(before, side(new, ("g", "v"), inputs=["x", "z"]))
    assert [tag.path for tag in matched.tags] == ["m", "m.norm", "head"]


def test_an_input_that_a_tool_added_where_every_name_is_another():
    """Both copies of the graph are the old one, as the branches of a merged decoder are."""
    branch = """
        %{0}1 = MatMul %i %k1
        %{0}2 = Add %{0}1 %k2
        %{0}3 = Relu %{0}2
        %{0}4 = MatMul %{0}3 %k3
    """
    contents = {"k1": "of w", "k2": "of bias", "k3": "of v"}
    for inputs in (["i"], ["i", "more"]):
        new = side(branch.format("n") + branch.format("m"), contents, inputs=inputs)
        found = owners(carried(side(LINEAR, WEIGHTS), new))
        assert found == 2 * [(path, "structure") for path in ("fc", "fc", "act", "out")]
