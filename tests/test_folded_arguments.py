"""What the fx exporter computes of arguments in advance: which value of the file they still are."""

import numpy as np
import pytest
import torch
from expected import where_known
from oracles.call_values import judge, recorded
from oracles.subject import Subject
from parts import results
from torch import nn

import htp
from htp.backends.fx.whole import whole_views
from htp.testing.case import Example
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.running import shown

FX = [info.name for info in htp.available_backends() if info.usable and info.name == "fx"]

pytestmark = [LET_TORCH_WARN, pytest.mark.skipif(not FX, reason="the fx backend is not usable")]

TABLE = torch.arange(1, 5, dtype=torch.float32)
SIGNED = torch.tensor([1.0, -2.0, 3.0, -4.0])


class Weighs(nn.Module):
    def __init__(self, made):
        super().__init__()
        self.made = made

    def forward(self, x, table):
        return x * self.made(table)


class Net(nn.Module):
    """Hands on what is made of a table, so that it is folded, and may read that once more."""

    def __init__(self, table, made, again):
        super().__init__()
        self.weighs = Weighs(made)
        self.again = again
        self.register_buffer("table", table)

    def forward(self, x):
        table = self.table * 2
        weighed = self.weighs(x, table)
        return weighed + table if self.again else weighed - x


def whole(table):
    return table[:]


def unit(table):
    return table.transpose(0, 1)


def exported(table, made, again, folder):
    def build():
        return Example(Net(table, made, again).eval(), (torch.ones(2, 4),))

    kept = recorded(Subject("net", build), "fx", str(folder))
    found = judge(kept)
    assert not found.wrong, shown(found.wrong)
    assert not found.apart
    (call,) = [call for call in kept.capture.calls if call.stack[-1].path == "weighs"]
    _, value = call.inputs
    tagged = htp.export(build().model, build().args, str(folder / "tagged.onnx"), backend="fx")
    return value, tagged


@where_known("test_an_argument_of_which_something_was_folded_keeps_its_name", "fx")
def test_an_argument_of_which_something_was_folded_keeps_its_name(tmp_path):
    """The file has it for another reader, who is not the call."""
    value, tagged = exported(SIGNED, torch.relu, True, tmp_path)
    assert value.name is not None
    assert value.reason == "folded"
    assert value.work is not None
    border = tagged.boundary("weighs")
    assert value.name in border.inputs
    assert not border.exact
    again_computed(tagged, lambda table: np.maximum(table, 0))


@where_known("test_a_constant_that_is_what_the_call_made_of_it_is_no_argument", "fx")
@pytest.mark.parametrize("again", [False, True])
def test_a_constant_that_is_what_the_call_made_of_it_is_no_argument(again, tmp_path):
    value, tagged = exported(TABLE, torch.relu, again, tmp_path)
    # Where both are read, torch lets one of the two equal constants stand for both.
    assert (value.name is not None) == again
    assert value.reason == "folded"
    again_computed(tagged, lambda table: np.maximum(table, 0))


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(("table", "made"), [(SIGNED, whole), (SIGNED[None], unit)])
def test_a_view_of_the_whole_is_the_argument(table, made, again, tmp_path):
    if made is unit:
        table = torch.ones(1, 1) * 3
    value, tagged = exported(table, made, again, tmp_path)
    assert value.name is not None
    assert value.reason != "folded"
    again_computed(tagged, lambda given: given)


def again_computed(tagged, made):
    """The part of the call computes what the call does, also of another table."""
    part = tagged.extract("weighs")
    assert part.extraction.exact
    x = np.full((2, 4), 3, np.float32)
    ports = [port.name for port in part.extraction.inputs]
    shape = [axis.dim_value for axis in part.model.graph.input[1].type.tensor_type.shape.dim]
    for sign in (1, -1):
        table = sign * np.arange(1, 1 + int(np.prod(shape)), dtype=np.float32).reshape(shape)
        (found,) = results(part.model, dict(zip(ports, (x, table)))).values()
        np.testing.assert_allclose(found, x * made(table))


X = torch.arange(8.0).reshape(2, 4)


@pytest.mark.parametrize(
    ("views", "is_whole"),
    [
        (lambda x: x[:], True),
        (lambda x: x.expand(2, 4), True),
        (lambda x: x[:1].transpose(0, 1), False),
        (lambda x: x[:, :1][:1].transpose(0, 1), False),
        (lambda x: x.t(), False),
        (lambda x: x[1:], False),
        (lambda x: torch.as_strided(x, (2, 4), (4, 1)), True),
        (lambda x: torch.as_strided(x, (1, 4), (4, 1), 4), False),
        (lambda x: torch.as_strided(x[:1], (1, 4), (4, 1), 4), False),
        (torch.relu, False),
        (lambda x: x.view(torch.int32), False),
    ],
)
def test_which_views_are_of_the_whole(views, is_whole):
    from torch.fx.experimental.proxy_tensor import make_fx

    given, *_, output = nodes = make_fx(views, tracing_mode="fake")(X).graph.nodes
    table = {node.name: object() for node in nodes}
    pairs, end = dict(whole_views(nodes, table)), table[output.args[0].name]
    while end in pairs:
        end = pairs[end]
    assert (end is table[given.name]) == is_whole


def test_sizes_that_are_symbols_are_not_compared():
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(lambda x: x[:], tracing_mode="symbolic")(X).graph
    table = {node.name: object() for node in graph.nodes}
    assert not list(whole_views(graph.nodes, table))
