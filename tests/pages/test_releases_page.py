"""docs/releases.md says what HTP's own tables say, and its witnesses are cases of the suite."""

import pytest
from packaging.specifiers import SpecifierSet
from page import ROOT

import releases
from pins import all_pins

PAGE = ROOT / "docs" / "releases.md"


def test_the_page_is_what_the_tables_say():
    assert PAGE.read_text(encoding="utf-8") == releases.render()


def test_a_stale_page_is_told(tmp_path, capsys):
    old = tmp_path / "releases.md"
    old.write_text(releases.render().replace("2.5.1", "2.5.2"), encoding="utf-8")
    assert releases.main(["--check", "--output", str(old)]) == 1
    assert "python tools/releases.py" in capsys.readouterr().out
    assert releases.main(["--output", str(old)]) == 0
    assert releases.main(["--check", "--output", str(old)]) == 0


@pytest.mark.parametrize("witness", releases.WITNESSES, ids=lambda each: each.case)
def test_a_witness_is_a_case_of_the_suite(witness):
    pytest.importorskip("torch")
    from htp.testing import CASES, BackendConformance

    case = next(each for each in CASES if each.name == witness.case)
    assert set(witness.without) == set(case.without)
    if hasattr(BackendConformance, witness.test):
        known = [p.release for p in all_pins() if p.versions["torch"] in SpecifierSet(case.torch)]
        assert known[0] == witness.since
    else:
        text = (ROOT / "tests" / "test_ways.py").read_text(encoding="utf-8")
        assert f"def {witness.test}(" in text
        assert f"\ndef {witness.case}(" in text


def test_a_line_follows_from_the_expected_failures(monkeypatch):
    row = {"backend": "fx", "torch": ">=2.8,<2.11", "case": "loop", "test": "*", "reason": "a|b"}
    monkeypatch.setattr(releases, "_expected", lambda: [row])
    page = releases.render()
    assert "| which call of a module it is | yes | 2.5 to 2.7, 2.11 and newer |" in page
    assert "| 2.8 to 2.10 | `fx` | a\\|b |" in page
