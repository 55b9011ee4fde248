"""Cost against PyTorch's own parameters, and against tools that count the same where installed."""

import functools
import importlib.util

import pytest

import htp
from htp.testing.noise import LET_TORCH_WARN
from htp.use.macs import macs_of
from htp.use.places import elements
from htp.use.types import infer

torch = pytest.importorskip("torch")

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]
SAME = {"conv", "addmm", "matmul", "bmm", "linear", "einsum"}
"""What fvcore counts as this does; to norms and the like it gives a few more for each element."""
CLOSE = 0.01


class Convolutions(torch.nn.Module):
    """A transposed convolution in groups, and one of one axis."""

    def __init__(self):
        super().__init__()
        self.up = torch.nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2)
        self.one = torch.nn.Conv1d(102, 8, 3)

    def forward(self, x):
        return self.one(self.up(x).reshape(1, 102, 17))


class Recurrent(torch.nn.Module):
    """A product by einsum, and a linear part that is called twice."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(6, 6)

    def forward(self, x):
        return self.linear(torch.relu(self.linear(torch.einsum("bij,bkj->bik", x, x))))


def transformer():
    from htp.cli.demo_model import DemoTransformer

    return DemoTransformer().eval(), (torch.arange(32).reshape(2, 16),)


MODELS = {
    "transformer": transformer,
    "convolutions": lambda: (Convolutions().eval(), (torch.randn(1, 4, 8, 8),)),
    "recurrent": lambda: (Recurrent().eval(), (torch.randn(2, 6, 5),)),
}


def exported(model, args, folder, backend):
    opset = 13 if backend == "torchscript" else None  # on old torch the default has no Einsum
    return htp.export(model, args, folder / "m.onnx", backend=backend, opset_version=opset)


def submodule(model, path):
    return functools.reduce(getattr, path.split("."), model)


@pytest.fixture(params=MODELS)
def subject(request):
    return MODELS[request.param]()


@pytest.mark.parametrize("backend", USABLE)
def test_parameters_are_pytorchs(backend, subject, tmp_path):
    model, args = subject
    cost = exported(model, args, tmp_path, backend).cost()
    wanted = sum(each.numel() for each in model.parameters())
    equal = cost.total.parameters  # weights of equal contents may be one in the file
    assert wanted - 64 <= equal <= wanted
    paths = {row.call.path: row.parameters for row in cost.rows}
    own = {name.rpartition(".")[0] for name, _ in model.named_parameters()}
    for path in own - {""}:
        wanted = sum(each.numel() for each in submodule(model, path).parameters())
        assert paths[path] == wanted, path


@pytest.mark.parametrize("backend", USABLE)
def test_fvcore_counts_the_same(backend, subject, tmp_path):
    if not importlib.util.find_spec("fvcore"):
        pytest.skip("fvcore is not installed here")
    from fvcore.nn import FlopCountAnalysis

    model, args = subject
    told = FlopCountAnalysis(model, args)
    told.unsupported_ops_warnings(False)
    told.uncalled_modules_warnings(False)
    theirs = {
        path: sum(count for name, count in counts.items() if name in SAME)
        for path, counts in told.by_module_and_operator().items()
    }
    cost = exported(model, args, tmp_path, backend).cost()
    ours = {}
    for row in cost.rows:
        ours[row.call.path] = ours.get(row.call.path, 0) + row.macs
    assert cost.total.unknown == 0
    assert theirs[""] > 0
    called = [path for path in theirs if path in ours]  # a ModuleList is not
    assert len(called) >= len(theirs) - 1
    for path in called:
        assert abs(ours[path] - theirs[path]) <= CLOSE * theirs[path], path


@pytest.mark.parametrize("backend", USABLE)
def test_onnx_tool_counts_the_same(backend, subject, tmp_path):
    """A bias is one more for each element there, and a transposed convolution is counted by its
    result; without these each node has the same."""
    if not importlib.util.find_spec("onnx_tool"):
        pytest.skip("onnx-tool is not installed here")
    import onnx_tool

    model, args = subject
    tagged = exported(model, args, tmp_path, backend)
    their = onnx_tool.Model(str(tmp_path / "m.onnx")).graph
    their.shape_infer(None)
    their.profile()
    values = infer(tagged.model)
    known = {name: each.lengths for name, each in values.items() if each.lengths is not None}
    compared = 0
    for node in tagged.model.graph.node:
        if node.op_type in ("MatMul", "Gemm", "Conv"):
            bias = elements(known[node.output[0]]) if len(node.input) > 2 else 0
            told = their.nodemap[node.name].macs[0]
            ours = macs_of(node, known)
            assert abs(ours + bias - told) <= CLOSE * told, node.name
            compared += 1
    assert compared
