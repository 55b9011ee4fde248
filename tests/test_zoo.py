"""Every oracle on every architecture of the zoo, and other ways to tell owners beside HTP."""

import collections

import pytest
import torch
from baselines.comparison import compare
from expected import strict
from oracles.call_values import judge, recorded
from oracles.marker import marked_export, report_of
from oracles.numeric import numeric
from oracles.replay import replay
from oracles.subject import export
from oracles.values import known_owners, values
from zoo.tried import KNOWN, USABLE, rows

from htp.testing.eager import watched
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.oracle import misplaced_weights, tagged_nodes
from htp.testing.running import shown

pytestmark = [LET_TORCH_WARN, pytest.mark.accuracy]

LEAST_NAMED = 0.9


def tell(record_property, oracle, report):
    figures = {"decided": report.decided, "wrong": len(report.wrong)}
    record_property(f"oracle.{oracle}", figures)


@pytest.mark.parametrize(("backend_name", "subject"), list(rows("test_architecture")))
def test_architecture(backend_name, subject, tmp_path, record_property):
    exported = export(subject, backend_name, str(tmp_path))
    coverage = exported.tagged.coverage
    record_property("coverage", {str(kind): count for kind, count in coverage})
    assert not coverage.unknown

    fresh = exported.fresh(subject.build)
    with torch.no_grad(), watched(fresh.model) as watch:
        fresh.model(*fresh.args, **fresh.kwargs)
    stacks = {tag.stack for _, tag, _ in tagged_nodes(exported.tagged, str(tmp_path))}
    assert not stacks - set(watch.stacks)

    called = {stack[-1].path for stack in watch.stacks}
    weights = misplaced_weights(exported.tagged, exported.model, called, str(tmp_path))
    wrong = [str(verdict) for verdict in weights if not verdict.right]
    record_property("oracle.weights", {"decided": len(weights), "wrong": len(wrong)})
    for oracle, ask in (("replay", replay), ("numeric", numeric), ("values", values)):
        report = ask(exported.fresh(subject.build))
        tell(record_property, oracle, report)
        wrong += report.wrong
        assert report.decided
    scores = compare(exported.path, exported.model, known_owners(exported.fresh(subject.build)))
    methods = {method: score._asdict() for method, score in scores.items()}
    record_property("comparison", {"subject": subject.name, "methods": methods})
    assert not wrong, shown(wrong)


@pytest.mark.parametrize(("backend_name", "subject"), list(rows("test_architecture_with_marks")))
def test_architecture_with_marks(backend_name, subject, tmp_path, record_property):
    exported, truth = marked_export(subject, backend_name, str(tmp_path))
    report = report_of(exported.tagged, truth)
    tell(record_property, "marker", report)
    assert not report.wrong, shown(report.wrong)
    assert report.decided >= len(truth.marks) // 2


SEEN = {name: collections.Counter() for name in USABLE}
"""How many values of calls were judged in this session, and how many of them have a name."""


@pytest.mark.parametrize(
    ("backend_name", "subject"), list(rows("test_what_calls_took_and_returned"))
)
def test_what_calls_took_and_returned(backend_name, subject, tmp_path, record_property):
    found = judge(recorded(subject, backend_name, str(tmp_path)))
    counts = {name: getattr(found, name) for name in ("calls", "values", "named", "equal")}
    counts.update(wrong=len(found.wrong), not_judged=sum(found.not_judged.values()))
    counts.update((f"none.{reason}", count) for reason, count in found.none.items())
    record_property("call_values", counts)
    SEEN[backend_name].update(counts)
    assert not found.wrong, shown(found.wrong)
    assert found.values


def backends(test):
    for backend in USABLE:
        yield pytest.param(backend, marks=strict(KNOWN, backend, "the zoo", test))


@pytest.mark.parametrize("backend_name", list(backends("test_most_values_of_calls_have_a_name")))
def test_most_values_of_calls_have_a_name(backend_name):
    counts = SEEN[backend_name]
    if not counts:
        pytest.skip("no architecture was judged in this session")
    assert counts["named"] >= LEAST_NAMED * counts["values"], dict(counts)
