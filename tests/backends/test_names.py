"""Names of values in the file: where HTP runs in between, torch still names them as alone."""

import inspect
import io

import pytest
import torch
from torch import nn

import htp
from htp.testing.noise import LET_TORCH_WARN

pytestmark = [
    LET_TORCH_WARN,
    pytest.mark.skipif(
        "torchscript" not in [info.name for info in htp.available_backends() if info.usable],
        reason="this torch has no such backend",
    ),
]


def rows(x):
    total = torch.zeros_like(x)
    for row in range(x.shape[0]):
        total = total + torch.tanh(x) + row
    return total


class Reads(nn.Module):
    """A scripted function is the first that reads what the module takes."""

    def __init__(self, run):
        super().__init__()
        self.function = torch.jit.script(rows)
        self.run = run

    def forward(self, taken):
        return self.run(self.function, taken)


def directly(function, given):
    return function(given)


def by_another(function, given):
    def inner(handed):
        return function(handed)

    return inner(given)


def in_a_list(function, given):
    held = [given]
    return function(held[0])


def twice(function, given):
    return function(function(given))


class Net(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.before, self.reads = nn.Linear(4, 4), Reads(run)

    def forward(self, x):
        return self.reads(self.before(x) * 2) + 1


@pytest.mark.parametrize("run", [directly, by_another, in_a_list, twice])
def test_what_a_scripted_function_reads(run):
    torch.manual_seed(0)
    net, x = Net(run).eval(), torch.ones(2, 4)
    alone, heard = io.BytesIO(), io.BytesIO()
    options = {"input_names": ["x"], "dynamic_axes": {"x": {0: "rows"}}}
    chosen = "dynamo" in inspect.signature(torch.onnx.export).parameters
    more = {"dynamo": False} if chosen else {}
    torch.onnx.export(net, (x,), alone, **options, **more)
    tagged = htp.export(net, (x,), heard, backend="torchscript", **options)
    assert tagged.strip().model.SerializeToString() == alone.getvalue()
