"""Every relative link of every page leads to a file of the repository, and to a heading in it."""

import re

import pytest
from page import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_CODE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1 *$|^(?: {4}.*\n)+|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def links_of(text):
    """Where a page leads to, but for what stands in code."""
    return _LINK.findall(_CODE.sub("`code`", text))


def headings_of(text):
    """The names that headings have as anchors, as repository browsers make them."""
    plain = re.sub(r"^(`{3,})[^\n]*\n.*?^\1 *$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = []
    for title in re.findall(r"^#{1,6} +(.*?) *$", plain, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return found


def faults(path, text):
    """The links of a page that lead nowhere."""
    found = []
    for link in links_of(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if ROOT not in target.parents or not target.exists():
            found.append(link)
        elif anchor:
            there = target.read_text(encoding="utf-8") if name else text
            found += [] if anchor in headings_of(there) else [link]
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(path):
    assert faults(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](use.md) and [b](use.md#boundary)", []),
        ("[a](../README.md), [b](https://example.org/x.md) and `[c](none.md)`", []),
        ("[a](none.md)", ["none.md"]),
        ("[a](use.md#nowhere)", ["use.md#nowhere"]),
        ("[`x` [y]](none.md)", ["none.md"]),
        ("![p](none.svg)\n\n    [a](code.md)\n", ["none.svg"]),
        ("[a](../../outside.md)", ["../../outside.md"]),
        ("# A title\n\n[a](#a-title) [b](#another)", ["#another"]),
    ],
)
def test_a_link_that_leads_nowhere_is_told(text, wrong):
    assert faults(ROOT / "docs" / "use.md", text) == wrong


def test_every_page_of_docs_can_be_reached_from_the_first():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    patterns = re.findall(r"^[a-z]+\*$", index, re.MULTILINE)  # pages that came later
    found = [path for pattern in patterns for path in (ROOT / "docs").glob(f"{pattern}.md")]
    seen, pending = set(), [ROOT / "docs" / "index.md", *found]
    while pending:
        path = pending.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        names = [link.partition("#")[0] for link in links_of(path.read_text(encoding="utf-8"))]
        pending += [(path.parent / n).resolve() for n in names if n and not re.match(r"[a-z]+:", n)]
    own = [path for path in PAGES if path.parent == ROOT / "docs"]
    assert [path.name for path in own if path not in seen] == []
