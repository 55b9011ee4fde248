"""HTP's keys and others', on literals."""

import random

import onnx
import pytest

from htp.errors import InvalidModelError
from htp.file import keys, origin
from htp.file.dialects import ADDED, infer
from htp.file.tags import TagTable
from htp.graph.records import CallRecord
from htp.scope import ModuleCall, Provenance, Sharing, Tag

ROOT = ModuleCall("", "m.Net", 0)
BLOCK = ModuleCall("block", "m.Block", 2)
OTHER = ModuleCall("other", "m.Block", 0)
STACK = (ROOT, BLOCK)
TAGS = [
    Tag(),
    Tag((ROOT,), Provenance.CAPTURED),
    Tag(STACK, Provenance.PROPAGATED),
    Tag(STACK, Provenance.CAPTURED, (OTHER,), Sharing.MERGED),
    Tag((ROOT,), Provenance.CAPTURED, (BLOCK, OTHER), Sharing.FUSED),
    Tag((ROOT, ModuleCall('a"],["b', 'q"\\', 0)), Provenance.CAPTURED),
    Tag((ROOT, ModuleCall("x],[", ",", 0)), Provenance.CAPTURED),
    Tag((ROOT, ModuleCall("x[", "],[", 0)), Provenance.INFERRED),
    Tag((ROOT, ModuleCall("\N{GREEK SMALL LETTER PI}\n", "\\", 10**17)), Provenance.INFERRED),
]
ORIGIN = "0123456789abcdef"
DIALECTS = [written.key for written in ADDED]


def node_with(tag, name="n", op="Add", theirs=()):
    present = tuple(key for key, _ in theirs)
    node = onnx.NodeProto.FromString(keys.Entries(ORIGIN).of(tag, present, name, op))
    made = onnx.NodeProto(op_type=op, name=name)
    for key, value in theirs:
        made.metadata_props.add(key=key, value=value)
    made.metadata_props.extend(node.metadata_props)
    return made


def read(table, node):
    return next(table.read([node], guess=False))[1]


def entries(node):
    return [(prop.key, prop.value) for prop in node.metadata_props]


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("theirs", [(), [(DIALECTS[0], "their own")], [(k, "t") for k in DIALECTS]])
def test_what_is_written_is_read(tag, theirs):
    assert read(TagTable(), node_with(tag, theirs=theirs)) == tag


@pytest.mark.parametrize("seed", range(20))
def test_one_table_reads_all_in_any_order(seed):
    """What it remembers of one node never tells of another."""
    order = random.Random(seed)
    table = TagTable()
    for tag in order.choices(TAGS, k=30):
        node = node_with(tag, theirs=order.sample([("a", "1"), ("b", "2")], order.randrange(3)))
        if order.random() < 0.5:
            shuffled = order.sample(entries(node), len(node.metadata_props))
            del node.metadata_props[:]
            for key, value in shuffled:
                node.metadata_props.add(key=key, value=value)
        assert read(table, node) == tag


def test_equal_tags_are_one_object():
    table = TagTable()
    one, two = (read(table, node_with(TAGS[3], name)) for name in "ab")
    assert one is two


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("theirs", [(), [(DIALECTS[1], "their own")], [(k, "t") for k in DIALECTS]])
@pytest.mark.parametrize("sort", [list, sorted, lambda found: sorted(found, reverse=True)])
def test_ours_in_any_order(tag, theirs, sort):
    """Tools sort metadata: neither may what HTP added stay, nor what was there go."""
    found = sort([("mine", "kept"), *entries(node_with(tag, theirs=theirs))])
    left = [entry for entry, ours in zip(found, keys.ours(found)) if not ours]
    assert sorted(left) == sorted([("mine", "kept"), *theirs])


def test_ours_in_the_first_schema():
    """There the order told it. Where a tool sorted the entries, what is doubtful stays."""
    block = [(keys.STACK, "[]"), (keys.PATH, ""), (keys.PROVENANCE, "captured")]
    added = [(DIALECTS[0], "x"), (DIALECTS[1], "y")]
    before = [(DIALECTS[2], "theirs")]
    written = [*before, *block, *added]
    assert keys.ours(written) == [False] + [True] * 5
    left = [key for (key, _), ours in zip(sorted(written), keys.ours(sorted(written))) if not ours]
    assert sorted(left) == sorted(DIALECTS)


def test_what_others_read():
    node = node_with(Tag(STACK, Provenance.CAPTURED), "/block/add_1", "Add")
    assert dict(entries(node)) == {
        "pkg.htp.stack": '[["","m.Net",0],["block","m.Block",2]]',
        "pkg.htp.path": "block",
        "pkg.htp.provenance": "captured",
        "pkg.htp.origin": ORIGIN,
        "namespace": ": m.Net/block: m.Block/add_1: Add",
        "pkg.torch.onnx.class_hierarchy": "['m.Net', 'm.Block', 'Add']",
        "pkg.torch.onnx.name_scopes": "['', 'block', '/block/add_1']",
    }
    told = infer(dict(entries(node)), "")
    assert [call.path for call in told.stack] == ["", "block"]
    assert told.provenance is Provenance.INFERRED


@pytest.mark.parametrize(
    ("props", "name", "paths"),
    [
        ({}, "/layer1/layer1.0/conv1/Conv", ["", "layer1", "layer1.0", "layer1.0.conv1"]),
        ({}, "Conv_3", []),
        ({"winml.hierarchy.tag": "/Net/Block.1/Add"}, "", ["", "Block.1", "Block.1.Add"]),
        ({"pkg.torch.onnx.name_scopes": "__import__('os')"}, "", []),
    ],
)
def test_other_tools_ways(props, name, paths):
    assert [call.path for call in infer(props, name).stack] == paths


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "null",
        '{"a":1}',
        '[["a","b"]]',
        '[["a","b","0"]]',
        '[["a","b",true]]',
        '[["a","b",1.0]]',
        '[["a","b",01]]',
        '[["a","b",0]],["c","d",0]]',
        'x["a","b",0]]',
        '[["a","b",' + "9" * 99999 + "]]",
        "[" * 99999,
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_stacks_that_cannot_be_read(text, warm):
    stacks = keys.Stacks()
    if warm:
        stacks.read('[["a","b",0],["c","d",0]]')
    with pytest.raises(InvalidModelError):
        stacks.read(text)


@pytest.mark.parametrize("text", ['"\\ud800"', '["a", {"b": "\\uDFFF"}]'])
def test_half_a_surrogate_is_no_text(text):
    with pytest.raises(ValueError, match="surrogates not allowed"):
        keys.loads(text)


def test_a_whole_surrogate_pair_is_text():
    assert keys.loads('"\\ud83d\\ude00 \\u00e9"') == "\N{GRINNING FACE} \u00e9"


def test_provenance_and_sharing_that_cannot_be_read():
    for texts in (("[]", "guessed", None, None), ("[]", "captured", "[]", "halved")):
        with pytest.raises(InvalidModelError, match="accepted are"):
            keys.decode(texts, keys.Stacks())


def test_bytes_that_are_no_text():
    """Protobuf gives bytes for text that is not valid UTF-8."""
    node = node_with(Tag(STACK, Provenance.CAPTURED)).SerializeToString()
    damaged = onnx.NodeProto.FromString(node.replace(b"m.Block", b"m.\xfflock"))
    assert isinstance(damaged.metadata_props[0].value, bytes)
    with pytest.raises(InvalidModelError, match="no text"):
        read(TagTable(), damaged)
    with pytest.raises(InvalidModelError):
        origin.read([(f"pkg.htp.{ORIGIN}", b"\xff"), (b"\xff", "x")])
    with pytest.raises(InvalidModelError):
        keys.decode_parameter(b"\xff")


def test_an_origin_is_read_as_written():
    calls = [CallRecord((ROOT,)), CallRecord(STACK), CallRecord((ROOT, OTHER))]
    text = origin.encode("fx", "2.15.0", "1.0", calls, (7, 99))
    (found,) = origin.read([("mine", "x"), (f"pkg.htp.{ORIGIN}", text)])
    assert found == origin.Origin(
        ORIGIN, "4", "fx", "2.15.0", "1.0", ((ROOT, 0), (BLOCK, 1), (OTHER, 1)), (7, 99)
    )
    assert origin.read([(f"pkg.htp.{ORIGIN}", text[:-1] + ',"later":[1]}')]) == [found]


def test_the_first_schema_is_read():
    flat = {
        "schema": "1",
        "backend": "fx",
        "torch": "2.9",
        "version": "0",
        "calls": '[["","m",0,0]]',
    }
    (found,) = origin.read([(f"pkg.htp.{name}", value) for name, value in flat.items()])
    assert found == origin.Origin("", "1", "fx", "2.9", "0", ((ModuleCall("", "m", 0), 0),))


def test_a_fingerprint_tells_exports_apart(tmp_path):
    def model(weight, name="w", size=20000):
        tensor = onnx.TensorProto(name=name, raw_data=bytes([weight]) * size)
        graph = onnx.GraphProto(initializer=[tensor])
        return onnx.ModelProto(graph=graph).SerializeToString()

    one = origin.fingerprint("{}", model(1))
    assert one == origin.fingerprint("{}", model(1))
    others = [
        origin.fingerprint("{ }", model(1)),
        origin.fingerprint("{}", model(2)),
        origin.fingerprint("{}", model(1, "v")),
        origin.fingerprint("{}", model(1, size=20001)),
    ]
    for content in (b"", b"1" * 50000, b"2" * 50000):
        (tmp_path / "weights.bin").write_bytes(content)
        others.append(
            origin.fingerprint("{}", model(1), [str(path) for path in tmp_path.iterdir()])
        )
    assert others[4] == one
    del others[4]
    assert len({one, *others}) == 1 + len(others)
