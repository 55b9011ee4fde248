"""A part exported with its place in the whole: parts and whole speak of the same modules."""

import inspect
import os

import onnx
import pytest
import torch
from onnx import compose
from torch import nn

import htp
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]
CHOSEN = "dynamo" in inspect.signature(torch.onnx.export).parameters
X = torch.ones(2, 4)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((4,), 2.0))
        self.layer = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.again = nn.Linear(4, 4)

    def forward(self, x):
        for layer in self.layer:
            x = layer(x).relu()
        return self.again(self.again(x * self.scale))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(x).tanh()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.model = Model()

    def forward(self, x):
        return self.model(x)


@pytest.fixture(scope="module", params=USABLE)
def backend(request):
    return request.param


def exported(model, backend, x=X, **more):
    names = {"input_names": ["x"], "output_names": ["y"]}
    return htp.export(model.eval(), (x,), backend=backend, **names, **more)


@pytest.fixture(scope="module")
def whole(backend):
    return exported(Whole(), backend)


@pytest.fixture(scope="module")
def encoder(backend):
    return exported(Whole().model.encoder, backend, root="model.encoder")


@pytest.fixture(scope="module")
def decoder(backend):
    return exported(Whole().model.decoder, backend, root="model.decoder")


def described(found):
    return [(node.op_type, tag.path, tag.type, tag.call, tag.provenance) for node, tag in found]


def test_parts_and_whole_speak_of_the_same_modules(whole, encoder, decoder):
    assert {tag.stack[0].path for _, tag in encoder.nodes()} == {"model.encoder"}
    for part, path in ((encoder, "model.encoder"), (decoder, "model.decoder")):
        assert described(part.nodes()) == described(whole.find(path))
        for (_, ours), (_, theirs) in zip(part.nodes(), whole.find(path)):
            assert ours.stack == theirs.stack[2:]  # below Whole and Model


def test_parameters_have_their_full_names(whole, encoder):
    names = {name for found in encoder.parameters().values() for name in found}
    assert "model.encoder.scale" in names
    assert names <= {name for found in whole.parameters().values() for name in found}
    assert names <= set(dict(Whole().named_parameters()))


def test_what_is_found_in_a_part(encoder):
    everything = described(encoder.nodes())
    for pattern in ("", "model", "model.encoder", "model.*", "*"):
        assert described(encoder.find(pattern)) == everything
    assert {tag.path for _, tag in encoder.find("model.encoder.layer.*")} == {
        "model.encoder.layer.0",
        "model.encoder.layer.1",
    }
    assert {tag.call for _, tag in encoder.find("model.encoder.again@1")} == {1}
    for pattern in ("layer.*", "encoder", "model.decoder"):
        with pytest.raises(htp.UnknownModuleError):
            encoder.find(pattern)


def test_the_tree_begins_at_the_part(encoder):
    tree = encoder.tree()
    assert tree.call.path == "model.encoder"
    assert tree.call.class_name == "Encoder"
    assert [child.call.path for child in tree.children][:1] == ["model.encoder.layer.0"]
    assert tree.total == encoder.coverage


STARTS = {
    "namespace": "model.encoder: ",
    "pkg.torch.onnx.name_scopes": "['model.encoder', ",
}


def test_what_htp_adds_for_others_says_it_too(encoder, backend):
    """What torch writes itself stays as it is: without HTP's entries the bytes are torch's own."""
    added = 0
    for node, _ in encoder.nodes():
        props = {prop.key: prop.value for prop in node.metadata_props}
        ours = props["pkg.htp.dialects"].split(",") if "pkg.htp.dialects" in props else STARTS
        for key, start in STARTS.items():
            assert props[key].startswith(start) == (key in ours)
            added += key in ours
    assert added or backend == "fx"


def test_without_tags_it_is_the_same_file(encoder, backend):
    plain = exported(Whole().model.encoder, backend).strip()
    again = exported(Whole().model.encoder, backend, root="model.encoder").strip()
    assert again.model == plain.model


def test_merged_parts_stand_below_one_whole(encoder, decoder):
    copies = [onnx.ModelProto.FromString(p.model.SerializeToString()) for p in (encoder, decoder)]
    for model in copies:  # what compose wants to be equal, and what is not told here
        model.ir_version = 8
        del model.functions[:]
    merged = htp.load(compose.merge_models(*copies, [("y", "x")], prefix1="a/", prefix2="b/"))
    assert [root.call.path for root in merged.tree().roots] == ["model.encoder", "model.decoder"]
    assert len(merged.find("model")) == len(merged.find("")) == merged.coverage.total
    assert len(merged.find("model.decoder")) == decoder.coverage.total


def test_tagging_takes_a_root(tmp_path, backend, encoder):
    path = tmp_path / "model.onnx"
    more = {"dynamo": backend == "fx"} if CHOSEN else {}
    with htp.tagging(root="outer"), htp.tagging(root="model.encoder") as exports:
        torch.onnx.export(Whole().model.encoder.eval(), (X,), str(path), **more)
    assert [each.tagged for each in exports] == [True]
    assert described(htp.load(path).nodes()) == described(encoder.nodes())


@pytest.mark.parametrize("root", ["a..b", "a/b", "a\x1b[2J", "a.", None, 3])
def test_a_bad_root_is_refused_before_anything_is_done(root, tmp_path):
    path = tmp_path / "model.onnx"

    class Never(nn.Module):
        def forward(self, x):
            raise AssertionError("it ran")

    with pytest.raises(htp.CaptureError, match="root"):
        htp.export(Never(), (X,), path, root=root)
    with pytest.raises(htp.CaptureError, match="root"), htp.tagging(root=root):
        pass
    assert os.listdir(tmp_path) == []
