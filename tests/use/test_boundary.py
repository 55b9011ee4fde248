"""What a module call takes and returns, from the capture and from the graph alone. No torch."""

import json

import onnx
import pytest
from literal import call, known, model, node, stack, value, weight
from onnx import TensorProto, helper

import htp
from htp.graph.records import ValueRecord
from htp.scope import ModuleCall

Value = ValueRecord


def chain():
    """``a`` reads a size that the root computes; a constant of the root is part of ``a``."""
    return model(
        [
            node("Shape", "x", "size", "size", ""),
            node("Constant", "", "one", "one", "", attributes={"value_float": 1.0}),
            node("Neg", "one", "minus", "minus", ""),
            node("Add", "x minus", "h1", "a.add", "a"),
            node("Reshape", "h1 size", "h2", "a.reshape", "a"),
            node("MatMul", "h2 w", "h3", "b.mm", "b"),
            node("Relu", "h3", "y", "relu", ""),
        ],
        [value("x", "n", 4)],
        [value("y", "n", 4), value("h2", "n", 4)],
        [weight("w", 4, 4)],
    )


BOTH = {
    "a": ((Value(("0",), "x"),), (Value(("0",), "h2"),)),
    "b": ((Value(("input",), "h2"), Value(("mask",), None, "folded")), (Value(("0",), "h3"),)),
}


def test_what_the_capture_knew():
    found = known(chain(), BOTH).boundary("a")
    assert (found.inputs, found.outputs, found.exact) == (("x",), ("h2",), True)
    assert found.call == ModuleCall("a", "m.Part", 0)
    assert [each.known for each in (*found.taken, *found.given)] == [True, True]
    assert found.remarks == ()


def test_a_value_without_a_name_has_its_reason():
    found = known(chain(), BOTH).boundary("b")
    assert (found.inputs, found.outputs, found.exact) == (("h2",), ("h3",), False)
    assert [(v.place, v.name, v.reason) for v in found.taken] == [
        (("input",), "h2", None),
        (("mask",), None, "folded"),
    ]


def test_an_argument_of_which_more_was_folded_is_not_all_that_is_read():
    both = {**BOTH, "a": ((Value(("0",), "x"), Value(("1",), "one", "folded")), BOTH["a"][1])}
    found = known(chain(), both).boundary("a")
    assert (found.inputs, found.exact) == (("x", "one", "size"), False)
    assert found.taken[1] == (("1",), "one", "folded")


def test_the_graph_alone():
    found = htp.load(chain()).boundary("a")
    assert (found.inputs, found.outputs, found.exact) == (("x", "size"), ("h2",), False)
    assert [each.known for each in found.taken] == [False, False]
    assert found.remarks == (
        "the file does not say what the call took and returned: the graph was asked",
    )
    assert htp.load(chain()).boundary("").inputs == ("x",)
    assert htp.load(chain()).boundary("").outputs == ("h2", "y")


def test_an_origin_that_knows_one_side():
    values = {"a": (BOTH["a"][0], None)}
    found = known(chain(), values).boundary("a")
    assert (found.inputs, found.outputs, found.exact) == (("x",), ("h2",), False)
    assert [each.known for each in (*found.taken, *found.given)] == [True, False]


def test_a_value_that_a_tool_took_away():
    made = chain()
    made.graph.node[4].output[0] = made.graph.node[5].input[0] = "renamed"
    made.graph.output[1].name = "renamed"
    found = known(made, BOTH).boundary("a")
    assert (found.inputs, found.outputs, found.exact) == (("x",), ("renamed",), False)
    assert [(v.name, v.reason) for v in found.given] == [(None, "gone"), ("renamed", None)]


def test_several_calls():
    nodes = [node("Relu", "x", "h", "one", "a"), node("Relu", "h", "y", "two", "a", number=1)]
    made = model(nodes, [value("x", 1)], [value("y", 1)])
    tagged = htp.load(made)
    assert tagged.boundary("a").inputs == ("x",)
    assert tagged.boundary("a", 1).inputs == tagged.boundary("a@1").inputs == ("h",)
    with pytest.raises(htp.UnknownModuleError, match=r"no call 2 of 'a'.*\n.*its calls are 0, 1\."):
        tagged.boundary("a", 2)


def test_a_call_that_was_merged_with_an_equal_one():
    again = [call("a", number=1)]
    nodes = [
        node("Relu", "x", "h", "one", "a", shared=again, sharing="merged"),
        node("Neg", "h", "y", "two", ""),
    ]
    tagged = htp.load(model(nodes, [value("x", 1)], [value("y", 1)]))
    assert tagged.boundary("a@1").inputs == ("x",)
    assert tagged.boundary("a@1").outputs == ("h",)


def test_a_call_without_nodes():
    both = [call("block.conv"), call("block.norm")]
    nodes = [node("Conv", "x w", "y", "conv", "block", shared=both)]
    tagged = htp.load(model(nodes, [value("x", 1)], [value("y", 1)], [weight("w", 1, 1, 1, 1)]))
    found = tagged.boundary("block.norm")
    assert (found.inputs, found.outputs, found.exact) == ((), (), False)
    assert "no node of the file is this call's own" in found.remarks


def test_random_numbers_are_no_constant():
    nodes = [
        node("RandomNormal", "", "noise", "noise", "a", attributes={"shape": [4]}),
        node("Add", "x noise", "y", "add", "b"),
    ]
    tagged = htp.load(model(nodes, [value("x", 4)], [value("y", 4)]))
    assert tagged.boundary("b").inputs == ("x", "noise")
    assert tagged.boundary("a").outputs == ("noise",)


def test_nested_graphs():
    inner = [node("Add", "i k", "j", "in.add", "a.body"), node("Neg", "j", "o", "in.neg", "a")]
    cond = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    body = helper.make_graph(
        inner,
        "body",
        [helper.make_tensor_value_info("n", TensorProto.INT64, []), cond, value("i", 4)],
        [cond, value("o", 4)],
    )
    nodes = [
        node("Neg", "x", "k", "k", ""),
        node("Loop", "times always x", "y", "loop", "a", attributes={"body": body}),
    ]
    made = model(
        nodes,
        [
            value("x", 4),
            value("times", kind=TensorProto.INT64),
            value("always", kind=TensorProto.BOOL),
        ],
        [value("y", 4)],
    )
    tagged = htp.load(made)
    whole, part = tagged.boundary("a"), tagged.boundary("a.body")
    assert (whole.inputs, whole.outputs) == (("times", "always", "x", "k"), ("y",))
    assert (part.inputs, part.outputs) == (("i", "k"), ("j",))


def test_two_models_in_one_file():
    first, second = chain(), chain()
    second.metadata_props[0].key = f"pkg.htp.{'1' * 16}"
    for each in second.graph.node:
        for prop in each.metadata_props:
            prop.value = "1" * 16 if prop.key == "pkg.htp.origin" else prop.value
    for made in (first, second):
        made.metadata_props[0].value = json.dumps(
            {
                **json.loads(made.metadata_props[0].value),
                "calls": [[*each, depth] for depth, each in enumerate(stack("a"))],
            }
        )
    merged = onnx.compose.merge_models(first, second, io_map=[("y", "x")], prefix2="two/")
    with pytest.raises(htp.HTPError, match="2 of the models in this file have a module 'a'"):
        htp.load(merged).boundary("a")


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (("c",), htp.UnknownModuleError, "No module is called 'c'"),
        (("a@7",), htp.UnknownModuleError, "There is no call 7 of 'a'"),
        ((3,), TypeError, "named by its path"),
    ],
)
def test_bad_input(asked, error, said):
    with pytest.raises(error, match=said):
        htp.load(chain()).boundary(*asked)


def test_json():
    told = known(chain(), BOTH).boundary("b").to_json()
    assert told == {
        "schema": "htp.boundary/1",
        "call": {"path": "b", "type": "m.Part", "call": 0},
        "exact": False,
        "inputs": [
            {"place": ["input"], "name": "h2", "known": True, "reason": None},
            {"place": ["mask"], "name": None, "known": False, "reason": "folded"},
        ],
        "outputs": [{"place": ["0"], "name": "h3", "known": True, "reason": None}],
        "remarks": [],
    }
