"""The workflow of the host that most projects use, and its forms: what can be tried here."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import ci_matrix
import pins
from htp.torch_release import NEWEST_TESTED, RELEASE

if RELEASE is None or f"{RELEASE.major}.{RELEASE.minor}" != NEWEST_TESTED:
    pytest.skip(
        f"nothing here depends on the release: run on torch {NEWEST_TESTED}",
        allow_module_level=True,
    )

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
TEXT = WORKFLOW.read_text(encoding="utf-8")
CI = yaml.safe_load(TEXT)
JOBS = CI["jobs"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
COMMANDS = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]


@pytest.fixture(scope="module")
def listed():
    """All sessions of nox, by name."""
    ran = subprocess.run(
        [sys.executable, "-m", "nox", "--list", "--json", "--keywords", "not nothing"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {each["session"]: each for each in json.loads(ran.stdout)}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What the first job hands to the others: the workflow's very command, run by its shell."""
    (step,) = (step for step in JOBS["sessions"]["steps"] if step.get("id") == "list")
    written = tmp_path_factory.mktemp("outputs") / "outputs"
    programs = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    assert CI["defaults"]["run"]["shell"] == "bash"
    subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=ROOT,
        env={**os.environ, "GITHUB_OUTPUT": str(written), "PATH": programs},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    lines = written.read_text(encoding="utf-8").splitlines()
    return {name: json.loads(jobs) for name, _, jobs in (line.partition("=") for line in lines)}


def test_every_job_is_a_session_on_its_python(outputs, listed):
    jobs = [job for matrix in outputs.values() for job in matrix]
    assert {job["session"] for job in jobs} <= set(listed)
    assert len({job["session"] for job in jobs}) == len(jobs)
    assert all(re.fullmatch(r"3\.\d+", job["python"]) for job in jobs)


def test_no_release_and_no_library_is_left_out(outputs):
    every, libraries = pins.all_pins(), pins.library_pins()
    assert outputs["releases"] == [
        {"session": f"tests-torch{each.release}", "python": each.python} for each in every
    ]
    assert {job["session"] for job in outputs["libraries"]} == {
        f"libraries-{each.library}-torch{each.release}" for each in libraries
    }
    assert len(outputs["oracles"]) >= 9


def test_what_is_run_once():
    sessions = [{"session": "lint", "tags": ["once"]}, {"session": "demo", "tags": ["page"]}]
    newest = pins.all_pins()[-1].python
    assert ci_matrix.matrices(sessions)["once"] == [{"session": "lint", "python": newest}]


def test_the_checks_that_need_one_machine_are_among_them(outputs):
    once = {job["session"] for job in outputs["once"]}
    assert once == {"lint", "typing", "docs", "look", "package", "recipes", "demo", "tests"}


def test_a_matrix_without_jobs_fails(monkeypatch, capsys):
    """The host takes a job without machines for one that passed."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("[]"))
    assert ci_matrix.main() == 1
    assert "once=[]" in capsys.readouterr().out


def test_each_matrix_is_one_that_the_first_job_writes(outputs):
    used = {job["strategy"]["matrix"]["include"] for job in JOBS.values() if "strategy" in job}
    assert used == {f"${{{{ fromJSON(needs.sessions.outputs.{name}) }}}}" for name in outputs}
    given = JOBS["sessions"]["outputs"]
    assert given == {name: f"${{{{ steps.list.outputs.{name} }}}}" for name in outputs}
    for name, job in JOBS.items():
        assert "strategy" not in job or job["needs"] == "sessions", name


def test_what_is_named_in_a_command_is_there(listed):
    names = {name for each in COMMANDS for name in re.findall(r"nox -s ([\w.-]+)", each)}
    tags = {name for each in COMMANDS for name in re.findall(r"nox -t ([\w.-]+)", each)}
    assert names <= set(listed)
    assert tags == {"page"}
    assert tags <= {tag for each in listed.values() for tag in each["tags"]}


def test_all_that_ci_runs_here_is_run_there(outputs, listed):
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    here = set(re.findall(r"nox -s ([\w.-]+)", script))
    here |= {name for name, each in listed.items() if "ci" in each["tags"]}
    there = {job["session"] for matrix in outputs.values() for job in matrix}
    there |= {name for name, each in listed.items() if "page" in each["tags"]}
    assert len(here) > 8
    assert here - there == set()


def test_actions_are_pinned_and_may_only_read():
    used = re.findall(r"uses: (.*)", TEXT)
    assert len(used) > 5
    assert [
        use for use in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)
    ] == []
    assert CI["permissions"] == {"contents": "read"}
    assert {str(job.get("permissions", {})) for job in JOBS.values()} == {"{}"}
    assert "secrets." not in TEXT
    assert TEXT.count("actions/checkout@") == TEXT.count("persist-credentials: false")


def test_nothing_that_others_write_is_put_into_a_command():
    """An expression in a script is replaced before the shell reads it."""
    assert [each for each in COMMANDS if "${{" in each] == []


def test_no_job_runs_for_ever_and_the_last_one_asks_all():
    assert all(job["timeout-minutes"] <= 120 for job in JOBS.values())
    assert CI["concurrency"]["cancel-in-progress"] is True
    assert set(JOBS["passed"]["needs"]) == set(JOBS) - {"passed"}


@pytest.mark.parametrize(
    ("results", "status"),
    [("success success skipped", 0), ("success failure", 1), ("cancelled success", 1)],
)
def test_the_last_job_passes_if_all_did(results, status):
    (step,) = JOBS["passed"]["steps"]
    environment = {**os.environ, "RESULTS": results}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == status


def test_there_is_a_form_for_each_kind_of_issue():
    assert [form.stem for form in FORMS] == ["config", "failed-export", "other", "wrong-owner"]


@pytest.mark.parametrize("form", [f for f in FORMS if f.stem != "config"], ids=lambda f: f.stem)
def test_a_form_is_whole_and_asks_for_the_doctor(form):
    read = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(read)
    asked = [each for each in read["body"] if each["type"] != "markdown"]
    ids = [each["id"] for each in asked]
    assert len(set(ids)) == len(ids)
    assert all(each["attributes"]["label"] for each in asked)
    (doctor,) = (each for each in asked if each["id"] == "doctor")
    assert "htp doctor" in doctor["attributes"]["label"]
    assert doctor["validations"] == {"required": True}
