"""Files that are damaged or hostile, made at random from good ones.

A file is damaged as bytes (flipped, cut, spliced), as messages (fields that are repeated, dropped,
moved, nested) or as a model (metadata, names and data files that somebody chose with intent). What
is packed within an origin is unpacked, damaged in the same ways, and packed again.
"""

import base64
import json
import zlib

import onnx
from onnx import helper

from htp.file import encode, packed, wire
from htp.file.document import nodes_of
from htp.file.protobuf import head, varint
from htp.file.records import outline_of, record_model
from htp.graph.records import CallRecord, Capture
from htp.tagged import load

MARK = "0" * 16
DEEP = 3000


def tagged_again(file):
    """A file of an earlier schema in the present one: the same graph, tags and calls."""
    old = load(file)
    tags = [tag for _, tag in old.nodes()]
    calls = []
    way = []
    for call, depth in old.origins[0].calls:
        way[depth:] = [call]
        calls.append(CallRecord(tuple(way)))
    data = wire.join(old.strip()._file.chunks)
    outline = outline_of(data)
    capture = Capture(record_model(outline), calls=tuple(calls))
    made = encode.made(encode.Written(data, outline), capture, tags, "fx")
    return wire.join(encode.with_tags(data, made, "fx").chunks)


def tag_by_hand(node, stack, **more):
    said = {"stack": json.dumps(stack), "path": stack[-1][0], "provenance": "captured"}
    for key, value in {**said, **more, "origin": MARK}.items():
        node.metadata_props.add(key=f"pkg.htp.{key}", value=value)
    return node


def with_everything(location=None):
    """Bodies, functions that call each other, shared tags, parameters; data in a file if wanted."""
    root, block = ["", "m.Net", 0], ["block", "m.Block", 0]
    kind = onnx.TensorProto.FLOAT
    weight = helper.make_tensor("w", kind, [4], bytes(16), raw=True)
    constant = helper.make_tensor("c", kind, [4], bytes(16), raw=True)
    for number, tensor in enumerate((weight, constant)):
        tensor.metadata_props.add(key="pkg.htp.parameter", value='["block.weight"]')
        if location:
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", location), ("offset", str(16 * number))):
                tensor.external_data.add(key=key, value=value)
    inner = tag_by_hand(helper.make_node("Constant", [], ["k"], "k", value=constant), [root, block])
    body = helper.make_graph([inner], "b", [], [helper.make_tensor_value_info("k", kind, [4])])
    nodes = [
        tag_by_hand(helper.make_node("Add", ["x", "w"], ["a"], "/block/Add"), [root, block]),
        tag_by_hand(helper.make_node("Outer", ["a"], ["f"], "f", domain="mine"), [root]),
        tag_by_hand(
            helper.make_node("If", ["q"], ["r"], "r", then_branch=body, else_branch=body),
            [root],
            shared=json.dumps([block]),
            sharing="fused",
        ),
        helper.make_node("Relu", ["r"], ["y"], "/block/Relu"),
    ]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    functions = [
        helper.make_function(
            "mine",
            name,
            ["i"],
            ["o"],
            [tag_by_hand(helper.make_node(op, ["i"], ["o"], name, domain=domain), [root])],
            opsets,
        )
        for name, op, domain in (("Outer", "Inner", "mine"), ("Inner", "Relu", ""))
    ]
    ends = [helper.make_tensor_value_info(name, kind, [4]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight])
    model = helper.make_model(graph, functions=functions, opset_imports=opsets)
    said = {"schema": "2", "backend": "fx", "torch": "2.9", "htp": "1"}
    said["calls"] = [[*root, 0], [*block, 1]]
    model.metadata_props.add(key=f"pkg.htp.{MARK}", value=json.dumps(said))
    return model.SerializeToString()


def in_other_words(data):
    """Without HTP's tags, but with those of other tools."""
    model = onnx.ModelProto.FromString(data)
    del model.metadata_props[:]
    for number, node in enumerate(nodes_of(model)):
        kept = [(p.key, p.value) for p in node.metadata_props if not p.key.startswith("pkg.htp")]
        del node.metadata_props[:]
        if number % 3 == 0:
            node.metadata_props.add(key="winml.hierarchy.tag", value="/Net/Block.1/Add")
        for key, value in kept if number % 3 == 1 else ():
            node.metadata_props.add(key=key, value=value)
        if number % 3 == 1:
            scopes = "['', 'layer', 'layer.0', 'node']"
            node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
            node.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value=scopes)
    return model.SerializeToString()


# --- bytes


def flip(data, chance):
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def overwrite(data, chance):
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x0A))
    return bytes(changed)


def cut(data, chance):
    return data[: chance.randrange(1, len(data))]


def splice(data, chance):
    one, two = sorted(chance.sample(range(len(data)), 2))
    piece = data[one : min(two, one + 2000)]
    at = chance.randrange(len(data))
    return chance.choice((data[:at] + piece + data[at:], data[:one] + data[two:]))


# --- messages


MESSAGES = {
    "model": {7: "graph", 25: "function", 14: "entry"},
    "graph": {1: "node", 5: "tensor"},
    "function": {7: "node"},
    "node": {5: "attribute", 9: "entry"},
    "attribute": {5: "tensor", 6: "graph", 11: "graph"},
    "tensor": {13: "entry", 16: "entry"},
    "entry": {},
}


def parts(data):
    """A message as a list of its fields: number, wire type, and the bytes or the number."""
    at, found = 0, []
    while at < len(data):
        tag, at = varint(data, at, len(data))
        if tag & 7 == 2:
            size, at = varint(data, at, len(data))
            found.append((tag, data[at : at + size]))
            at += size
        elif tag & 7 == 0:
            value, at = varint(data, at, len(data))
            found.append((tag, value))
        else:
            size = 8 if tag & 7 == 1 else 4
            found.append((tag, data[at : at + size]))
            at += size
    return found


def number(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def joined(fields):
    out = b""
    for tag, value in fields:
        out += number(tag)
        if isinstance(value, int):
            out += number(value)
        else:
            out += (number(len(value)) if tag & 7 == 2 else b"") + value
    return out


def in_messages(data, chance, kind="model"):
    """Go down into some message, and do something to its fields."""
    fields = parts(data)
    below = [
        at for at, (tag, _) in enumerate(fields) if tag & 7 == 2 and tag >> 3 in MESSAGES[kind]
    ]
    if below and chance.random() < 0.85:
        at = chance.choice(below)
        tag, value = fields[at]
        fields[at] = tag, in_messages(value, chance, MESSAGES[kind][tag >> 3])
        return joined(fields)
    if fields:
        at = chance.randrange(len(fields))
        tag, value = fields[at]
        other = chance.choice(fields)
        fields[at : at + 1] = chance.choice(
            (
                [],
                [(tag, value)] * chance.choice((2, 50)),
                [(tag, value), other],
                [(chance.randrange(1, 30) << 3 | tag & 7, value)],
                [(tag, b"")] if tag & 7 == 2 else [(tag, 2**63)] if tag & 7 == 0 else [],
                [(tag, bytes(chance.randrange(256) for _ in range(20)))] if tag & 7 == 2 else [],
            )
        )
    return joined(fields)


def nested(data, chance):
    """A graph within a graph, and so on."""
    graph = b""
    for _ in range(chance.choice((10, 33, 60, 500, DEEP))):
        attribute = head(6, len(graph)) + graph
        node = head(5, len(attribute)) + attribute
        graph = head(1, len(node)) + node
    return data + head(7, len(graph)) + graph


# --- what is said


def deep_calls(count):
    return [[str(n), "m", 0, n] for n in range(count)]


LONG = "/" + "a/" * 30_000
VALUES = [
    "",
    "[]",
    "{}",
    "null",
    "7",
    "Infinity",
    "[Infinity]",
    '[["a","b",Infinity]]',
    '[["a","b",NaN]]',
    '[["a","b",1e999]]',
    '[["a","b",' + "9" * 30_000 + "]]",
    '[["a","b",-1]]',
    '[[["a"],"b",0]]',
    "[" * 30_000,
    '{"a":' * 30_000,
    "{[]:1}",
    "{[]:1}" * 5_000,
    "-" * 30_000 + "1",
    "(" * 30_000,
    "['" + "\\" * 30_001,
    "[" + "'a'," * 30_000 + "]",
    "['\\U99999999']",
    "['\\ud800']",
    '"\\ud800"',
    '["\\ud800"]',
    '[["\\ud800","\\ud800",0]]',
    LONG,
    LONG.replace("/", "."),
    json.dumps([[LONG, LONG, 0]]),
    json.dumps([[str(n), "m", n] for n in range(DEEP)]),
    json.dumps(deep_calls(DEEP)),
    json.dumps(deep_calls(900)),
    json.dumps([["", "m", 0, 0]] + [[str(n), "m", n, 1] for n in range(DEEP)]),
    json.dumps({"schema": "2", "calls": deep_calls(DEEP)}),
    json.dumps({"schema": "2", "calls": deep_calls(900)}),
    '{"schema":"2","calls":Infinity}',
    '{"schema":Infinity}',
    '{"schema":"2","calls":[["","m",0,Infinity]]}',
    '{"schema":"2","calls":[["","m",0,0],["a","m",0,-1]]}',
    "a\x1b[31m\u202e\x00\n",
    "captured",
    "unknown",
    "fused",
]
KEYS = [
    *("stack", "path", "provenance", "shared", "sharing", "origin", "dialects", "parameter"),
    *("schema", "backend", "torch", "version", "calls", MARK, "1" * 16),
]
OTHERS = [
    *("namespace", "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"),
    "winml.hierarchy.tag",
]
LOCATIONS = [
    *("", ".", "..", "../secret", "/etc/hostname", "a\0b", ".bashrc", ".git/hooks/x", "w.bin/x"),
    *("pipe", "link", "linked/secret", "kept.txt", "model.onnx", "out.onnx", "w.bin", "x" * 3000),
    "a/" * 3000 + "a",
]


def metadata(data, chance):
    model = onnx.ModelProto.FromString(data)
    places = [model, *nodes_of(model), *model.graph.initializer]
    for _ in range(chance.randint(1, 4)):
        place = chance.choice(places)
        key = chance.choice([*(f"pkg.htp.{key}" for key in KEYS), *OTHERS])
        held = list(place.metadata_props)
        if held and chance.random() < 0.6:
            prop = chance.choice(held)
        else:
            prop = place.metadata_props.add(key=key)
        what = chance.choice(("value", "value", "key", "gone", "bytes"))
        if what == "gone":
            place.metadata_props.remove(prop)
        elif what == "key":
            prop.key = key
        else:
            prop.value = chance.choice(VALUES)
    return model.SerializeToString()


def names(data, chance):
    model = onnx.ModelProto.FromString(data)
    for node in nodes_of(model):
        if chance.random() < 0.3:
            name = chance.choice((LONG, "", "/", "//", "a\x1b", "/a/a.b/c", "/a" * 101, "@1", "*"))
            what = chance.choice(("name", "op_type", "domain", "output"))
            if what == "output":
                node.output[:] = [name] * 3
            else:
                setattr(node, what, name)
    return model.SerializeToString()


def not_text(data, chance):
    """Bytes that are no UTF-8, in the place of letters."""
    changed = bytearray(data)
    letters = [at for at, byte in enumerate(changed) if 97 <= byte <= 122]
    for at in chance.sample(letters, min(len(letters), chance.choice((1, 5, 100)))):
        changed[at] = 0xFF
    return bytes(changed)


def data_files(data, chance):
    model = onnx.ModelProto.FromString(data)
    tensors = [*model.graph.initializer, model.graph.initializer.add(name="more")]
    for tensor in chance.sample(tensors, chance.randint(1, min(3, len(tensors)))):
        tensor.data_location = onnx.TensorProto.EXTERNAL
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value=chance.choice(LOCATIONS))
    return model.SerializeToString()


def functions(data, chance):
    """Very many, each of which calls the next; or one that calls itself."""
    model = onnx.ModelProto.FromString(data)
    count = chance.choice((1, 2, 1500))
    for at in range(count):
        node = helper.make_node(f"F{(at + 1) % count}", ["i"], ["o"], domain="mine")
        made = helper.make_function("mine", f"F{at}", ["i"], ["o"], [node], [])
        model.functions.append(made)
    model.graph.node.append(helper.make_node("F0", ["x"], ["z"], domain="mine"))
    return model.SerializeToString()


# --- what is packed


NUMBERS = (-1, 0, 1, 99, 2**31, 10**17, 10**40, True, 0.5, None, "x", [], {}, [[]], "\ud800")
RUBBISH = [
    "",
    "!",
    "AAAA",
    "é",
    None,
    7,
    [],
    base64.b64encode(zlib.compress(bytes(10**7))).decode(),
]


def packed_part(data, chance):
    """Damage one of the packed parts of an origin."""
    model = onnx.ModelProto.FromString(data)
    entries = [p for p in model.metadata_props if '"skeleton":' in p.value]
    entry = chance.choice(entries)
    held = json.loads(entry.value)
    parts = chance.choice((held, held["skeleton"], held["skeleton"]))
    name = chance.choice([each for each in parts if isinstance(parts[each], str)][-3:])
    if chance.random() < 0.1:
        parts[name] = chance.choice(RUBBISH)
    else:
        inner = damaged(packed.unpack(parts[name], name), name == "graph", chance)
        parts[name] = packed.pack(inner)
    entry.value = json.dumps(held)
    return model.SerializeToString()


def damaged(inner, is_graph, chance):
    if is_graph:
        return chance.choice((flip, overwrite, cut, splice, in_messages, names, nested))(
            inner, chance
        )
    if chance.random() < 0.3:
        return chance.choice((flip, overwrite, cut, splice))(inner, chance)
    if chance.random() < 0.2:
        return chance.choice(VALUES).encode("utf-8", "surrogatepass")
    return json.dumps(other_json(json.loads(inner), chance)).encode()


def other_json(held, chance):
    """Go down into some list or object, and put something else there."""
    if not isinstance(held, (list, dict)) or not held or chance.random() < 0.1:
        return chance.choice(NUMBERS)
    places = list(held) if isinstance(held, dict) else range(len(held))
    place = chance.choice(places)
    if isinstance(held, list) and chance.random() < 0.15:
        held[place : place + 1] = chance.choice(([], [held[place]] * 40, held[: place + 1]))
    else:
        held[place] = other_json(held[place], chance)
    return held


MUTATIONS = (
    *(flip, overwrite, cut, splice, in_messages, in_messages, nested),
    *(metadata, metadata, metadata, names, not_text, data_files, functions),
    *(packed_part, packed_part, packed_part),
)
