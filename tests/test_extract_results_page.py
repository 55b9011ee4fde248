"""docs/extract_results.md: what each line says of a recorded run."""

import json

import pytest

import extract_results_page as page
from fingerprint import fingerprint, named_in


def model(kind="zoo", **more):
    counts = {"valid": 8, "equal": 8, "inputs": 8, "outputs": 7, "all_three": 7}
    return {"kind": kind, "calls": 12, "without": 3, "given": 8, "counts": counts, **more}


def result(code="c" * 16):
    models = {
        "library:one": model(
            refused={"fused": 1},
            exceptions={"output unread (inputs exact, outputs fewer)": 1},
        ),
        "library:two": model(kind="aside", wrong={"a.b@1": ["it is another"]}),
        "library:three": {"kind": "zoo", "not_exported": "no"},
    }
    return {"torch": "2.15.0", "code": code, "runs": {"fx": {"static": models, "dynamic": {}}}}


def test_a_row_for_each_kind_of_model():
    text = page.render([result()], "c" * 16)
    shares = "8 | 8 | 8 | 8 | 7 (87.5 %) | 7 (87.5 %) | yes |"
    assert f"| 2.15.0 | `fx` | static | 1 | zoo | 12 | 3 | 1 | {shares}" in text
    assert f"| 2.15.0 | `fx` | static | 1 | aside | 12 | 3 | 0 | {shares}" in text
    assert "| yes |" not in page.render([result()], "d" * 16)


def test_refusals_exceptions_and_defects_are_listed():
    text = page.render([result()], "")
    assert "| fused | 1 | 0 |" in text
    assert "| output unread (inputs exact, outputs fewer) | 1 | 0 |" in text
    assert "- torch 2.15.0, `fx`, static, library:two, `a.b@1`: it is another\n" in text
    assert "library:three: torch does not export it" in text


def test_a_stale_page_fails_and_a_written_one_does_not(tmp_path, capsys):
    (tmp_path / "torch2.15.json").write_text(json.dumps(result()))
    output = tmp_path / "extract_results.md"
    options = ["--results", str(tmp_path), "--output", str(output)]
    assert page.main(options) == 0
    assert page.main([*options, "--check"]) == 0
    output.write_text(output.read_text().replace("87.5 %", "97.5 %"))
    assert page.main([*options, "--check"]) == 1
    assert "stale" in capsys.readouterr().err


def test_the_page_is_what_the_results_say():
    if not (page.ROOT / "docs" / "extract_results.md").exists():
        pytest.skip("tested from outside the checkout")
    assert named_in(page.ROOT / "docs" / "extract_results.md") is not None
    assert page.main(["--check"]) == 0
    assert len(fingerprint()) == 16
