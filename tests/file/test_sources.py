"""What ``htp.load`` takes, and what copies of a tagged model share. No torch is needed."""

import copy
import io
import pickle
from pathlib import Path

import onnx
import pytest

import htp

PATH = Path(__file__).parents[1] / "files" / "schema1_torchscript.onnx"


def said(tagged):
    return [(node.name, tag) for node, tag in tagged.nodes()], tagged.backend, tagged.parameters()


@pytest.fixture
def tagged():
    return htp.load(PATH)


def looked_at(tagged):
    assert tagged.coverage
    return tagged


def parsed(tagged):
    assert tagged.model.graph.node
    return tagged


def test_a_string():
    assert said(htp.load(str(PATH))) == said(htp.load(PATH))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_bytes(kind, tagged):
    assert said(htp.load(kind(PATH.read_bytes()))) == said(tagged)


def test_an_open_file(tagged, tmp_path):
    with open(PATH, "rb") as file:
        loaded = htp.load(file)
    assert said(loaded) == said(tagged)
    loaded.save(tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == PATH.read_bytes()


def test_an_open_file_knows_its_folder(tmp_path):
    """Data files lie beside it."""
    model = onnx.load(str(PATH))
    onnx.save_model(
        model,
        str(tmp_path / "m.onnx"),
        save_as_external_data=True,
        size_threshold=0,
        location="w.bin",
    )
    (tmp_path / "other").mkdir()
    with open(tmp_path / "m.onnx", "rb") as file:
        htp.load(file).save(tmp_path / "other" / "m.onnx")
    assert (tmp_path / "other" / "w.bin").read_bytes() == (tmp_path / "w.bin").read_bytes()


def test_a_file_opened_as_text():
    with open(PATH, encoding="utf-8") as file, pytest.raises(htp.InvalidModelError, match="'rb'"):
        htp.load(file)


def test_a_proto_is_not_copied(tagged):
    model = onnx.load(str(PATH))
    loaded = htp.load(model)
    assert loaded.model is model
    assert said(loaded) == said(tagged)


def test_a_model_of_onnx_ir(tagged):
    ir = pytest.importorskip("onnx_ir")
    loaded = htp.load(ir.load(str(PATH)))
    assert [tag for _, tag in loaded.nodes()] == [tag for _, tag in tagged.nodes()]
    assert loaded.coverage == tagged.coverage


def test_a_model_of_onnx_ir_that_cannot_be_serialised():
    ir = pytest.importorskip("onnx_ir")
    model = ir.load(str(PATH))
    model.ir_version = "eight"
    with pytest.raises(htp.InvalidModelError, match="cannot serialise"):
        htp.load(model)


@pytest.mark.parametrize("ready", [lambda tagged: tagged, looked_at, parsed])
@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda tagged: pickle.loads(pickle.dumps(tagged))]
)
def test_a_copy_has_a_life_of_its_own(tagged, ready, again):
    other = again(ready(tagged))
    assert said(other) == said(tagged)
    other.strip()
    assert other.backend is None
    assert tagged.backend == "torchscript"
    assert tagged.strip().model == other.model


def test_only_a_shallow_copy_shares_the_model(tagged):
    model = tagged.model
    assert copy.copy(tagged).model is model
    assert copy.deepcopy(tagged).model is not model


def test_a_change_in_a_model_is_seen_at_once(tagged):
    before = tagged.tree().total
    node = tagged.model.graph.node[0]
    for prop in node.metadata_props:
        if prop.key == "pkg.htp.provenance":
            prop.value = "inferred"
    assert tagged.tag(node.output[0]).provenance is htp.Provenance.INFERRED
    assert tagged.coverage.inferred == before.inferred + 1
    del node.metadata_props[:]
    assert tagged.tree().unknown == 1
    assert next(tag for _, tag in tagged.nodes()) == htp.Tag()
    with open(PATH, "rb") as file:
        assert htp.load(file).coverage == before


@pytest.mark.parametrize("size", [8, 8000])
def test_weights_are_in_one_form_at_a_time(size):
    """Bytes or parsed: the one is let go when the other is made. Small ones are in the outline."""
    whole = onnx.load(str(PATH))
    whole.graph.initializer[0].raw_data = bytes(size)
    data = whole.SerializeToString()
    tagged = htp.load(data)
    file = tagged._file
    outline = file.outline
    assert bool(outline.graph.initializer[0].raw_data) == (size < 4096)
    assert sum(map(len, file._chunks)) == len(data)
    assert tagged.model == whole
    assert (tagged.model is outline) == (size < 4096)
    assert file.outline is tagged.model
    assert (file._chunks, file._make_outline, file._outline) == ((), None, None)


@pytest.mark.parametrize("size", [8, 8000])
def test_a_copy_of_what_is_not_parsed_has_a_model_of_its_own(size):
    whole = onnx.load(str(PATH))
    whole.graph.initializer[0].raw_data = bytes(size)
    tagged = htp.load(whole.SerializeToString())
    other = copy.copy(tagged)
    tagged.model.graph.node[0].ClearField("metadata_props")
    assert other.model == whole


def test_deep_trees():
    """Neither their building nor their walking follows calls by recursion."""
    node = onnx.NodeProto(op_type="Relu", name="n", output=["y"])
    calls = [[f"{'a.' * depth}a", "m.M", 0] for depth in range(1000)]
    stack = str(calls).replace("'", '"')
    node.metadata_props.add(key="pkg.htp.stack", value=stack)
    node.metadata_props.add(key="pkg.htp.provenance", value="captured")
    model = onnx.ModelProto(graph=onnx.GraphProto(node=[node]))
    tree = htp.load(model).tree()
    assert [branch.total.captured for branch in tree.walk()] == [1] * 1000
