"""docs/annotate.md: what each line says of a recorded run."""

import json

import pytest

import annotate_page as page
from fingerprint import fingerprint, named_in


def counts(right, wrong, unknown, **more):
    return {"right": right, "wrong": wrong, "unknown": unknown, **more}


def result(code="c" * 16):
    ways = {
        "all": counts(6, 1, 3, values=counts(4, 0, 1)),
        "all, model": counts(9, 0, 1, values=counts(5, 0, 0)),
        "node names": counts(5, 1, 4),
        "node names, model": counts(8, 0, 2),
        "hierarchy_tag": counts(0, 0, 10),
        "hierarchy_tag, model": counts(0, 0, 10),
    }
    models = {"one": {"nodes": 10, "ways": ways}, "two": {"nodes": 10, "ways": ways}}
    return {"torch": "2.15.0", "code": code, "backends": {"fx": models}}


def test_a_row_for_each_backend_with_and_without_the_model():
    text = page.render([result()], "c" * 16)
    assert "| 2.15.0 | `fx` | no | 2 | 20 | 60.0 % | 10.0 % | 30.0 % | 8 / 0 | yes |" in text
    assert "| 2.15.0 | `fx` | yes | 2 | 20 | 90.0 % | 0.0 % | 10.0 % | 10 / 0 | yes |" in text
    assert "/ 0 | yes |" not in page.render([result()], "d" * 16)


def test_a_row_for_each_source_that_tells_something():
    text = page.render([result()], "")
    assert "| node names | 50.0 % | 10.0 % | 40.0 % | 80.0 % | 0.0 % | 20.0 % |" in text
    assert "| hierarchy_tag | 0.0 %" not in text


def test_a_stale_page_fails_and_a_written_one_does_not(tmp_path, capsys):
    (tmp_path / "torch2.15.json").write_text(json.dumps(result()))
    output = tmp_path / "annotate.md"
    options = ["--results", str(tmp_path), "--output", str(output)]
    assert page.main(options) == 0
    assert page.main([*options, "--check"]) == 0
    output.write_text(output.read_text().replace("60.0 %", "70.0 %"))
    assert page.main([*options, "--check"]) == 1
    assert "stale" in capsys.readouterr().err


def test_the_page_is_what_the_results_say():
    if not (page.ROOT / "docs" / "annotate.md").exists():
        pytest.skip("tested from outside the checkout")
    assert named_in(page.ROOT / "docs" / "annotate.md") is not None
    assert page.main(["--check"]) == 0
    assert len(fingerprint()) == 16
