"""Sparing one module from quantisation, by the names that ``htp nodes`` prints."""

import onnx
import pytest
import torch
from torch import nn

import htp
from htp.cli import main
from htp.testing.noise import LET_TORCH_WARN

onnxruntime = pytest.importorskip("onnxruntime")
quantization = pytest.importorskip("onnxruntime.quantization")
pytestmark = [LET_TORCH_WARN, pytest.mark.filterwarnings("ignore:.*was tagged by HTP")]

USABLE = [info.name for info in htp.available_backends() if info.usable]
SPARED = "blocks.1"
X = torch.ones(2, 3, 8)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(8, 16), nn.Linear(16, 8), nn.LayerNorm(8)

    def forward(self, x):
        return self.norm(x + self.second(self.first(x).relu()))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(Block() for _ in range(3))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def optimised(path, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(path.with_name("optimised.onnx"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return path.with_name("optimised.onnx")


def names(path, capsys, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["nodes", str(path), *arguments])
    assert not ended.value.code
    return capsys.readouterr().out.split()


def as_quantised(found):
    """The names as the quantiser knows them: it splits a Gemm first, and names the product anew.

    https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/python/tools/quantization/onnx_model.py
    """
    return [*found, *(f"{name}_MatMul" for name in found)]


def products(path, found):
    """How many products of each kind the modules have: in numbers as they were, and quantised."""
    kinds = {"MatMul": "plain", "Gemm": "plain", "MatMulInteger": "quantised"}
    kinds["FusedMatMul"] = "plain"
    counts = {}
    for node, _ in htp.load(path).find(found):
        if node.op_type in kinds:
            counts[kinds[node.op_type]] = counts.get(kinds[node.op_type], 0) + 1
    return counts


@pytest.mark.parametrize("backend", USABLE)
@pytest.mark.parametrize("level", [None, "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED"])
def test_exactly_one_module_is_spared(tmp_path, capsys, backend, level):
    path = tmp_path / "model.onnx"
    htp.export(Net().eval(), (X,), path, backend=backend)
    if level is not None:
        path = optimised(path, level)
    spared = names(path, capsys, SPARED)
    assert spared
    quantised = tmp_path / "quantised.onnx"
    quantization.quantize_dynamic(
        str(path),
        str(quantised),
        nodes_to_exclude=as_quantised(spared),
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # behind operators of its own
    )
    assert products(quantised, SPARED) == {"plain": 2}
    for other in ("blocks.0", "blocks.2"):
        assert products(quantised, other) == {"quantised": 2}
    left = {node.name for node, _ in htp.load(quantised).nodes() if node.op_type == "MatMul"}
    assert left <= set(as_quantised(spared))
    assert htp.load(quantised).coverage.unknown == 0
