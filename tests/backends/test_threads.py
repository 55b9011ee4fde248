"""Other threads use torch while a model is exported: nothing of theirs gets in, nothing is left."""

import contextlib
import io
import sys
import threading
import types
import warnings

import pytest
import torch
from torch import nn

import htp
from htp import registry
from htp.backends.common.apart import set_apart
from htp.backends.common.patching import replaced
from htp.file.records import record_bytes
from htp.testing.noise import LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]

pytestmark = [
    LET_TORCH_WARN,
    pytest.mark.skipif("torchscript" not in USABLE, reason="this torch has no such exporter"),
]


def model():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.LayerNorm(4))
    return nn.Sequential(*(nn.Sequential(block, nn.ReLU(), nn.Linear(4, 4)) for _ in range(4)))


def tags(module):
    tagged = htp.export(module, (torch.ones(2, 4),), io.BytesIO(), backend="torchscript")
    return [(node.op_type, tag) for node, tag in tagged.nodes()]


@contextlib.contextmanager
def meanwhile(step):
    """Another thread repeats a step all the while, and threads take turns often."""
    ended, errors, ran = threading.Event(), [], []

    def run():
        try:
            while not ended.is_set():
                step()
                ran.append(True)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        ended.set()
        thread.join()
    assert not errors
    assert ran


def names_of_torch():
    """What HTP replaces while it listens."""
    holders = [torch._C, torch._C.ScriptFunction, torch.jit._trace, nn.Module, torch.onnx.utils]
    return [
        (type(holder), {k: v for k, v in vars(holder).items() if k != "__warningregistry__"})
        for holder in holders
    ]


@pytest.mark.parametrize("same", [True, False], ids=["the_same_model", "another_model"])
def test_a_thread_that_traces(same):
    module = model().eval()
    other = module if same else model().eval()
    alone = tags(module)
    before = names_of_torch()

    def trace():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.trace(other, (torch.ones(2, 4),), check_trace=False)

    with meanwhile(trace):
        for _ in range(12):
            assert tags(module) == alone
    assert names_of_torch() == before
    assert torch.jit._trace._trace_module_map is None


def test_a_thread_that_exports_disturbs():
    (spec,) = [spec for spec in registry.specs() if spec.name == "torchscript"]

    class Waits(nn.Module):
        def forward(self, x):
            thread = threading.Thread(target=export, args=(nn.ReLU(),))
            thread.start()
            thread.join()
            return torch.tanh(x)

    def export(module):
        file = io.BytesIO()
        options = {"dynamo": False} if "fx" in USABLE else {}
        torch.onnx.export(module, (torch.ones(2, 4),), file, **options)
        return file.getvalue()

    with registry.load(spec).listen() as listener:
        data = export(Waits())
        (heard,) = listener.take()
    with pytest.raises(htp.CaptureError, match="Another thread exported"):
        heard.capture(record_bytes(data))


# --- what is replaced


def test_threads_may_leave_in_another_order_than_they_came():
    target = types.SimpleNamespace(name="plain")
    one, other = replaced(target, "name", "one"), replaced(target, "name", "other")
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert target.name == "other"
    other.__exit__(None, None, None)
    assert target.name == "plain"


def in_a_thread(step):
    found = []
    thread = threading.Thread(target=lambda: found.append(step()))
    thread.start()
    thread.join()
    return found[0]


def test_a_name_that_one_thread_has_to_itself():
    module = types.ModuleType("module")
    module.name = "plain"
    with set_apart(module, "name", "own"):
        assert module.name == "own"
        assert in_a_thread(lambda: module.name) == "plain"
        in_a_thread(lambda: setattr(module, "name", "theirs"))
        module.name = "changed"
        with set_apart(module, "name", "inner"):
            assert module.name == "inner"
        assert module.name == "changed"
    assert module.name == "theirs"
    assert type(module) is types.ModuleType
