"""Every snippet and every command on a page is run by a test, or is listed here with the reason."""

import re

import pytest
from page import ROOT, blocks_of

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TESTS = {
    path: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "tests").rglob("test_*.py"))
    if path.name not in ("test_links.py", "test_snippets.py")
}
RUNS = {
    "python": re.compile(r"\bexec\(|\brun_page\("),
    "htp": re.compile(r"\bmain\(|\bcalled\(|\brun\(|\brun_page\("),
}
"""What a test that runs a page's snippets, or its commands, has in it."""

PROGRAMS = "python3?|pip|uv|nox|git|trtexec|bash|cd|export|npm"
OTHERS = re.compile(rf"^(?:\$ )?((?:{PROGRAMS}) .*)$", re.MULTILINE)
"""Commands that are not HTP's."""

NOT_RUN = {
    ("docs/*.md", "python3 -m pip install"): "an installation; tests/test_packaging.py does it",
    ("README.md", "python3 -m pip install"): "likewise",
    ("CONTRIBUTING.md", "python3 -m pip install"): "likewise",
    ("CONTRIBUTING.md", "nox"): "sessions; that they are there is tested here",
    (
        "CONTRIBUTING.md",
        "class MyBackend",
    ): "the class in outline; examples/ has it whole, and runs",
    ("CONTRIBUTING.md", "python tools/tour.py"): "tests/test_tour.py runs what it writes",
    ("docs/viewers.md", "pip install"): "an installation; the look session does it",
    ("docs/recipes.md", "trtexec"): "it needs a GPU",
    ("docs/tagging.md", "htp run -- yolo"): "of another library: docs/libraries.md has the run",
    ("README.md", "htp run -- "): "likewise",
}
"""By page and beginning."""

SITE = {"{toctree}", "{eval-rst}"}
"""What the site's generator runs."""


def listed(name, text):
    """The reason why something is not run, or None."""
    for (page, start), reason in NOT_RUN.items():
        if re.fullmatch(page.replace("*", r"\w+"), name) and text.startswith(start):
            return reason
    return None


def kinds_of(name, text):
    """What a page has to be run, and what nothing can run."""
    kinds, strange = set(), []
    for block in blocks_of(text):
        if block.kind == "python":
            kinds.add("python")
        elif block.kind not in ("console", "indented") and block.kind not in SITE:
            strange.append(block.kind)
        for line, _ in block.commands:
            if line.startswith("htp ") and not listed(name, line):
                kinds.add("htp")
        if block.kind != "python":
            ours = [line for line, _ in block.commands if line.startswith("python ")]
            strange += [
                line
                for line in OTHERS.findall(block.text)
                if not listed(name, line) and line not in ours
            ]
            kinds |= {"htp"} if ours else set()
    return kinds, strange


def those_that_name(name, tests):
    """The tests that name a page."""
    return [text for text in tests.values() if re.search(rf"\b{re.escape(name)}\b", text)]


def faults(name, text, tests):
    """What of a page no test runs."""
    kinds, strange = kinds_of(name, text)
    found = those_that_name(name, tests)
    return [*strange, *(kind for kind in kinds if not any(RUNS[kind].search(t) for t in found))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_page_shows_is_run(path):
    name = path.relative_to(ROOT).as_posix()
    assert faults(name, path.read_text(encoding="utf-8"), TESTS) == []


def test_the_check_finds_what_is_not_run():
    runs = {"test_a.py": "docs/new.md exec(x) run_page(", "test_b.py": "docs/other.md only reads"}
    shown = "```python\nx = 1\n```\n\n    htp tree a.onnx\n"
    assert faults("docs/new.md", shown, runs) == []
    assert sorted(faults("docs/other.md", shown, runs)) == ["htp", "python"]
    assert sorted(faults("docs/none.md", shown, runs)) == ["htp", "python"]
    assert faults("docs/new.md", "```bash\nls\n```\n", runs) == ["bash"]
    assert faults("docs/new.md", "\n\n    trtexec --onnx=a\n", runs) == ["trtexec --onnx=a"]
    assert faults("docs/recipes.md", "\n\n    trtexec --onnx=a\n", runs) == []


@pytest.mark.parametrize("row", NOT_RUN, ids=" ".join)
def test_what_is_listed_is_there(row):
    page, start = row
    texts = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob(page))]
    blocks = [block for text in texts for block in blocks_of(text)]
    lines = [re.sub(r"^\$ ", "", line) for block in blocks for line in block.text.splitlines()]
    assert any(line.startswith(start) for line in lines)


def test_the_sessions_that_pages_name_are_there():
    source = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    functions = re.findall(r"^def (\w+)\(session", source, re.MULTILINE)
    known = {name.replace("_", "-") for name in functions}
    known |= set(re.findall(r'name=f?"([\w-]+?)(?:-torch\{|-\{|")', source))
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    named = re.findall(r"\bnox (?:-r )?-s ((?:[a-z][\w.-]*(?: (?=[a-z])|\b))+)", text)
    words = {re.sub(r"(-NAME)?-torch(X\.Y|[\d.]+)$", "", w) for each in named for w in each.split()}
    assert {"tests", "lint", "docs", "accuracy"} <= words
    assert words <= known
