"""Every module call of every case leaves a mark, and the tag of the mark's node names that call."""

import pytest
from expected import KNOWN, RefusesError, strict
from oracles.marker import marked_export, report_of
from oracles.subject import of_case
from planted import all_to_the_root, drop_call_numbers, swap_owners

import htp
from htp.testing.expectations import reason_to_fail
from htp.testing.models import case, cases_for
from htp.testing.noise import LET_TORCH_WARN

pytestmark = [LET_TORCH_WARN, pytest.mark.accuracy]

USABLE = [info.name for info in htp.available_backends() if info.usable]


TEST = "test_marks_of_all_modules"


def rows():
    for backend in USABLE:
        for row in cases_for(backend):
            if row.by_hand:
                continue  # an eager run cannot show what is exported
            reason = reason_to_fail((), backend, row.name, "*")
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            marks = marks or strict(KNOWN, backend, row.name, TEST, raises=RefusesError)
            yield pytest.param(backend, row, id=f"{backend}-{row.name}", marks=marks)


@pytest.mark.parametrize(("backend_name", "case"), list(rows()))
def test_marks_of_all_modules(backend_name, case, tmp_path, record_property):
    exported, truth = marked_export(of_case(case), backend_name, str(tmp_path))
    report = report_of(exported.tagged, truth)
    record_property("oracle.marker", {"decided": report.decided, "wrong": len(report.wrong)})
    assert not report.wrong
    assert report.decided
    vanished = {line.partition(":")[0] for line in report.undecided}
    calls = {f"{path}@{call}" if call else path for path, call in truth.calls}
    assert vanished <= calls
    if len(vanished) > max(2, len(calls) // 3):
        raise RefusesError(f"torch's own file is without the marks of {sorted(vanished)}")


@pytest.mark.parametrize("plant", [swap_owners, drop_call_numbers, all_to_the_root])
def test_planted_errors_are_found(plant, tmp_path):
    exported, truth = marked_export(of_case(case("two_parents")), USABLE[0], str(tmp_path))
    assert not report_of(exported.tagged, truth).wrong
    plant([node for node, _ in exported.tagged.nodes()])
    assert report_of(exported.tagged, truth).wrong
