"""Real exports, and what real tools leave of them: a rewritten file still says where it is from."""

import io
import struct
import tempfile

import onnx
import pytest
import torch
from onnx import compose, version_converter
from packaging.version import Version
from torch import nn

import htp
from htp.file import wire
from htp.file.document import nodes_of
from htp.file.fingerprints import of_raw
from htp.file.origin import digest
from htp.file.records import outline_of
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]
MANY = 1000
MOST = 64
"""Bytes that an origin takes for each node of a graph with that many."""


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.inner, self.outer = nn.Linear(size, size), nn.Linear(size, size)
        self.norm, self.activation = nn.LayerNorm(size), nn.ReLU()

    def forward(self, x):
        return self.norm(x + self.outer(self.activation(self.inner(x))))


class Net(nn.Module):
    """Named weights, a folded constant that is large, and a module that runs twice."""

    def __init__(self, blocks=2, size=8, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.blocks = nn.ModuleList([Block(size) for _ in range(blocks)])
        self.head = nn.Linear(size, size)
        self.register_buffer("table", torch.rand(40, size))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(self.head(x).sin()) + self.table[:2]


def export(backend, *args, f=None, **options):
    net = Net(*args).eval()
    given = {"opset_version": None, "input_names": ["x"], "output_names": ["y"], **options}
    return htp.export(net, (torch.ones(2, net.head.in_features),), f, backend=backend, **given)


def digest_of(model):
    return digest((node.op_type, node.output) for node in nodes_of(model))


def plain_bytes(tagged):
    out = io.BytesIO()
    tagged.strip().save(out)
    return out.getvalue()


@pytest.mark.parametrize("backend", USABLE)
def test_an_export_tells_its_graph(backend, tmp_path):
    path = tmp_path / "net.onnx"
    export(backend, f=path)
    tagged = htp.load(path)
    (origin,) = tagged.origins
    skeleton = origin.skeleton()
    assert list(skeleton.tags) == [tag for _, tag in tagged.nodes()]
    assert digest_of(tagged.model) == origin.nodes == digest_of(skeleton.model)
    assert [(n.op_type, n.input, n.output) for n in nodes_of(skeleton.model)] == [
        (n.op_type, n.input, n.output) for n in nodes_of(tagged.model)
    ]
    assert {name: w.parameters for name, w in skeleton.weights.items() if w.parameters} == (
        tagged.parameters()
    )
    weights = htp.load(path)._file.weights()
    assert {name: w[:4] for name, w in skeleton.weights.items()} == (
        {name: w[:4] for name, w in weights.items()}
    )
    told = {name: w.sketch and w.sketch._replace(zeros=0) for name, w in weights.items()}
    assert {name: w.sketch for name, w in skeleton.weights.items()} == told
    assert any(told.values())
    assert all(len(weight.contents) == 16 for weight in skeleton.weights.values())
    assert [(call.stack[-1], len(call.stack) - 1) for call in skeleton.calls] == list(origin.calls)
    assert any(call.outputs for call in skeleton.calls)


@pytest.mark.parametrize("backend", USABLE)
def test_weights_are_found_by_their_contents(backend, tmp_path):
    """However torch folded them: the parameter and the initializer have one fingerprint."""
    path = tmp_path / "net.onnx"
    export(backend, f=path)
    (origin,) = htp.load(path).origins
    weights = origin.skeleton().weights.values()
    found = {weight.parameters[0]: weight.contents for weight in weights if weight.parameters}
    known = dict(Net().named_parameters())
    same = {name for name in known if "norm" in name}  # torch keeps one of equal ones
    assert known.keys() - found.keys() < same
    for name in known.keys() & found.keys():
        numbers = known[name].detach().flatten().tolist()
        raw = struct.pack(f"<{len(numbers)}f", *numbers)
        assert found[name] == of_raw(1, tuple(known[name].shape), raw)


@pytest.mark.skipif(
    Version(torch.__version__.split("+")[0]) < Version("2.0"),
    reason="torch itself takes minutes for so many nodes",
)
@pytest.mark.parametrize("backend", USABLE)
def test_an_origin_is_small(backend):
    tagged = export(backend, 210)
    entries = [p for p in tagged.model.metadata_props if p.key.startswith("pkg.htp.")]
    count = sum(1 for _ in tagged.nodes())
    assert count > MANY
    assert sum(len(entry.SerializeToString()) for entry in entries) < MOST * count


@pytest.mark.parametrize("backend", USABLE)
def test_without_a_skeleton(backend):
    whole, bare = export(backend), export(backend, origin=False)
    assert bare.origins[0].skeleton() is None
    assert bare.origins[0].records() == whole.origins[0].records()
    assert bare.coverage == whole.coverage
    assert plain_bytes(bare) == plain_bytes(whole)


@pytest.mark.parametrize("backend", USABLE)
def test_tagging_writes_it_and_leaves_it_out(backend, tmp_path):
    for origin in (True, False):
        path = str(tmp_path / f"{origin}.onnx")
        options = {"dynamo": backend == "fx"} if "fx" in USABLE else {}
        with htp.tagging(backend, origin=origin) as exports:
            torch.onnx.export(Net().eval(), (torch.ones(2, 8),), path, **options)
        assert exports[0].tagged
        (found,) = htp.load(path).origins
        assert found.has_skeleton is origin
    assert [tag for _, tag in htp.load(path).nodes()] == [
        tag for _, tag in htp.load(tmp_path / "True.onnx").nodes()
    ]


@pytest.mark.skipif("fx" not in USABLE, reason="no model is left in memory")
def test_a_model_that_is_written_nowhere():
    """Its weights are where they are, so that nothing is known but what they are like."""
    with htp.tagging("fx") as exports:
        program = torch.onnx.export(Net().eval(), (torch.ones(2, 8),), dynamo=True)
    assert exports[0].tagged
    tagged = htp.load(program.model)
    skeleton = tagged.origins[0].skeleton()
    assert list(skeleton.tags) == [tag for _, tag in tagged.nodes()]
    for name, weight in skeleton.weights.items():
        tensor = program.model.graph.initializers[name].const_value
        assert (weight.shape, weight.dtype) == (tuple(tensor.shape), int(tensor.dtype))


@pytest.mark.parametrize("backend", USABLE)
def test_merged_models_keep_each_skeleton(backend):
    pair = [export(backend, 2, 8, seed) for seed in (0, 1)]
    skeletons = [each.origins[0].skeleton() for each in pair]
    first, second = (each.model for each in pair)
    for model in (first, second):  # what compose wants to be equal, and what is not told here
        model.ir_version = 8
        del model.functions[:]
    merged = compose.merge_models(first, second, [("y", "x")], prefix1="a/", prefix2="b/")
    found = htp.load(merged)
    assert [each.skeleton() for each in found.origins] == skeletons


# --- tools


def optimised(level):
    def run(data):
        runtime = pytest.importorskip("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = getattr(runtime.GraphOptimizationLevel, level)
        with tempfile.TemporaryDirectory() as folder:
            options.optimized_model_filepath = f"{folder}/out.onnx"
            runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            with open(f"{folder}/out.onnx", "rb") as file:
                return file.read()

    return run


def converted(data):
    model = onnx.ModelProto.FromString(data)
    target = model.opset_import[0].version + 1
    return version_converter.convert_version(model, target).SerializeToString()


def shape_inferred(data):
    return onnx.shape_inference.infer_shapes(onnx.ModelProto.FromString(data)).SerializeToString()


def scripted(data):
    pytest.importorskip("onnxscript")
    from onnxscript import optimizer

    return optimizer.optimize(onnx.ModelProto.FromString(data)).SerializeToString()


TOOLS = {
    "onnxruntime basic": optimised("ORT_ENABLE_BASIC"),
    "onnxruntime extended": optimised("ORT_ENABLE_EXTENDED"),
    "onnx version converter": converted,
    "onnx shape inference": shape_inferred,
    "onnxscript optimizer": scripted,
}


@pytest.mark.filterwarnings("ignore:.*was tagged by HTP")
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("backend", USABLE)
def test_a_rewritten_file_tells_its_origin_and_strips_clean(backend, tool):
    tagged = export(backend)
    whole = wire.join(tagged._file.chunks)
    expected = tagged.origins[0].skeleton()
    rewritten, plain = TOOLS[tool](whole), TOOLS[tool](plain_bytes(tagged))
    (origin,) = htp.load(rewritten).origins
    assert origin.skeleton() == expected
    stripped = plain_bytes(htp.load(rewritten))
    assert b"pkg.htp" not in stripped
    assert stripped == plain
    assert outline_of(rewritten) != outline_of(stripped)
