"""Fingerprints of weights: what they tell apart, and what they do not."""

import hashlib
import itertools
import os
import struct

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from htp.errors import InvalidModelError
from htp.file import fingerprints, wire
from htp.file.records import add_attributes, outline_of, record_model
from htp.file.tensors import tensors_of
from htp.file.weights import inside, weights_of

KINDS = [np.float32, np.float64, np.float16, np.int8, np.int64, np.uint16, np.uint32, np.uint64]
KINDS += [np.complex64, np.complex128]


def values(shape, kind=np.float32, seed=0):
    found = np.random.default_rng(seed).integers(0, 100, shape)
    return found.astype(kind)


def of(array):
    return fingerprints.of_tensor(numpy_helper.from_array(array, "w"))


def typed(dtype, dims, numbers):
    return helper.make_tensor("w", dtype, dims, numbers)


def test_the_definition():
    """The one that the format has: a change of it is another schema."""
    sample = struct.pack("<3f", 0, 2, 5)  # (0, 0, 0), (0, 1, 0) and (0, 2, 1)
    told = hashlib.blake2b(b"1,2,3,:" + sample, digest_size=8).hexdigest()
    assert of(np.arange(6, dtype=np.float32).reshape(1, 3, 2)) == told == "8f4194107f301e68"


@pytest.mark.parametrize("kind", KINDS)
def test_a_transposition_and_a_squeeze_do_not_change_it(kind):
    for shape in ((3, 5), (64, 7, 5), (1, 9, 1, 40), (2, 2, 2, 2), (33,)):
        array = values(shape, kind)
        one = of(array)
        assert len(one) == 16
        for axes in itertools.permutations(range(len(shape))):
            assert of(np.ascontiguousarray(array.transpose(axes))) == one
        assert of(array.squeeze()) == one
        assert of(array[None]) == one


def test_what_is_told_apart():
    array = values((40, 50))
    others = [
        values((40, 50), seed=1),
        array.astype(np.float64),
        array[:, :49],
        array.reshape(50, 40),
    ]
    others += [array.view(np.int32), array.reshape(2000), array.reshape(4, 10, 50)]
    assert len({of(array), *map(of, others)}) == len(others) + 1


def test_no_more_than_a_sample_is_looked_at():
    array = values((64, 64))
    looked_at = set()
    for place in np.ndindex(64, 64):
        changed = array.copy()
        changed[place] += 1
        if of(changed) != of(array):
            looked_at.add(place)
    assert looked_at == {(at, at) for at in range(0, 64, 2)}


def test_scalars_and_empty_ones():
    assert of(np.float32(3)) == of(np.array([[3]], np.float32)) != of(np.float32(4))
    assert of(np.zeros((0,), np.float32)) == of(np.zeros((0, 1), np.float32))
    assert of(np.zeros((0, 4), np.float32)) != of(np.zeros((0, 5), np.float32))
    assert of(np.zeros((0,), np.float32)) != of(np.zeros((0,), np.int32))


@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [
        (TensorProto.FLOAT, [0.5, -1, 3, 4, 5, 6]),
        (TensorProto.DOUBLE, [0.5, -1, 3, 4, 5, 6]),
        (TensorProto.INT8, [-1, 2, 3, -4, 5, 6]),
        (TensorProto.UINT8, [1, 2, 3, 4, 255, 6]),
        (TensorProto.INT16, [-1, 2, 3, -4, 5, 6]),
        (TensorProto.INT32, [-1, 2, 3, -4, 5, 6]),
        (TensorProto.INT64, [-1, 2, 3, -4, 5, 6]),
        (TensorProto.UINT32, [1, 2, 3, 4, 2**32 - 1, 6]),
        (TensorProto.UINT64, [1, 2, 3, 4, 2**64 - 1, 6]),
        (TensorProto.BOOL, [1, 0, 1, 1, 0, 0]),
        (TensorProto.FLOAT16, [0.5, -1, 3, 4, 5, 6]),
        (TensorProto.BFLOAT16, [0.5, -1, 3, 4, 5, 6]),
        (TensorProto.COMPLEX64, [1 + 2j, 2, 3, 4, 5, 6j]),
        (TensorProto.COMPLEX128, [1 + 2j, 2, 3, 4, 5, 6j]),
    ],
)
def test_typed_fields_count_as_raw_data(dtype, numbers):
    tensor = typed(dtype, (2, 3), numbers)
    assert not tensor.HasField("raw_data")
    raw = raw_of(tensor)
    one = fingerprints.of_tensor(tensor)
    assert one == fingerprints.of_raw(dtype, (2, 3), raw)
    assert len(one) == 16
    assert fingerprints.exact(tensor) == fingerprints.exact(
        TensorProto(dims=(2, 3), data_type=dtype, raw_data=raw)
    )
    changed = fingerprints.of_raw(dtype, (2, 3), bytes([raw[0] ^ 1]) + raw[1:])
    assert changed != one


def raw_of(tensor):
    """What raw_data has for a tensor with typed fields, as the ONNX format defines it."""
    kind = tensor.data_type
    if kind in (TensorProto.FLOAT, TensorProto.COMPLEX64):
        return struct.pack(f"<{len(tensor.float_data)}f", *tensor.float_data)
    if kind in (TensorProto.DOUBLE, TensorProto.COMPLEX128):
        return struct.pack(f"<{len(tensor.double_data)}d", *tensor.double_data)
    if kind == TensorProto.INT64:
        return struct.pack(f"<{len(tensor.int64_data)}q", *tensor.int64_data)
    if kind in (TensorProto.UINT32, TensorProto.UINT64):
        form = "I" if kind == TensorProto.UINT32 else "Q"
        return struct.pack(f"<{len(tensor.uint64_data)}{form}", *tensor.uint64_data)
    size = {TensorProto.INT32: 4}.get(kind, 2)
    if kind in (TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL):
        size = 1
    mask = (1 << 8 * size) - 1
    return b"".join((each & mask).to_bytes(size, "little") for each in tensor.int32_data)


def test_elements_smaller_than_a_byte():
    """Two of 4 bits stand in a byte, the first in its lower half."""
    int4, raw = 22, bytes([0x21, 0x43, 0x65])
    one = fingerprints.of_raw(int4, (5,), raw)
    assert len(one) == 16
    assert one == fingerprints.of_raw(int4, (5, 1), raw[:2] + b"\xf5")  # its upper half is nothing
    assert one != fingerprints.of_raw(int4, (5,), b"\x22\x43\x65")
    assert one == fingerprints.of_tensor(TensorProto(dims=[5], data_type=int4, int32_data=raw))
    by_rows = fingerprints.of_raw(int4, (2, 3), bytes([0x21, 0x43, 0x65]))
    by_columns = fingerprints.of_raw(int4, (3, 2), bytes([0x41, 0x52, 0x63]))
    assert by_rows == by_columns
    assert fingerprints.of_raw(25, (6,), b"\x1b\x01") != fingerprints.of_raw(25, (6,), b"\x1a\x01")


@pytest.mark.parametrize(
    "lying",
    [
        TensorProto(dims=[3], data_type=1, raw_data=bytes(8)),
        TensorProto(dims=[2**40, 2**40], data_type=1, raw_data=bytes(8)),
        TensorProto(dims=[-1], data_type=1, raw_data=bytes(4)),
        TensorProto(dims=[2], data_type=1, float_data=[1]),
        TensorProto(dims=[2], data_type=1, int32_data=[1, 2]),
        TensorProto(dims=[2], data_type=99, raw_data=bytes(8)),
        TensorProto(dims=[2], data_type=0, raw_data=bytes(8)),
        TensorProto(dims=[1], data_type=8, string_data=[b"text"]),
        TensorProto(dims=[2] * 5000, data_type=1, raw_data=bytes(8)),
        TensorProto(dims=[1], data_type=12, uint64_data=[2**40]),
        TensorProto(dims=[3], data_type=22, int32_data=[1]),
        TensorProto(dims=[2], data_type=1),
    ],
)
def test_those_that_lie_or_hold_texts_have_none(lying):
    assert fingerprints.of_tensor(lying) == ""
    assert isinstance(fingerprints.exact(lying), bytes)


# --- of models


def model(*tensors, nodes=(), functions=()):
    graph = helper.make_graph(nodes, "g", [], [], list(tensors))
    return helper.make_model(graph, functions=list(functions))


def of_bytes(made, folder=None):
    data = made.SerializeToString()
    return weights_of(tensors_of(outline_of(data)), data, inside([folder] if folder else []))


def named(array, name):
    return numpy_helper.from_array(array, name)


def everywhere():
    """Weights in the graph, in bodies, functions and constants; large and small, some not raw."""
    large = [values((40, 50 + at), seed=at) for at in range(6)]
    constant = helper.make_node("Constant", [], ["c"], value=named(large[0], ""))
    within = helper.make_node("Constant", [], ["d"], value=named(large[1], "other"))
    out = [helper.make_tensor_value_info("d", 1, None)]
    body = helper.make_graph([within], "b", [], out, [named(large[2], "in body")])
    chosen = helper.make_node("If", ["q"], ["r"], then_branch=body, else_branch=body)
    few = helper.make_node("Constant", [], ["f"], value=named(values(3), ""))
    function = helper.make_function("mine", "F", [], ["c"], [constant], [])
    unraw = helper.make_tensor("unraw", TensorProto.INT64, [2000], list(range(2000)))
    return model(
        named(large[3], "large"),
        named(values(7), "small"),
        unraw,
        named(large[4], "last"),
        nodes=[constant, chosen, few],
        functions=[function],
    )


def test_weights_of_bytes_and_of_a_parsed_model_are_the_same():
    made = everywhere()
    found = of_bytes(made)
    assert found == weights_of(tensors_of(made))
    assert list(found) == ["c", "d", "in body", "large", "small", "unraw", "last", "mine::F/c"]
    assert all(len(weight.contents) == 16 for weight in found.values())
    assert len({weight.contents for weight in found.values()}) == 7  # c twice
    assert found["large"].shape == (40, 53)
    assert len(list(wire.large_tensors(made.SerializeToString()))) == 8


def test_one_without_contents_does_not_take_those_of_the_next():
    gone = TensorProto(name="gone", dims=[40, 50], data_type=1)
    found = of_bytes(model(gone, named(values((40, 50)), "there")))
    assert found["gone"].contents == ""
    assert found["there"].contents == of(values((40, 50)))


def test_parameters_are_read_with_them():
    tensor = named(values(3), "w")
    tensor.metadata_props.add(key="pkg.htp.parameter", value='["a.weight","b.weight"]')
    assert of_bytes(model(tensor))["w"].parameters == ("a.weight", "b.weight")


# --- data files


@pytest.fixture
def saved(tmp_path):
    made = model(named(values((40, 50)), "w"), named(values((1, 9), np.int8), "v"))
    inline = of_bytes(made)
    path = tmp_path / "in" / "m.onnx"
    path.parent.mkdir()
    onnx.save(made, str(path), save_as_external_data=True, size_threshold=0, location="w.bin")
    return onnx.load(str(path), load_external_data=False), path.parent, inline


def said(tensor, **more):
    """Let a tensor say something else of where it stands."""
    kept = {entry.key: entry.value for entry in tensor.external_data}
    del tensor.external_data[:]
    for key, value in {**kept, **more}.items():
        tensor.external_data.add(key=key, value=value)


def test_data_files_are_sampled(saved):
    made, folder, inline = saved
    assert of_bytes(made, str(folder)) == inline
    assert of_bytes(made)["w"].contents == ""  # no folder, no contents


@pytest.mark.parametrize(
    "lie",
    [
        {"offset": "-1"},
        {"offset": "9" * 30},
        {"offset": "9" * 18},
        {"offset": "1e3"},
        {"offset": "٣"},
        {"length": "7"},
        {"length": "9" * 18},
        {"offset": "1", "length": ""},
        {"location": ""},
        {"location": "."},
        {"location": "gone.bin"},
        {"location": "../secret"},
        {"location": "a\0b"},
        {"location": "link"},
        {"location": "pipe"},
        {"location": "x" * 5000},
    ],
)
def test_what_lies_of_its_place_has_no_fingerprint(saved, lie):
    made, folder, _ = saved
    (folder.parent / "secret").write_bytes(bytes(10**5))
    (folder / "link").symlink_to(folder.parent / "secret")
    os.mkfifo(folder / "pipe")
    said(made.graph.initializer[0], **lie)
    assert of_bytes(made, str(folder))["w"].contents == ""


def test_one_file_for_each_weight(tmp_path):
    arrays = [values((30, 4), seed=at) for at in range(40)]
    inline = of_bytes(model(*(named(array, f"w{at}") for at, array in enumerate(arrays))))
    tensors = []
    for at, array in enumerate(arrays):
        (tmp_path / f"{at}.bin").write_bytes(array.tobytes())
        tensor = TensorProto(name=f"w{at}", data_type=1, dims=array.shape, data_location=1)
        tensor.external_data.add(key="location", value=f"{at}.bin")
        tensors.append(tensor)
    assert of_bytes(model(*tensors), str(tmp_path)) == inline


def test_an_attribute_whose_name_is_no_text():
    held = helper.make_node(
        "Constant", [], ["c"], value=numpy_helper.from_array(np.arange(9.0), "c")
    )
    made = helper.make_model(helper.make_graph([held], "g", [], []))
    data = made.SerializeToString().replace(b"value", b"val\xffe")
    damaged = onnx.ModelProto.FromString(data)
    with pytest.raises(InvalidModelError, match="no text"):
        add_attributes(record_model(damaged), damaged)
