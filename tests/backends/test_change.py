"""What a pass changed, on small graphs written down: no torch, milliseconds.

A graph is text: ``c = Conv(a, w) @one`` is an operation of the module call ``one``.
"""

import re

import pytest

from htp.backends.torchscript.change import Change
from htp.graph.records import GraphRecord, NodeRecord
from htp.scope import ModuleCall, Owner

LINE = re.compile(r"(?P<made>[\w, ]+) = (?P<op>[\w:]+)\((?P<read>[\w, ]*)\)( @(?P<owner>\w+))?")


def names(text):
    return [name.strip() for name in text.split(",") if name.strip()]


def call(name):
    return (ModuleCall(name, "Module", 0),)


def graph(text, outputs="", inputs=""):
    nodes = []
    for line in filter(None, map(str.strip, text.split(";"))):
        found = LINE.fullmatch(line)
        owner = Owner(call(found["owner"])) if found["owner"] else None
        made, read = names(found["made"]), names(found["read"])
        nodes.append(NodeRecord(found["op"], read, made, owner))
    return GraphRecord(names(inputs), names(outputs), nodes)


def change(before, after, outputs=("", "")):
    return Change(graph(before, outputs[0]), graph(after, outputs[1]))


def test_a_graph_that_is_what_it_was():
    text = "b = Old(a) @one; c = Reader(b) @two"
    one = change(text, text, ("c", "c"))
    assert not list(one.moved_uses())
    assert not list(one.replacements())
    assert not list(one.replacements(merging=True))
    assert not list(one.merges())
    assert not list(one.fused())
    assert not one.heads()


def test_a_reader_tells_what_took_the_place():
    one = change("b = Old(a) @one; c = Reader(b)", "n = New(a); c = Reader(n)")
    assert list(one.moved_uses()) == [("b", "n")]
    assert list(one.replacements()) == [("b", "n")]
    assert one.heads() == {"n": call("one")}


def test_the_outputs_of_a_graph_read_as_well():
    one = change("b = Old(a) @one", "n = New(a)", ("b", "n"))
    assert list(one.moved_uses()) == [("b", "n")]


def test_the_results_of_a_body_are_reads():
    def holder(value):
        inner = graph(f"{value} = Work(a) @one", value)
        return GraphRecord(nodes=[NodeRecord("If", ["q"], ["c"], None, [inner])])

    assert list(Change(holder("b"), holder("n")).moved_uses()) == [("b", "n")]


def test_chains_are_followed_through_new_operations():
    one = change(
        "b = Old(a); c = Other(b); d = Reader(c)", "m = Old(a); n = Other(m); d = Reader(n)"
    )
    assert list(one.replacements()) == [("c", "n"), ("b", "m")]


def test_chains_end_at_an_operation_that_was_there():
    """What an old operation reads now stands for nothing, unless equal ones were merged."""
    before = "b = Op(a); c = Op(a); e = Two(b); f = Two(c); g = Reader(f)"
    after = "b = Op(a); e = Two(b); g = Reader(e)"
    one = change(before, after)
    assert list(one.replacements()) == [("f", "e")]
    assert list(one.replacements(merging=True)) == [("f", "e"), ("c", "b")]


def test_two_values_that_both_stayed_stand_for_nothing():
    one = change("b = B(a); c = C(a); d = Reader(b)", "b = B(a); c = C(a); d = Reader(c)")
    assert list(one.moved_uses()) == [("b", "c")]
    assert not list(one.replacements())


def test_what_was_left_out_is_looked_through():
    """A dropout has no effect: what it read is what was replaced."""
    before = "b = Old(a) @one; c = Dropout(b) @two; d = Reader(c)"
    one = change(before, "n = Old(a); d = Reader(n)")
    assert one.counterpart("c", one.makers["n"]) == "b"
    assert one.heads() == {"n": call("one")}


def test_without_a_counterpart_the_value_stands_for_itself():
    one = change("b = Old(a); d = Reader(b)", "n = New(a); d = Reader(n)")
    assert one.counterpart("b", one.makers["n"]) == "b"


def test_merged_operations():
    before = "b = Op(a) @one; c = Op(a) @two; d = Reader(c)"
    assert list(change(before, "b = Op(a) @one; d = Reader(b)").merges()) == [("b", call("two"))]


def test_another_operation_was_not_merged():
    before = "b = Op(a) @one; c = Cast(b) @two; d = Reader(c)"
    assert not list(change(before, "b = Op(a) @one; d = Reader(b)").merges())


def test_an_operation_in_place_is_the_same_one_made_anew():
    one = change("b = add_(a) @one; d = Reader(b)", "n = add(a); d = Reader(n)")
    assert list(one.remade()) == [("b", "n")]


def test_a_constant_that_served_several_has_no_heir():
    before = "b = Constant() @one; c = Left(b) @one; d = Right(b) @two"
    after = "n = Constant(); c = Left(n) @one; m = Constant(); d = Right(m) @two"
    assert not change(before, after).heads()


def test_a_constant_that_served_one_has():
    before = "b = Constant() @one; c = Left(b) @one"
    assert change(before, "n = Constant(); c = Left(n) @one").heads() == {"n": call("one")}


def test_who_has_an_owner_keeps_it_unless_the_operation_is_the_same():
    before = "b = Old(a) @one; d = Reader(b)"
    assert not change(before, "n = New(a) @two; d = Reader(n)").heads()
    assert change(before, "n = Old(a) @two; d = Reader(n)").heads() == {"n": call("one")}


def test_what_stands_for_one_operation():
    before = "b = Linear(a, w) @one; d = Reader(b)"
    after = "k = Constant(); t = Transpose(w, k); n = MatMul(a, t); d = Reader(n)"
    one = change(before, after)
    assert list(one.behind("n", {})) == ["n", "t"]
    assert list(one.behind("n", {"t": None})) == ["n"]


def test_a_fusion():
    before = "b = Conv(a, w) @conv; c = BatchNorm(b) @norm; d = Reader(c)"
    one = change(before, "n = Conv(a, v); d = Reader(n)")
    assert list(one.fused()) == [("n", [*map(call, ["conv", "norm"])])]


def test_what_the_operation_that_stayed_read_was_not_fused():
    before = "s = Old(a) @old; b = Conv(s, w) @conv; c = BatchNorm(b) @norm; d = Reader(c)"
    after = "n = Conv(p, v); p = Old(a) @old; d = Reader(n)"
    assert dict(change(before, after).fused())["n"] == [*map(call, ["conv", "norm"])]


@pytest.mark.parametrize("last", ["b", "c"])
def test_a_region(last):
    before = "t = Transpose(w) @weight; b = Conv(a, t) @conv; c = BatchNorm(b) @norm; d = Reader(c)"
    one = change(before, "n = Conv(a, v); d = Reader(n)")
    whole = ["conv", "norm"] if last == "b" else ["weight", "conv", "norm"]
    assert list(one.region("c", last)) == [*map(call, whole)]
