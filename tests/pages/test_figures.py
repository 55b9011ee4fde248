"""Figures that a page tells in words are those of the recorded runs."""

import csv
import json
import re

from page import ROOT


def told(name):
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


def recorded(folder):
    paths = sorted((ROOT / "tests" / "results" / folder).glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def test_how_many_rewritings_were_judged():
    rows = [row for result in recorded("tools") for row in result["tools"]]
    counts = tuple(len({row[what] for row in rows}) for what in ("tool", "package"))
    shown = r"(\d+) rewritings (?:by |\()(\d+) packages"
    for name in ("carry.md", "index.md"):
        assert [tuple(map(int, each)) for each in re.findall(shown, told(name))] == [counts]


def test_how_many_architectures_were_cut():
    models = {
        name
        for result in recorded("extract")
        for by_axes in result["runs"].values()
        for found in by_axes.values()
        for name, model in found.items()
        if "calls" in model and model["kind"] != "case"
    }
    assert f"of some {len(models) // 10 * 10} architectures" in told("index.md")


def test_how_often_the_metadata_of_torch_2_5_is_wrong():
    with open(ROOT / "docs" / "accuracy.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["way"] == "torch's metadata"]
    mine = [row for row in rows if (row["torch"], row["backend"]) == ("2.5.1", "fx")]
    decided, wrong = (sum(int(row[what]) for row in mine) for what in ("decided", "contaminated"))
    assert round(decided / wrong) == 7
    assert all("one node in seven" in told(name) for name in ("compared.md", "limits.md"))


def test_what_is_shown_of_a_library_is_the_same_everywhere():
    """tests/libraries compares README's with what that library's run says."""
    shown = [
        re.findall(r"^ {4}(htp: /models/.*\n(?: {4}carried.*\n)?)", text, re.MULTILINE)
        for text in (
            (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/tagging.md")
        )
    ]
    assert len(shown[0]) == 2
    assert shown[0] == shown[1]
