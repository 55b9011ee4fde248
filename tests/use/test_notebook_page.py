"""docs/notebook.md: what it shows runs, on the demo's model."""

import re
from pathlib import Path

import pytest
from showing.results import results

pytestmark = [pytest.mark.notebook, pytest.mark.filterwarnings("ignore")]  # of torch's export

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "notebook.md").read_text(encoding="utf-8")


def test_the_snippets_run_and_print_what_they_say(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(snippets) == 3
    names = {}
    exec(compile("".join(snippets), "docs/notebook.md", "exec"), names)
    printed = capsys.readouterr().out.split("\n")
    told = [line.partition("  # ")[2] for line in snippets[1].split("\n") if "  # " in line]
    for line, said in zip(printed, told):
        assert re.fullmatch(re.escape(said).replace(re.escape("..."), ".*"), line)
    assert len(told) == 3
    assert names["cost"].loc[("", 0), "macs"] > 0


def test_the_columns_are_those_of_the_page():
    found = results(["a"])
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    told = {names: re.findall(r"`(\w+)`", columns) for names, columns, _ in rows}
    for of, result in [
        ("`TaggedModel`, `tagged.select(...)`", "tagged"),
        ("`tagged.tree()`", "tree"),
        ("`tagged.cost()`", "cost"),
        ("`htp.verify(...)`", "verification"),
        ("`htp.diff(...)`", "diff"),
    ]:
        assert set(told[of]) <= set(found[result].to_pandas().columns)
        assert len(told[of]) >= 4
