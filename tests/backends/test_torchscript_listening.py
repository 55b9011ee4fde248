"""The TorchScript backend listens: it hears what others export, and never gets in their way."""

import contextlib
import gc
import importlib
import inspect
import io
from functools import partial

import pytest
import torch
import torch.onnx.utils
from torch import nn

import htp
from htp import registry
from htp.backends.torchscript import recorder, scopes, scopes_first
from htp.file.records import record_bytes
from htp.scope import Tag
from htp.testing.noise import LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]

pytestmark = [
    LET_TORCH_WARN,
    pytest.mark.skipif("torchscript" not in USABLE, reason="this torch has no such exporter"),
]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(x + self.linear(x) * 1.5)


def model(cls=Block):
    torch.manual_seed(0)
    return nn.Sequential(cls(), cls()).eval()


def x():
    return torch.ones(2, 4)


def backend():
    (spec,) = [spec for spec in registry.specs() if spec.name == "torchscript"]
    return registry.load(spec)


def plain(module, args=None, export=torch.onnx.export, **options):
    if "dynamo" in inspect.signature(export).parameters:
        options["dynamo"] = False
    file = io.BytesIO()
    export(module, args or (x(),), file, **options)
    return file.getvalue()


def owners(heard, data):
    return [node.owner for node in heard.capture(record_bytes(data)).after.walk()]


# --- who is heard


@pytest.mark.parametrize("export", [torch.onnx.export, torch.onnx.utils.export])
def test_an_export_by_somebody_else(export):
    module = model()
    before = plain(module, export=export)
    with backend().listen() as listener:
        data = plain(module, export=export)
        (heard,) = listener.take()
    assert data == before
    assert heard.model is module
    paths = {owner.stack[-1].path for owner in owners(heard, data) if owner}
    assert {"0.linear", "1.linear"} <= paths


def test_several_exports_are_heard_in_order():
    first, second = model(), nn.Sequential(nn.Linear(4, 4), nn.ReLU()).eval()
    with backend().listen() as listener:
        files = [plain(first), plain(second)]
        heard = listener.take()
        assert [each.model for each in heard] == [first, second]
        assert listener.take() == []
        plain(second)
        assert len(listener.take()) == 1
    assert len(owners(heard[1], files[1])) == 2
    paths = {owner.stack[-1].path for owner in owners(heard[0], files[0]) if owner}
    assert {"0.linear", "1.linear"} <= paths


def test_listening_within_listening():
    module = model()
    with backend().listen() as outer, backend().listen() as inner:
        data = plain(module)
        (one,), (other,) = outer.take(), inner.take()
    assert owners(one, data) == owners(other, data)


def test_nothing_is_heard_afterwards():
    with backend().listen() as listener:
        pass
    plain(model())
    assert listener.take() == []


def test_an_export_that_failed_is_not_heard():
    with backend().listen() as listener:
        with pytest.raises(RuntimeError):
            plain(model(), (torch.ones(2, 5),))
        assert listener.take() == []
        plain(model())
        assert len(listener.take()) == 1


# --- what goes wrong in the listening

# What a reader does, and the note of the recorder that asks for it.
NOTES = {
    "begin": "before_optimizing",
    "follow": "follow|before_merging|before_converting|before_optimizing",
    "before_merging": "before_merging",
    "after_merging": "after_merging",
    "before_converting": "before_converting",
    "after_conversion": "after_conversion",
    "after_converting": "after_converting",
    "before_rewriting": "before_rewriting",
    "after_copying": "after_copying",
    "before_fusing": "before_fusing",
    "after_fusing": "after_fusing",
}


def planted(*_):
    raise ZeroDivisionError("planted")


def break_note(monkeypatch, name):
    for reader in (scopes_first.ScopesFirst, recorder.EveryPass):
        if hasattr(reader, name):
            monkeypatch.setattr(reader, name, planted)


def break_enter(monkeypatch, _):
    def enter(*_):
        planted()

    monkeypatch.setattr(scopes.CallLog, "enter", enter)


def break_names(monkeypatch, _):
    listening = importlib.import_module("htp.backends.torchscript.listen")
    kind = listening.ModuleNames

    def names(module):
        return planted() if module._modules else kind(module)

    monkeypatch.setattr(listening, "ModuleNames", names)


MERGES = "_jit_pass_cse" in inspect.getsource(torch.onnx.utils)
"""Whether this torch merges equal nodes, about which two of the notes are."""

FAULTS = [
    *((break_note, name, step) for name, step in NOTES.items() if MERGES or "merging" not in name),
    (break_enter, "enter", "enter"),
    (break_names, "names", "ModuleNames"),
    (break_note, "owners", "assemble"),
]


@pytest.mark.parametrize(("fault", "name", "step"), FAULTS, ids=[name for _, name, _ in FAULTS])
def test_a_fault_of_ours_is_no_fault_of_the_export(fault, name, step, monkeypatch, tmp_path):
    before = plain(model())
    fault(monkeypatch, name)
    with backend().listen() as listener:
        assert plain(model()) == before
        (heard,) = listener.take()
    text = rf"({step}) failed with ZeroDivisionError: planted"
    with pytest.raises(htp.CaptureError, match=text) as caught:
        heard.capture(record_bytes(before))
    assert caught.value.hint
    path = tmp_path / "model.onnx"
    with pytest.raises(htp.CaptureError, match="ZeroDivisionError: planted"):
        htp.export(model(), (x(),), path, backend="torchscript")
    assert not path.exists()


class Hooked(Block):
    def __init__(self):
        super().__init__()
        self.register_forward_hook(lambda module, args, result: result + 1)


def test_a_fault_leaves_no_mark_in_the_graph(monkeypatch):
    before = plain(model(Hooked))
    break_note(monkeypatch, "begin")
    with backend().listen():
        assert plain(model(Hooked)) == before


# --- where it is


class Failing(nn.Module):
    def __init__(self, operation):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), Operation(operation))

    def forward(self, x):
        return self.inner(x)


class Operation(nn.Module):
    def __init__(self, operation):
        super().__init__()
        self.operation = operation

    def forward(self, x):
        return self.operation(x)


def failed(operation):
    with backend().listen() as listener:
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever torch makes of it
            plain(Failing(operation).eval())
        return listener.where()


def paths(stack):
    return [call.path for call in stack]


def test_where_a_forward_failed():
    where = failed(planted)
    assert paths(where.running) == ["", "inner", "inner.1"]
    assert where.converting == ()
    assert where.operator == ""


def test_where_a_conversion_failed():
    where = failed(lambda x: torch.histc(x, bins=4))
    assert paths(where.converting) == ["", "inner", "inner.1"]
    assert where.operator == "aten::histc"
    assert where.running == ()


def test_where_it_is_while_it_runs():
    seen = []
    with backend().listen() as listener:
        plain(Failing(lambda x: seen.append(listener.where()) or x + 1).eval())
        assert listener.where() == htp_nowhere()
    assert [paths(where.running) for where in seen] == [["", "inner", "inner.1"]] * len(seen)
    assert seen


def htp_nowhere():
    return importlib.import_module("htp.backends.base").Where()


def utils():
    """Where torch's exporter stands."""
    for name in ("torch.onnx._internal.torchscript_exporter.utils", "torch.onnx.utils"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    return None


def converted_by(monkeypatch, convert):
    """torch converts each operation by ``convert``, which is given torch's own way to do so."""
    own = utils()._run_symbolic_function
    converting = partial(convert, own)
    for holder in (utils(), torch.onnx.utils, torch.onnx):
        if vars(holder).get("_run_symbolic_function") is own:
            monkeypatch.setattr(holder, "_run_symbolic_function", converting)


def test_where_it_is_while_it_converts(monkeypatch):
    seen = []

    def convert(own, *args, **kwargs):
        seen.append(listener.where())
        return own(*args, **kwargs)

    converted_by(monkeypatch, convert)
    with backend().listen() as listener:
        plain(model())
        assert listener.where() == htp_nowhere()
    assert "aten::add" in {where.operator for where in seen}
    assert all(where.operator for where in seen)
    assert {"0", "1"} <= {path for where in seen for path in paths(where.converting)[-1:]}


class Catching(nn.Module):
    def __init__(self):
        super().__init__()
        self.bad = Operation(planted)

    def forward(self, x):
        try:
            return self.bad(x)
        except ZeroDivisionError:
            return self.after(x)

    def after(self, x):
        raise LookupError


def test_what_was_caught_is_not_where_it_failed():
    with backend().listen() as listener:
        with pytest.raises(LookupError):
            plain(Catching().eval())
        assert paths(listener.where().running) == [""]


# --- what stays


def test_no_graph_outlives_the_capture():
    def graphs():
        gc.collect()
        return sum(type(each) is torch._C.Graph for each in gc.get_objects())

    with backend().listen() as listener:
        data = plain(model())
        (heard,) = listener.take()
        heard.capture(record_bytes(data))
        assert heard._taken.final is None
        assert graphs() == 0


# --- the two ways to read


def tags(monkeypatch, module, every_pass):
    if every_pass:
        monkeypatch.setattr(recorder, "_scopes_survive", lambda: False)
    tagged = htp.export(module, (x(),), backend="torchscript")
    monkeypatch.undo()
    return [(node.op_type, list(node.output), tag) for node, tag in tagged.nodes()]


class Equal(nn.Module):
    """Two calls that compute the same: torch merges them."""

    def __init__(self):
        super().__init__()
        self.one, self.two = Operation(lambda x: x.exp() * 2.5), Operation(lambda x: x.exp() * 2.5)

    def forward(self, x):
        return self.one(x) + self.two(x).relu()


class Fused(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv1d(2, 2, 1), nn.BatchNorm1d(2)

    def forward(self, x):
        return self.norm(self.conv(x.reshape(1, 2, 4)))


@pytest.mark.parametrize("kind", [Block, Hooked, Equal, Fused])
def test_both_ways_say_the_same(kind, monkeypatch):
    found = tags(monkeypatch, model(kind) if kind is not Fused else kind().eval(), False)
    assert found == tags(monkeypatch, model(kind) if kind is not Fused else kind().eval(), True)
    assert all(isinstance(tag, Tag) and tag.stack for _, _, tag in found)
