"""A forward pass that is recorded: which tensor is which, whose it is, and nothing left behind."""

import random
from contextlib import nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from htp.errors import HTPError  # noqa: E402
from htp.proving import recording  # noqa: E402
from htp.proving.recording import record  # noqa: E402
from htp.proving.tape import Tape  # noqa: E402

X = torch.arange(6.0).reshape(2, 3)


class Double(nn.Module):
    def forward(self, x):
        return x * 2


class Passes(nn.Module):
    def forward(self, x):
        return x


class Writes(nn.Module):
    def forward(self, x):
        return x.add_(1)


class Whole(nn.Module):
    """``x + 1`` is the root's own; ``last`` returns what it took."""

    def __init__(self, first, last):
        super().__init__()
        self.first, self.last = first, last

    def forward(self, x, *, mask=None):
        return self.last(self.first(x + 1))


@pytest.fixture
def tape():
    with Tape() as made:
        yield made


def recorded(model, tape, *args, **kwargs):
    found = record(model.eval(), args or (X,), kwargs, tape)
    return found, {str(seen.call): seen for seen in found.calls}


def numbers(found, tape, tensor):
    return tape.read(found.tensors[tensor].laid)


def test_who_made_what(tape):
    found, calls = recorded(Whole(Double(), Passes()), tape)
    assert list(calls) == ["", "first", "last"]
    taken, given = calls["first"].taken[("0",)], calls["first"].given[("0",)]
    assert found.tensors[calls[""].taken[("0",)]].maker == -1
    assert found.calls[found.tensors[taken].maker].call.path == ""
    assert found.calls[found.tensors[given].maker].call.path == "first"
    assert np.array_equal(numbers(found, tape, given), (X.numpy() + 1) * 2)


def test_what_is_handed_on_is_one_tensor(tape):
    found, calls = recorded(Whole(Double(), Passes()), tape)
    given = calls["first"].given[("0",)]
    assert calls["last"].taken[("0",)] == calls["last"].given[("0",)] == given
    assert calls[""].given[("0",)] == given
    assert found.results == [given]


def test_a_tensor_that_is_written_into_is_another(tape):
    found, calls = recorded(Whole(Double(), Writes()), tape)
    before, after = calls["last"].taken[("0",)], calls["last"].given[("0",)]
    assert before != after
    assert np.array_equal(numbers(found, tape, after), numbers(found, tape, before) + 1)
    assert found.calls[found.tensors[after].maker].call.path == "last"


def test_the_arguments_are_not_written_into(tape):
    given = X.clone()
    record(nn.Sequential(Writes()).eval(), (given,), {}, tape)
    assert torch.equal(given, X)


def test_places_of_nested_and_keyword_arguments(tape):
    class Takes(nn.Module):
        def forward(self, pair, table=None):
            return {"sum": pair[0] + table["mask"]}, pair[1]

    class Calls(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Takes()

        def forward(self, x):
            return self.inner((x, [x + 1]), table={"mask": x + 2})

    _, calls = recorded(Calls(), tape)
    assert list(calls["inner"].taken) == [("0", "0"), ("0", "1", "0"), ("table", "mask")]
    assert list(calls["inner"].given) == [("0", "sum"), ("1", "0")]


def test_calls_of_one_module_are_counted(tape):
    shared = Double()
    _, calls = recorded(nn.Sequential(shared, shared), tape)
    assert list(calls) == ["", "0", "0@1"]


def test_a_class_with_a_call_of_its_own(tape):
    class Own(nn.Module):
        def __call__(self, x):
            return x * 3

    found, calls = recorded(nn.Sequential(Own()), tape)
    assert np.array_equal(numbers(found, tape, calls["0"].given[("0",)]), X.numpy() * 3)
    assert vars(Own)["__call__"].__module__ == __name__


def test_the_root_has_the_path_that_it_is_given(tape):
    found = record(nn.Sequential(Double()).eval(), (X,), {}, tape, "model.body")
    assert [str(seen.call) for seen in found.calls] == ["model.body", "model.body.0"]


def test_parameters_are_there_before(tape):
    class Hands(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.inner = Double()

        def forward(self, x):
            return x + self.inner(self.weight)

    found, calls = recorded(Hands(), tape)
    assert found.tensors[calls["inner"].taken[("0",)]].maker == -1


class Changes(nn.Module):
    """Everything that a forward pass may leave behind."""

    def __init__(self, fails):
        super().__init__()
        self.register_buffer("count", torch.zeros(2))
        self.register_buffer("none", None)
        self.norm, self.fails = nn.BatchNorm1d(3), fails

    def forward(self, x):
        self.count += 1
        self.none = x
        self.cache = x
        torch.rand(1)
        np.random.rand()  # noqa: NPY002
        random.random()
        if self.fails:
            raise ValueError("no luck")
        return self.norm(x)


def state(model):
    return (
        {name: tensor.clone() for name, tensor in model.state_dict().items()},
        {id(tensor) for tensor in (*model.buffers(), *model.parameters())},
        [module.training for module in model.modules()],
        [dict(module._forward_hooks) for module in model.modules()],
        sorted(vars(model)),
        model._buffers["none"],
        (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()),  # noqa: NPY002
        (nn.Module.__call__, torch.is_grad_enabled()),
    )


def same(one, two):
    tensors = all(torch.equal(one[0][name], two[0][name]) for name in {*one[0], *two[0]})
    return tensors and one[1:] == two[1:]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("evaluating", [False, True])
def test_all_is_as_it_was(fails, evaluating, tape):
    model = Changes(fails)
    model.norm.eval()
    model.norm.register_forward_hook(lambda *_: None)
    before = state(model)
    expected = pytest.raises(HTPError, match="The model fails: ValueError: no luck")
    with expected if fails else nullcontext():
        record(model, (X,), {}, tape, evaluating=evaluating)
    assert same(before, state(model))


def test_no_tensor_is_kept(tape):
    found, _ = recorded(nn.Sequential(*[Double() for _ in range(40)]), tape)
    assert len({found.tensors[n].laid for seen in found.calls for n in seen.given.values()}) == 40


def test_what_has_no_numbers(tape):
    class Complex(nn.Module):
        def forward(self, x):
            return torch.complex(x, x)

    found, calls = recorded(nn.Sequential(Complex()), tape)
    assert found.tensors[calls["0"].given[("0",)]].laid is None


class Touchy(nn.Module):
    """Fails when anybody stands between it and what it calls, as code that is compiled does."""

    def __init__(self):
        super().__init__()
        self.inner = Double()

    def forward(self, x):
        if nn.Module.__call__ is not PLAIN:
            raise RuntimeError("somebody listens")
        return self.inner(x)


PLAIN = nn.Module.__call__


def test_a_module_that_fails_when_somebody_listens(tape):
    found, calls = recorded(nn.Sequential(Double(), Touchy(), Double()), tape)
    assert list(calls) == ["", "0", "1", "2"]
    assert found.closed == {2: "RuntimeError: somebody listens"}
    assert calls["1"].given == calls["2"].taken


def test_what_fails_before_any_call_is_given_up(tape, monkeypatch):
    times = []

    def failing(*args):
        times.append(1)
        raise RuntimeError("not to be listened to")

    monkeypatch.setattr(recording, "overridden", failing)
    with pytest.raises(HTPError, match="not to be listened to"):
        record(Double(), (X,), {}, tape)
    assert len(times) == 3  # as it is, uncompiled, with nobody inside


@pytest.mark.skipif(not hasattr(torch, "cond"), reason="this release has no torch.cond")
@pytest.mark.filterwarnings("ignore")  # what torch.compile warns of
def test_a_condition(tape):
    class Chooses(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = Double(), Passes()

        def forward(self, x):
            return torch.cond(x.sum() > 0, self.one, lambda y: self.other(y) + 1, (x,))

    found, calls = recorded(nn.Sequential(Chooses(), Double()), tape)
    assert np.array_equal(numbers(found, tape, calls["1"].given[("0",)]), X.numpy() * 4)
    assert np.array_equal(numbers(found, tape, calls["0"].given[("0",)]), X.numpy() * 2)
