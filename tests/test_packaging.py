"""What the installed distribution says and holds; what is built of this checkout, used alone."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import htp
from fingerprint import fingerprint
from htp.torch_release import NEWEST_TESTED, OLDEST, RELEASE

NAME = "htp-onnx"
ROOT = Path(__file__).resolve().parents[1]
AT_BOTH_ENDS = RELEASE is None or f"{RELEASE.major}.{RELEASE.minor}" in {OLDEST, NEWEST_TESTED}


def test_the_core_needs_only_onnx_and_packaging():
    needed = metadata.requires(NAME)
    assert sorted(line for line in needed if "extra ==" not in line) == ["onnx>=1.16", "packaging"]


def test_version_and_python():
    distribution = metadata.distribution(NAME)
    assert distribution.version == htp.__version__
    assert distribution.metadata["Requires-Python"] == ">=3.8"


def test_the_changelog_ends_at_this_version():
    headings = re.findall(
        r"^## \[(.+)\]$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert headings[:2] == ["Unreleased", htp.__version__]


def test_extras():
    extras = metadata.distribution(NAME).metadata.get_all("Provides-Extra")
    assert sorted(extras) == ["all", "cli", "runtime", "torch"]


def test_the_wheel_holds_types_data_and_the_conformance_suite():
    files = {str(path) for path in metadata.files(NAME)}
    assert {"htp/py.typed", "htp/cli/companions.json", "htp/testing/__init__.py"} <= files


def in_the_tree():
    """Every file of htp/, by its path in a wheel."""
    found = (path for path in (ROOT / "htp").rglob("*") if path.is_file())
    return {p.relative_to(ROOT).as_posix() for p in found if p.suffix not in {".pyc", ".pyo"}}


def test_the_wheel_holds_every_file_of_the_package():
    """Whatever it is: code, types, tables, a page's scripts and styles, a licence."""
    installed = {path.as_posix() for path in metadata.files(NAME) if path.suffix != ".pyc"}
    assert {path for path in installed if path.startswith("htp/")} == in_the_tree()


def test_the_wheel_names_and_holds_every_licence():
    """That of HTP, and those of what is bundled."""
    licences = {"LICENSE", *(path for path in in_the_tree() if path.endswith(".LICENSE"))}
    assert set(metadata.metadata(NAME).get_all("License-File")) == licences
    held = {p.as_posix().partition(".dist-info/licenses/")[2]: p for p in metadata.files(NAME)}
    for path in licences:
        there = Path(held[path].locate()).read_bytes()
        assert there == (ROOT / path).read_bytes()


def test_the_licence_is_told_with_that_of_what_is_bundled():
    licences = {"Apache-2.0"}
    for path in (ROOT / "htp").rglob("vendor/libraries.json"):
        licences |= {each["licence"] for each in json.loads(path.read_text(encoding="utf-8"))}
    told = metadata.metadata(NAME)["License-Expression"]
    assert set(told.split(" AND ")) == licences


def test_the_wheel_holds_nothing_but_the_package():
    roots = {path.parts[0] for path in metadata.files(NAME) if ".." not in path.parts}
    assert roots == {"htp", f"htp_onnx-{htp.__version__}.dist-info"}


def test_the_command_is_announced():
    points = [point for point in metadata.distribution(NAME).entry_points if point.name == "htp"]
    assert [point.value for point in points] == ["htp.cli:main"]


def test_the_wheel_is_of_the_code_of_this_checkout():
    assert fingerprint(Path(htp.__file__).parent) == fingerprint()


def python(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=str(cwd),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build(what, source, target):
    python("-m", "hatchling", "build", "-t", what, "-d", target, cwd=source)
    (made,) = target.glob("*.tar.gz" if what == "sdist" else "*.whl")
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A wheel that is built of what the source distribution holds."""
    if not AT_BOTH_ENDS:
        pytest.skip("tried on the oldest and on the newest release")
    folder = tmp_path_factory.mktemp("built")
    safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(build("sdist", ROOT, folder / "sdist")) as archive:
        archive.extractall(folder, **safely)
    return build("wheel", folder / f"htp_onnx-{htp.__version__}", folder / "wheel")


def test_the_source_distribution_makes_the_same_wheel(made):
    dated = {"RECORD", "WHEEL"}  # these tell of the builder and the installer
    with zipfile.ZipFile(made) as wheel:
        held = {name: wheel.read(name) for name in wheel.namelist() if Path(name).name not in dated}
    here = Path(sysconfig.get_path("purelib"))
    assert {name for name in held if not (here / name).exists()} == set()
    assert {name for name in held if (here / name).read_bytes() != held[name]} == set()
    assert {name for name in held if name.startswith("htp/")} == in_the_tree()


def required(name, found):
    """What a distribution requires, and all that this requires, without extras."""
    for each in map(Requirement, metadata.requires(name) or ()):
        if each.name not in found and (each.marker is None or each.marker.evaluate({"extra": ""})):
            found.add(each.name)
            required(each.name, found)
    return found


@pytest.fixture(scope="module")
def bare(made, tmp_path_factory):
    """An environment with that wheel and links to what it requires, nothing else."""
    home = tmp_path_factory.mktemp("bare")
    python("-m", "venv", "--without-pip", home, cwd=home)
    interpreter = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")
    python("-m", "pip", "--python", interpreter, "install", *quiet, made, cwd=home)
    ran = subprocess.run(
        [interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    packages = Path(ran.stdout.strip())
    for name in sorted(required(NAME, set())):
        for top in {path.parts[0] for path in metadata.files(name)} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(metadata.distribution(name).locate_file(top))
    return interpreter


def test_it_works_without_torch_and_without_extras(bare, tmp_path):
    file = ROOT / "tests" / "files" / "schema3_fx.onnx"
    done = subprocess.run(
        [bare, ROOT / "tools" / "bare.py", file],
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert os.listdir(tmp_path) == []
