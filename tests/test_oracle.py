"""Each check of the conformance suite can fail: planted errors are found.

The errors are planted in the metadata of a real export, and the very tests that backends pass are
run on the result.
"""

import dataclasses
import json
import os

import numpy as np
import onnx
import pytest
from planted import all_to_the_root, drop_call_numbers, stack_of, swap_owners

import htp
from htp.backends.common import modules
from htp.testing import BackendConformance, contamination, eager, truth_of
from htp.testing.answers import Answers
from htp.testing.expectations import reason_to_fail, shipped
from htp.testing.files import Files
from htp.testing.models import CASES, case, cases_for
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.oracle import marked_owners, misplaced_weights
from htp.testing.running import Workshop
from htp.testing.untouched import Snapshot

pytestmark = LET_TORCH_WARN

BACKEND = next(info.name for info in htp.available_backends() if info.usable)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(str(tmp_path_factory.mktemp("oracle")))


class Planted:
    """A workshop in which one export has been tampered with."""

    def __init__(self, workshop, tagged):
        self.workshop = workshop
        self.tagged = tagged

    def exported(self, backend, row):
        return dataclasses.replace(self.workshop.exported(backend, row), tagged=self.tagged)


def tampered(workshop, name, change):
    """The case's export after ``change(nodes)``, where nodes are those of its graph."""
    row = case(name)
    path = workshop.exported(BACKEND, row).path
    tagged = htp.load(path)
    change([node for node, _ in tagged.nodes()])
    return row, tagged


def shift_calls(nodes):
    for node in nodes:
        stack = json.loads(stack_of(node).value)
        stack_of(node).value = json.dumps([[p, k, n + (p != "")] for p, k, n in stack])


def first_alias_only(nodes):
    """What torch's own names say of a shared module: always the first path."""
    for node in nodes:
        stack_of(node).value = stack_of(node).value.replace("right.block", "left.block")


def skip_the_parent(nodes):
    for node in nodes:
        stack = json.loads(stack_of(node).value)
        stack_of(node).value = json.dumps([*stack[:1], *stack[2:]])


def wrong_type(nodes):
    for node in nodes:
        stack_of(node).value = stack_of(node).value.replace("Linear", "Bilinear")


def invent_a_module(nodes):
    for node in nodes:
        stack_of(node).value = stack_of(node).value.replace("block", "blok")


def forget_a_node(nodes):
    del nodes[-1].metadata_props[:]


def swap_weights(nodes):
    """The nodes that read the weights of ``one`` and ``two`` say each other's owner."""
    one, two = [
        [node for node in nodes if f'"{path}.linear"' in stack_of(node).value]
        for path in ("one", "two")
    ]
    for node, other in zip(one, two):
        mine, theirs = stack_of(node), stack_of(other)
        mine.value, theirs.value = theirs.value, mine.value


PLANTED = [
    ("two_parents", swap_owners, Answers.test_marks_are_owned),
    ("two_parents", drop_call_numbers, Answers.test_marks_are_owned),
    ("two_parents", drop_call_numbers, Answers.test_stacks_are_real),
    ("two_parents", shift_calls, Answers.test_marks_are_owned),
    ("two_parents", shift_calls, Answers.test_stacks_are_real),
    ("two_parents", all_to_the_root, Answers.test_marks_are_owned),
    ("two_parents", first_alias_only, Answers.test_marks_are_owned),
    ("two_parents", first_alias_only, Answers.test_stacks_are_real),
    ("two_parents", skip_the_parent, Answers.test_stacks_are_real),
    ("two_parents", wrong_type, Answers.test_stacks_are_real),
    ("two_parents", invent_a_module, Answers.test_stacks_are_real),
    ("two_parents", forget_a_node, Answers.test_every_node_is_tagged),
    ("siblings", swap_weights, Answers.test_weights_are_owned),
    ("siblings", all_to_the_root, Answers.test_weights_are_owned),
    ("sequential_called", all_to_the_root, Answers.test_operators_are_owned),
]


def run(check, planted, row):
    names = check.__code__.co_varnames[: check.__code__.co_argcount]
    given = {"self": Answers(), "workshop": planted, "backend_name": BACKEND, "case": row}
    given["record_property"] = lambda name, value: None
    check(**{name: given[name] for name in names})


@pytest.mark.parametrize(
    ("name", "change", "check"),
    PLANTED,
    ids=[f"{change.__name__}-{check.__name__}" for _, change, check in PLANTED],
)
def test_a_planted_error_is_found(workshop, name, change, check):
    row, good = tampered(workshop, name, lambda nodes: None)
    run(check, Planted(workshop, good), row)
    row, bad = tampered(workshop, name, change)
    with pytest.raises(AssertionError):
        run(check, Planted(workshop, bad), row)


def test_contamination_counts(workshop):
    row, bad = tampered(workshop, "two_parents", swap_owners)
    truth = truth_of(row)
    assert contamination(workshop.exported(BACKEND, row).tagged, truth) == (0, 6)
    assert contamination(bad, truth) == (2, 6)


def test_a_wrong_parameter_name_is_found(workshop):
    row = case("siblings")
    exported = workshop.exported(BACKEND, row)
    tagged = htp.load(exported.path)
    for tensor in tagged.model.graph.initializer:
        for prop in tensor.metadata_props:
            prop.value = prop.value.replace("one.", "two.")
    run(Answers.test_parameters_are_named, workshop, row)
    with pytest.raises(AssertionError):
        run(Answers.test_parameters_are_named, Planted(workshop, tagged), row)


def test_a_changed_file_is_found(workshop):
    """One wrong byte of a weight: neither onnxruntime's numbers nor torch's bytes agree."""
    row = case("siblings")
    good = workshop.exported(BACKEND, row)
    run(Files.test_onnxruntime_agrees, workshop, row)
    model = onnx.load(good.path)
    weight = next(t for t in model.graph.initializer if list(t.dims) == [4, 4])
    array = onnx.numpy_helper.to_array(weight).copy()
    array[0, 0] += 1
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    path = os.path.join(workshop.folder, "changed.onnx")
    onnx.save(model, path)

    class Changed:
        def exported(self, backend, row):
            return dataclasses.replace(workshop.exported(backend, row), path=path)

    with pytest.raises(AssertionError):
        run(Files.test_onnxruntime_agrees, Changed(), row)


def test_marks_agree_only_where_owners_do(workshop):
    row, bad = tampered(workshop, "two_parents", drop_call_numbers)
    exported = workshop.exported(BACKEND, row)
    good, other = (marked_owners(tagged, exported.truth) for tagged in (exported.tagged, bad))
    assert sorted(mark.owner for mark in good) == sorted(row.marks)
    assert sorted(mark.owner for mark in other) != sorted(row.marks)


def test_weights_decide_something(workshop):
    exported = workshop.exported(BACKEND, case("transformer"))
    called = {path for path, _ in exported.truth.calls}
    found = misplaced_weights(exported.tagged, exported.example.model, called, exported.folder)
    assert len(found) >= 14
    assert all(verdict.right for verdict in found)


# --- the truth itself


@pytest.mark.parametrize(
    "row",
    [row for row in cases_for(BACKEND) if row.marks and not row.by_hand],
    ids=lambda row: row.name,
)
def test_the_eager_run_says_what_was_written_by_hand(row):
    assert tuple(mark.owner for mark in truth_of(row).marks) == row.marks


def first(self, paths, *enclosing):
    return paths[0]


def last(self, paths, *enclosing):
    return paths[-1]


@pytest.mark.parametrize(
    ("name", "rule", "owner"),
    [("lent_by_two", first, "left.block@1"), ("lent_from_outside", last, "right.0")],
)
def test_an_error_that_the_truth_shares_is_found_by_hand(monkeypatch, tmp_path, name, rule, owner):
    """Which name a module has that nobody looked up: the one rule that both sides have alike."""
    row = case(name)
    monkeypatch.setattr(eager._Watch, "_lent", rule)
    assert owner in {mark.owner for mark in truth_of(row).marks} - set(row.marks)
    with pytest.raises(AssertionError):  # of HTP as it is
        run(Answers.test_marks_are_owned, Workshop(str(tmp_path / "good")), row)
    monkeypatch.setattr(modules.ModuleNames, "_lent", rule)
    run(Answers.test_marks_are_owned, Workshop(str(tmp_path / "bad")), row)  # both are wrong alike
    with pytest.raises(AssertionError):
        test_the_eager_run_says_what_was_written_by_hand(row)


def test_watching_leaves_no_trace():
    from torch import nn

    call = nn.Module.__call__
    model, _, _ = case("two_parents").example()
    before = Snapshot(model)
    truth_of(case("two_parents"))
    assert nn.Module.__call__ is call
    assert not before.differences()


@pytest.mark.parametrize("row", cases_for(BACKEND), ids=lambda row: row.name)
def test_every_marked_module_has_a_factor_of_its_own(row):
    factors = {}
    for mark in truth_of(row).marks:
        factors.setdefault(mark.factor, []).append(mark.owner)
    assert 1 not in factors
    assert all(np.float32(factor) == factor for factor in factors)


# --- seeing that something was touched


def test_a_snapshot_sees_what_changed(monkeypatch):
    import logging
    import warnings

    import torch

    model, _, _ = case("siblings").example()
    changes = [
        (lambda: monkeypatch.setattr(torch.onnx, "export", print), "torch.onnx.export was"),
        (lambda: monkeypatch.setattr(torch.nn.Module, "__call__", print), "__call__ was"),
        (lambda: monkeypatch.setattr(torch.jit._trace, "_trace_module_map", {}), "_module_map"),
        (model.one.train, "model.one: training was False, is True"),
        (lambda: model.one.register_forward_hook(print), "model.one: _forward_hooks"),
        (lambda: setattr(model.one, "forward", print), "model.one: forward"),
        (lambda: model.one.linear.weight.data.add_(1), "state_dict()['one.linear.weight']"),
        (lambda: warnings.simplefilter("ignore"), "warning filters"),
        (lambda: logging.getLogger("torch.mine").setLevel(7), "logger torch.mine"),
        (lambda: monkeypatch.setenv("HTP_TEST", "1"), "environment"),
    ]
    logging.getLogger("torch.mine").setLevel(0)
    with warnings.catch_warnings():
        for change, text in changes:
            before = Snapshot(model)
            assert not before.differences()
            change()
            assert text in "\n".join(before.differences())


def test_a_snapshot_sees_what_htp_left_behind(monkeypatch):
    import torch

    model, _, _ = case("siblings").example()
    before = Snapshot(model)
    monkeypatch.setattr(torch.onnx, "left_behind", htp.export, raising=False)
    assert "torch.onnx.left_behind is still" in "\n".join(before.differences())


# --- expected failures


def test_expected_failures_name_what_exists():
    names = {row.name for row in CASES} | {"*"}
    tests = {name for name in dir(BackendConformance) if name.startswith("test_")} | {"*"}
    for row in shipped():
        assert row.case in names or row.case.startswith("transformers:"), row
        assert row.test in tests, row
        assert len(row.reason) > 20, row


def test_expected_failures_of_a_backends_own():
    own = [{"backend": "mine", "torch": ">=1.8", "case": "loop", "test": "*", "reason": "because"}]
    assert reason_to_fail(own, "mine", "loop", "test_anything") == "because"
    assert reason_to_fail(own, "mine", "siblings", "test_anything") is None
    assert reason_to_fail(own, "other", "loop", "test_anything") is None
    old = [{**own[0], "torch": "<1.8"}]
    assert reason_to_fail(old, "mine", "loop", "test_anything") is None


def test_cases_have_names_of_their_own():
    assert len({row.name for row in CASES}) == len(CASES)
