"""Origins: packed and unpacked, bounded whatever they claim, and read from damaged files."""

import base64
import json
import tracemalloc
import zlib

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from htp.errors import InvalidModelError
from htp.file import calls, encode, folded, origin, packed, skeleton, wire
from htp.file.document import nodes_of
from htp.file.records import add_attributes, outline_of, record_model
from htp.file.tensors import reduced, tensors_of
from htp.file.weights import weights_of
from htp.graph.records import CallRecord, Capture, Kind, Operation, ValueRecord
from htp.scope import UNKNOWN, Evidence, ModuleCall, Owner, Provenance, Sharing, Tag
from htp.tagged import load

ROOT, BLOCK, OTHER = (ModuleCall(path, f"m.{path}", 0) for path in ("", "block", "other"))
CALLS = (
    CallRecord((ROOT,), (ValueRecord(("0",), "x"), ValueRecord(("mask",), None, "unread")), None),
    CallRecord((ROOT, BLOCK), (), (ValueRecord(("1", "key"), "a", "merged"),)),
    CallRecord((ROOT, OTHER)),
)
TAGS = [
    Tag((ROOT, BLOCK), Provenance.CAPTURED),
    Tag((ROOT, BLOCK), Provenance.CAPTURED),
    Tag((ROOT,), Provenance.PROPAGATED, (BLOCK, OTHER), Sharing.FUSED),
    UNKNOWN,
    Tag((ROOT, BLOCK, OTHER), Provenance.INFERRED, (), None, Evidence.NAME),
    Tag((ROOT, BLOCK, OTHER), Provenance.INFERRED, (ModuleCall("far", "m.Far", 3),)),
    Tag((ROOT,), Provenance.CAPTURED),
    Tag((ROOT,), Provenance.CAPTURED),
]


def constant(size, name):
    value = numpy_helper.from_array(np.arange(size), "secret doc")
    value.doc_string = "secret doc"
    return helper.make_node("Constant", [], [name], name, doc_string="secret doc", value=value)


def model():
    """Eight nodes that are called, in the graph, two bodies and a function; and one that is not."""
    body = helper.make_graph(
        [constant(100, "large")], "b", [], [helper.make_tensor_value_info("large", 7, None)]
    )
    nodes = [
        constant(3, "few"),
        helper.make_node("If", ["q"], ["r"], "if", then_branch=body, else_branch=body),
        helper.make_node("F", ["r"], ["f"], "f", domain="mine"),
        helper.make_node("Add", ["f", "w"], ["a"], "add"),
        helper.make_node("Relu", ["a"], ["y"], "relu"),
    ]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    functions = [
        helper.make_function(
            "mine", name, ["i"], ["o"], [helper.make_node("Abs", ["i"], ["o"])], opsets
        )
        for name in ("F", "uncalled")
    ]
    weight = numpy_helper.from_array(np.ones((40, 50), np.float32), "w")
    weight.doc_string = "secret doc"
    ends = [helper.make_tensor_value_info(name, 1, ["n", 50]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight], doc_string="secret doc")
    graph.value_info.append(helper.make_tensor_value_info("a", 1, ["secret", 50]))
    made = helper.make_model(graph, functions=functions, opset_imports=opsets)
    made.doc_string = "secret doc"
    for holder in (made, *nodes_of(made), weight):
        holder.metadata_props.add(key="secret", value="secret")
    return made


def skeleton_of(made, tags=TAGS):
    data = made.SerializeToString()
    outline = outline_of(data)
    weights = weights_of(reduced(outline), data, parameters={"w": ("block.w", "block.v")})
    return skeleton.Skeleton(outline, tags, weights, CALLS)


def without_zeros(weights):
    """What a skeleton keeps of weights: not which elements of a sample are zero."""
    return {
        name: weight._replace(sketch=weight.sketch and weight.sketch._replace(zeros=0))
        for name, weight in weights.items()
    }


def parts():
    return skeleton.pack(skeleton_of(model()))


def test_a_skeleton_comes_back_as_it_was_packed():
    made = skeleton_of(model())
    back = skeleton.unpack(skeleton.pack(made), CALLS, "it")
    assert back == made._replace(weights=without_zeros(made.weights))
    assert back.weights["large"].sketch.length == 32
    assert list(back.weights) == ["large", "w"]
    assert back.weights["w"].parameters == ("block.w", "block.v")
    assert skeleton.pack(back) == skeleton.pack(made)


def test_what_it_leaves_out_and_what_not():
    made = model()
    found = skeleton_of(made).model
    data = found.SerializeToString()
    constants = [node for node in nodes_of(made) if node.op_type == "Constant"]
    assert data.count(b"secret") == len(constants)  # the names that their tensors have
    assert len(data) < 1500 < made.ByteSize()
    assert [function.name for function in found.functions] == ["F"]
    plain = [node for node in nodes_of(made) if not node.attribute]
    for node in plain:
        del node.metadata_props[:]
    assert [node for node in nodes_of(found) if not node.attribute] == plain
    few, *large = [n.attribute[0].t for n in nodes_of(found) if n.op_type == "Constant"]
    assert few.raw_data
    assert not any(each.raw_data for each in large)


def test_model_and_skeleton_have_the_same_fingerprints_of_attributes():
    made = model()
    del made.functions[1]
    found = skeleton_of(made)
    kept = []
    for each, weights in ((made, weights_of(tensors_of(made))), (found.model, found.weights)):
        record = record_model(each)
        add_attributes(record, each, weights)
        kept.append([node.attributes for node in record.walk()])
    assert kept[0] == kept[1]
    assert len(set(kept[0])) == 3  # of those that have none; of the two constants
    other = onnx.ModelProto.FromString(made.SerializeToString())
    changed = other.graph.node[1].attribute[0].g.node[0].attribute[0].t
    changed.raw_data = changed.raw_data[::-1]
    record = record_model(other)
    add_attributes(record, other, weights_of(tensors_of(other)))
    assert [node.attributes for node in record.walk()] != kept[0]


def test_calls_and_values_come_back_as_they_were():
    text = origin.encode("fx", "2.9", "1", CALLS, (8, 1))
    (found,) = origin.read([(f"pkg.htp.{'0' * 16}", text)])
    assert found.records() == CALLS
    assert [call for call, _ in found.calls] == [call.stack[-1] for call in CALLS]
    assert found.skeleton() is None
    assert not found.has_skeleton


def test_a_digest_tells_nodes_apart():
    def digest(made):
        return origin.digest((node.op_type, node.output) for node in nodes_of(made))

    made = model()
    one = digest(made)
    assert one[0] == 8
    assert digest(skeleton_of(made).model) == one
    made.graph.node[4].op_type = "Abs"
    two = digest(made)
    made.graph.node[4].output[0] = "z"
    assert len({one, two, digest(made)}) == 3
    made.graph.node.add(op_type="Abs", output=["v"])
    assert digest(made)[0] == 9
    assert origin.digest([("Abs", [b"\xff"])]) == (1, -1)


# --- bounds


def test_packing_keeps_to_the_ratio_that_reading_allows():
    for data in (b"", b"x", bytes(10), bytes(10**6), b"ab" * 10**6, bytes(range(256)) * 40):
        text = packed.pack(data)
        assert packed.unpack(text, "it") == data
        assert len(data) <= len(base64.b64decode(text)) * packed.RATIO + 1100


def bomb(size=50_000_000):
    return base64.b64encode(zlib.compress(bytes(size), 9)).decode()


def test_a_bomb_is_not_blown_up():
    text = bomb()
    tracemalloc.start()
    with pytest.raises(InvalidModelError, match="claim to stand for more"):
        packed.unpack(text, "it")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 40 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        *(None, 7, [], "", "x", "é", "!!!!", "AAAA", bomb(), packed.pack(b"x" * 99)[:-8]),
        base64.b64encode(b"no zlib").decode(),
    ],
)
def test_rubbish_is_told(text):
    with pytest.raises(InvalidModelError, match=r"it cannot be read: .+\."):
        packed.unpack(text, "it")


def said(part):
    return json.loads(packed.unpack(parts()[part], "it"))


def changed(part, **more):
    return packed.dump({**said(part), **more})


DEEP = [[at - 1 + len(CALLS) if at else -1, "p", "m", 0] for at in range(2000)]
WIDE = DEEP[:900] + [[899, "p", "m", 0]] * 100_000


@pytest.mark.parametrize(
    ("part", "held"),
    [
        ("graph", None),
        ("graph", bomb()),
        ("graph", packed.pack(b"\x0a\x03no")),
        ("graph", packed.pack(b":" + b"\n" * 300)),
        ("tags", packed.pack(b"\xff")),
        ("tags", changed("tags", nodes=[])),
        ("tags", packed.pack(b"[" * 50_000)),
        ("tags", packed.dump([])),
        ("tags", packed.dump({})),
        ("tags", changed("tags", nodes=[0, 7])),
        ("tags", changed("tags", nodes=[0, 9])),
        ("tags", changed("tags", nodes=[0, 8, 1])),
        ("tags", changed("tags", nodes=[0, 10**17])),
        ("tags", changed("tags", nodes=[0, -1, 0, 9])),
        ("tags", changed("tags", nodes=[0, 4, 99, 4])),
        ("tags", changed("tags", nodes=[-1, 8])),
        ("tags", changed("tags", nodes=[0, True] * 8)),
        ("tags", changed("tags", nodes={"0": 8})),
        ("tags", changed("tags", nodes=8)),
        ("tags", changed("tags", tags=[[99, "captured"]], nodes=[0, 8])),
        ("tags", changed("tags", tags=[[-2, "captured"]], nodes=[0, 8])),
        ("tags", changed("tags", tags=[["0", "captured"]], nodes=[0, 8])),
        ("tags", changed("tags", tags=[[0, "guessed"]], nodes=[0, 8])),
        ("tags", changed("tags", tags=[[0, "captured", [99]]], nodes=[0, 8])),
        ("tags", changed("tags", tags=[[0, "captured", [], "halved"]], nodes=[0, 8])),
        ("tags", changed("tags", tags=[[0, "captured", [], "", "felt"]], nodes=[0, 8])),
        ("tags", changed("tags", tags=[[0] * 6], nodes=[0, 8])),
        ("tags", changed("tags", tags=[7], nodes=[0, 8])),
        ("tags", changed("tags", tags=[[]], nodes=[0, 8])),
        ("tags", changed("tags", stacks=[[99, "a", "b", 0]])),
        ("tags", changed("tags", stacks=[[3, "a", "b", 0]])),  # below itself
        ("tags", changed("tags", stacks=[[0, "a", "b"]])),
        ("tags", changed("tags", stacks=[[0, "a", 7, 0]])),
        ("tags", changed("tags", stacks=7)),
        ("tags", changed("tags", stacks=DEEP)),
        ("tags", changed("tags", stacks=WIDE)),
        ("weights", packed.dump({})),
        ("weights", changed("weights", contents="0")),
        ("weights", changed("weights", contents=7)),
        ("weights", changed("weights", parameters=[])),
        ("weights", changed("weights", parameters={"0": 7})),
        ("weights", changed("weights", parameters={"0": [7]})),
    ],
)
def test_a_damaged_skeleton_is_told(part, held):
    damaged = {**parts(), part: held}
    with pytest.raises(InvalidModelError, match=f"it \\({part}\\) cannot be read: .+"):
        skeleton.unpack(damaged, CALLS, "it")


def test_a_skeleton_that_is_none():
    for held in (None, 7, "x", []):
        with pytest.raises(InvalidModelError, match="it is no object"):
            skeleton.unpack(held, CALLS, "it")


PAIRS = tuple((call.stack[-1], len(call.stack) - 1) for call in CALLS)


@pytest.mark.parametrize(
    "held",
    [
        {},
        [],
        {"names": [], "calls": []},
        {"names": [], "calls": [None] * 4},
        {"names": [7], "calls": [None] * 3},
        {"names": 7, "calls": [None] * 3},
        {"names": ["a"], "calls": [[[1], None], None, None]},
        {"names": ["a"], "calls": [[[-2], None], None, None]},
        {"names": ["a"], "calls": [[[0]], None, None]},
        {"names": ["a"], "calls": [[7, None], None, None]},
        {"names": ["a"], "calls": [[[[0, [7], ""]], None], None, None]},
        {"names": ["a"], "calls": [[[[0, 7, ""]], None], None, None]},
        {"names": ["a"], "calls": [[[["0", [], ""]], None], None, None]},
        {"names": ["a"], "calls": [[[[0, [], None]], None], None, None]},
        {"names": ["a"], "calls": [[[[-1, [], "", 7]], None], None, None]},
        {"names": ["a"], "calls": [[[[-1, [], "", []]], None], None, None]},
        {"names": ["a"], "calls": [[[[-1, [], "", [1, -2]]], None], None, None]},
        {"names": ["a"], "calls": [[[[-1, [], "", [2**31, 2]]], None], None, None]},
        {"names": ["a"], "calls": [[[[-1, [], "", [1, "n"]]], None], None, None]},
        {"names": ["a"], "calls": [[[[-1, [], "", [1, 2**63]]], None], None, None]},
        {"names": ["a"], "calls": [[[[-1, [], "", [1], 7]], None], None, None]},
        {"names": ["a"], "calls": [[[[-1, [], "", [1], "x", "y"]], None], None, None]},
        {"names": ["a"], "calls": [[[[-1, [], "", None, "x"]], None], None, None]},
        {"names": ["a"], "calls": [[[[0, [], "", [1], "x"]], None], None, None]},
    ],
)
def test_damaged_values_are_told(held):
    with pytest.raises(InvalidModelError, match=r"it cannot be read: .+"):
        calls.decode_values(PAIRS, packed.dump(held), "it")


def test_what_an_argument_is_that_has_no_name_or_was_folded():
    for kind in (None, Kind(1, ()), Kind(7, (2, None))):
        for work in (None, "#0") if kind else (None,):
            for name in (None, "a"):
                taken = (ValueRecord(("x",), name, "folded", kind, work),)
                held = [call._replace(inputs=taken) for call in CALLS]
                text = packed.dump(calls.encode_values(held))
                assert calls.decode_values(PAIRS, text, "it") == tuple(held)


OPERATIONS = (
    Operation("Constant", (), ("#0",), (("value", "TENSOR", (7, (1,), "00" * 8)),)),
    Operation("d::Op", ("a", "", "#0"), ("w", ""), (("i", "INT", 1), ("f", "FLOATS", (1.0, 2.5)))),
    Operation("Op", ("a",), ("b",), (("s", "STRING", "x"), ("n", "INTS", ()), ("g", "FLOAT", 0.5))),
)


def test_operations_are_read_as_written():
    assert folded.decode(folded.encode(OPERATIONS), "it") == OPERATIONS
    assert folded.decode(None, "it") == ()


@pytest.mark.parametrize(
    "held",
    [
        7,
        [7],
        [["Op", [], []]],
        [["Op", [], [], []]],
        [["Op", [7], ["y"], []]],
        [[7, [], ["y"], []]],
        [["Op", [], ["y"], 7]],
        [["Op", [], ["y"], [["a", "INT"]]]],
        [["Op", [], ["y"], [["a", "INT", "1"]]]],
        [["Op", [], ["y"], [["a", "INT", 2**63]]]],
        [["Op", [], ["y"], [["a", "INTS", 1]]]],
        [["Op", [], ["y"], [["a", "FLOAT", 1]]]],
        [["Op", [], ["y"], [["a", "GRAPH", 1]]]],
        [["Op", [], ["y"], [["a", ["INT"], 1]]]],
        [["Op", [], ["y"], [[7, "INT", 1]]]],
        [["Op", [], ["y"], [["a", "TENSOR", 1]]]],
        [["Op", [], ["y"], [["a", "TENSOR", [7, [1], "0"]]]]],
        [["Op", [], ["y"], [["a", "TENSOR", [7, [2**64], ""]]]]],
        [["Op", [], ["y"], [["a", "TENSOR", [2**40, [1], ""]]]]],
    ],
)
def test_damaged_operations_are_told(held):
    with pytest.raises(InvalidModelError, match=r"it cannot be read: .+"):
        folded.decode(packed.dump(held), "it")


def test_half_a_character_is_no_name():
    text = packed.pack(b'[["Op",["\\ud800"],["y"],[]]]')
    with pytest.raises(InvalidModelError, match=r"it cannot be read: .+"):
        folded.decode(text, "it")


def test_calls_that_all_stand_deep_are_refused():
    """Stacks would hold a thousand times what the file does."""
    deep = [(ROOT, at) for at in range(900)] + [(ROOT, 900)] * 100_000
    with pytest.raises(InvalidModelError, match="a call within"):
        calls.decode_values(tuple(deep), None, "it")


@pytest.mark.parametrize("nodes", [7, [1], [1, "2"], [True, 1], {}])
def test_a_digest_that_is_none_is_told(nodes):
    text = json.loads(origin.encode("fx", "2.9", "1", CALLS, (8, 1)))
    with pytest.raises(InvalidModelError, match="its nodes are"):
        origin.read([(f"pkg.htp.{'0' * 16}", json.dumps({**text, "nodes": nodes}))])


# --- files


def tagged(whole=True):
    made = model()
    del made.functions[1]
    data = made.SerializeToString()
    outline = outline_of(data)
    record = record_model(outline)
    for node, tag in zip(record.walk(), TAGS):
        node.owner = Owner(tag.stack) if tag.stack else None
    capture = Capture(record, calls=CALLS)
    entries = encode.made(encode.Written(data, outline), capture, TAGS, "fx", whole)
    return wire.join(encode.with_tags(data, entries, "fx").chunks)


def test_a_file_without_a_skeleton_keeps_the_rest():
    whole, bare = load(tagged()), load(tagged(False))
    (one,), (other,) = whole.origins, bare.origins
    assert one.skeleton() is not None
    assert other.skeleton() is None
    assert other.records() == one.records() == CALLS
    assert (other.schema, other.backend, other.torch) == (one.schema, one.backend, one.torch)
    assert one.fingerprint != other.fingerprint  # a merged file may hold both
    assert one.nodes == other.nodes
    assert [tag for _, tag in whole.nodes()] == [tag for _, tag in bare.nodes()]


def test_a_file_with_a_damaged_skeleton_still_tells_its_tags():
    """Only who asks for the skeleton is told."""
    made = onnx.ModelProto.FromString(tagged())
    entry, seal = [prop for prop in made.metadata_props if prop.key.startswith("pkg.htp.")]
    assert seal.key == f"{entry.key}.seal"
    held = json.loads(entry.value)
    held["skeleton"]["graph"] = "rubbish"
    entry.value = json.dumps(held)
    found = load(made)
    assert found.coverage.total == 8
    with pytest.raises(InvalidModelError, match=r"skeleton of pkg.htp.* cannot be read"):
        found.origins[0].skeleton()


def test_an_origin_of_the_second_schema_is_read():
    text = '{"schema":"2","backend":"fx","torch":"2.9","htp":"1","calls":[["","m",0,0]]}'
    (found,) = origin.read([(f"pkg.htp.{'0' * 16}", text)])
    assert (found.schema, found.nodes, found.skeleton()) == ("2", None, None)
    assert found.records() == (CallRecord((ModuleCall("", "m", 0),)),)
