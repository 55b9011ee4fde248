"""Cutting one module call out: what it takes and gives, what it is, and what is refused."""

import numpy as np
import onnx
import pytest
from literal import call, checked, known, model, node, value, weight
from onnx import TensorProto, helper
from parts import BLOCK, INT64, block, given, same

import htp


def ports(part):
    told = part.extraction
    return [port.name for port in told.inputs], [port.name for port in told.outputs]


def odd(part):
    return [(row.side, row.kind, row.name or row.place) for row in part.extraction.rows]


def test_it_takes_and_gives_what_the_module_does():
    whole = block()
    part = whole.extract("a")
    made = same(whole.model, part, BLOCK)
    assert ports(part) == (["x", "m"], ["h", "k"])
    assert part.extraction.exact
    assert [port.places for port in part.extraction.inputs] == [(("0",),), (("mask",),)]
    assert {each.name for each in made.graph.initializer} == {"w"}
    assert [each.op_type for each in made.graph.node] == ["Constant", "Mul", "Add", "Sub"]
    assert [d.dim_param or d.dim_value for d in made.graph.input[0].type.tensor_type.shape.dim] == [
        "n",
        4,
    ]


def test_what_the_file_says_of_values_between_stays():
    made = block().model
    made.graph.value_info.append(value("d", "n", 4))
    part = htp.load(made).extract("a").model
    assert [each.name for each in part.graph.value_info] == ["d"]


def test_the_result_is_tagged_with_the_paths_of_the_whole(tmp_path):
    whole = block()
    whole.extract("a").save(tmp_path / "a.onnx")
    part = htp.load(tmp_path / "a.onnx")
    assert part.extraction is None
    assert [(n.name, tag.path) for n, tag in part.nodes()] == [
        ("two", ""),
        ("a.mul", "a.mul"),
        ("a.add", "a.add"),
        ("a.sub", "a"),
    ]
    assert [str(branch.call) for branch in part.tree().walk()] == ["", "a", "a.mul", "a.add"]
    assert part.parameters() == {"w": ("a.add.bias",)}
    assert part.backend == "fx"
    assert [n.name for n, _ in part.find("a.add")] == ["a.add"]
    assert part.boundary("a") == whole.boundary("a")
    assert part.select("a.mul").names == ("a.mul",)
    assert part.cost({"n": 2}).rows
    (origin,) = part.origins
    assert origin.fingerprint != whole.origins[0].fingerprint
    assert [str(each) for each, _ in origin.calls] == ["", "a", "a.mul", "a.add"]


def test_a_part_can_be_cut_again_and_nothing_that_it_holds_only_some_of():
    whole = block()
    part = whole.extract("a")
    again = part.extract("a")
    assert again.extraction == part.extraction
    same(whole.model, part.extract("a.add"), BLOCK)
    with pytest.raises(htp.ExtractionError, match="itself a part") as refused:
        part.extract("")
    assert (refused.value.reason, refused.value.ancestor) == ("cut", None)


def test_the_whole():
    whole = block()
    part = whole.extract("")
    made = same(whole.model, part, BLOCK)
    assert ports(part) == (["x", "m"], ["y"])
    assert len(made.graph.node) == 6


def test_an_argument_that_nothing_reads_stays_where_its_type_is_known():
    whole = block(b=(given("h", ("mask", "m"), ("size", None, "unread")), given("g")))
    part = whole.extract("b")
    same(whole.model, part, BLOCK)
    assert ports(part) == (["h", "m"], ["g"])
    assert odd(part) == [("input", "unread", ("size",))]
    assert "nothing in the file reads it" in str(part.extraction)


def test_an_argument_that_is_handed_on_untouched_and_a_result_that_is_given_twice():
    whole = block(a=(given("x", "m"), given("h", ("1", "m"), ("2", "h"))))
    part = whole.extract("a")
    made = same(whole.model, part, BLOCK)
    assert ports(part) == (["x", "m"], ["h", "m.out", "h.out"])
    assert [port.value for port in part.extraction.outputs] == ["h", "m", "h"]
    assert part.extraction.exact
    tags = {n.name: str(tag.owner) for n, tag in part.nodes()}
    assert tags["m.out"] == "a"
    assert [each.op_type for each in made.graph.node][-2:] == ["Identity", "Identity"]
    assert ports(part.extract("a"))[0] == ["x", "m"]


def test_a_constant_that_is_an_argument_is_one_in_the_part():
    whole = block(**{"a.add": (given("d", "w"), given("k"))})
    part = whole.extract("a.add")
    made = same(whole.model, part, BLOCK)
    assert ports(part) == (["d", "w"], ["k"])
    assert not made.graph.initializer


def test_a_value_that_others_make_is_named():
    """``b`` reads what ``a`` kept of something else than the arguments of ``b``."""
    made = model(
        [
            node("Neg", "m", "kept", "a.neg", "a"),
            node("Relu", "x", "h", "relu", ""),
            node("Add", "h kept", "y", "add", "b"),
        ],
        [value("x", 2, 4), value("m", 2, 4)],
        [value("y", 2, 4)],
    )
    tagged = known(made, {"b": (given("h"), given("y"))})
    part = tagged.extract("b")
    same(tagged.model, part, BLOCK)
    assert ports(part) == (["h", "kept"], ["y"])
    assert odd(part) == [("input", "foreign", "kept")]
    assert "others make it" in str(part.extraction)


def test_what_was_not_recorded_is_asked_of_the_graph():
    part = known(block().model, {"a": (None, None)}).extract("a")
    assert ports(part) == (["x", "m"], ["h"])
    assert {kind for _, kind, _ in odd(part)} == {"graph"}
    assert not part.extraction.exact


def test_a_missing_result_has_its_reason():
    whole = block(a=(given("x", "m"), given("h", ("1", None, "unread"))))
    assert odd(whole.extract("a")) == [("output", "unread", ("1",))]


def fused(**values):
    """``s.conv`` and ``s.norm`` are one node of ``s``; ``s.norm`` has one more of its own."""
    both = [call("s.conv"), call("s.norm")]
    made = model(
        [
            node("Neg", "x", "h", "neg", ""),
            node("Mul", "h w", "c", "mul", "s", shared=both),
            node("Relu", "c", "y", "relu", "s.norm"),
        ],
        [value("x", 4)],
        [value("y", 4)],
        [weight("w", 4)],
    )
    told = {
        "s": (given("h"), given("y")),
        "s.conv": (given("h"), given(("0", None, "fused"))),
        "s.norm": (given(("0", None, "fused")), given("y")),
        **values,
    }
    return known(made, told)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"s.norm": (None, None), "s.conv": (None, None)},
        {"s.norm": (given(("0", None, "rewritten")), given("y"))},
    ],
    ids=["recorded", "not recorded", "rewritten"],
)
@pytest.mark.parametrize("path", ["s.norm", "s.conv"])
def test_what_is_fused_with_others_is_refused(path, values):
    with pytest.raises(htp.ExtractionError, match="cannot be cut out") as refused:
        fused(**values).extract(path)
    assert (refused.value.reason, refused.value.ancestor) == ("fused", "s")
    assert refused.value.hint == "the smallest around it that can be cut out is 's'."


@pytest.mark.parametrize(("side", "reason"), [("fused", "fused"), ("rewritten", "rewritten")])
def test_what_reads_others_in_the_place_of_a_lost_argument_is_refused(side, reason):
    """``b`` reads ``h``, which may be its argument or what became of it."""
    whole = block(b=(given(("0", None, side)), given("g")))
    with pytest.raises(htp.ExtractionError) as refused:
        whole.extract("b")
    assert refused.value.reason == reason


def test_what_ends_in_a_node_that_is_fused_with_others_is_refused():
    """``s.a`` makes ``h``, and its last operation is in one node with the first of ``s.b``."""
    both = [call("s.a"), call("s.b")]
    made = model(
        [
            node("Relu", "x", "h", "relu", "s.a"),
            node("Mul", "h w", "c", "mul", "s", shared=both),
            node("Neg", "c", "y", "neg", "s.b"),
        ],
        [value("x", 4)],
        [value("y", 4)],
        [weight("w", 4)],
    )
    for path in ("s.a", "s.b"):
        with pytest.raises(htp.ExtractionError) as refused:
            htp.load(made).extract(path)
        assert (refused.value.reason, refused.value.ancestor) == ("fused", "s")


def test_what_is_fused_within_a_module_is_its_own():
    whole = fused()
    same(whole.model, whole.extract("s"), {"x": np.ones(4, np.float32)})


def moved(kind, stays=False):
    """The transposes of ``""`` and of ``a`` cancel each other, so ``a`` reads what was before."""
    nodes = [
        node("Relu", "x", "h", "relu", ""),
        node("Transpose", "h", "t", "turn", ""),
        node("Neg", "h", "g", "neg", "a"),
        node(kind, "t g" if kind == "MatMul" else "t", "z", "last", ""),
    ]
    made = model(nodes, [value("x", 2, 2)], [value("z", 2, 2), value("g", 2, 2)])
    return known(made, {"a": (given("t"), given("g"))})


def test_an_operation_that_went_over_the_border_is_refused():
    with pytest.raises(htp.ExtractionError, match="merged over its border") as refused:
        moved("MatMul").extract("a")
    assert refused.value.reason == "fused"


def test_what_others_make_of_an_argument_is_copied():
    """``b`` reads the Cast of its own argument that ``a`` made first."""
    made = model(
        [
            node("Cast", "x", "c", "cast", "a", attributes={"to": 11}),
            node("Neg", "c", "h", "neg", "a"),
            node("Mul", "c c", "y", "mul", "b"),
        ],
        [value("x", 2)],
        [value("h", 2, kind=TensorProto.DOUBLE), value("y", 2, kind=TensorProto.DOUBLE)],
    )
    tagged = known(made, {"a": (given("x"), given("h")), "b": (given("x"), given("y"))})
    part = tagged.extract("b")
    same(tagged.model, part, {"x": np.ones(2, np.float32)})
    assert ports(part) == (["x"], ["y"])
    assert part.extraction.exact
    assert part.extraction.remarks == (
        "1 nodes of others, which work on what it takes, are copied",
    )


def test_a_call_that_was_merged_with_an_equal_one():
    again = [call("a", number=1)]
    made = model(
        [
            node("Relu", "x", "h", "one", "a", shared=again, sharing="merged"),
            node("Neg", "h", "y", "two", ""),
        ],
        [value("x", 1)],
        [value("y", 1)],
    )
    tagged = htp.load(made)
    part = tagged.extract("a@1")
    assert part.extraction.calls[0].call == 1
    assert ports(part) == (["x"], ["h"])
    assert [n.op_type for n, _ in part.nodes()] == ["Relu"]


@pytest.mark.parametrize(
    ("path", "said", "reason"),
    [("a.drop", "no node of the file is its own", "none")],
)
def test_what_has_no_node_is_refused(path, said, reason):
    whole = block(**{path: (given("h"), given("h"))})
    with pytest.raises(htp.ExtractionError, match=said) as refused:
        whole.extract(path)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        (given(("0", None, "rewritten")), "rewritten"),
        (given(("0", None, "unread")), "unread"),
        (given(("0", None, "folded")), "folded"),
        (given(("0", None, "body")), "body"),
        (given("gone"), "rewritten"),
    ],
)
def test_what_gives_nothing_that_is_known_is_refused(outputs, reason):
    whole = block(a=(given("x", "m"), outputs))
    with pytest.raises(htp.ExtractionError) as refused:
        whole.extract("a")
    assert (refused.value.reason, refused.value.ancestor) == (reason, "")
    assert "'the whole model'" in str(refused.value)


def test_work_of_another_module_never_passes_for_it():
    whole = block(b=(given("m"), given("y")))
    with pytest.raises(htp.ExtractionError, match="nodes of other modules") as refused:
        whole.extract("b")
    assert refused.value.reason == "rewritten"


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ((("nope",), {}), htp.UnknownModuleError, "No module is called 'nope'"),
        ((("a@3",), {}), htp.UnknownModuleError, "no call 3"),
        (((3,), {}), TypeError, "named by its path"),
        (((), {}), TypeError, "Say which module"),
        (((), {"first": "a"}), TypeError, "two ends"),
        ((("a",), {"first": "a", "last": "b"}), TypeError, "by itself"),
    ],
)
def test_bad_input(asked, error, said):
    with pytest.raises(error, match=said):
        block().extract(*asked[0], **asked[1])


def test_a_type_that_nothing_tells_is_refused():
    """``b`` reads what an operator gives that onnx does not know."""
    strange = helper.make_node("Strange", ["x"], ["s"], "s", domain="d")
    strange.metadata_props.extend(node("Neg", "x", "s", "s", "").metadata_props)
    made = model(
        [strange, node("Neg", "s", "y", "neg", "b")],
        [value("x", 2)],
        [value("y", 2)],
        domains=["d"],
    )
    with pytest.raises(htp.ExtractionError, match="the type of 's'") as refused:
        htp.load(made).extract("b")
    assert refused.value.reason == "type"


def test_json():
    told = block().extract("b").extraction.to_json()
    assert told == {
        "schema": "htp.extract/1",
        "name": "b",
        "calls": [{"path": "b", "type": "m.Part", "call": 0}],
        "exact": True,
        "nodes": 1,
        "inputs": [{"name": "h", "value": "h", "places": [["0"]]}],
        "outputs": [{"name": "g", "value": "g", "places": [["0"]]}],
        "exceptions": [],
        "remarks": [],
    }


def test_a_model_that_was_changed_in_memory_is_cut_as_it_is():
    whole = block()
    whole.model.graph.node[3].op_type = "Add"
    part = whole.extract("a")
    assert [n.op_type for n, _ in part.nodes()][-1] == "Add"
    checked(part.model)
    assert INT64 == onnx.TensorProto.INT64


def test_an_argument_of_which_some_work_was_done_in_advance_is_refused():
    """``a`` computes ``w.tanh() + w.t()`` of the weight ``w``, whose transposition is folded."""

    def whole(of):
        nodes = [
            node("Tanh", "w", "t", "tanh", "a"),
            node("Add", "t folded", "k", "add", "a"),
            node("MatMul", "x k", "y", "mm", ""),
        ]
        weights = [weight("w", 4, 4, parameter="w"), weight("folded", 4, 4, parameter=of)]
        made = model(nodes, [value("x", 2, 4)], [value("y", 2, 4)], weights)
        return known(made, {"": (given("x"), given("y")), "a": (given("w"), given("k"))})

    with pytest.raises(htp.ExtractionError, match="of 'w' is a constant now") as refused:
        whole("w").extract("a")
    assert (refused.value.reason, refused.value.ancestor) == ("folded", "")
    assert ports(whole("a.own").extract("a")) == (["w"], ["k"])


def test_a_value_of_unknown_rank_is_refused():
    """``a`` flattens ``x`` to a rank that is an input, so nothing tells that of what it gives."""
    nodes = [node("Reshape", "x shape", "r", "reshape", "a"), node("Relu", "r", "y", "relu", "b")]
    made = model(
        nodes,
        [value("x", 2, 4), value("shape", "rank", kind=INT64)],
        [onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    calls = {"a": (given("x", "shape"), given("r")), "b": (given("r"), given("y"))}
    whole = known(made, {"": (given("x", "shape"), given("y")), **calls})
    for path, does in (("a", "gives"), ("b", "reads")):
        with pytest.raises(htp.ExtractionError, match=f"type of 'r', which it {does}") as refused:
            whole.extract(path)
        assert refused.value.reason == "type"
