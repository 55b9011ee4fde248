"""What calls took and returned has the right names in the file, by the numbers."""

import onnx
import pytest
import torch
from expected import KNOWN, RefusesError, param, reason_of, strict
from oracles.call_values import judge, recorded
from oracles.subject import Subject, of_case
from torch import nn

import htp
from htp.graph.records import CallRecord, Capture, ValueRecord
from htp.testing.case import Example
from htp.testing.expectations import reason_to_fail
from htp.testing.models import cases_for
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.running import shown

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]


_SCRIPTED = "a scripted model is not run: its calls have no arguments"
_BODY = "what torch reads of a body before it traces it has no arguments yet"
NOT_RECORDED = {
    ("torchscript", "scripted_model"): (_SCRIPTED, None),
    ("torchscript", "scripted_choice"): (_SCRIPTED, None),
    ("fx", "while_loop"): (_BODY, ["step", "step.linear"]),
    ("fx", "scan"): (_BODY, ["step", "step.linear"]),
    ("fx", "cond"): (_BODY, ["yes", "yes.linear", "no", "no.block", "no.block@1"]),
}
"""Cases of which a backend sees no arguments: why, and of which modules; None for all."""

NARROW = ("siblings", "in_place", "two_inputs", "equal_calls", "written_mask", "conv_batchnorm")
"""What the default run takes; the accuracy run takes every case."""

SHARE = 0.9

reports = {}


def report_of(backend, row, folder):
    if (backend, row.name) not in reports:
        reports[backend, row.name] = judge(recorded(of_case(row), backend, str(folder)))
    return reports[backend, row.name]


def exportable(backend):
    return [row for row in cases_for(backend) if not reason_to_fail((), backend, row.name, "*")]


NO_NAME_IS_WRONG = "test_no_name_is_wrong"


def rows():
    for backend in USABLE:
        for row in exportable(backend):
            marks = [] if row.name in NARROW else [pytest.mark.accuracy]
            marks += strict(KNOWN, backend, row.name, NO_NAME_IS_WRONG, raises=RefusesError)
            yield pytest.param(backend, row, id=f"{backend}-{row.name}", marks=marks)


@pytest.mark.parametrize(("backend_name", "case"), list(rows()))
def test_no_name_is_wrong(backend_name, case, tmp_path):
    found = report_of(backend_name, case, tmp_path)
    assert not found.wrong, shown(found.wrong)
    if found.apart:
        raise RefusesError(f"torch's own file is another model: {found.apart}")
    assert found.plain <= found.equal // 4
    _, left_out = NOT_RECORDED.get((backend_name, case.name), ("", []))
    assert found.not_recorded == (found.calls if left_out is None else len(left_out))
    assert found.equal or left_out is None


@pytest.mark.accuracy
@pytest.mark.parametrize("backend", USABLE)
def test_most_values_have_a_name(backend, tmp_path):
    found = []
    for row in exportable(backend):
        if reason_of(backend, row.name, NO_NAME_IS_WRONG):
            continue  # the file is another model, of which nothing is judged
        folder = tmp_path / row.name
        folder.mkdir()
        found.append(report_of(backend, row, folder))
    values, named = (sum(getattr(one, what) for one in found) for what in ("values", "named"))
    assert named >= SHARE * values, f"{named} of {values}"
    assert sum(one.equal for one in found) == named


# --- the judge itself: names written by hand, right ones and planted errors


def chain():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Sigmoid())
    return Example(model.eval(), (torch.randn(2, 3),))


def with_names(made, names):
    """The capture of the chain with the names of what enters each layer, and of what leaves."""
    ends = [(names[0], names[-1]), *zip(names, names[1:])]
    calls = [
        CallRecord(call.stack, (ValueRecord(("0",), one),), (ValueRecord(("0",), two),))
        for call, (one, two) in zip(made.capture.calls, ends)
    ]
    return made._replace(capture=Capture(made.capture.after, None, tuple(calls)))


@pytest.fixture(params=USABLE)
def by_hand(request, tmp_path):
    made = recorded(Subject("chain", chain), request.param, str(tmp_path))
    graph = onnx.load(made.path).graph
    # torch 2.5 transposes weights in the graph
    layers = [node for node in graph.node if node.op_type != "Transpose"]
    assert [node.op_type for node in layers] == ["Gemm", "Tanh", "Gemm", "Sigmoid"]
    names = [graph.input[0].name, *(node.output[0] for node in layers)]
    return made, names


def test_right_names_are_equal(by_hand):
    made, names = by_hand
    found = judge(with_names(made, names))
    assert (found.calls, found.values, found.named, found.equal) == (5, 10, 10, 10)
    assert not found.wrong
    assert not found.plain
    assert not found.apart


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ([0, 2, 1, 3, 4], 4),  # two names swapped: of one shape, each read and written once
        ([0, 0, 1, 2, 3], 8),  # what is taken and returned is shifted by one call
        ([4, 3, 2, 1, 0], 8),
    ],
)
def test_planted_errors_are_found(by_hand, change, count):
    made, names = by_hand
    found = judge(with_names(made, [names[at] for at in change]))
    assert len(found.wrong) == count
    assert found.equal == 10 - count


def test_a_name_that_is_not_in_the_file_is_wrong(by_hand):
    made, names = by_hand
    assert len(judge(with_names(made, [*names[:-1], "nowhere"])).wrong) == 2


def test_places_and_reasons_are_held_against_the_call(by_hand):
    made, names = by_hand
    first, *others = with_names(made, names).capture.calls
    for inputs, wrong in (
        ((ValueRecord(("1",), names[0]),), 1),
        ((), 1),
        ((ValueRecord(("0",), None, "unread"),), 0),
        ((ValueRecord(("0",), None, "perhaps"),), 1),
        ((ValueRecord(("0",), names[0], "fused"),), 1),
        (None, 0),
    ):
        calls = (first._replace(inputs=inputs), *others)
        found = judge(made._replace(capture=Capture(made.capture.after, None, calls)))
        assert len(found.wrong) == wrong


def test_calls_without_a_record_are_counted(by_hand):
    made, _ = by_hand
    calls = tuple(CallRecord(call.stack) for call in made.capture.calls)
    found = judge(made._replace(capture=Capture(made.capture.after, None, calls)))
    assert (found.calls, found.not_recorded, found.values) == (5, 5, 0)
    assert not found.wrong


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x, mask):
        return self.linear(x) if mask is None else self.linear(x) + mask


class OtherWay(nn.Module):
    """Takes another way while torch exports, as models of transformers do with their masks."""

    def __init__(self, same):
        super().__init__()
        self.inner, self.same = Masked(), same

    def forward(self, x):
        x = torch.tanh(x)
        if torch.compiler.is_compiling():
            return self.inner(x if self.same else x + 1, None)
        return self.inner(x, torch.zeros_like(x))


@pytest.mark.skipif("fx" not in USABLE, reason="only torch.export says that it compiles")
@pytest.mark.parametrize("same", [True, False])
def test_a_model_that_takes_another_way_while_torch_exports(same, tmp_path):
    """Whether or not the model returns the same on both ways."""

    def other_way():
        torch.manual_seed(0)
        return Example(OtherWay(same).eval(), (torch.randn(2, 3),))

    made = recorded(Subject("other way", other_way), "fx", str(tmp_path))
    found = judge(made)
    assert (found.values, found.equal, found.wrong, found.apart) == (6, 6, [], "")
    assert not torch.compiler.is_compiling()
    root, inner, linear = made.capture.calls
    for planted in (root.inputs, (*inner.inputs, ValueRecord(("1",), inner.inputs[0].name))):
        calls = (root, inner._replace(inputs=planted), linear)
        found = judge(made._replace(capture=Capture(made.capture.after, None, calls)))
        assert found.wrong
        assert not found.apart


def test_a_file_that_computes_something_else_is_set_apart(by_hand):
    made, names = by_hand
    model = onnx.load(made.path)
    model.graph.node[-1].op_type = "Tanh"
    onnx.save(model, made.path)
    found = judge(with_names(made, names))
    assert found.apart
    assert not found.equal


class Frozen(nn.Module):
    """What it returns stands for itself, through operations that change nothing."""

    def __init__(self, written):
        super().__init__()
        self.tanh, self.written = nn.Tanh(), written

    @torch.no_grad()
    def forward(self, x):
        y = torch.sin(x)
        view = y.view(-1).to(x.dtype)
        result = self.tanh(view).to(x.dtype)
        if self.written:
            y.add_(1)
            result = result + view
        return result, view


class Around(nn.Module):
    def __init__(self, written):
        super().__init__()
        self.frozen = Frozen(written)

    def forward(self, x):
        one, two = self.frozen(x * 2)
        return one + two


CUT_OUT = [
    param(
        written, test="test_what_leaves_code_that_torch_cut_out_is_named", backend="fx", case=case
    )
    for written, case in ((False, "read"), (True, "written to"))
]


@pytest.mark.skipif("fx" not in USABLE, reason="only torch.export cuts such code out of the model")
@pytest.mark.parametrize("written", CUT_OUT)
def test_what_leaves_code_that_torch_cut_out_is_named(written, tmp_path):
    """An operation that changes nothing leaves no node when such code runs again."""

    def around():
        torch.manual_seed(0)
        return Example(Around(written).eval(), (torch.randn(2, 3),))

    made = recorded(Subject("around", around), "fx", str(tmp_path))
    found = judge(made)
    assert not found.wrong
    if found.apart:
        raise RefusesError(f"torch's own file is another model: {found.apart}")
    assert (found.apart, found.equal) == ("", found.named)
    _, frozen, tanh = made.capture.calls
    # A view that was read before and after its memory was written to is two values.
    named = [value.name is not None for value in (*tanh.inputs, *frozen.outputs)]
    assert written or all(named)
