"""compat_matrix.md: what each cell says of a recorded run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fingerprint import fingerprint, named_in

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


def result(backends, torch="2.9.1+cpu", code=None, **tests):
    return {
        "schema": 1,
        "code": fingerprint() if code is None else code,
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
    assert project.line("1.8.1")[-6:] == ["not run", "-", "not run", "-", "never", "-"]


def test_a_run_that_passed(project):
    project.record("2.9", result({"torchscript": backend(), "fx": backend(passed=7)}))
    cells = project.line("2.9.1")
    assert cells[:3] == ["2.9.1", "3.11", "1.23.2"]
    assert cells[-6:-3] == ["pass (40)", "pass (7)", "99 passed"]
    assert cells[-2:] == ["2026-01-02", "yes"]


def test_accuracy_is_never_rounded_up(project):
    nearly = backend(oracle={"decided": 100000, "wrong": 1})
    project.record("2.9", result({"torchscript": nearly}))
    assert project.line("2.9.1")[-3] == "99.99 % of 100000"
    right = backend(oracle={"decided": 7, "wrong": 0})
    project.record("2.9", result({"torchscript": right, "fx": right}))
    assert project.line("2.9.1")[-3] == "100 % of 14"


def test_a_failure_names_its_test(project):
    broken = backend(
        failed=2, failures=["tests/test_conformance.py::TestFx::test_owner[tied]", "x"]
    )
    project.record("2.9", result({"fx": broken}, failed=2))
    cells = project.line("2.9.1")
    assert cells[-6] == "not run"
    assert cells[-5] == "fails: test_owner[tied] and 1 more"
    assert cells[-4] == "2 failed, 99 passed"


def test_coverage_is_told_by_provenance(project):
    project.record("2.9", result({"fx": backend()}))
    project.run()
    assert "| 2.9.1 | `fx` | 90 | 7 | 0 | 3 | 80 | 1 |" in project.page.read_text()


def test_expected_failures_are_listed_with_their_reason(project):
    known = {"case": "cond", "test": "test_owner", "reason": "a | b"}
    project.record("2.9", result({"fx": backend(xfailed=1, expected_failures=[known])}))
    assert project.line("2.9.1")[-5] == "pass (40, 1 expected failures)"
    assert "| 2.9.1 | `fx` | cond | test_owner | a \\| b |" in project.page.read_text()


def test_a_run_of_another_patch_release_does_not_count(project):
    project.record("2.9", result({"fx": backend()}, torch="2.9.0"))
    assert project.line("2.9.1")[-5] == "not run"


def test_check(project):
    assert project.run("--check").returncode == 1
    assert project.run().returncode == 0
    assert project.run("--check").returncode == 0
    project.record("2.9", result({"fx": backend()}))
    stale = project.run("--check")
    assert stale.returncode == 1
    assert "stale" in stale.stdout
    assert "Hint: nox -s matrix" in stale.stdout


@pytest.mark.parametrize("code", ["0123456789abcdef", ""])
def test_a_run_of_other_code_is_marked(project, code):
    project.record("2.9", result({"fx": backend()}, code=code))
    assert project.line("2.9.1")[-1] == "no"


def test_a_change_of_the_code_alone_makes_no_page_stale(project):
    """The page is checked as of the code that it names; a mark that is wrong for it is found."""
    project.record("2.9", result({"fx": backend()}, code="0123456789abcdef"))
    project.run()
    page = project.page.read_text()
    project.page.write_text(page.replace(fingerprint(), "fedcba9876543210"))
    checked = project.run("--check")
    assert checked.returncode == 0, checked.stdout
    assert "3 of 3 results are not of the present code" in checked.stdout
    project.page.write_text(page.replace(" no |", " yes |"))
    assert project.run("--check").returncode == 1
    project.page.write_text(page.replace(fingerprint(), "0123456789abcdef"))
    assert project.run("--check").returncode == 1, "the row is of the code that the page names"


def test_fresh_wants_every_result_of_the_present_code(project):
    for release, torch in (("1.8", "1.8.1"), ("2.9", "2.9.1"), ("2.10", "2.10.0")):
        project.record(release, result({}, torch=torch))
    project.run()
    assert project.run("--check", "--fresh").returncode == 0
    project.record("2.9", result({}, code="0123456789abcdef"))
    project.run()
    assert project.run("--check").returncode == 0
    assert project.run("--check", "--fresh").returncode == 1


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "htp"
    (folder / "cli").mkdir(parents=True)
    for name in ("scope.py", "cli/app.py", "cli/companions.json"):
        (folder / name).write_text(name)
    return folder


def test_a_fingerprint_is_of_names_and_contents(package):
    found = [fingerprint(package)]
    for change in (
        lambda: (package / "scope.py").write_text("other"),
        lambda: (package / "cli" / "companions.json").write_text("other"),
        lambda: (package / "scope.py").rename(package / "cli" / "scope.py"),
        lambda: (package / "new.py").write_text(""),
    ):
        change()
        found.append(fingerprint(package))
    assert len(set(found)) == len(found)


def test_a_fingerprint_is_not_of_what_python_leaves(package):
    before = fingerprint(package)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "scope.cpython-312.pyc").write_text("compiled")
    (package / "py.typed").write_text("")
    (package / "notes.pyx").write_text("")
    assert fingerprint(package) == before


def test_the_committed_page_names_its_code():
    assert named_in(TOOL.parent.parent / "compat_matrix.md")
