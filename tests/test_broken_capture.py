"""Faults are put into the capture itself: every oracle notices each of them."""

import importlib

import pytest
from oracles.marker import marker
from oracles.numeric import numeric
from oracles.replay import replay
from oracles.subject import Report, export, of_case
from oracles.values import values

import htp
from htp.scope import ModuleCall
from htp.testing.agreement import answer_of, kept_answers
from htp.testing.models import case
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.running import Workshop

pytestmark = [LET_TORCH_WARN, pytest.mark.accuracy]

USABLE = [info.name for info in htp.available_backends() if info.usable]


def agreement(name, backend, folder):
    """What the other releases and backends answer."""
    found = answer_of(Workshop(str(folder)).exported(backend, case(name)), case(name))
    wrong = [what for what, kept in kept_answers()[name].items() if found[what] != kept]
    return Report(len(found), tuple(wrong))


def judge(oracle, name, backend, folder):
    if oracle is agreement:
        return agreement(name, backend, folder)
    subject = of_case(case(name))
    if oracle is marker:
        return marker(subject, backend, str(folder))
    return oracle(export(subject, backend, str(folder)))


def swap_two_owners(monkeypatch):
    names = importlib.import_module("htp.backends.common.modules").ModuleNames
    plain = names.path
    other = {"one": "two", "two": "one"}

    def path(self, module, enclosing):
        first, dot, rest = plain(self, module, enclosing).partition(".")
        return other.get(first, first) + dot + rest

    monkeypatch.setattr(names, "path", path)


def drop_the_call_number(monkeypatch):
    for place in ("torchscript.scopes", "fx.calls"):
        module = importlib.import_module(f"htp.backends.{place}")
        monkeypatch.setattr(
            module, "ModuleCall", lambda path, kind, call: ModuleCall(path, kind, 0)
        )


FAULTS = [(swap_two_owners, "siblings"), (drop_the_call_number, "two_parents")]


@pytest.mark.parametrize("backend", USABLE)
@pytest.mark.parametrize("oracle", [marker, replay, numeric, values, agreement])
@pytest.mark.parametrize(("fault", "name"), FAULTS)
def test_a_broken_capture_is_noticed(backend, oracle, fault, name, monkeypatch, tmp_path):
    (tmp_path / "good").mkdir()
    good = judge(oracle, name, backend, tmp_path / "good")
    assert good.decided
    assert not good.wrong
    fault(monkeypatch)
    assert judge(oracle, name, backend, tmp_path).wrong
