"""The oracles of the tools on graphs written by hand: what they tell, and that they can say no."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tools.by_markers import every_node, markers, planted
from tools.judging import by_name, judge, stack_of, survived, truth
from tools.renaming import renamed
from tools.running import values_of

ROOT = ("", "Model", 0)
QUERY = (ROOT, ("query", "Linear", 0))
ACT = (ROOT, ("act", "GELU", 0))
NORM = (ROOT, ("norm", "Norm", 0))
RANDOM = np.random.default_rng(0)
WEIGHT, BIAS, SCALE = (RANDOM.normal(size=size).astype(np.float32) for size in ((4, 6), (6,), (6,)))
INPUTS = {"x": RANDOM.normal(size=(3, 4)).astype(np.float32)}


def node(op, inputs, outputs, owner=None, **attributes):
    made = helper.make_node(op, inputs.split(), outputs.split(), name=outputs, **attributes)
    if owner:
        entry = onnx.StringStringEntryProto(key="pkg.htp.stack", value=json.dumps(owner))
        made.metadata_props.append(entry)
    return made


def model(nodes, held=(), out="out", shape=(3, 6)):
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (3, 4))],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, name) for name, array in held],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


HELD = (("w", WEIGHT), ("b", BIAS), ("s", SCALE))


@pytest.fixture
def old():
    return model(
        [
            node("MatMul", "x w", "product", QUERY),
            node("Add", "product b", "sum", QUERY),
            node("Sigmoid", "sum", "gate", ACT),
            node("Mul", "sum gate", "active", ACT),
            node("Mul", "active s", "out", NORM),
        ],
        HELD,
    )


def owners(old, new, marked=None, tolerance="exact"):
    return truth(old, new, marked, INPUTS, tolerance).owners


def test_a_fused_node_is_told_by_what_lies_between_its_values(old):
    new = model(
        [
            node("Gemm", "x w b", "u"),
            node("Sigmoid", "u", "v"),
            node("Mul", "u v", "t"),
            node("Mul", "t s", "out"),
        ],
        HELD,
    )
    assert owners(old, new) == [QUERY, ACT, ACT, NORM]


def test_of_several_owners_the_common_ancestor_is_told(old):
    folded = (("w", WEIGHT * SCALE), ("b", BIAS * SCALE))
    before = model(
        [
            node("MatMul", "x w", "product", QUERY),
            node("Add", "product b", "sum", QUERY),
            node("Mul", "sum s", "scaled", NORM),
            node("Tanh", "scaled", "out", ACT),
        ],
        HELD,
    )
    new = model([node("Gemm", "x w b", "u"), node("Tanh", "u", "out")], folded)
    assert owners(before, new) == [(ROOT,), ACT]


def test_an_inserted_node_belongs_with_the_value_that_it_works_on(old):
    nodes = list(old.graph.node)
    nodes[2:2] = [
        node("Transpose", "sum", "turned", perm=[1, 0]),
        node("Transpose", "turned", "sum_again", perm=[1, 0]),
    ]
    new = model(nodes, HELD)
    new.graph.node[4].input[0] = "sum_again"
    assert owners(old, new)[1:5] == [QUERY, QUERY, QUERY, ACT]


def test_rough_numbers_are_told_step_by_step(old):
    step = [("step", np.float32(0.04)), ("zero", np.uint8(128))]
    new = model(
        [
            node("QuantizeLinear", "x step zero", "x8"),
            node("DequantizeLinear", "x8 step zero", "xr"),
            node("MatMul", "xr w", "product"),
            node("Add", "product b", "sum"),
            node("Sigmoid", "sum", "gate"),
            node("Mul", "sum gate", "active"),
            node("QuantizeLinear", "active step zero", "a8"),
            node("DequantizeLinear", "a8 step zero", "ar"),
            node("Mul", "ar s", "out"),
        ],
        [*HELD, *step],
    )
    assert owners(old, new, tolerance="quantised") == [
        *(QUERY, QUERY, QUERY, QUERY, ACT, ACT, ACT, ACT, NORM)
    ]


def test_equal_values_of_several_owners_are_not_decided():
    before = model(
        [
            node("Tanh", "x", "one", QUERY),
            node("Tanh", "x", "two", ACT),
            node("Sub", "one two", "none", NORM),
            node("Add", "x none", "out", NORM),
        ],
        shape=(3, 4),
    )
    merged = model(
        [
            node("Tanh", "x", "one"),
            node("Sub", "one one", "none"),
            node("Add", "x none", "out"),
        ],
        shape=(3, 4),
    )
    assert owners(before, merged, marked=planted(before))[0] is None
    told = markers(before, stack_of, planted(before), before)
    assert told == [QUERY, ACT, NORM, NORM]  # all are there: each stands for itself


def test_constants_and_sizes_are_not_decided_by_numbers(old):
    nodes = [
        node("Shape", "x", "size"),
        node("ConstantOfShape", "size", "zeros"),
        node("Add", "x zeros", "same"),
        *old.graph.node,
    ]
    new = model(nodes, HELD)
    assert owners(old, new)[:3] == [None, None, None]


def test_a_marker_tells_an_operation_only_where_it_is_the_very_same(old):
    marked = planted(old)
    assert markers(old, stack_of, marked, old) == [stack_of(each) for each in old.graph.node]
    marked.graph.initializer[0].CopyFrom(numpy_helper.from_array(WEIGHT * 2, "w"))
    assert markers(old, stack_of, marked, old)[:2] == [None, QUERY]
    marked.graph.node[2].op_type = "Tanh"
    assert markers(old, stack_of, marked, marked)[2] is None


def test_markers_of_another_graph_are_not_believed(old):
    marked = planted(old)
    del marked.graph.node[4]
    assert markers(old, stack_of, marked, old) == [None] * 5


def test_what_the_oracles_contradict_each_other_about_is_not_decided(old):
    marked = planted(old)
    marked.graph.node[4].doc_string = "planted 3"
    marked.graph.node[4].input[1] = "b"  # no constant that differs from the other's
    told = truth(old, old, marked, INPUTS, "exact")
    assert told.disputed == [[4, "Mul", "norm", "act"]]
    assert told.owners == [QUERY, QUERY, ACT, ACT, None]


def test_swapped_owners_are_foreign(old):
    right = owners(old, old, planted(old))
    assert judge(right, survived(old))["right"] == 5
    swapped = onnx.ModelProto()
    swapped.CopyFrom(old)
    one, two = swapped.graph.node[1].metadata_props[0], swapped.graph.node[4].metadata_props[0]
    one.value, two.value = two.value, one.value
    assert judge(right, survived(swapped)) == judge(right, by_name(swapped, old))
    assert judge(right, survived(swapped)) == {
        "right": 3, "too coarse": 0, "foreign": 2, "unresolved": 0, "undecided": 0
    }  # fmt: skip


def test_an_ancestor_is_too_coarse_and_nothing_is_unresolved(old):
    right = [QUERY, QUERY, ACT, None, NORM]
    counted = judge(right, [QUERY, (ROOT,), (), (ROOT,), (*NORM, ("norm.x", "X", 0))])
    assert list(counted.values()) == [1, 1, 1, 1, 1]
    again = ("query", "Linear", 1)
    assert judge([QUERY], [(ROOT, again)])["foreign"] == 1  # another call of the module


def test_truth_may_be_turned_round_by_nothing_but_the_file(old):
    """The oracles look at names nowhere: with all of them replaced they say the same."""
    new = model(
        [
            node("Gemm", "x w b", "u"),
            node("Sigmoid", "u", "v"),
            node("Mul", "u v", "t"),
            node("Mul", "t s", "out"),
        ],
        HELD,
    )
    assert owners(old, renamed(new)) == owners(old, new)


def test_renaming_leaves_no_name_and_no_metadata_and_the_same_values(old):
    copy = renamed(old)
    kept = {each.name for each in old.graph.node} | {n for e in old.graph.node for n in e.output}
    assert not kept.intersection(each.name for each in copy.graph.node)
    assert not kept.intersection(name for each in copy.graph.node for name in each.output)
    assert not any(each.metadata_props for each in every_node(copy))
    before, after = values_of(old, INPUTS), values_of(copy, INPUTS)
    assert np.array_equal(before["out"], after[copy.graph.output[0].name])


def test_renaming_keeps_what_bodies_read_from_outside():
    body = helper.make_graph(
        [node("Mul", "sum three", "inner")],
        "body",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, (3, 4))],
        [numpy_helper.from_array(np.float32(3), "three")],
    )
    other = onnx.GraphProto()
    other.CopyFrom(body)
    other.node[0].op_type = "Add"
    outer = model(
        [
            node("Tanh", "x", "sum"),
            node("If", "yes", "out", then_branch=body, else_branch=other),
        ],
        [("yes", np.bool_(True))],
        shape=(3, 4),
    )
    copy = renamed(outer)
    onnx.checker.check_model(copy)
    before, after = values_of(outer, INPUTS), values_of(copy, INPUTS)
    assert np.array_equal(before["out"], after[copy.graph.output[0].name])
