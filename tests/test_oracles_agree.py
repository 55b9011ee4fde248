"""Three oracles hold every export of the conformance cases against what PyTorch did.

Errors are planted in good exports as well: each oracle finds them.
"""

import json

import pytest
from expected import reason_of
from oracles.numeric import numeric
from oracles.replay import replay
from oracles.subject import Exported, Report
from oracles.values import values
from planted import stack_of

import htp
from htp.testing import conformance
from htp.testing.expectations import reason_to_fail
from htp.testing.models import case, cases_for
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.running import shown

pytestmark = [LET_TORCH_WARN, pytest.mark.accuracy]

ORACLES = {"replay": replay, "numeric": numeric, "values": values}
BACKENDS = [info.name for info in htp.available_backends() if info.usable]


@pytest.fixture
def workshop(request, tmp_path_factory):
    """The conformance suite's, so that no case is exported twice."""
    return conformance._workshop(request.session, tmp_path_factory)


def seen(backend):
    """The cases of which an eager run shows every call."""
    return [row for row in cases_for(backend) if not row.by_hand]


def exported(workshop, backend, row):
    made = workshop.exported(backend, row)
    return Exported(made.tagged, made.path, *made.example)


reports = {}


def report_of(workshop, oracle, backend, row):
    place = (workshop.folder, oracle, backend, row.name)
    if place not in reports:
        reports[place] = ORACLES[oracle](exported(workshop, backend, row))
    return reports[place]


def rows():
    for oracle in ORACLES:
        for backend in BACKENDS:
            for row in seen(backend):
                reason = reason_to_fail((), backend, row.name, "*")
                marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
                name = f"{oracle}-{backend}-{row.name}"
                yield pytest.param(oracle, backend, row, id=name, marks=marks)


@pytest.mark.parametrize(("oracle", "backend_name", "case"), list(rows()))
def test_nothing_is_wrong(workshop, oracle, backend_name, case, record_property):
    report = report_of(workshop, oracle, backend_name, case)
    figures = {"decided": report.decided, "wrong": len(report.wrong)}
    record_property(f"oracle.{oracle}", figures)
    assert not report.wrong, shown(report.wrong)


TEST = "test_most_is_decided"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("oracle", ORACLES)
def test_most_is_decided(workshop, oracle, backend):
    wanted = [row for row in seen(backend) if not reason_to_fail((), backend, row.name, "*")]
    found = {row.name: report_of(workshop, oracle, backend, row) for row in wanted}
    known = [name for name in found if reason_of(backend, f"{oracle}-{name}", TEST)]
    for name in known:  # torch's own file is another model
        assert not found.pop(name).decided, name
    silent = [name for name, report in found.items() if not report.decided]
    assert len(silent) <= len(found) // 20, silent
    decided = sum(report.decided for report in found.values())
    undecided = sum(len(report.undecided) for report in found.values())
    assert decided >= 4 * undecided, f"{decided} decided, {undecided} undecided"
    assert decided >= 3 * len(found), f"{decided} decided in {len(found)} cases"


# --- planted errors


def swapped(one, two):
    def change(stack):
        names = {one: two, two: one}
        return [[rename(path, names), kind, number] for path, kind, number in stack]

    return change


def rename(path, names):
    first, dot, rest = path.partition(".") if path.split(".")[0] in names else (path, "", "")
    return names.get(first, first) + dot + rest


def first_call(stack):
    return [[path, kind, 0] for path, kind, _ in stack]


def root(stack):
    return stack[:1]


def one_claims_the_roots(stack):
    return [*stack, ["one", "Dense", 0]] if len(stack) == 1 else stack


def parent(stack):
    return stack[:-1] or stack


PLANTED = [
    ("siblings", swapped("one", "two"), None, "replay numeric values"),
    ("loop", first_call, None, "replay numeric values"),
    ("two_parents", first_call, None, "replay numeric values"),
    ("siblings", root, None, "replay numeric values"),
    ("sequential_called", root, None, "replay numeric values"),
    ("sequential_called", swapped("stage.1", "stage.2"), None, "replay numeric values"),
    ("transformer", parent, None, "replay numeric values"),
    ("siblings", lambda stack: [], None, "replay numeric values"),
    ("siblings", one_claims_the_roots, None, "numeric values"),
    ("siblings", parent, "Relu", "replay numeric values"),
    ("siblings", parent, "Gemm", "replay numeric values"),
    ("siblings", parent, "Mul", "numeric values"),
    ("rotary_layers", parent, "Concat", "numeric values"),
]
"""The case, the change, the operator whose nodes are changed (None for all), and who finds it."""


def tampered(good, change, operator=None):
    tagged = htp.load(good.path)
    for node, _ in tagged.nodes():
        if operator in (None, node.op_type):
            prop = stack_of(node)
            prop.value = json.dumps(change(json.loads(prop.value)))
    return good._replace(tagged=tagged)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("oracle", "name", "change", "operator"),
    [
        pytest.param(oracle, name, change, operator, id=f"{oracle}-{name}-{place}")
        for place, (name, change, operator, finders) in enumerate(PLANTED)
        for oracle in finders.split()
    ],
)
def test_a_planted_error_is_found(workshop, backend, oracle, name, change, operator):
    good = exported(workshop, backend, case(name))
    report = ORACLES[oracle](tampered(good, lambda stack: stack))
    assert report.decided
    assert not report.wrong, shown(report.wrong)
    assert ORACLES[oracle](tampered(good, change, operator)).wrong


@pytest.mark.parametrize("name", ["siblings", "lists"])
def test_most_misplaced_nodes_are_found(workshop, name):
    """One node at a time says that its parent's call made it."""
    good = exported(workshop, BACKENDS[0], case(name))
    tagged = htp.load(good.path)
    moved = found = 0
    for node, tag in tagged.nodes():
        if node.op_type != "Constant" and len(tag.stack) > 1:
            prop = stack_of(node)
            before, prop.value = prop.value, json.dumps(tag.stack[:-1])
            moved += 1
            found += any(check(good._replace(tagged=tagged)).wrong for check in ORACLES.values())
            prop.value = before
    assert found >= 0.6 * moved, f"{found} of {moved}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_merged_operation_that_lists_no_other_call_is_found(workshop, backend):
    """Where an exporter merges the two equal calls, both must be named."""
    good = exported(workshop, backend, case("equal_calls"))
    tagged = htp.load(good.path)
    lists = [
        (node, prop)
        for node, _ in tagged.nodes()
        for prop in node.metadata_props
        if prop.key == "pkg.htp.shared" and node.op_type != "Constant"
    ]
    for node, prop in lists:
        node.metadata_props.remove(prop)
    report = numeric(good._replace(tagged=tagged))
    assert bool(report.wrong) == bool(lists)


def test_a_report_counts_what_it_says(workshop):
    good = exported(workshop, BACKENDS[0], case("loop"))
    assert replay(good) == Report(8)
    assert numeric(good) == Report(16)
    assert len(replay(tampered(good, first_call)).wrong) == 6
