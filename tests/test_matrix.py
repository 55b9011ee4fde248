"""compat_matrix.md: what each cell says of a recorded run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools" / "matrix.py"


def backend(**changed):
    return {
        "passed": 40,
        "failed": 0,
        "xfailed": 0,
        "skipped": 0,
        "expected_failures": [],
        "failures": [],
        "coverage": {"captured": 90, "propagated": 7, "inferred": 0, "unknown": 3},
        "oracle": {"decided": 80, "wrong": 1},
        **changed,
    }


def result(backends, torch="2.9.1+cpu", **tests):
    return {
        "schema": 1,
        "torch": torch,
        "release": "2.9",
        "python": "3.11",
        "companions": {"onnx": "1.23.2"},
        "date": "2026-01-02",
        "backends": backends,
        "tests": {"passed": 99, "failed": 0, "skipped": 0, "xfailed": 0, **tests},
    }


class Project:
    """Pins and results in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.page = folder / "compat_matrix.md"
        for name in ("constraints", "results"):
            (folder / name).mkdir()

    def pin(self, release, python, *pins):
        path = self.folder / "constraints" / f"torch{release}.txt"
        path.write_text("\n".join([f"# python {python}", *pins, ""]))

    def record(self, release, found):
        (self.folder / "results" / f"torch{release}.json").write_text(json.dumps(found))

    def run(self, *options):
        return subprocess.run(
            [
                *(sys.executable, str(TOOL), *options, "--output", str(self.page)),
                *("--results", str(self.folder / "results")),
                *("--constraints", str(self.folder / "constraints")),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def line(self, start):
        """Cells of the first line of the page that starts so."""
        found = self.run()
        assert found.returncode == 0, found.stdout
        for line in self.page.read_text().splitlines():
            if line.startswith(f"| {start} |"):
                return [cell.strip() for cell in line.strip("|").split("|")]
        raise AssertionError(self.page.read_text())


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    made.pin("1.8", "3.8", "torch==1.8.1", "onnx==1.16.0")
    made.pin("2.9", "3.11", "torch==2.9.1", "onnx==1.23.2", "protobuf==7.36.2")
    made.pin("2.10", "3.12", "torch==2.10.0", "onnx==1.23.2")
    return made


def test_rows_stand_in_the_order_of_the_releases(project):
    project.run()
    page = project.page.read_text()
    assert page.index("| 1.8.1 |") < page.index("| 2.9.1 |") < page.index("| 2.10.0 |")


def test_a_backend_that_is_not_for_a_release_and_one_that_did_not_run(project):
    assert project.line("1.8.1")[-5:] == ["not run", "-", "not run", "-", "never"]


def test_a_run_that_passed(project):
    project.record("2.9", result({"torchscript": backend(), "fx": backend(passed=7)}))
    cells = project.line("2.9.1")
    assert cells[:3] == ["2.9.1", "3.11", "1.23.2"]
    assert cells[-5:-2] == ["pass (40)", "pass (7)", "99 passed"]
    assert cells[-1] == "2026-01-02"


def test_accuracy_is_never_rounded_up(project):
    nearly = backend(oracle={"decided": 100000, "wrong": 1})
    project.record("2.9", result({"torchscript": nearly}))
    assert project.line("2.9.1")[-2] == "99.99 % of 100000"
    right = backend(oracle={"decided": 7, "wrong": 0})
    project.record("2.9", result({"torchscript": right, "fx": right}))
    assert project.line("2.9.1")[-2] == "100 % of 14"


def test_a_failure_names_its_test(project):
    broken = backend(
        failed=2, failures=["tests/test_conformance.py::TestFx::test_owner[tied]", "x"]
    )
    project.record("2.9", result({"fx": broken}, failed=2))
    cells = project.line("2.9.1")
    assert cells[-5] == "not run"
    assert cells[-4] == "fails: test_owner[tied] and 1 more"
    assert cells[-3] == "2 failed, 99 passed"


def test_coverage_is_told_by_provenance(project):
    project.record("2.9", result({"fx": backend()}))
    project.run()
    assert "| 2.9.1 | `fx` | 90 | 7 | 0 | 3 | 80 | 1 |" in project.page.read_text()


def test_expected_failures_are_listed_with_their_reason(project):
    known = {"case": "cond", "test": "test_owner", "reason": "a | b"}
    project.record("2.9", result({"fx": backend(xfailed=1, expected_failures=[known])}))
    assert project.line("2.9.1")[-4] == "pass (40, 1 expected failures)"
    assert "| 2.9.1 | `fx` | cond | test_owner | a \\| b |" in project.page.read_text()


def test_a_run_of_another_patch_release_does_not_count(project):
    project.record("2.9", result({"fx": backend()}, torch="2.9.0"))
    assert project.line("2.9.1")[-4] == "not run"


def test_check(project):
    assert project.run("--check").returncode == 1
    assert project.run().returncode == 0
    assert project.run("--check").returncode == 0
    project.record("2.9", result({"fx": backend()}))
    stale = project.run("--check")
    assert stale.returncode == 1
    assert "stale" in stale.stdout
    assert "Hint: nox -s matrix" in stale.stdout
