"""README and CONTRIBUTING: what they show is what happens, what they name is there."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from shown import block, form, is_shown

import htp
from htp.cli.demo_model import example
from htp.torch_release import NEWEST_TESTED, RELEASE

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere

NEWEST = RELEASE is not None and f"{RELEASE.major}.{RELEASE.minor}" == NEWEST_TESTED
on_the_newest = pytest.mark.skipif(not NEWEST, reason=f"README shows torch {NEWEST_TESTED}")


def test_readme_is_short():
    assert len(README.splitlines()) <= 105


@on_the_newest
def test_the_nodes_are_whose_readme_says(demo, tmp_path):
    rows = re.findall(r"^\| `(\S+)` \| `(\S+)`, call (\d+) \|$", README, re.MULTILINE)
    by_the_other = htp.export(**example(), f=tmp_path / "model.onnx", dynamo=False)
    assert len(rows) == 2
    for (name, path, call), tagged in zip(rows, (htp.load(demo), by_the_other)):
        tag = tagged.tag(name)
        assert (tag.path, tag.call) == (path, int(call))
        assert f"`{name}`" in README.partition("|")[0]


@on_the_newest
def test_the_tree_is_what_readme_shows(demo, run, monkeypatch):
    monkeypatch.chdir(demo.parent)
    command, *lines = block(README, "$ htp tree")
    words = [demo.name if word == "model.onnx" else word for word in shlex.split(command)[2:]]
    assert run(*words).out.splitlines()[: len(lines)] == lines


@on_the_newest
def test_the_times_have_the_form_that_readme_shows(demo, run):
    command, *lines = block(README, "$ htp profile")
    words = [str(demo) if word == "model.onnx" else word for word in shlex.split(command)[2:]]
    ran = run(*words)
    assert not ran.code
    # Which operator takes longest is chance.
    shown, printed = (
        [row.rpartition(" ")[0] for row in rows] for rows in (lines, ran.out.splitlines())
    )
    assert is_shown([*shown, "..."], printed)


@on_the_newest
def test_the_module_that_diverges_is_the_one_that_readme_shows(demo, run, tmp_path):
    """The files are those of docs/files.md, whose first snippet makes them."""
    htp.load(demo).save(tmp_path / "model.onnx")
    (tmp_path / "samples").mkdir()
    page = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    snippet = re.search(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL).group(1)
    exec(compile(snippet, "docs/files.md", "exec"), {})
    command, *lines = block(README, "$ htp verify")
    ran = run(*shlex.split(command)[2:])
    assert ran.code == 1
    assert is_shown([*lines, "..."], ran.out.splitlines())


def test_the_counts_of_the_library_are_those_that_were_recorded():
    """All of it is compared in the library's own session, by tests/libraries."""
    path = ROOT / "tests" / "results" / "libraries" / f"ultralytics-torch{NEWEST_TESTED}.json"
    (way,) = (w for w in json.loads(path.read_text("utf-8"))["ways"] if w["name"] == "slim")
    (export,), (written,) = way["exports"], way["files"].values()
    counts = export["coverage"]
    lines = block(README, "$ htp run -- yolo")
    told = f"{export['nodes']} nodes: {counts['captured']} captured, {counts['propagated']} propag"
    assert told in lines[2]
    assert f" rewritten since: {written['nodes']} nodes: " in lines[3]


def test_how_often_others_are_right_is_what_was_measured():
    decided, exact = {}, {}
    with open(ROOT / "docs" / "accuracy.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            major, minor = map(int, row["torch"].split(".")[:2])
            since = {"node names": (1, 13), "torch's metadata": (2, 6)}.get(row["way"])
            writes = "torchscript" if row["way"] == "node names" else "fx"
            if since and since <= (major, minor) and row["backend"] == writes:
                key = (row["way"], major, minor)
                decided[key] = decided.get(key, 0) + int(row["decided"])
                exact[key] = exact.get(key, 0) + int(row["exact"])
    shares = {key: 100 * exact[key] // decided[key] for key in decided}
    assert {shares[key] for key in shares if key[0] == "node names"} == {97}
    assert {shares[key] for key in shares if key[0] == "torch's metadata"} == {98}
    assert "from 2.6), these are 97\nand 98 % exact" in README


MY_MODEL = """
from htp.cli.demo_model import example


def build():
    arguments = example()
    return arguments["model"], arguments["args"]
"""


def test_readmes_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    names = {"model": example()["model"], "tokens": example()["args"][0], "htp": htp}
    exec(compile(snippet, "README.md", "exec"), names)
    found = [line.split() for line in capsys.readouterr().out.splitlines() if "encoder" in line]
    assert {(path.split(".")[2], call) for *_, path, call, _ in found} >= {("0", "0"), ("1", "0")}
    assert htp.load("model.onnx").coverage.unknown == 0


COMMANDS = [
    shlex.split(line, comments=True) for line in block(README, "htp export my_model.py:build")
]


def test_readmes_commands_run(run, tmp_path):
    (tmp_path / "my_model.py").write_text(MY_MODEL)
    assert {words[0] for words in COMMANDS} == {"htp"}
    done = {words[1]: run(*words[1:]) for words in COMMANDS if words[1] != "doctor"}
    assert list(done) == ["export", "nodes", "strip"]
    assert {name: ran.err for name, ran in done.items() if ran.code} == {}
    assert "MatMul" in done["nodes"].out
    assert b"pkg.htp" not in Path("plain.onnx").read_bytes()
    assert run("doctor").out


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_the_files_that_are_named_are_there(text):
    folders = "htp|tests|tools|benchmarks|docs|examples|constraints"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    named += re.findall(r"\]\(([\w./-]+)\)", text)
    named = [name for name in named if "X.Y" not in name]
    assert len(named) > 3
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_rooms_that_a_node_passes_are_there():
    drawn = re.findall(r"^ {4}[a-z ]{10} (\w+/\w+\.py)", CONTRIBUTING, re.MULTILINE)
    assert len(drawn) > 8
    places = (ROOT, ROOT / "htp", ROOT / "htp" / "backends")
    assert [name for name in drawn if not any((place / name).exists() for place in places)] == []


SHOWN = ["module   class", "head     Linear   4 µs", "...", "done in 3"]
PRINTED = ["module class", "head  Linear  17 ms", "", "more", "done in 4"]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (SHOWN, PRINTED, True),
        (SHOWN, PRINTED[:-1], False),
        (SHOWN, PRINTED[1:], False),
        (SHOWN, [*PRINTED, "and more"], False),
        ([*SHOWN, "..."], [*PRINTED, "and more"], True),
        (["body Linear 4 µs"], ["head Linear 4 µs"], False),
        (["head Linear 4 µs"], ["head Linear"], False),
        ([], [], True),
    ],
)
def test_what_is_shown_and_what_is_not(shown, printed, same):
    assert is_shown(shown, printed) == same


def test_a_name_with_a_number_is_no_number():
    assert form("layer.0  node_3  1.5e+02  -3 dB") == "layer.0 node_3 # # dB"
