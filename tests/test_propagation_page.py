"""docs/propagation.md: what each line says of a recorded run."""

import json
from pathlib import Path

import pytest

import propagation_page as page
from fingerprint import fingerprint, named_in

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / "tests" / "results" / "tools"


def counts(*figures):
    names = ("right", "too coarse", "foreign", "unresolved", "undecided")
    return dict(zip(names, figures))


def row(**changed):
    return {
        "tool": "mixer",
        "package": "mixer",
        "version": "1.2",
        "loses origin": False,
        "errors": {},
        "differs": None,
        "nodes": 100,
        "disputed": [],
        "not run": None,
        "ways": {
            "survived": counts(10, 0, 0, 85, 5),
            "by name": counts(40, 0, 5, 50, 5),
            "carried": counts(92, 1, 1, 1, 5),
            "carried, renamed": counts(76, 19, 0, 0, 5),
            "loaded": counts(95, 0, 0, 0, 5),
            "owned": 99,
        },
        **changed,
    }


class Project:
    def __init__(self, folder):
        self.folder, self.page = folder, folder / "propagation.md"
        (folder / "results").mkdir()

    def record(self, *rows, code=None, model="bert", group="tuning"):
        found = {
            "code": code or fingerprint(),
            "model": model,
            "group": group,
            "torch": "2.4",
            "backend": "fx",
            "companions": {"onnx": "1.9"},
            "tools": rows,
        }
        (self.folder / "results" / f"{model}.json").write_text(json.dumps(found))

    def run(self, *options):
        results = str(self.folder / "results")
        return page.main([*options, "--results", results, "--output", str(self.page)])

    def table(self, title):
        """Cells of the lines below a title."""
        assert self.run() == 0
        part = self.page.read_text().partition(f"## {title}")[2].partition("\n## ")[0]
        rows = [line for line in part.splitlines() if line.startswith("| ")][2:]
        return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


FIGURES = ["1", "100", "95", "10", "40", "92", "1", "1", "1", "96.84", "99.0", "80.00", "100.00"]


def test_a_line_for_each_tool_and_one_for_all(project):
    project.record(row(), row(tool="other"))
    mixer, other, everything = project.table("Models that HTP was tuned with")
    assert mixer == ["mixer", *FIGURES]
    assert other == ["other", *FIGURES]
    assert everything[:4] == ["**all**", "2", "200", "190"]


def test_models_that_were_kept_aside_are_never_summed_with_the_others(project):
    project.record(row())
    project.record(row(), model="t5", group="kept_aside")
    assert project.table("Models that were kept aside") == [
        ["mixer", *FIGURES],
        ["**all**", *FIGURES],
    ]


def test_a_line_for_each_file(project):
    project.record(row(), code="0123456789abcdef")
    assert project.table("Each file") == [["bert", "2.4", "`fx`", *FIGURES, "no"]]
    assert project.run("--check") == 0
    assert project.run("--check", "--fresh") == 1


def test_what_failed_is_told(project):
    alone = {"tagged": "ValueError: no", "stripped": "ValueError: no"}
    ours = {"tagged": "ValueError: no"}
    project.record(
        row(errors=alone),
        row(errors=ours),
        row(**{"not run": "Fail: type"}),
        row(failed="InvalidModelError: ours"),
    )
    assert [cells[2] for cells in project.table("What tools can't do by themselves")] == [
        "`ValueError: no`",
        "`ONLY WITH TAGS: ValueError: no`",
        "`Fail: type`",
        "`HTP: InvalidModelError: ours`",
    ]


def test_what_differs_from_the_stripped_file_is_told(project):
    project.record(row(), row(differs="graph.initializer"), row(errors={"tagged": "no"}))
    found = project.table("Is the tool disturbed by the tags?")
    assert found == [["mixer", "2", "1", "graph.initializer: 1"]]


def test_what_was_not_carried_yet_is_no_figure(project):
    ways = {name: row()["ways"][name] for name in ("survived", "by name")}
    project.record(row(ways=ways))
    (cells, _) = project.table("Models that HTP was tuned with")
    assert cells[4:] == ["10", "40", *["-"] * 8]


def test_disputes_and_what_is_undecided_are_counted(project):
    project.record(row(disputed=[[3, "Add", "a", "b"]]))
    project.run()
    text = project.page.read_text()
    assert "that happened 1 times" in text
    assert "are *undecided*: 5 of 100 nodes" in text


def test_check(project, capsys):
    project.record(row())
    assert project.run("--check") == 1
    assert project.run() == 0
    assert project.run("--check") == 0
    project.record(row(version="1.3"))
    assert project.run("--check") == 1
    assert "Hint: nox -s propagation" in capsys.readouterr().err


def test_the_page_is_that_of_the_recorded_results():
    path = ROOT / "docs" / "propagation.md"
    assert path.read_text("utf-8") == page.render(page.read(RECORDED), named_in(path))
