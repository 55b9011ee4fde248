"""BERT, GPT-2, ViT and ResNet of the installed transformers, small and with random weights."""

import warnings

import numpy as np
import pytest
import torch
from packaging.version import Version

import htp
from htp.testing.eager import watched
from htp.testing.expectations import reason_to_fail
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.oracle import misplaced_weights, tagged_nodes
from htp.testing.running import run_eager, run_onnx
from htp.torch_release import RELEASE

transformers = pytest.importorskip(
    "transformers", reason="no release of transformers works with this torch and Python"
)

pytestmark = LET_TORCH_WARN

OPSET = 13 if RELEASE is not None and Version("1.12") > RELEASE else None
"""Old releases default to opset 9, in which no bound of a slice may be computed."""


def written_out(cls, config):
    """The model with attention in single operations, which every exporter knows."""
    try:
        return cls._from_config(config, attn_implementation="eager")
    except TypeError:  # a release that has no other attention
        return cls(config)


def bert():
    config = transformers.BertConfig(
        vocab_size=61,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=20,
    )
    return written_out(transformers.BertModel, config), (torch.randint(61, (2, 7)),)


def gpt2():
    config = transformers.GPT2Config(
        vocab_size=61, n_positions=20, n_embd=16, n_layer=2, n_head=2, use_cache=False
    )
    return written_out(transformers.GPT2LMHeadModel, config), (torch.randint(61, (2, 7)),)


def vit():
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=16,
        patch_size=8,
    )
    return written_out(transformers.ViTModel, config), (torch.randn(1, 3, 16, 16),)


def resnet():
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic"
    )
    return written_out(transformers.ResNetModel, config), (torch.randn(1, 3, 32, 32),)


MODELS = {"bert": (bert, 14), "gpt2": (gpt2, 9), "vit": (vit, 13), "resnet": (resnet, 0)}
"""How to build each, and how many operators its weights must decide at least."""


class First(torch.nn.Module):
    """Gives one tensor, where the model gives an object of its own."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return self.body(x, return_dict=False)[0]


def rows():
    for info in htp.available_backends():
        for name in MODELS:
            if info.usable:
                reason = reason_to_fail((), info.name, f"transformers:{name}", "*")
                marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
                yield pytest.param(info.name, name, id=f"{info.name}-{name}", marks=marks)


def build(name):
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        body, args = MODELS[name][0]()
        for parameter in body.parameters():
            if parameter.dim() == 1:
                torch.nn.init.normal_(parameter, 1, 0.1)
    return First(body).eval(), args


@pytest.mark.parametrize(("backend_name", "name"), list(rows()))
def test_model(backend_name, name, tmp_path, record_property):
    model, args = build(name)
    with torch.no_grad(), watched(model) as watch:
        model(*args)
    path = tmp_path / "model.onnx"
    tagged = htp.export(model, args, path, opset_version=OPSET, backend=backend_name)
    coverage = htp.Coverage.of(tag for _, tag, _ in tagged_nodes(tagged))
    record_property("coverage", {str(kind): count for kind, count in coverage})

    assert [tag for _, tag, _ in tagged_nodes(tagged) if not tag.stack] == []
    never_ran = {tag.stack for _, tag, _ in tagged_nodes(tagged)} - set(watch.stacks)
    assert not never_ran

    called = {stack[-1].path for stack in watch.stacks}
    found = misplaced_weights(tagged, model, called, str(tmp_path))
    wrong = [verdict for verdict in found if not verdict.right]
    record_property("oracle", {"decided": len(found), "wrong": len(wrong)})
    assert not wrong
    assert len(found) >= MODELS[name][1]

    output = run_onnx(str(path), model, args)
    np.testing.assert_allclose(output[0], run_eager(model, args, {})[0], rtol=1e-3, atol=1e-4)
