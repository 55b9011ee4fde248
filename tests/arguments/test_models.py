"""What may be exported: as torch treats it on this release."""

import copy
import inspect
import pickle

import pytest
import torch
from expected import where_known
from torch import nn

import htp
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

PARAMETERS = inspect.signature(torch.onnx.export).parameters
USABLE = [info.name for info in htp.available_backends() if info.usable]


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x, y):
        return torch.relu(self.linear(x)) + self.linear(y)


def small():
    torch.manual_seed(0)
    return Small().eval()


def x(value=1.0):
    return torch.full((2, 3), value)


def arithmetic(a, b):
    return torch.relu(a * b) + 1


MODELS = {
    "scripted function": lambda: torch.jit.script(arithmetic),
    "traced function": lambda: torch.jit.trace(arithmetic, (x(), x())),
    "data parallel": lambda: nn.DataParallel(small()),
}
if hasattr(torch, "compile"):
    MODELS["compiled"] = lambda: torch.compile(small())


def both(build, backend, folder):
    """What torch alone and what HTP makes of a model, or the error of each."""
    kw = {"verbose": False, **({"dynamo": backend == "fx"} if "dynamo" in PARAMETERS else {})}
    results = []
    for export, name in ((torch.onnx.export, "torch.onnx"), (htp.export, "htp.onnx")):
        own = dict(kw)
        if export is torch.onnx.export and "example_outputs" in PARAMETERS:
            own["example_outputs"] = x()
        try:
            results.append(export(build(), (x(), x(2.0)), str(folder / name), **own))
        except Exception as error:
            results.append(error)
    return results


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("backend", USABLE)
def test_what_torch_exports_is_exported_and_else_refused(name, backend, tmp_path):
    plain, tagged = both(MODELS[name], backend, tmp_path)
    if isinstance(plain, Exception):
        assert isinstance(tagged, htp.CaptureError)
        assert tagged.hint
        return
    if backend == "fx" and "function" in name:
        # torch 2.5 turns it into a program without any module; nothing is said of its owners.
        assert "without its modules" in str(tagged)
        return
    assert tagged.coverage.unknown == 0
    assert {tag.path for _, tag in tagged.nodes()} == {
        "scripted function": {""},
        "traced function": {""},
        "data parallel": {"module", "module.linear"},
        "compiled": {"_orig_mod", "_orig_mod.linear"},
    }[name]
    if "function" in name:
        assert {tag.type.rpartition(".")[2] for _, tag in tagged.nodes()} == {"arithmetic"}
    tagged.strip().save(tmp_path / "htp.onnx")
    assert (tmp_path / "htp.onnx").read_bytes() == (tmp_path / "torch.onnx").read_bytes()


class Hides(nn.Module):
    """Holds a module that torch does not know of, which torch.export may refuse when compiled."""

    def __init__(self):
        super().__init__()
        self.held = [nn.Linear(3, 3)]
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(torch.relu(self.held[0](x)))


@where_known("test_what_torch_captured_from_a_graph_names_no_module", "fx")
@pytest.mark.skipif("fx" not in USABLE, reason="this torch has no torch.export")
def test_what_torch_captured_from_a_graph_names_no_module(tmp_path):
    """Torch 2.5 and 2.6 have dynamo read the model, and capture the graph that came of it."""
    model = torch.compile(nn.Sequential(Hides()).eval())
    try:
        tagged = htp.export(model, (x(),), tmp_path / "m.onnx", backend="fx")
    except htp.CaptureError as error:
        assert "without its modules" in str(error)  # noqa: PT017 - which depends on the release
        assert torch.__version__.startswith(("2.5.", "2.6."))
        return
    held = {tag.path for node, tag in tagged.nodes() if node.op_type == "Relu"}
    assert held == {"_orig_mod.0"}
    assert "_orig_mod.0.linear" in {tag.path for _, tag in tagged.nodes()}


@pytest.mark.parametrize("again", range(2))
def test_a_scripted_function_is_as_it_was(again, tmp_path):
    """torch's exporter changes the graph of what it exports; HTP gives it back."""
    function = torch.jit.script(arithmetic)
    before = [node.kind() for node in function.graph.nodes()]
    htp.export(function, (x(), x()), str(tmp_path / "m.onnx"), backend="torchscript")
    assert [node.kind() for node in function.graph.nodes()] == before
    assert torch.equal(function(x(), x()), arithmetic(x(), x()))


@pytest.mark.skipif("fx" not in USABLE, reason="this torch has no torch.export")
class TestPrograms:
    """Models that were through ``torch.export``, and the programs that torch returns."""

    def test_a_program_goes_to_the_exporter_that_takes_it(self, monkeypatch):
        monkeypatch.setenv("HTP_BACKEND", "torchscript")
        program = torch.export.export(small(), (x(), x()))
        assert htp.export(program).backend == "fx"

    def test_the_program_is_torchs(self):
        tagged = htp.export(small(), (x(), x()), backend="fx")
        assert type(tagged.program).__name__ == "ONNXProgram"
        assert len(tagged.program.model_proto.graph.node) == tagged.coverage.total

    def test_copies_and_pickles(self):
        """A pickle and a deep copy leave the program out: it holds the model's weights."""
        tagged = htp.export(small(), (x(), x()), backend="fx")
        assert copy.copy(tagged).program is tagged.program
        for other in (copy.deepcopy(tagged), pickle.loads(pickle.dumps(tagged))):
            assert other.program is None
            assert other.coverage == tagged.coverage
        assert tagged.program is not None


@pytest.mark.skipif("torchscript" not in USABLE, reason="there is but one exporter")
def test_no_program_of_the_other_exporter(tmp_path):
    tagged = htp.export(small(), (x(), x()), backend="torchscript")
    assert tagged.program is None
    tagged.save(tmp_path / "model.onnx")
    assert htp.load(tmp_path / "model.onnx").program is None


def test_several_operators_at_once():
    tagged = htp.export(small(), (x(), x()))
    one = [node.op_type for node, _ in tagged.find("*", op_type="Relu")]
    assert one == ["Relu"]
    several = tagged.find("*", op_type=["Relu", "Add"])
    assert {node.op_type for node, _ in several} == {"Relu", "Add"}
    assert tagged.find("*", op_type=[]) == []
    with pytest.raises(TypeError, match="op_type is an operator's name, or several"):
        tagged.find("*", op_type=[1])
