"""``verbose=True``: what is printed and what is written is torch's own."""

import inspect
import os
import sys

import pytest
import torch
from expected import where_known
from torch import nn

import htp
from htp.file.frames import without_frames
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

PARAMETERS = inspect.signature(torch.onnx.export).parameters
USABLE = [info.name for info in htp.available_backends() if info.usable]
FOLDER = os.path.dirname(htp.__file__)
LOUD = {
    "verbose": True,
    **({"strip_doc_string": False} if "strip_doc_string" in PARAMETERS else {}),
}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return torch.relu(self.linear(x))


class Hooked(nn.Module):
    """One of its modules has a hook: its calls are marked in the graph besides."""

    def __init__(self):
        super().__init__()
        self.block = Block()
        self.block.register_forward_hook(lambda module, given, result: result * 2)

    def forward(self, x):
        return self.block(x) + self.block(x)


class Branch(nn.Module):
    """Its nodes stand in the body of an If."""

    def forward(self, x):
        return torch.relu(x) * 2 if bool(x.sum() > 0) else torch.tanh(x) - 1


def model(kind):
    torch.manual_seed(0)
    made = kind().eval()
    return torch.jit.script(made) if kind is Branch else made


def call(export, kind, path, backend):
    """One line calls, so that the Python stack above it is the same."""
    kw = {**LOUD, **({"dynamo": backend == "fx"} if "dynamo" in PARAMETERS else {})}
    if "example_outputs" in PARAMETERS and kind is Branch:
        kw["example_outputs"] = torch.ones(2, 3)
    return export(model(kind), (torch.ones(2, 3),), str(path), **kw)


@pytest.mark.parametrize("kind", [Block, Hooked])
@pytest.mark.parametrize("backend", USABLE)
def test_what_is_printed_and_written_is_torchs_own(kind, backend, tmp_path, capfd):
    plain, path = tmp_path / "torch" / "model.onnx", tmp_path / "htp" / "model.onnx"
    said = []
    for export, target in ((torch.onnx.export, plain), (htp.export, path)):
        target.parent.mkdir()
        tagged = call(export, kind, target, backend)
        sys.stdout.flush()
        said.append(capfd.readouterr().out.replace(str(target.parent), ""))
    assert said[0] == said[1]
    assert "#htp" not in said[1]
    if backend == "torchscript":
        assert "graph(" in said[0]
        assert any("forward" in node.doc_string for node, _ in tagged.nodes())
    assert not any(FOLDER + os.sep in node.doc_string for node, _ in tagged.nodes())
    assert tagged.coverage.unknown == 0
    tagged.strip().save(path)
    for file in plain.parent.iterdir():
        assert (path.parent / file.name).read_bytes() == file.read_bytes()


class Unconvertible(nn.Module):
    """No release can convert its operation."""

    def __init__(self):
        super().__init__()
        self.block = Block()

    def forward(self, x):
        return torch.histc(self.block(x), bins=4)


def printed_of_a_failure(folder, capfd):
    """By torch's own function, and by HTP's."""
    said = []
    for export in (torch.onnx.export, htp.export):
        with pytest.raises(Exception):  # noqa: B017, PT011 - torch's own and HTP's differ
            call(export, Unconvertible, folder / "model.onnx", "torchscript")
        sys.stdout.flush()
        said.append(capfd.readouterr().out)
    return said


TORCHSCRIPT = pytest.mark.skipif(
    "torchscript" not in USABLE, reason="this torch has no such exporter"
)


@TORCHSCRIPT
@where_known("test_what_is_printed_of_a_failed_conversion_is_torchs_own", "torchscript")
def test_what_is_printed_of_a_failed_conversion_is_torchs_own(tmp_path, capfd):
    plain, own = printed_of_a_failure(tmp_path, capfd)
    assert plain == own


@TORCHSCRIPT
def test_what_is_printed_of_a_failed_conversion_has_torchs_scopes(tmp_path, capfd):
    plain, own = printed_of_a_failure(tmp_path, capfd)
    assert "#htp" not in own
    assert own.count("scope: ") == plain.count("scope: ")


def test_bodies_have_their_doc_strings(tmp_path):
    """A scripted model's lines are its own source; nothing is taken from them."""
    tagged = call(htp.export, Branch, tmp_path / "model.onnx", "torchscript")
    inner = [node for node, _ in tagged.nodes() if node.op_type in ("Relu", "Tanh")]
    assert len(inner) == 2
    assert not any(FOLDER + os.sep in node.doc_string for node in inner)


def test_only_lines_of_htps_own_go():
    import onnx

    ours = os.path.join(FOLDER, "backends", "torchscript", "scopes.py")
    models = os.path.join(FOLDER, "testing", "models", "layers.py")
    kept = f"torch/module.py(1): call\n{models}(9): forward\nother/htp/scopes.py(1): f\n"
    text = f"{ours}(178): __call__\n{kept}{ours}(12): export\n"
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["a"], ["b"], doc_string=text)], "body", [], []
    )
    nodes = [
        onnx.helper.make_node("If", ["c"], ["d"], then_branch=body, doc_string=text, domain="x"),
        onnx.helper.make_node("Abs", ["a"], ["e"]),
    ]
    whole = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], []))
    found = onnx.ModelProto.FromString(without_frames(whole.SerializeToString()))
    for node in (whole.graph.node[0], whole.graph.node[0].attribute[0].g.node[0]):
        node.doc_string = kept
    assert found == whole
    assert without_frames(found.SerializeToString()) == found.SerializeToString()
