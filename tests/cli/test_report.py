"""``htp report``: what it writes, what it refuses, and with what exit status. Needs no torch."""

import json
from pathlib import Path

import pytest
from reporting.shown import data, results, small


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "net.onnx"
    file.write_bytes(small().SerializeToString())
    return file


def test_it_writes_a_page(path, run):
    ran = run("report", path, "-o", "report.html", "--shape", "batch=2")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Wrote report.html (")
    head = data(Path("report.html").read_text("utf-8"))["head"]
    assert (head["file"], head["shapes"]) == ("net.onnx", ["batch = 2"])


def test_it_takes_results_and_cuts_out_parts(path, run):
    for number, each in enumerate(results(["head", "encoder"])[:2]):
        Path(f"{number}.json").write_text(json.dumps(each))
    command = ("report", path, "-o", "r.html", "--with", "0.json", "--with", "1.json")
    assert run(*command, "--extract", "head", "--parts", "parts").code == 0
    document = data(Path("r.html").read_text("utf-8"))
    assert [each["kind"] for each in document["results"]] == ["profile", "verify"]
    assert [each["link"] for each in document["parts"]] == ["./parts/0001-head.onnx"]


def test_a_result_of_another_model_is_told(path, failing):
    Path("other.json").write_text(json.dumps(results(["body", "body.0"])[0]))
    told = failing("report", path, "-o", "r.html", "--with", "other.json")
    assert "The profile is of another model" in told
    assert "Hint: its modules are called as" in told
    assert "Cannot read 'none.json'" in failing(
        "report", path, "-o", "r.html", "--with", "none.json"
    )


def test_wrong_usage(path, failing):
    assert "belong together" in failing("report", path, "-o", "r.html", "--parts", "p", code=2)
    told = failing("report", path, "-o", path, code=2)
    assert "cannot replace a file that it is made from" in told
    assert "-o" in failing("report", path, code=2)
