"""A tagged model: finding, counting, walking and taking the tags out."""

import io
import os

import onnx
import pytest
import torch

import htp
from htp.testing.models import case
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]


@pytest.fixture(scope="module", params=USABLE)
def exported(request, tmp_path_factory):
    """The transformer, the file that it was written to."""
    path = tmp_path_factory.mktemp("tagged") / "model.onnx"
    row = case("transformer")
    model, args, _ = row.example()
    return htp.export(model, args, path, backend=request.param), path


@pytest.fixture
def tagged(exported):
    return exported[0]


@pytest.fixture
def path(exported):
    return exported[1]


def paths(found):
    return {tag.path for _, tag in found}


def test_nodes_are_the_nodes_of_the_model(tagged):
    names = [node.output[0] for node, _ in tagged.nodes()]
    assert names == [node.output[0] for node in tagged.model.graph.node]


def test_find_takes_what_is_below(tagged):
    found = paths(tagged.find("layers.0"))
    assert "layers.0.attention.query" in found
    assert all(name == "layers.0" or name.startswith("layers.0.") for name in found)


def test_find_with_a_wildcard(tagged):
    found = paths(tagged.find("layers.*.attention"))
    assert {"layers.0.attention.query", "layers.1.attention.query"} <= found
    assert all(".attention" in name for name in found)
    assert paths(tagged.find("layers.?")) == paths(tagged.find("layers.*"))


def test_find_an_operator(tagged):
    found = tagged.find("layers.*", op_type="Softmax")
    assert [node.op_type for node, _ in found] == ["Softmax", "Softmax"]
    assert [tag.path for _, tag in found] == ["layers.0.attention", "layers.1.attention"]
    assert tagged.find("head", op_type="Softmax") == []


def test_find_the_root_is_everything(tagged):
    assert len(tagged.find("")) == tagged.coverage.total


def test_find_keeps_the_order_of_the_graph(tagged):
    order = [node.output[0] for node, _ in tagged.nodes()]
    found = [node.output[0] for node, _ in tagged.find("layers.1")]
    assert found == [name for name in order if name in set(found)]


@pytest.mark.parametrize("backend", USABLE)
def test_find_one_call(backend):
    model, args, _ = case("two_parents").example()
    tagged = htp.export(model, args, backend=backend)
    names = ("left.block", "right.block@1", "right.block@2")
    everything = set()
    for number, name in enumerate(names):
        found = tagged.find(f"*.block@{number}")
        for _, tag in found:  # what torch 2.5 merged is found by each of its calls
            assert name in {str(call) for call in (*tag.stack, *tag.shared)}
        assert name in {str(tag.stack[2]) for _, tag in found}
        everything |= {node.output[0] for node, _ in found}
    assert {node.output[0] for node, _ in tagged.find("*.block")} == everything


def test_tag_of_a_node_and_of_a_value(tagged):
    for node, tag in tagged.nodes():
        assert tagged.tag(node.output[0]) == tag
        if node.name:
            assert tagged.tag(node.name) == tag


def test_tag_says_all_of_the_stack(tagged):
    _, tag = tagged.find("layers.1.attention", op_type="Softmax")[0]
    assert [call.path for call in tag.stack] == ["", "layers.1", "layers.1.attention"]
    assert [call.class_name for call in tag.stack] == ["Transformer", "Layer", "Attention"]
    assert (tag.path, tag.type, tag.call) == tuple(tag.stack[-1])
    assert tag.owner == tag.stack[-1]
    assert tag.provenance is htp.Provenance.CAPTURED


def test_coverage_counts_every_node_once(tagged):
    counts = dict(tagged.coverage)
    assert sum(counts.values()) == tagged.coverage.total == len(list(tagged.nodes()))
    for provenance, count in counts.items():
        assert count == sum(tag.provenance is provenance for _, tag in tagged.nodes())


def test_tree(tagged):
    tree = tagged.tree()
    assert tree.call.path == ""
    assert tree.total == tagged.coverage
    assert tree.unknown == 0
    top = [branch.call.path for branch in tree.children]
    assert top == ["tokens", "positions", "layers.0", "layers.1", "head"]
    for branch in tree.walk():
        own = [tag for _, tag in tagged.nodes() if tag.stack and tag.owner == branch.call]
        assert branch.own == htp.Coverage.of(own)


def test_tree_holds_modules_without_nodes(tagged):
    calls = [branch.call.path for branch in tagged.tree().walk()]
    assert "layers.0.dropout" in calls
    assert tagged.coverage.total == sum(branch.own.total for branch in tagged.tree().walk())


def test_parameters_are_named(tagged):
    names = {name for listed in tagged.parameters().values() for name in listed}
    assert "head.weight" in names
    assert "layers.1.attention.query.weight" in names


def test_who_made_it(tagged):
    assert tagged.backend in USABLE
    assert tagged.torch.split("+")[0] == torch.__version__.split("+")[0]
    assert repr(tagged.backend) in repr(tagged)


def test_save_to_a_file_object(tagged, path):
    buffer = io.BytesIO()
    htp.load(path).save(buffer)
    assert buffer.getvalue() == path.read_bytes()


def test_load_takes_a_string_and_a_path(path):
    assert htp.load(str(path)).coverage == htp.load(path).coverage


def test_changing_the_model_changes_what_is_saved(path, tmp_path):
    loaded = htp.load(path)
    node = loaded.model.graph.node[0]
    for prop in node.metadata_props:
        if prop.key == "pkg.htp.stack":
            prop.value = '[["","mine.Model",0],["renamed","mine.Child",3]]'
    assert loaded.tag(node.output[0]).stack[-1] == ("renamed", "mine.Child", 3)
    assert loaded.find("renamed@3")[0][1].type == "mine.Child"
    loaded.save(tmp_path / "changed.onnx")
    assert htp.load(tmp_path / "changed.onnx").tag(node.output[0]).path == "renamed"


def test_strip_is_in_place_and_gives_itself_back(path):
    loaded = htp.load(path)
    assert loaded.strip() is loaded
    assert loaded.backend is None
    assert loaded.coverage.captured == 0


def test_strip_leaves_the_metadata_of_others(path, tmp_path):
    model = onnx.load(str(path))
    model.graph.node[0].metadata_props.add(key="mine", value="kept")
    model.metadata_props.add(key="mine", value="kept")
    onnx.save_model(model, str(tmp_path / "mine.onnx"))
    loaded = htp.load(tmp_path / "mine.onnx").strip()
    loaded.save(tmp_path / "stripped.onnx")
    stripped = onnx.load(str(tmp_path / "stripped.onnx"), load_external_data=False)
    for holder in (stripped, stripped.graph.node[0]):
        assert ("mine", "kept") in [(prop.key, prop.value) for prop in holder.metadata_props]


def test_strip_twice(path):
    once = htp.load(path).strip().model.SerializeToString()
    assert htp.load(path).strip().strip().model.SerializeToString() == once


def test_strip_after_a_tool_that_sorts_metadata(tagged):
    """Nothing that HTP added stays, and nothing that torch wrote goes."""
    ir = pytest.importorskip("onnx_ir")
    plain = onnx.ModelProto.FromString(tagged.model.SerializeToString())
    plain = htp.load(plain).strip().model
    sorted_ = [ir.to_proto(ir.from_proto(model)) for model in (tagged.model, plain)]
    assert htp.load(sorted_[0]).strip().model == sorted_[1]


def test_tags_of_torch_itself_are_inferred(path, tmp_path):
    """What another tool says is read, and never counted as captured."""
    model = onnx.load(str(path))
    for node in model.graph.node:
        kept = [(p.key, p.value) for p in node.metadata_props if not p.key.startswith("pkg.htp")]
        del node.metadata_props[:]
        for key, value in kept:
            node.metadata_props.add(key=key, value=value)
    del model.metadata_props[:]
    onnx.save_model(model, str(tmp_path / "torch.onnx"))
    loaded = htp.load(tmp_path / "torch.onnx")
    assert loaded.backend is None
    assert loaded.coverage.captured == 0
    assert loaded.coverage.inferred > 0
    assert "layers.1.attention.query" in paths(loaded.nodes())


def test_the_file_names_no_folder_of_this_machine(path):
    """Neither the working folder nor the user's home is in what HTP wrote."""
    text = [
        prop.value
        for node, _ in htp.load(path).nodes()
        for prop in node.metadata_props
        if prop.key.startswith("pkg.htp")
    ]
    assert not [value for value in text if os.getcwd() in value or os.path.expanduser("~") in value]


def test_a_function_that_nothing_calls_is_no_part_of_the_model(path, tmp_path):
    """torch 2.5 writes such functions into every file; no operation was lowered to their nodes."""
    model = htp.load(path).model
    before = len(list(htp.load(path).nodes()))
    for name, calls in (("Called", "Inner"), ("Inner", "Relu"), ("Spare", "Inner")):
        inner = onnx.helper.make_node(calls, ["x"], ["y"], domain="" if calls == "Relu" else "mine")
        opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("mine", 1)]
        model.functions.append(
            onnx.helper.make_function("mine", name, ["x"], ["y"], [inner], opsets)
        )
    call = onnx.helper.make_node("Called", [model.graph.node[0].output[0]], ["z"], domain="mine")
    model.graph.node.append(call)
    model.opset_import.append(onnx.helper.make_opsetid("mine", 1))
    onnx.save_model(model, str(tmp_path / "functions.onnx"))
    listed = [node.op_type for node, _ in htp.load(tmp_path / "functions.onnx").nodes()]
    assert listed[before:] == ["Called", "Inner", "Relu"]


@pytest.mark.parametrize("backend", USABLE)
def test_the_tree_keeps_modules_that_left_no_node(backend):
    """Folded away or passing their input on: they were called, and the tree says so."""
    model, args, _ = case("folded_away").example()
    branches = {
        str(b.call): b.total.total for b in htp.export(model, args, backend=backend).tree().walk()
    }
    assert {"dropout", "constant"} <= set(branches)  # some releases leave a node of them
    assert branches["identity"] == 0
    assert branches["dense"] > 0


@pytest.mark.parametrize("backend", USABLE)
def test_a_fused_node_is_found_by_each_of_its_modules(backend, tmp_path):
    """A normalisation that became part of a convolution: neither is without a node."""

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 2, 3)
            self.norm = torch.nn.BatchNorm2d(2)

        def forward(self, x):
            return self.norm(self.conv(x))

    model = torch.nn.Sequential(Block()).eval()
    tagged = htp.export(model, (torch.ones(1, 1, 5, 5),), tmp_path / "m.onnx", backend=backend)
    for module in ("0.conv", "0.norm"):
        assert tagged.find(module), module
    if len(list(tagged.nodes())) == 1:
        branches = {branch.call.path: branch for branch in tagged.tree().walk()}
        assert (branches["0.norm"].shared, branches["0.norm"].total.total) == (1, 0)
        assert branches[""].total.total == 1
        assert tagged.find("0.conv") == tagged.find("0.norm")
