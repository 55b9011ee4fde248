"""Arguments that have no value in the file: a part takes those of which all is known."""

import numpy as np
import onnxruntime
import pytest
import torch
from packaging.version import Version
from torch import nn

import htp
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]
FX = pytest.mark.skipif("fx" not in USABLE, reason="this torch has no fx backend")
SEEN = [name for name in USABLE if name != "fx" or Version(torch.__version__).release >= (2, 6)]
"""Where calls are seen to run: torch 2.5 has dynamo read the model, and leaves constants be."""
X = torch.arange(8.0).reshape(2, 4)


class Rotary(nn.Module):
    """Reads a table of real numbers and one of whole ones, and does not read its positions."""

    def forward(self, x, table, positions=None, mask=None):
        return x * table[None].neg().abs() + (mask[None] > 1).to(x.dtype)


class Layer(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.linear = inner, nn.Linear(4, 4)

    def forward(self, x, table, positions, mask):
        return self.linear(self.inner(x, table, positions=positions, mask=mask))


class Net(nn.Module):
    """Tables that do not depend on what it is given, and are computed while it runs."""

    def __init__(self, inner=Rotary):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList([Layer(inner()) for _ in range(2)])

    def forward(self, x):
        positions = torch.arange(4)
        table, mask = (positions * 0.5).cos(), positions * 2 - 2
        for layer in self.layers:
            x = layer(x, table, positions, mask)
        return x


def export(backend, net, **options):
    given = {"opset_version": 18 if backend == "fx" else None, **options}
    return htp.export(net.eval(), (X,), backend=backend, input_names=["x"], **given)


def run(part, arguments):
    """What a part gives when its inputs are the arguments of these places."""
    session = onnxruntime.InferenceSession(part.model.SerializeToString())
    feeds = {p.name: arguments[p.places[0]].numpy() for p in part.extraction.inputs}
    return session.run(None, feeds)


CHANGED = {
    ("0",): torch.randn(2, 4, generator=torch.Generator().manual_seed(1)),
    ("1",): torch.tensor([0.5, -3.0, 2.0, 4.0]),
    ("2",): torch.tensor([7, 1, 1, 0]),
    ("3",): torch.tensor([9, -9, 0, 1]),
}
KEYWORDS = {("positions",): CHANGED["2",], ("mask",): CHANGED["3",]}


@FX
@pytest.mark.parametrize("number", [0, 1])
def test_all_arguments_are_inputs_and_each_has_its_influence(number):
    net = Net()
    tagged = export("fx", net)
    outer, inner = (tagged.extract(f"layers.{number}{rest}") for rest in ("", ".inner"))
    assert outer.extraction.exact
    assert inner.extraction.exact
    assert len(inner.extraction.inputs) == 4
    module = net.layers[number]
    with torch.no_grad():
        wanted = module(*CHANGED.values()), module.inner(*CHANGED.values())
    for part, result in zip((outer, inner), wanted):
        (found,) = run(part, {**CHANGED, **KEYWORDS})
        np.testing.assert_allclose(found, result.numpy(), rtol=1e-5, atol=1e-6)
    again = outer.extract(f"layers.{number}.inner")
    (found,) = run(again, {**CHANGED, **KEYWORDS})
    np.testing.assert_allclose(found, wanted[1].numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", SEEN)
def test_what_the_call_does_not_read_is_an_input_that_nothing_reads(backend):
    for options in ({}, {"dynamic_shapes": {"x": {0: "rows"}}}):
        part = export(backend, Net(), **options).extract("layers.0.inner")
        (port,) = [p for p in part.extraction.inputs if p.places == (("positions",),)]
        assert port.value == ""
        assert not any(port.name in node.input for node in part.model.graph.node)
        (given,) = [each for each in part.model.graph.input if each.name == port.name]
        sizes = [axis.dim_value for axis in given.type.tensor_type.shape.dim]
        assert (given.type.tensor_type.elem_type, sizes) == (7, [0 if options else 4])


class Python(nn.Module):
    """Reads its arguments in Python alone, so that the graph is what it is for these."""

    def forward(self, x, table, positions=None, mask=None):
        if table.sum() > 0 and mask[1] == 0:
            x = x + 1
        return x * sum(positions.tolist())


class Looked(nn.Module):
    def forward(self, x, table, positions=None, mask=None):
        return x * float(table.numpy()[0])


class Number(nn.Module):
    def forward(self, x, table, positions=None, mask=None):
        return x * (2 if positions > 0 else 3) * mask.item()


class Numbers(nn.Module):
    """Hands over two tensors of one element."""

    def __init__(self):
        super().__init__()
        self.inner = Number()

    def forward(self, x):
        return self.inner(x.neg(), x, positions=torch.arange(1), mask=torch.arange(3)[1])


@pytest.mark.skipif("torchscript" not in USABLE, reason="this torch has no such backend")
@pytest.mark.parametrize(
    ("net", "path", "left"),
    [
        (lambda: Net(Python), "layers.0.inner", {"1", "positions", "mask"}),
        (lambda: Net(Looked), "layers.0.inner", {"1"}),
        (Numbers, "inner", {"positions", "mask"}),
    ],
)
def test_what_python_reads_while_torchscript_traces_is_no_input(net, path, left):
    part = export("torchscript", net()).extract(path)
    taken = {place for port in part.extraction.inputs for place, *_ in port.places}
    missing = {".".join(row.place) for row in part.extraction.rows}
    assert not taken & left
    assert left <= missing


class Known(nn.Module):
    def forward(self, x, scale):
        return x * scale.item()


class Constants(nn.Module):
    """Hands over a constant of which torch.export knows what it holds."""

    def __init__(self):
        super().__init__()
        self.inner = Known()

    def forward(self, x):
        return self.inner(x.neg(), torch.tensor(3))


@FX
def test_a_constant_that_torch_knows_is_no_input():
    part = export("fx", Constants()).extract("inner")
    assert [port.places for port in part.extraction.inputs] == [(("0",),)]
    assert not part.extraction.exact


class HandsOn(nn.Module):
    def forward(self, x, table, positions=None, mask=None):
        return x * 2, positions


class Hands(Layer):
    def forward(self, x, table, positions, mask):
        made, _ = self.inner(x, table, positions=positions, mask=mask)
        return self.linear(made)


@pytest.mark.parametrize("backend", SEEN)
def test_what_is_handed_on_is_not_unread(backend):
    net = Net()
    net.layers = nn.ModuleList([Hands(HandsOn())])
    part = export(backend, net).extract("layers.0.inner")
    rows = {(row.side, row.place) for row in part.extraction.rows}
    assert {("input", ("positions",)), ("output", ("1",))} <= rows
    assert ("mask",) in {place for port in part.extraction.inputs for place in port.places}
