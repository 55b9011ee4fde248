"""Listening to torch's exporter leaves it alone, and knows where it is."""

import importlib
import io
import itertools
import warnings

import pytest
import torch
from expected import where_known
from torch import nn

import htp
from htp import registry
from htp.backends.base import Where
from htp.backends.fx.ir import MARK
from htp.errors import CaptureError
from htp.file.records import record_bytes
from htp.scope import Sharing
from htp.testing.eager import watched
from htp.testing.noise import LET_TORCH_WARN

HAS_FX = "fx" in [info.name for info in htp.available_backends() if info.usable]

pytestmark = [LET_TORCH_WARN, pytest.mark.skipif(not HAS_FX, reason="fx cannot run here")]


def strategies():
    """Torch's module of the ways to capture a model, tried in order."""
    return importlib.import_module("torch.onnx._internal.exporter._capture_strategies")


def goes_on(strategy, how=("JitTrace", "TorchExportDraft")):
    """Whether it takes a model that ``torch.export`` refuses."""
    return strategy.__name__.startswith(how)


LAST = [each for each in strategies().CAPTURE_STRATEGIES if goes_on(each)] if HAS_FX else []


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 4)
        self.two = nn.Linear(4, 4)

    def forward(self, x):
        return self.two(torch.relu(self.one(x))) + x


def block():
    torch.manual_seed(0)
    return nn.Sequential(Block(), Block()).eval()


def layer():
    torch.manual_seed(0)
    return nn.Linear(4, 4).eval()


INPUT = (torch.ones(2, 4),)


def backend():
    return registry.load(registry.chosen("fx"))


def export(model=None, f=None, args=INPUT, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.onnx.export(model or block(), args, f, dynamo=True, **options)


def paths(capture):
    """The owners in the order of the graph, each once in a row: releases differ in operators."""
    owners = [node.owner.stack[-1].path for node in capture.after.nodes if node.owner]
    return [path for path, _ in itertools.groupby(owners)]


PATHS = ["0.one", "0", "0.two", "0", "1.one", "1", "1.two", "1"]


def test_every_export_is_heard_and_none_is_touched(tmp_path):
    plain, heard = tmp_path / "plain.onnx", tmp_path / "heard.onnx"
    export(f=str(plain))
    with backend().listen() as listener:
        export(f=str(heard))
        program = export()
        first, second = listener.take()
        assert listener.take() == []
        export(f=str(heard), verify=True)
        (third,) = listener.take()
    assert heard.read_bytes() == plain.read_bytes()
    assert program.model_proto.SerializeToString() == plain.read_bytes()
    for one in (first, second, third):
        assert isinstance(one.model, nn.Sequential)
        assert paths(one.capture(record_bytes(plain.read_bytes()))) == PATHS


@where_known("test_a_buffer_is_written_without_marks", "fx")
def test_a_buffer_is_written_without_marks():
    plain, heard = io.BytesIO(), io.BytesIO()
    export(f=plain)
    with backend().listen() as listener:
        export(f=heard)
    assert heard.getvalue() == plain.getvalue()
    (one,) = listener.take()
    assert paths(one.capture(record_bytes(heard.getvalue()))) == PATHS


def test_what_torch_writes_before_it_optimises_has_no_marks(tmp_path, monkeypatch):
    """As when it verifies a model. The marks are there again afterwards."""
    module = importlib.import_module("torch.onnx._internal.exporter._core")
    build = module._exported_program_to_onnx_program
    name, path = build.__name__, str(tmp_path / "early.onnx")
    early = []

    def saves_first(*args, **kwargs):
        program = build(*args, **kwargs)
        early.append(program)
        return program

    monkeypatch.setattr(module, name, saves_first)
    entrance = importlib.import_module("torch.onnx._internal._lazy_import").onnxscript_apis
    optimize = entrance.optimize

    def save_and_optimize(model, *args, **kwargs):
        early[0].save(path)
        keys = {key for node in model.graph for key in node.metadata_props}
        assert any(key.startswith(MARK) for key in keys)
        assert MARK.encode() not in early[0].model_proto.SerializeToString()
        return optimize(model, *args, **kwargs)

    monkeypatch.setattr(entrance, "optimize", save_and_optimize)
    with backend().listen() as listener:
        export(optimize=True) if _takes_optimize() else export()
    with open(path, "rb") as file:
        assert MARK.encode() not in file.read()
    (one,) = listener.take()
    assert one.capture(one_record(early[0])).calls


def _takes_optimize():
    import inspect

    return "optimize" in inspect.signature(torch.onnx.export).parameters


def one_record(program):
    return record_bytes(program.model_proto.SerializeToString())


def test_another_entrance_is_heard():
    exporter = importlib.import_module("torch.onnx._internal.exporter._compat")
    with backend().listen() as listener:
        program = exporter.export_compat(block(), INPUT, None)
    (one,) = listener.take()
    assert {path for path in paths(one.capture(one_record(program))) if path}


def test_another_file_than_torch_wrote_is_refused():
    with backend().listen() as listener:
        program = export(layer())
    (one,) = listener.take()
    written = one_record(program)
    written.nodes[-1].op = "Tanh"
    with pytest.raises(CaptureError, match="a Tanh that computes"):
        one.capture(written)


@pytest.fixture(scope="module")
def plain():
    """What torch makes of one layer when nobody listens."""
    return export(layer()).model_proto.SerializeToString()


FAULTS = [
    ("calls", "CallTracker", "owner"),
    ("calls", "CallTracker", "enter"),
    ("calls", "CallTracker", "follow"),
    ("values", "ValueTracker", "taken"),
    ("values", "ValueTracker", "ran"),
    ("values", "ValueTracker", "translated"),
    ("views", "ViewTracker", "begin"),
    ("storages", "StorageWrites", "end"),
    ("marks", "Marks", "collect"),
    ("kinds", "Kinds", "kind"),
    ("written", "WrittenValues", "records"),
    ("parameters", "ParameterNames", "follow"),
]


@pytest.mark.parametrize(("module", "kind", "name"), FAULTS)
def test_a_fault_of_htps_own_leaves_the_export_alone(module, kind, name, plain, monkeypatch):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(
        getattr(importlib.import_module(f"htp.backends.fx.{module}"), kind), name, fail
    )
    with backend().listen() as listener:
        program = export(layer())
    assert program.model_proto.SerializeToString() == plain
    (one,) = listener.take()
    with pytest.raises(CaptureError, match="ZeroDivisionError: planted") as caught:
        one.capture(one_record(program))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


class Raises(nn.Module):
    def forward(self, x):
        raise KeyError("the model's own")


class Branches(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Unsupported(nn.Module):
    def forward(self, x):
        return torch.ops.aten._linalg_eigvals(x @ x.T).real


class Around(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.inner = nn.Sequential(nn.ReLU(), inner)

    def forward(self, x):
        return self.inner(self.first(x))


@pytest.mark.skipif(not LAST, reason="this torch gives up where torch.export fails")
def test_what_torch_traces_by_other_means_is_refused():
    """``torch.jit.trace``, which knows no branches; a draft of 2.8 has its modules."""
    with backend().listen() as listener:
        program = export(Around(Branches()).eval())
    (one,) = listener.take()
    if not goes_on(LAST[0], "JitTrace"):
        assert paths(one.capture(one_record(program))) == ["first", "inner.0"]
        return
    with pytest.raises(CaptureError, match="without its modules"):
        one.capture(one_record(program))


@pytest.mark.parametrize("inner", [Raises, Branches])
def test_where_a_forward_failed(inner, monkeypatch):
    kept = [each for each in strategies().CAPTURE_STRATEGIES if not goes_on(each)]
    monkeypatch.setattr(strategies(), "CAPTURE_STRATEGIES", tuple(kept))
    with backend().listen() as listener:
        with pytest.raises(Exception, match=r".") as caught:
            export(Around(inner()).eval())
        where = listener.where()
    assert not isinstance(caught.value, htp.HTPError)
    assert [call.path for call in where.running] == ["", "inner", "inner.1"]
    assert where.running[-1].class_name == inner.__name__
    assert (where.converting, where.operator) == ((), "")
    assert not listener.take()


def test_where_a_conversion_failed():
    with backend().listen() as listener:
        with pytest.raises(Exception, match="_linalg_eigvals") as caught:
            export(Around(Unsupported()).eval())
        where = listener.where()
    assert not isinstance(caught.value, htp.HTPError)
    assert [call.path for call in where.converting] == ["", "inner", "inner.1"]
    assert where.operator == "aten::_linalg_eigvals"


def test_where_is_nowhere_before_and_after():
    with backend().listen() as listener:
        assert listener.where() == Where()
        export(layer())
        assert listener.where() == Where()


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.a__b = nn.Linear(4, 4)
        self.items = nn.ModuleDict({"a-b": nn.Linear(4, 4), "a b": nn.Linear(4, 4)})

    def forward(self, x):
        return self.items["a b"](self.items["a-b"](self.a__b(x)))


def test_modules_of_a_program_have_their_own_names():
    program = torch.export.export(Odd().eval(), INPUT)
    tagged = htp.export(program, backend="fx")
    owners = [tag.path for node, tag in tagged.nodes() if node.op_type == "Gemm"]
    assert owners == ["a__b", "items.a-b", "items.a b"]


class Twice(nn.Module):
    """Equal work of two calls, which is done once, and two modules that become one operation."""

    def __init__(self):
        super().__init__()
        self.one = nn.Tanh()
        self.two = nn.Tanh()
        self.stem = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))

    def forward(self, x):
        return self.stem(x), self.one(x) * self.two(x)


def test_merged_and_fused_are_told_apart():
    with backend().listen() as listener:
        program = export(Twice().eval(), args=(torch.randn(1, 2, 4, 4),))
    (one,) = listener.take()
    nodes = one.capture(one_record(program)).after.nodes
    owners = {node.op: node.owner for node in nodes}
    merged, fused = owners["Tanh"], owners["Conv"]
    if len([node for node in nodes if node.op == "Tanh"]) == 1:  # some compute it twice
        assert (merged.stack[-1].path, [call.path for call in merged.others]) == ("one", ["two"])
        assert merged.sharing == Sharing.MERGED
    if fused.others:  # some fuse nothing, or merge no metadata as they do
        assert (fused.stack[-1].path, fused.sharing) == ("stem", Sharing.FUSED)
        assert [call.path for call in fused.others] == ["stem.0", "stem.1"]


class Bounded(nn.Module):
    """A parametrization that consists of modules itself."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Tanh(), nn.Hardtanh()

    def forward(self, weight):
        return self.two(self.one(weight) * 2)


class Parametrized(nn.Module):
    """Dynamo, which torch 2.5 begins with, leaves a parametrization whole, and it runs later."""

    def __init__(self):
        super().__init__()
        from torch.nn.utils.parametrize import register_parametrization  # not in the oldest torch

        self.first, self.inner, self.last = layer(), nn.Sequential(layer(), layer()), layer()
        for one in (self.inner[0], self.inner[1]):
            register_parametrization(one, "weight", Bounded())
        register_parametrization(self.inner[1], "bias", Bounded())

    def forward(self, x):
        return self.last(self.inner(self.first(x)))


def test_calls_of_a_parametrization_stand_where_they_ran():
    model = Parametrized().eval()
    with watched(model) as watch:
        model(*INPUT)
    with backend().listen() as listener:
        program = export(model)
    (one,) = listener.take()
    calls = one.capture(one_record(program)).calls  # the file's would be set right
    assert [call.stack for call in calls] == watch.stacks
