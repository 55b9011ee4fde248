"""Values handed over in unusual ways, through the torchscript backend; faults in noting them."""

import inspect
import io

import pytest
import torch
from oracles.call_values import judge, recorded
from oracles.subject import Subject
from packaging.specifiers import SpecifierSet
from torch import nn

import htp
from htp.backends.torchscript.following import Following
from htp.backends.torchscript.values import Noting
from htp.errors import CaptureError
from htp.testing.case import Example
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.running import shown
from htp.torch_release import RELEASE

USABLE = [info.name for info in htp.available_backends() if info.usable]

pytestmark = [
    LET_TORCH_WARN,
    pytest.mark.skipif("torchscript" not in USABLE, reason="no torchscript backend here"),
]


class Same(nn.Module):
    def forward(self, *given, **named):
        return given[0] if len(given) == 1 and not named else (given, named)


class Nested(nn.Module):
    def forward(self, pair, *, table, scale=2.0, nothing=None):
        one, (two, number) = pair
        return {"sum": one + two * number, "rest": [table["a"] * scale, (table["b"], nothing)]}


class Writes(nn.Module):
    def forward(self, x):
        x[:, 0] = 7
        return x


class Scales(nn.Module):
    def forward(self, x):
        x.mul_(3)
        return x


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(8, 4)

    def forward(self, places, mask):
        return self.table(places) * mask.unsqueeze(-1)


class Root(nn.Module):
    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.held = torch.arange(3)  # no parameter and no buffer: not traced
        self.weights = torch.randn(3, 1)


class HandsOver(Root):
    def forward(self, x):
        same, nested = self.parts
        x = same(x + 1)
        (one, two), named = same(x, x * 2, again=x)
        found = nested((one, (two, 3)), table={"a": named["again"], "b": x - 1})
        return found["sum"], found["rest"][0] + found["rest"][1][0]


class WritesIntoViews(Root):
    def forward(self, x):
        same, writes, scales = self.parts
        x = x * 1.5
        before = same(x) * 2
        after = same(writes(x)) + before
        return same(scales(x)) - after


class HandsIntegers(Root):
    def forward(self, x):
        counts, same = self.parts
        places = same(torch.arange(3)) + (x[:, 0] > 100).long()
        return counts(places, same(x[:, 1] > 0)) + same(self.weights) * counts(
            self.held, x[:, 0] < 9
        )


SUBJECTS = {
    "handed_over": lambda: HandsOver(Same(), Nested()),
    "written_into": lambda: WritesIntoViews(Same(), Writes(), Scales()),
    "integers": lambda: HandsIntegers(Counts(), Same()),
}
OPTIONS = {"opset_version": 12}


def subject(name):
    def build():
        torch.manual_seed(0)
        return Example(SUBJECTS[name]().eval(), (torch.randn(3, 4),))

    return Subject(name, build, OPTIONS)


@pytest.mark.parametrize("name", SUBJECTS)
def test_nothing_is_wrong(name, tmp_path):
    found = judge(recorded(subject(name), "torchscript", str(tmp_path)))
    assert not found.wrong, shown(found.wrong)
    assert not found.apart
    assert not found.not_recorded
    assert found.named >= 0.6 * found.values, found


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_file_is_torchs_own(name):
    model, args, _ = subject(name).build()
    stripped = htp.export(model, args, backend="torchscript", **OPTIONS).strip().model
    model, args, _ = subject(name).build()
    plain = io.BytesIO()
    chosen = "dynamo" in inspect.signature(torch.onnx.export).parameters
    more = {"dynamo": False} if chosen else {}
    torch.onnx.export(model, args, plain, **OPTIONS, **more)
    assert stripped.SerializeToString() == plain.getvalue()


def test_what_is_not_traced_says_so(tmp_path):
    made = recorded(subject("integers"), "torchscript", str(tmp_path))
    taken = [value for call in made.capture.calls for value in call.inputs]
    assert {value.reason for value in taken if value.name is None} >= {"untraced"}


@pytest.mark.parametrize(
    ("holder", "step"),
    [
        (Noting, "enter"),
        (Noting, "leave"),
        (Following, "take_out"),
        (Following, "through_merging"),
        (Following, "through_writes"),
        (Following, "note_conversion"),
        (Following, "through_copying"),
        (Following, "names"),
    ],
)
def test_a_fault_does_not_reach_torch(holder, step, monkeypatch, tmp_path):
    def fails(*given):
        raise ZeroDivisionError(step)

    heard = []
    plain = recorded(subject("written_into"), "torchscript", str(tmp_path)).path
    with open(plain, "rb") as file:
        good = file.read()

    from htp import arguments

    export = arguments.exporter("torchscript")

    def keep(request):
        heard.append(export(request))
        return heard[-1]

    monkeypatch.setattr(arguments, "exporter", lambda name: keep)
    monkeypatch.setattr(holder, step, fails)
    if step == "through_merging" and RELEASE in SpecifierSet("<1.13"):
        recorded(subject("written_into"), "torchscript", str(tmp_path))  # merges nothing
    else:
        with pytest.raises(CaptureError, match=step):
            recorded(subject("written_into"), "torchscript", str(tmp_path))
    assert [written.data for written in heard] == [good]
