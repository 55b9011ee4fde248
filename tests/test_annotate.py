"""``htp.annotate`` on what torch writes, and on files that no exporter of torch's wrote."""

import os
import subprocess
import sys

import onnx
import pytest
from onnx import TensorProto, helper
from packaging.version import Version

import htp
from htp.annotated import annotate_with_report
from htp.torch_release import RELEASE

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere

BACKENDS = [info.name for info in htp.available_backends() if info.usable]
HAS_NAMES = RELEASE is not None and Version("1.13") <= RELEASE


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(8, 8, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(8)
        self.act = torch.nn.ReLU()

    def forward(self, x):
        return self.act(self.norm(self.conv(self.act(x)))) + x


class Net(torch.nn.Module):
    """A called container, a module that runs twice, and a normalisation that is folded."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = torch.nn.Sequential(Block(), Block())
        self.lin = torch.nn.Linear(4, 4)
        for norm in (block.norm for block in self.blocks):
            norm.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(norm.weight, 0.5, 2)

    def forward(self, x):
        return self.lin(torch.tanh(self.lin(self.blocks(x))))


@pytest.fixture(params=BACKENDS)
def plain(request, tmp_path):
    """What torch alone writes, the model, and what HTP captures of the same export."""
    model = Net().eval()
    path = str(tmp_path / "tagged.onnx")
    tagged = htp.export(model, (torch.randn(1, 8, 4, 4),), path, backend=request.param)
    bare = str(tmp_path / "plain.onnx")
    htp.load(path).strip().save(bare)
    return bare, model, tagged


def owner(tag):
    return (tag.path, tag.call) if tag.stack else None


def pairs(annotated, tagged):
    return [(owner(a), owner(t)) for (_, a), (_, t) in zip(annotated.nodes(), tagged.nodes())]


def test_with_the_model_every_owner_is_right_or_unknown(plain):
    bare, model, tagged = plain
    found = pairs(htp.annotate(bare, model), tagged)
    assert [(said, true) for said, true in found if said not in (true, None)] == []
    right = sum(said == true for said, true in found)
    assert right >= (0.9 if HAS_NAMES else 0.1) * len(found)


def test_without_it_almost(plain):
    bare, _, tagged = plain
    if not HAS_NAMES:
        pytest.skip("before torch 1.13 names of nodes tell of no module")
    found = pairs(htp.annotate(bare), tagged)
    assert sum(said == true for said, true in found) >= 0.75 * len(found)


def test_all_of_it_is_inferred_and_types_are_the_models(plain):
    bare, model, _ = plain
    for _, tag in htp.annotate(bare, model).nodes():
        assert str(tag.provenance) == ("inferred" if tag.stack else "unknown")
        if tag.stack:
            kind = type(dict(model.named_modules())[tag.path])
            assert tag.type == f"{kind.__module__}.{kind.__qualname__}"
            assert tag.stack[0].path == ""


def test_a_folded_normalisation_is_shared_by_both(plain):
    bare, model, tagged = plain
    for (_, said), (_, true) in zip(htp.annotate(bare, model).nodes(), tagged.nodes()):
        if true.sharing is htp.Sharing.FUSED:
            assert (said.path, said.sharing) == (true.path, true.sharing)
            assert set(said.shared) == set(true.shared)


def test_saved_and_loaded_it_is_the_same_and_stripped_the_very_bytes(plain, tmp_path):
    bare, model, _ = plain
    annotated = htp.annotate(bare, model)
    path = str(tmp_path / "annotated.onnx")
    annotated.save(path)
    loaded = htp.load(path)
    assert [tag for _, tag in loaded.nodes()] == [tag for _, tag in annotated.nodes()]
    assert loaded.backend is None
    assert loaded.tree().total.inferred == annotated.coverage.inferred
    onnx.checker.check_model(path)
    loaded.strip().save(path)
    with open(path, "rb") as one, open(bare, "rb") as other:
        assert one.read() == other.read()


def test_parameters_are_known_again(plain):
    bare, model, _ = plain
    found = htp.annotate(bare, model).parameters()
    assert found
    assert all(set(names) <= set(model.state_dict()) for names in found.values())


def test_the_counts_of_the_sources_are_those_of_the_tags(plain):
    bare, model, _ = plain
    report = annotate_with_report(bare, model)
    assert sum(report.sources.values()) + report.unknown == report.tagged.coverage.total
    assert report.unknown == report.tagged.coverage.unknown


def test_neither_file_nor_model_is_changed(plain):
    bare, model, _ = plain
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    proto = onnx.load(bare)
    content = proto.SerializeToString()
    htp.annotate(proto, model)
    assert proto.SerializeToString() == content
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())


def test_without_a_model_torch_is_not_imported(plain):
    code = (
        f"import sys, htp; htp.annotate({plain[0]!r}); "
        "assert not any(name.partition('.')[0] == 'torch' for name in sys.modules)"
    )
    if HAS_NAMES:
        subprocess.run([sys.executable, "-c", code], check=True)


def test_what_has_tags_is_refused(plain):
    _, _, tagged = plain
    with pytest.raises(htp.InvalidModelError, match="HTP's tags already") as error:
        htp.annotate(tagged.model)
    assert "htp.load" in error.value.hint
    dropped = onnx.ModelProto.FromString(tagged.model.SerializeToString())
    for node in dropped.graph.node:
        del node.metadata_props[:]
    with pytest.raises(htp.InvalidModelError, match="dropped") as error:
        htp.annotate(dropped)
    assert "origin" in error.value.hint
    del dropped.metadata_props[:]
    if any(each.metadata_props for each in dropped.graph.initializer):
        with pytest.raises(htp.InvalidModelError, match="where they come from"):
            htp.annotate(dropped)


def test_what_tells_of_no_module_is_refused(plain):
    silent = model_of([helper.make_node("Relu", ["x"], ["y"], name="r")])
    with pytest.raises(htp.InvalidModelError, match="tell of modules") as error:
        htp.annotate(silent)
    assert "give the model" in error.value.hint
    with pytest.raises(htp.InvalidModelError, match="tell of modules") as error:
        htp.annotate(silent, Net())
    assert "is it the model" in error.value.hint


def test_a_model_that_is_none(plain):
    with pytest.raises(TypeError, match="must be an nn"):
        htp.annotate(plain[0], "Net")


def model_of(nodes, weights=(), inputs=("x",)):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs]
    out = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", values, [out], list(weights))
    return helper.make_model(graph)


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = torch.nn.Linear(5, 7, bias=False)
        self.o_proj = torch.nn.Linear(7, 5, bias=False)


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList()
        self.layers.append(torch.nn.Module())
        self.layers[0].self_attn = Attention()


def test_a_file_that_no_exporter_of_torchs_wrote():
    """A builder names nodes in its own way; by their contents weights are known all the same."""
    model = Decoder()
    attention = model.layers[0].self_attn
    weights = {
        f"layers.0.attn.{name}.MatMul.weight": getattr(attention, name).weight.detach().T
        for name in ("q_proj", "o_proj")
    }
    nodes = [
        helper.make_node(
            "MatMul", [value, name], [f"{name}/out"], name=f"/layers.0/attn/{at}_proj/MatMul"
        )
        for at, value, name in zip("qo", ("x", "q/out"), weights)
    ]
    nodes[1].input[0] = nodes[0].output[0]
    tensors = [
        helper.make_tensor(name, TensorProto.FLOAT, each.shape, each.flatten().tolist())
        for name, each in weights.items()
    ]
    given = model_of(nodes, tensors)
    paths = [tag.path for _, tag in htp.annotate(given, model).nodes()]
    assert paths == ["layers.0.self_attn.q_proj", "layers.0.self_attn.o_proj"]
    named = [tag.path for _, tag in htp.annotate(given).nodes()]
    assert named == ["layers.0.attn.q_proj", "layers.0.attn.o_proj"]


def test_weights_in_data_files_are_compared_where_they_lie(plain, tmp_path):
    bare, model, _ = plain
    apart = str(tmp_path / "apart" / "model.onnx")
    os.mkdir(os.path.dirname(apart))
    proto = onnx.load(bare)
    for node in proto.graph.node:
        node.ClearField("name")
        del node.metadata_props[:]
    onnx.save_model(proto, apart, save_as_external_data=True, size_threshold=0)
    inside = onnx.load(apart)
    here = [owner(tag) for _, tag in htp.annotate(inside, model).nodes()]
    annotated = htp.annotate(apart, model)
    assert [owner(tag) for _, tag in annotated.nodes()] == here
    assert any(here)
    target = str(tmp_path / "other" / "model.onnx")
    os.mkdir(os.path.dirname(target))
    annotated.save(target)
    assert [owner(tag) for _, tag in htp.load(target).nodes()] == here


NAMES = [
    "/" * 5000,
    "/\x1b[2J/Op",
    "/a_" + "9" * 400 + "/Op",
    "/a_01/Op",
    "/" + "a." * 9000 + "/Op",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind(name):
    nodes = [helper.make_node("Relu", ["x"], ["p"], name=name)]
    nodes.append(helper.make_node("Relu", ["p"], ["y"], name="/b/Op"))
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [1], [1.0])]
    annotated = htp.annotate(model_of(nodes, weights))
    assert annotated.coverage.inferred >= 1
    htp.annotate(model_of(nodes, weights), Other())


class Other(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.b = torch.nn.ReLU()


def test_tensors_that_hold_something_else_than_they_say():
    nodes = [helper.make_node("Relu", ["x", "w"], ["y"], name="/b/Op")]
    bad = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 40], raw_data=b"1234")
    outside = TensorProto(name="v", data_type=TensorProto.FLOAT, dims=[4])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="/etc/passwd")
    assert htp.annotate(model_of(nodes, [bad, outside]), Other()).coverage.inferred == 1


class Normed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norms = torch.nn.Sequential(*(torch.nn.LayerNorm(4) for _ in range(3)))

    def forward(self, x):
        return self.norms(x)


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_stand_in_the_order_in_which_they_ran(backend):
    """Torch writes one of equal parameters, and copies of it for the others before all else."""
    tagged = htp.export(Normed().eval(), (torch.ones(2, 4),), backend=backend)
    (origin,) = htp.annotate(tagged.strip().model, Normed().eval()).origins
    ran = [call.path for call, _ in origin.calls if call.path.startswith("norms.")]
    assert ran == ["norms.0", "norms.1", "norms.2"]
