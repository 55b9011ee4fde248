"""Cutting out: sizes, bodies, functions, data files, several modules, and files of any kind."""

import contextlib
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from literal import MARK, ROOT, checked, known, model, node, stack, tag, value, weight
from onnx import TensorProto, helper, numpy_helper
from parts import BLOCK, INT64, block, given, results, same

import htp

X = {"x": np.random.default_rng(1).standard_normal((3, 4), np.float32)}
FILES = Path(__file__).parents[1] / "files"


def sized(opset=17, rank="n"):
    """``b`` reads how long ``x`` is, which the root computes."""
    one = {"value": numpy_helper.from_array(np.array([4], np.int64), "")}
    nodes = [
        node("Shape", "x", "shape", "shape", ""),
        node("Gather", "shape zero", "rows", "rows", "", attributes={"axis": 0}),
        node("Constant", "", "four", "four", "", attributes=one),
        node("Concat", "rows four", "both", "both", "", attributes={"axis": 0}),
        node("Relu", "x", "h", "relu", ""),
        node("Reshape", "h both", "y", "reshape", "b"),
    ]
    zero = numpy_helper.from_array(np.array([0], np.int64), "zero")
    made = model(nodes, [value("x", "n", 4)], [value("y", "n", 4)], [zero], opset=opset)
    made.graph.value_info.append(value("h", rank, 4))
    return known(made, {"b": (given("h"), given("y"))})


@pytest.mark.parametrize("opset", [13, 17])
def test_a_size_is_made_anew(opset):
    whole = sized(opset)
    part = whole.extract("b")
    made = same(whole.model, part, X)
    assert [port.name for port in part.extraction.inputs] == ["h"]
    assert part.extraction.exact
    assert "the size 'both' is made anew" in part.extraction.remarks[0]
    assert all("x" not in each.input for each in made.graph.node)
    assert part.extract("b").extraction.exact


def test_a_size_that_cannot_be_made_anew_is_taken():
    whole = sized(rank="other")
    part = whole.extract("b")
    same(whole.model, part, X)
    assert [port.name for port in part.extraction.inputs] == ["h", "both"]
    assert [(row.side, row.kind, row.name) for row in part.extraction.rows] == [
        ("input", "size", "both")
    ]


def test_a_number_that_a_module_takes_is_made_of_its_tensors():
    whole = sized()
    nodes = whole.model.graph.node
    nodes[5].input[1] = "shape"
    whole.model.graph.value_info.append(value("rows", 1, kind=INT64))
    nodes[4].op_type = "Relu"
    made = known(whole.model, {"b": (given("h", "shape"), given("y"))})
    assert [port.name for port in made.extract("b").extraction.inputs] == ["h", "shape"]
    nodes[5].input[1] = "both"
    made = known(whole.model, {"b": (given("h", "rows"), given("y"))})
    assert [port.name for port in made.extract("b").extraction.inputs] == ["h"]


def branching():
    """Both branches of an ``If`` of ``a`` run a module; ``k`` and ``w`` lie outside of them."""
    branches = {}
    for number, (name, op) in enumerate((("then_branch", "Add"), ("else_branch", "Sub"))):
        path = f"a.b{number}"
        inner = [
            node(op, "k w", f"s{number}", f"{path}.{op}", path),
            node("Neg", f"s{number}", f"o{number}", f"neg{number}", "a"),
        ]
        branches[name] = helper.make_graph(inner, name, [], [value(f"o{number}", 2, 4)])
    made = model(
        [
            node("Relu", "x", "k", "relu", ""),
            node("If", "c", "y", "if", "a", attributes=branches),
        ],
        [value("x", 2, 4), value("c", kind=TensorProto.BOOL)],
        [value("y", 2, 4)],
        [weight("w", 4)],
    )
    values = {
        "a": (given("k", "c"), given("y")),
        "a.b0": (given("k"), given("s0")),
        "a.b1": (given("k"), given("s1")),
    }
    return known(made, values)


def test_a_module_that_holds_a_branch():
    whole = branching()
    feeds = {"x": BLOCK["x"], "c": np.array(False)}
    part = whole.extract("a")
    same(whole.model, part, feeds)
    assert [tag.path for _, tag in part.nodes()] == ["a", "a.b1", "a", "a.b0", "a"]


@pytest.mark.parametrize(("path", "sign"), [("a.b0", 1), ("a.b1", -1)])
def test_a_module_in_a_branch(path, sign):
    part = branching().extract(path)
    made = checked(part.model)
    assert part.extraction.exact
    found = results(made, {"k": BLOCK["x"]})
    np.testing.assert_allclose(*found.values(), BLOCK["x"] + sign)


def test_a_module_in_a_loop_takes_what_the_loop_gives_it():
    inner = [
        node("Add", "i k", "j", "in.add", "a.body"),
        node("Identity", "c", "again", "again", "a"),
    ]
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    body = helper.make_graph(
        inner,
        "body",
        [helper.make_tensor_value_info("n", INT64, []), condition, value("i", 4)],
        [helper.make_tensor_value_info("again", TensorProto.BOOL, []), value("j", 4)],
    )
    nodes = [
        node("Neg", "x", "k", "k", ""),
        node("Loop", "times always x", "y", "loop", "a", attributes={"body": body}),
    ]
    inputs = [
        value("x", 4),
        value("times", kind=INT64),
        value("always", kind=TensorProto.BOOL),
    ]
    tagged = htp.load(model(nodes, inputs, [value("y", 4)]))
    part = tagged.extract("a.body")
    made = checked(part.model)
    assert [each.name for each in made.graph.input] == ["i", "k"]
    assert [n.op_type for n in made.graph.node] == ["Add"]
    whole = tagged.extract("a")
    feeds = {"x": X["x"][0], "times": np.array(2), "always": np.array(True)}
    same(tagged.model, whole, feeds)


def test_nodes_in_several_bodies_are_refused():
    made = branching().model
    for branch in made.graph.node[1].attribute:
        for inner in branch.g.node:
            del inner.metadata_props[:]
            tag(inner, "a.b")
    for prop in made.graph.node[1].metadata_props:
        prop.value = prop.value.replace(', ["a", "m.Part", 0]', "")
    with pytest.raises(htp.ExtractionError, match="several bodies") as refused:
        known(made, {}).extract("a.b")
    assert refused.value.reason == "body"


def calling():
    """``a`` calls a function that calls another; a third is not called by it."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    functions = [
        helper.make_function("f", "Inner", ["i"], ["o"], [node("Neg", "i", "o", "n", "a")], opsets),
        helper.make_function("f", "Other", ["i"], ["o"], [node("Abs", "i", "o", "n", "b")], opsets),
        helper.make_function(
            "f",
            "Outer",
            ["i"],
            ["o"],
            [node("Inner", "i", "m", "n", "a"), node("Relu", "m", "o", "r", "a.deep")],
            opsets,
        ),
    ]
    for each in (functions[2].node[0],):
        each.domain = "f"
    nodes = [node("Outer", "x", "h", "outer", "a"), node("Other", "h", "y", "other", "b")]
    for each in nodes:
        each.domain = "f"
    made = model(nodes, [value("x", 4)], [value("y", 4)], functions=functions)
    made.graph.value_info.append(value("h", 4))
    return known(made, {"a": (given("x"), given("h"))})


def test_functions_go_along_with_what_calls_them():
    whole = calling()
    part = whole.extract("a")
    same(whole.model, part, {"x": X["x"][0]})
    assert [each.name for each in part.model.functions] == ["Inner", "Outer"]
    assert [tag.path for _, tag in part.nodes()] == ["a", "a", "a", "a.deep"]
    with pytest.raises(htp.ExtractionError, match="body of a function") as refused:
        whole.extract("a.deep")
    assert (refused.value.reason, refused.value.ancestor) == ("function", "a")


def outside(folder):
    """A model whose weights lie in a file beside it."""
    made = block().model
    path = folder / "model.onnx"
    onnx.save(made, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_data_files_are_referred_to_or_copied_and_never_loaded(tmp_path):
    path = outside(tmp_path)
    part = htp.load(path).extract("a")
    (tensor,) = part.model.graph.initializer
    assert not tensor.raw_data
    part.save(tmp_path / "beside.onnx")
    assert sorted(os.listdir(tmp_path)) == ["beside.onnx", "model.onnx", "weights.bin"]
    (tmp_path / "elsewhere").mkdir()
    part.save(tmp_path / "elsewhere" / "a.onnx")
    for each in (tmp_path / "beside.onnx", tmp_path / "elsewhere" / "a.onnx"):
        onnx.checker.check_model(str(each), full_check=True)
        found = results(onnx.load(each), BLOCK)
        np.testing.assert_allclose(found["h"], BLOCK["x"] * 2 + 1 - BLOCK["m"], rtol=1e-6)


def test_large_weights_and_constants_are_taken_as_they_are():
    large = np.arange(2000, dtype=np.float32)
    held = {"value": numpy_helper.from_array(large, "")}
    made = model(
        [
            node("Constant", "", "big", "big", "", attributes=held),
            node("Add", "x big", "h", "add", "a"),
            node("Mul", "h w", "y", "mul", "a"),
        ],
        [value("x", 2000)],
        [value("y", 2000)],
        [weight("w", value=large), weight("unused", value=large)],
    )
    tagged = htp.load(made.SerializeToString())
    part = tagged.extract("a")
    same(tagged.model, part, {"x": large})
    assert len(part.model.graph.initializer) == 1


def test_several_modules():
    whole = block()
    part = whole.extract("a.add", "b")
    same(whole.model, part, BLOCK)
    told = part.extraction
    assert [port.name for port in told.inputs] == ["d", "h"]
    assert [port.name for port in told.outputs] == ["k", "g"]
    assert told.rows == ()
    assert {str(each) for each in told.calls} == {"a.add", "b"}


def layers(count=4):
    """Layers in a row, with a sum of the root's behind each."""
    nodes, calls = [], [[*ROOT, 0]]
    before = "x"
    for number in range(count):
        path = f"layer{number}"
        nodes.append(node("MatMul", f"{before} w{number}", f"h{number}", f"mm{number}", path))
        nodes.append(node("Add", f"h{number} {before}", f"s{number}", f"sum{number}", ""))
        calls.append([path, "m.Part", 0, 1])
        before = f"s{number}"
    made = model(
        nodes,
        [value("x", 3, 4)],
        [value(before, 3, 4), value("s0", 3, 4)],
        [weight(f"w{number}", 4, 4) for number in range(count)],
        calls=calls,
    )
    return htp.load(made)


def test_a_range_has_what_lies_between():
    whole = layers()
    part = whole.extract(first="layer1", last="layer2")
    made = same(whole.model, part, X)
    assert [each.name for each in made.graph.node] == ["mm1", "sum1", "mm2"]
    assert [port.name for port in part.extraction.inputs] == ["s0"]
    assert [port.name for port in part.extraction.outputs] == ["s1", "h2"]


@pytest.mark.parametrize(
    ("ends", "error", "said"),
    [
        (("layer2", "layer1"), htp.HTPError, "'layer1' is called before 'layer2'"),
        (("layer2", "layer9"), htp.UnknownModuleError, "layer9"),
    ],
)
def test_bad_ranges(ends, error, said):
    with pytest.raises(error, match=said):
        layers().extract(first=ends[0], last=ends[1])


def test_a_range_needs_the_order_of_calls():
    made = layers().model
    del made.metadata_props[:]
    with pytest.raises(htp.HTPError, match="in which order"):
        htp.load(made).extract(first="layer1", last="layer2")


def test_all_but_a_module_and_what_needs_it():
    whole = layers()
    part = whole.extract(without="layer2")
    made = same(whole.model, part, X)
    assert [each.name for each in made.graph.node] == ["mm0", "sum0", "mm1", "sum1"]
    assert [port.name for port in part.extraction.outputs] == ["s0", "s1"]
    assert "'s3' needs what was left out" in part.extraction.remarks[0]
    with pytest.raises(htp.ExtractionError, match="nothing is left"):
        whole.extract(without="layer0")
    with pytest.raises(htp.UnknownModuleError):
        whole.extract(without="nope")


def test_a_module_without_one_below_it():
    whole = block()
    part = whole.extract("a", without="a.add")
    same(whole.model, part, BLOCK)
    assert [port.name for port in part.extraction.outputs] == ["d"]


@pytest.mark.parametrize("at", ["layer1", "layer2", "layer3"])
def test_two_halves_give_the_whole_again(at):
    whole = layers()
    first, second = whole.split(at)
    same(whole.model, first, X)
    same(whole.model, second, X)
    between = [port.name for port in second.extraction.inputs]
    assert set(between) <= {port.name for port in first.extraction.outputs}
    joined = onnx.compose.merge_models(
        first.strip().model,
        second.strip().model,
        io_map=[(name, name) for name in between],
        outputs=[each.name for each in whole.model.graph.output],
    )
    assert sorted(each.name for each in joined.graph.output) == ["s0", "s3"]
    expected = results(whole.model, X)
    for name, found in results(joined, X).items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-6)
    count = sum(1 for _ in whole.nodes())
    assert len(joined.graph.node) == count


def test_a_half_that_takes_the_shape_of_an_input():
    """``b`` begins with how long ``x`` is, which is an input of the whole."""
    whole = sized(rank="other")
    for each in whole.model.graph.node[:4]:
        for prop in each.metadata_props:
            if prop.key == "pkg.htp.stack":
                prop.value = next(
                    p.value for p in whole.model.graph.node[5].metadata_props if p.key == prop.key
                )
    first, second = whole.split("b")
    same(whole.model, first, X)
    same(whole.model, second, X)
    given_ = {port.name for port in first.extraction.outputs} | {"x"}
    assert {port.name for port in second.extraction.inputs} <= given_


def test_a_split_that_leaves_nothing_is_refused():
    with pytest.raises(htp.ExtractionError, match="nothing lies before it"):
        layers().split("")
    with pytest.raises(htp.ExtractionError, match="it has no node"):
        block(**{"b.drop": (given("h"), given("h"))}).split("b.drop")


def test_two_models_in_one_file():
    first, second = block().model, layers().model
    second.metadata_props[0].key = f"pkg.htp.{'1' * 16}"
    for each in second.graph.node:
        for prop in each.metadata_props:
            prop.value = "1" * 16 if prop.key == "pkg.htp.origin" else prop.value
    merged = onnx.compose.merge_models(first, second, io_map=[("y", "x")], prefix2="two/")
    tagged = htp.load(merged)
    part = tagged.extract("layer1")
    checked(part.model)
    assert [port.name for port in part.extraction.outputs] == ["two/h1"]
    assert [str(each) for each, _ in part.origins[0].calls] == ["", "layer1"]
    checked(tagged.extract("b").model)
    with pytest.raises(htp.HTPError, match="2 of the models"):
        tagged.extract("")


@pytest.mark.parametrize("name", sorted(path.stem for path in FILES.glob("*.onnx")))
def test_files_of_every_schema(name):
    tagged = htp.load(FILES / f"{name}.onnx")
    done = 0
    for branch in tagged.tree().walk():
        with contextlib.suppress(htp.ExtractionError):
            part = tagged.extract(str(branch.call))
            checked(part.model)
            part.tree()
            done += 1
    assert done > 2


def test_a_file_without_tags_of_htp():
    made = layers().model
    for each in made.graph.node:
        del each.metadata_props[:]
    del made.metadata_props[:]
    for each in made.graph.node:
        each.name = f"/layer{each.name[-1]}/{each.op_type}" if each.name[0] == "m" else each.name
    tagged = htp.load(made)
    part = tagged.extract("layer1")
    checked(part.model)
    assert {row.kind for row in part.extraction.rows} == {"graph"}
    ((_, told),) = part.nodes()
    assert (told.path, str(told.provenance)) == ("layer1", "inferred")


def rewritten(change):
    """What is left of ``block`` after a tool: its tags are carried."""
    whole = block()
    other = onnx.ModelProto()
    other.CopyFrom(whole.model)
    change(other.graph)
    return htp.carry(whole, other)


def test_a_tool_that_keeps_the_names_of_values():
    """It puts one operation in the place of two: what lay between is gone, the end is there."""

    def fuse(graph):
        one = helper.make_node("Gemm", ["h", "v"], ["y"], "fused")
        del graph.node[4:]
        graph.node.append(one)

    carried = rewritten(fuse)
    part = carried.extract("")
    checked(part.model)
    assert [port.name for port in part.extraction.outputs] == ["y"]
    with pytest.raises(htp.ExtractionError):
        carried.extract("b")


def test_what_a_quantiser_turned_into_whole_numbers_is_not_what_the_module_gave(tmp_path):
    """onnxruntime leaves the ``Reshape`` of ``a`` as it is, on ``uint8``, under another name."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    shape = numpy_helper.from_array(np.array([4, 4], np.int64), "shape")
    random = np.random.default_rng(0)
    weights = [
        weight(name, value=random.standard_normal((4, 4)).astype(np.float32)) for name in "vw"
    ]
    made = model(
        [
            node("MatMul", "x v", "r", "first", ""),
            node("Transpose", "r", "t", "turn", ""),
            node("Reshape", "t shape", "h", "a.reshape", "a"),
            node("MatMul", "h w", "y", "last", ""),
        ],
        [value("x", 4, 4)],
        [value("y", 4, 4)],
        [*weights, shape],
    )
    known(made, {"a": (given("t"), given("h"))}).save(tmp_path / "model.onnx")

    class Once(quantization.CalibrationDataReader):
        def __init__(self):
            self.rows = [{"x": random.standard_normal((4, 4)).astype(np.float32)}]

        def get_next(self):
            return self.rows.pop() if self.rows else None

    quantization.quantize_static(
        tmp_path / "model.onnx",
        tmp_path / "whole.onnx",
        Once(),
        quant_format=quantization.QuantFormat.QOperator,
    )
    carried = htp.carry(tmp_path / "model.onnx", tmp_path / "whole.onnx")
    assert "h_quantized" in [name for each, _ in carried.nodes() for name in each.output]
    assert "h_quantized" not in [found.name for found in carried.boundary("a").given if found.known]


def test_a_file_in_which_weights_are_inputs():
    made = block().model
    made.ir_version = 3
    made.opset_import[0].version = 8
    made.graph.input.extend([value("w", 4), value("v", 4, 4)])
    made.graph.node[0].attribute[0].CopyFrom(
        helper.make_attribute("value", numpy_helper.from_array(np.float32(2), ""))
    )
    whole = known(made, {"a": (given("x", "m"), given("h", "k"))})
    part = checked(whole.extract("a").model)
    assert [each.name for each in part.graph.input] == ["x", "m", "w"]
    assert part.ir_version == 3


def test_sparse_weights_and_other_metadata():
    made = block().model
    values = helper.make_tensor("sparse", TensorProto.FLOAT, [1], [3.0])
    places = helper.make_tensor("places", INT64, [1], [2])
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [4]))
    made.graph.node[2].input[1] = "sparse"
    made.metadata_props.add(key="licence", value="free")
    part = htp.load(made).extract("a.add")
    assert [each.values.name for each in part.model.graph.sparse_initializer] == ["sparse"]
    assert {each.key for each in part.model.metadata_props} >= {"licence"}
    assert not any(each.key.startswith(f"pkg.htp.{MARK}") for each in part.model.metadata_props)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
def test_a_damaged_file(keep):
    data = block().model.SerializeToString()
    with pytest.raises(htp.HTPError):
        htp.load(data[: int(len(data) * keep)]).extract("a")


def test_stack_of_a_part():
    part = block().extract("a.add")
    ((_, told),) = [each for each in part.nodes() if each[0].name == "a.add"]
    assert [tuple(each) for each in told.stack] == [tuple(each) for each in stack("a.add")]
