"""docs/accuracy.md says what was measured, and nothing better."""

import json
import re
from pathlib import Path

import accuracy as page
import accuracy_results as results
from fingerprint import named_in

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / "tests" / "results" / "accuracy"


def score(decided=1000, exact=0, contaminated=0, silent=0):
    return {"decided": decided, "exact": exact, "contaminated": contaminated, "silent": silent}


def recorded(folder, oracles, htp):
    methods = {
        "parameters": score(exact=600, contaminated=400),
        "names": score(silent=1000),
        "torch": score(exact=1000),
        "htp": htp,
    }
    entry = {
        "oracles": oracles,
        "comparison": {"zoo:model": methods},
        "expected_failures": [{"case": "-", "test": "t", "reason": "no"}],
    }
    folder.joinpath("torch2.4.json").write_text(
        json.dumps({"torch": "2.4.1", "code": "c0de", "backends": {"torchscript": entry}}),
        encoding="utf-8",
    )


def test_an_error_shows(tmp_path):
    recorded(tmp_path, {"marker": {"decided": 9, "wrong": 1}}, score(exact=9999, decided=10000))
    text = page.render(results.runs(tmp_path), "c0de")
    assert "| 2.4.1 | `torchscript` | 9 / 1 | - | - | - | - | 1 | yes |" in text
    assert "99.9 %" in text
    assert "100.0 % | 0.0 % |\n\n" not in text


def test_a_run_of_other_code_is_marked(tmp_path):
    recorded(tmp_path, {"marker": {"decided": 9, "wrong": 1}}, score())
    text = page.render(results.runs(tmp_path), "another")
    assert "| 2.4.1 | `torchscript` | 9 / 1 | - | - | - | - | 1 | no |" in text
    assert "fingerprint `another`" in text


def test_what_a_way_never_says_is_silent(tmp_path):
    recorded(tmp_path, {}, score(exact=1000))
    text = page.render(results.runs(tmp_path), "c0de")
    assert "| 60.0 % | 40.0 % | silent | silent | 100.0 % | 0.0 % | 100.0 % | 0.0 % |" in text
    assert "It came to 100.0 % less: 400 nodes" in text
    assert page.as_csv(results.runs(tmp_path)).splitlines()[1:3] == [
        "2.4.1,torchscript,zoo:model,parameters,1000,600,400,0",
        "2.4.1,torchscript,zoo:model,node names,1000,0,0,1000",
    ]


def test_shares_are_never_rounded_to_perfection():
    assert results.share(99999, 100000) == "99.9 %"
    assert results.share(1, 100000) == "0.1 %"
    assert results.share(3, 3) == "100.0 %"
    assert results.share(0, 0) == "-"


def test_without_results_there_is_no_page(tmp_path, capsys):
    assert page.main(["--results", str(tmp_path), "--output", str(tmp_path / "docs")]) == 1
    assert "Hint: nox -s accuracy" in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()


def test_the_page_is_that_of_the_recorded_results():
    found = results.runs(RECORDED)
    docs = ROOT / "docs"
    code = named_in(docs / "accuracy.md")
    assert (docs / "accuracy.md").read_text("utf-8") == page.render(found, code)
    assert (docs / "accuracy.csv").read_text("utf-8") == page.as_csv(found)


def labels(chart):
    """What stands in the bars, column for column: matplotlib tells it beside the outlines."""
    return re.findall(r"<!-- (silent|[\d.]+ %) -->", chart)


def test_the_chart_is_of_the_recorded_results():
    scores = [results.totals(run) for run in results.runs(RECORDED)]
    assert labels((ROOT / "docs" / "accuracy.svg").read_text("utf-8")) == [
        results.share(score_["exact"], score_["decided"])
        if score_["decided"] > score_["silent"]
        else "silent"
        for method in results.METHODS
        for score_ in (each[method] for each in scores if each)
    ]
