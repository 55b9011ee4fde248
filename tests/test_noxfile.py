"""The pins and the sessions that are made from them."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from libraries.ways import WAYS, ways_of
from packaging.version import Version

import pins
from htp import registry, torch_release

ROOT = Path(__file__).resolve().parent.parent


ALL = pins.all_pins()
LIBRARIES = pins.library_pins()
LIST = [sys.executable, "-m", "nox", "--list", "--json"]
each_release = pytest.mark.parametrize("pin", ALL, ids=[pin.release for pin in ALL])


def test_no_minor_release_is_left_out():
    releases = [Version(pin.release).release for pin in ALL]
    assert releases[0] == Version(torch_release.OLDEST).release
    assert releases[-1] == Version(torch_release.NEWEST_TESTED).release
    for (major, minor), following in zip(releases, releases[1:]):
        assert following in ((major, minor + 1), (major + 1, 0))


def test_the_last_one_series_release_is_followed_by_two():
    releases = [pin.release for pin in ALL]
    assert releases[releases.index("2.0") - 1] == "1.13"


@each_release
def test_the_file_pins_the_torch_of_its_name(pin):
    assert Version(pin.versions["torch"]).release[:2] == Version(pin.release).release[:2]


@each_release
def test_the_companions_of_the_backends_are_pinned(pin):
    needed = {"onnx", "protobuf", "numpy", "onnxruntime"}
    if Version(pin.release) >= Version(torch_release.FX_SINCE):
        needed |= {"onnxscript"}
    assert needed <= set(pin.companions)
    assert Version(pin.versions["onnx"]) >= Version("1.16")


@each_release
def test_the_pinned_torch_selects_a_backend(pin):
    release = torch_release.release(pin.versions["torch"])
    assert registry.select(release, registry.specs()) is not None


@each_release
def test_the_pinned_python_is_supported(pin):
    assert Version(pin.python) >= Version("3.8")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("torch2.9.txt", ""),
        ("torch2.9.txt", "torch==2.9.1\n"),
        ("torch2.9.txt", "# python 3.11\ntorch>=2.9\n"),
        ("torch2.9.1.txt", "# python 3.11\ntorch==2.9.1\n"),
    ],
)
def test_a_wrong_file_is_refused(name, text, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=name):
        pins.read_pins(path)


@pytest.fixture(scope="module")
def sessions():
    """What nox would run, by name."""
    listed = subprocess.run(
        [*LIST, "--noxfile", str(ROOT / "noxfile.py"), "--keywords", "not no_such_session"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {entry["session"]: entry for entry in json.loads(listed.stdout)}


def test_every_release_has_a_session_of_its_name(sessions):
    of_releases = [name for name in sessions if name.startswith("tests-torch")]
    assert of_releases == [f"tests-torch{pin.release}" for pin in ALL]
    of_releases = [name for name in sessions if name.startswith("bench-torch")]
    assert of_releases == [f"bench-torch{pin.release}" for pin in ALL]


def test_the_other_sessions(sessions):
    others = {name for name in sessions if "-torch" not in name}
    assert others == {
        *("tests", "lint", "typing", "matrix", "docs", "bench", "demo"),
        *("package", "new-release"),
        *("accuracy", "fuzz", "fuzz-files", "bench-reading", "libraries", "annotate"),
        *("tools", "tools-optimum", "propagation", "planted", "zoo", "extract", "look", "recipes"),
    }


def test_every_library_has_a_session(sessions):
    of_libraries = [name for name in sessions if name.startswith("libraries-")]
    assert of_libraries == [f"libraries-{pin.library}-torch{pin.release}" for pin in LIBRARIES]
    assert {way.library for way in WAYS} == {pin.library for pin in LIBRARIES}


@pytest.mark.parametrize("pin", LIBRARIES, ids=[pin.path.stem for pin in LIBRARIES])
def test_a_library_is_tested_on_a_torch_and_a_python_that_htp_is(pin):
    same = {known.release: known for known in ALL}[pin.release]
    assert pin.versions["torch"] == same.versions["torch"]
    assert pin.python == same.python
    packages = {way.package for way in ways_of(pin.library, pin.versions["torch"])}
    assert packages
    assert packages - {""} <= set(pin.versions)


def test_the_zoo_has_a_session_where_its_libraries_are_pinned(sessions):
    with_zoo = [f"accuracy-torch{pin.release}" for pin in ALL if "torchvision" in pin.versions]
    assert [name for name in sessions if name.startswith("accuracy-")] == with_zoo
    assert len(with_zoo) >= 9


def test_the_tools_rewrite_what_pinned_releases_export(sessions):
    path = ROOT / "tests" / "tools" / "models.json"
    models = json.loads(path.read_text("utf-8"))
    assert [name for name in sessions if name.startswith("fixtures-")] == [
        f"fixtures-torch{release}" for release in models["releases"]
    ]
    assert not set(models["tuning"]) & set(models["kept_aside"])
    assert set(models["on_every_torch"]) <= {*models["tuning"], *models["kept_aside"]}


def test_the_tools_are_pinned_exactly():
    path = ROOT / "constraints" / "tools" / "rewriters.txt"
    first, *rest = path.read_text("utf-8").splitlines()
    assert first in {f"# python {pin.python}" for pin in ALL}
    assert all(line.count("==") == 1 for line in rest)
    assert not any(line.startswith("torch==") for line in rest)


def test_the_tools_of_the_recipes_are_pinned_beside_the_torch_that_they_are_tried_on():
    path = ROOT / "constraints" / "tools" / "recipes.txt"
    models = json.loads((ROOT / "tests" / "tools" / "models.json").read_text("utf-8"))
    tried = {pin.release: pin for pin in ALL}[models["releases"][-1]]
    first, *rest = path.read_text("utf-8").splitlines()
    assert first == f"# python {tried.python}"
    assert all(line.count("==") == 1 for line in rest)
    pinned = dict(line.split("==") for line in rest)
    assert set(tried.companions) | {"torch"} <= set(pinned)
    others = {name for name in pinned if tried.versions.get(name, pinned[name]) != pinned[name]}
    assert others == {"networkx", "numpy"}  # NNCF wants older ones


def test_what_people_look_at_is_pinned_exactly():
    first, *rest = (ROOT / "constraints" / "look.txt").read_text("utf-8").splitlines()
    assert first in {f"# python {pin.python}" for pin in ALL}
    assert all(line.count("==") == 1 for line in rest)
    assert not any(line.startswith("torch==") for line in rest)


OWN_OPTION = re.compile(r"addoption\(\s*\"(--[a-z-]+)\"[^)]*metavar")
"""An option of a ``conftest.py`` that takes a value."""


def apart(text, options):
    """The strings of a program that are such an option and nothing behind it."""
    strings = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return [each for each in strings if each in options]


def test_own_options_of_pytest_are_joined_with_their_values():
    """Before a ``conftest.py`` is read, a value by itself is a path to pytest on Python 3.8."""
    files = (ROOT / "tests").rglob("conftest.py")
    options = {name for file in files for name in OWN_OPTION.findall(file.read_text("utf-8"))}
    assert options == {"--results", "--library", "--library-results"}
    text = (ROOT / "noxfile.py").read_text("utf-8")
    assert all(f"{name}=" in text for name in options)
    assert apart(text, options) == []
    planted = 'run("--results", path, f"--library={name}", "--library-results=a")'
    assert apart(planted, options) == ["--results"]


def test_tags(sessions):
    def tagged(tag):
        return [name for name, entry in sessions.items() if tag in entry["tags"]]

    every = [f"tests-torch{pin.release}" for pin in ALL]
    assert [name for name in tagged("all") if name in every] == every
    assert tagged("floor") == every[:1]
    assert tagged("newest") == every[-1:]
    assert set(tagged("ci")) <= set(every)


def test_the_matrix_is_written_after_the_last_test(sessions):
    names = list(sessions)
    assert names.index("matrix") > names.index(f"tests-torch{ALL[-1].release}")
