"""docs/libraries.md: what each line says of a recorded run."""

import json
from pathlib import Path

import pytest
from libraries.ways import WAYS

import libraries_page as page
from fingerprint import fingerprint, named_in

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / "tests" / "results" / "libraries"


def way(**changed):
    return {
        "name": "torchscript",
        "package": "timm",
        "version": "1.0.9",
        "call": "onnx_export(model, 'model.onnx')",
        "recipe": "htp run -- export.py",
        "exporter": "torchscript",
        "rewritten": {},
        "seeded": False,
        "dated": "",
        "untagged": "",
        "remark": "",
        "impossible": "",
        "inside": False,
        "tests": 8,
        "files": {"model.onnx": {"nodes": 49, "tagged": 49}},
        "equal": {"model.onnx": True},
        **changed,
    }


class Project:
    """One pinned environment and its result, in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.page = folder / "libraries.md"
        pins = folder / "constraints" / "libraries" / "timm-torch2.4.txt"
        pins.parent.mkdir(parents=True)
        pins.write_text("# python 3.12\ntorch==2.4.1\ntimm==1.0.9\n")
        (folder / "results").mkdir()

    def record(self, *ways, torch="2.4.1+cpu", code=None):
        found = {"code": code or fingerprint(), "torch": torch, "ways": ways}
        (self.folder / "results" / "timm-torch2.4.json").write_text(json.dumps(found))

    def run(self, *options):
        return page.main(
            [
                *(*options, "--output", str(self.page)),
                *("--results", str(self.folder / "results")),
                *("--constraints", str(self.folder / "constraints")),
            ]
        )

    def lines(self):
        """Cells of the lines about what was seen."""
        assert self.run() == 0
        seen = self.page.read_text().partition("## What was seen")[2].splitlines()
        rows = [line for line in seen if line.startswith("| ")][2:]
        return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_an_environment_that_did_not_run(project):
    assert project.lines() == [["timm", "-", "2.4.1", *["-"] * 6, "not run", "-"]]


def test_a_file_that_is_equal(project):
    project.record(way())
    assert project.lines() == [
        [
            *("timm", "1.0.9", "2.4.1", "torchscript", "`torchscript`", "model.onnx"),
            *("49", "49", "yes", "-", "yes"),
        ]
    ]
    text = project.page.read_text()
    assert "| timm | `htp run -- export.py` | `onnx_export(model, 'model.onnx')` |" in text


def test_a_file_that_is_not_equal_and_a_test_that_failed(project):
    project.record(way(equal={"model.onnx": False}, failed="test_x: AssertionError: no"))
    (cells,) = project.lines()
    assert cells[8:10] == ["no", "fails: test_x: AssertionError: no"]


def test_a_library_that_does_not_run_by_itself(project):
    failed = "test_the_library_exports_without_htp: ImportError: no"
    project.record(way(files={}, equal={}, failed=failed))
    (cells,) = project.lines()
    assert cells[5:9] == ["-"] * 4
    assert cells[9] == "not run: the library by itself fails here: ImportError: no"


def test_a_way_that_a_library_does_not_have(project):
    project.record(way(files={}, equal={}, impossible="it has none"))
    (cells,) = project.lines()
    assert cells[9] == "not run: it has none"
    assert "export.py` |" not in project.page.read_text()


def test_what_a_library_does_to_a_file_afterwards(project):
    told = [{"path": "model.onnx", "tagged": True, "nodes": 60}]
    rewritten = {"model.onnx": "a tool drops them"}
    files = {"out/model.onnx": {"nodes": 49, "tagged": 0}}
    project.record(way(files=files, rewritten=rewritten, exports=told, dated="date", seeded=True))
    (cells,) = project.lines()
    assert cells[6:8] == ["49", "0"]
    assert cells[9] == (
        "a tool drops them; 60 of 60 nodes were tagged when it was exported; compared without the "
        "`date` that the library writes; compared with one seed for hashes, since the library goes "
        "through sets"
    )


def test_a_script_that_did_not_run_inside_tagging(project):
    project.record(way(inside=True))
    assert project.lines()[0][9] == "not run inside `htp.tagging()`"
    project.record(way(inside=True, exports=[]))
    assert project.lines()[0][9] == "-"


def test_a_run_of_another_torch_does_not_count(project):
    project.record(way(), torch="2.4.0")
    assert project.lines()[0][9] == "not run"


def test_a_run_of_other_code_is_marked(project):
    project.record(way(), code="0123456789abcdef")
    assert project.lines()[0][-1] == "no"
    assert project.run("--check") == 0
    assert project.run("--check", "--fresh") == 1


def test_check(project, capsys):
    assert project.run("--check") == 1
    assert project.run() == 0
    assert project.run("--check") == 0
    project.record(way())
    assert project.run("--check") == 1
    assert "Hint: nox -s libraries" in capsys.readouterr().err


def test_the_page_is_that_of_the_recorded_results():
    path = ROOT / "docs" / "libraries.md"
    assert path.read_text("utf-8") == page.render(page.rows(RECORDED), named_in(path))


@pytest.mark.parametrize("one", WAYS, ids=[f"{one.library}-{one.name}" for one in WAYS])
def test_what_a_reader_types_is_what_the_test_runs(one):
    assert one.recipe.startswith("htp run ")
    assert one.recipe.endswith(("-- export.py", "-- " + " ".join(one.command)))
    assert one.call
    assert ("export.py" in one.recipe.split()) == (one.call not in one.recipe)
