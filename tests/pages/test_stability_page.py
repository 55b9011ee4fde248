"""docs/stability.md lists exactly what is public, the schemas of JSON, and what is deprecated."""

import inspect
import re

import pytest
from page import ROOT

import htp
from htp.file.origin import READABLE

TEXT = (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")
OWN = {"extraction", "program"}
"""What each tagged model has as its own, and the class does not show."""
INNER = {"file", "loaded"}
"""What the page names as not public."""
SCHEMA = r"\bhtp\.[a-z]+/\d+\b"


def listed(start, end):
    """The names in code style between two places of the page."""
    part = TEXT[TEXT.index(start) : TEXT.index(end)]
    rows = [line for line in part.splitlines() if line.startswith("|")]
    return re.findall(r"`([\w.]+)`", "\n".join(rows))


def public(kind):
    return {name for name in dir(kind) if not name.startswith("_")}


def test_the_public_names_are_those_of_the_package():
    names = listed("Names that `import htp` gives", "Of a `TaggedModel`:")
    assert len(names) == len(set(names))
    assert set(names) == set(htp.__all__)


def test_the_members_of_a_tagged_model_are_those_that_it_has():
    names = listed("Of a `TaggedModel`:", "Also public:")
    assert len(names) == len(set(names))
    assert set(names) == public(htp.TaggedModel) - INNER | OWN
    assert set(re.findall(r"`TaggedModel\.(\w+)`", TEXT)) == INNER
    made = inspect.signature(htp.TaggedModel.__init__).parameters
    assert set(made) >= OWN


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    told = set(re.findall(r"\bhtp\.(\w+)(?=\n|`)", text))
    assert set(htp.__all__) - told == {"__version__"}


def test_every_page_that_the_package_names_is_there():
    source = "".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "htp").rglob("*.py")))
    named = set(re.findall(r"(?<![\w/])docs/\w+\.(?:md|schema\.json)", source))
    assert "docs/options.md" in named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_schema_that_is_written_is_listed():
    told = re.findall(rf"^\| `({SCHEMA})` \|", TEXT, re.MULTILINE)
    files = sorted((ROOT / "htp").rglob("*.py"))
    written = {name for f in files for name in re.findall(SCHEMA, f.read_text(encoding="utf-8"))}
    assert told == sorted(written)


def test_every_schema_of_files_is_listed_and_kept():
    part = TEXT[TEXT.index("## Which files load") : TEXT.index("## JSON")]
    told = re.findall(r"^\| `(\d)` \|", part, re.MULTILINE)
    kept = {path.name.split("_")[0] for path in (ROOT / "tests" / "files").glob("schema*.onnx")}
    assert tuple(told) == READABLE
    assert kept == {f"schema{number}" for number in told}


def test_what_is_deprecated_is_listed():
    part = TEXT[TEXT.index("Deprecated now:") : TEXT.index("## Which files load")]
    told = re.findall(r"^\| `htp.*?\b(\w+)=", part, re.MULTILINE)
    source = "".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "htp").rglob("*.py")))
    warned = re.findall(r'"(?:htp\.)?(\w+)[^"]* is deprecated', source)
    assert sorted(told) == sorted(warned)
    assert warned


@pytest.mark.parametrize("status", ["0", "1", "2", "3"])
def test_each_exit_status_has_a_line(status):
    assert re.search(rf"^\| {status} \| \w+", TEXT, re.MULTILINE)
