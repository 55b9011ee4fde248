"""What any library exports is tagged, and is what the library exports by itself."""

import os
import re
from pathlib import Path

import pytest
import torch
from shown import block

from htp.torch_release import NEWEST_TESTED
from libraries.running import Runs, counts, owners, same

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")

# Some libraries have their files rewritten by tools that drop tags.
pytestmark = pytest.mark.filterwarnings("ignore:.* was tagged by HTP:RuntimeWarning")


@pytest.fixture(scope="module")
def runs(way, tmp_path_factory):
    if way.impossible:
        pytest.skip(way.impossible)
    return Runs(way, tmp_path_factory.mktemp(way.name))


@pytest.fixture(scope="module")
def plain(runs):
    done = runs.plain()
    assert done.status == 0, done.errors
    return done


@pytest.fixture(scope="module")
def run(runs, plain):
    done = runs.under_htp_run()
    assert done.status == 0, done.errors
    return done


@pytest.fixture(scope="module")
def inside(way, runs, plain):
    if not way.is_script or way.options:
        pytest.skip("a command, or an export in another process: htp run is the way")
    done = runs.inside_tagging()
    assert done.status == 0, done.errors
    return done


def test_the_library_exports_without_htp(way, plain):
    models = [path for path in plain.models if path.endswith(".onnx")]
    assert len(models) >= len(way.exports)


def test_htp_run_writes_the_same_files(way, plain, run):
    assert run.files == plain.files
    assert run.returned == plain.returned


def test_htp_run_leaves_what_the_library_writes(way, plain, run, record_property):
    equal = {path: same(run.folder / path, plain.folder / path, way.dated) for path in plain.models}
    record_property("equal", equal)
    assert all(equal.values()), equal


def test_htp_run_tags_every_node(way, run, record_property):
    found = {path: counts(run.folder / path) for path in run.models if path.endswith(".onnx")}
    record_property("files", found)
    for path, count in found.items():
        assert count["nodes"]
        every = not way.untagged and os.path.basename(path) not in way.rewritten
        assert (count["tagged"] == count["nodes"]) == every, path


def test_htp_run_names_the_modules(way, run):
    paths = [run.folder / path for path in run.models if path.endswith(".onnx")]
    kept = [path for path in paths if counts(path)["tagged"]]
    assert kept or way.rewritten or way.untagged
    if kept:
        found = set().union(*map(owners, kept))
        assert set(way.owners) <= found, sorted(found)


def test_htp_run_lists_every_export(way, run):
    for name in filter(None, way.exports):
        assert name in run.errors
    assert way.untagged in run.errors


def test_htp_run_says_what_became_of_a_file(way, run):
    for path in (path for path in run.models if os.path.basename(path) in way.carried):
        told = [line for line in run.errors.splitlines() if f"{path}: rewritten since: " in line]
        assert len(told) == 1, run.errors
        assert f"{counts(run.folder / path)['nodes']} nodes: " in told[0]


def test_readme_shows_what_htp_run_says(way, run):
    command, *lines = block(README, "$ htp run -- yolo")
    if way.command[:2] != tuple(command.split()[4:6]) or torch_minor() != NEWEST_TESTED:
        pytest.skip(f"README shows another command, on torch {NEWEST_TESTED}")
    first, *wrapped = (line for line in lines if line != "...")
    told = [re.sub(r"/\S+/", "/models/", line) for line in run.errors.splitlines()]
    assert [line for line in told if line.startswith("htp: ")] == [first, " ".join(wrapped)]


def torch_minor():
    return ".".join(torch.__version__.split(".")[:2])


def test_tagging_leaves_what_the_library_writes(way, plain, inside):
    assert inside.files == plain.files
    assert inside.returned == plain.returned
    for path in plain.models:
        assert same(inside.folder / path, plain.folder / path, way.dated), path


def test_tagging_tells_of_every_export(way, inside, record_property):
    record_property("exports", inside.records)
    assert tuple(one["path"] or "" for one in inside.records) == way.exports
    for one in inside.records:
        assert one["exporter"] == way.exporter
        if way.untagged:
            assert way.untagged in one["reason"]
            continue
        assert one["tagged"], one["reason"]
        assert one["nodes"] == sum(one["coverage"].values())
        assert not one["coverage"]["unknown"]
