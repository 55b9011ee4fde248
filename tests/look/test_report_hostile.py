"""A report of a model that means harm: nothing of it runs, whatever its names are."""

import json
import re

import pytest
from playwright.sync_api import expect
from reporting.shown import hostile, results

import htp
from htp.reporting import page as paging

pytestmark = pytest.mark.look

RUN = "window.ran = 1"
NAMES = [
    f"</script><script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>",
    f"<svg onload='{RUN}'><style>*{{display:none}}</style></svg>",
    f"javascript:{RUN.replace(' ', '')}",
    '"\'><iframe srcdoc="<script>parent.ran=1</script>">',
    f"<!--<script>{RUN}",
    "<a href='javascript:ran=1'>press</a><form action='//evil.invalid'><button>b</button></form>",
    "<base href='//evil.invalid/'><meta http-equiv=refresh content='0;url=//evil.invalid'>",
    "{{DATA}}{{SCRIPTS}}${ran=1}<%= 1 %>",
    "\u202egnp.exe\u2066\u2069",
    "a\0b\x1b]0;title\x07\x1b[31m\u2028\u2029\r\n",
    *("__proto__", "constructor", "toString", "hasOwnProperty", "NaN", "-1", "0"),
    "x" * 10**6,
]

WATCH = """
window.broken = [];
addEventListener("securitypolicyviolation", (event) => broken.push(event.violatedDirective));
addEventListener("error", (event) => broken.push(String(event.message)));
"""


@pytest.fixture
def opened(open_page, watch, tmp_path):
    """The page of a hostile model, with hostile results, in a file that is called so, too."""

    def opening():
        path = tmp_path / "report.html"
        paths = [*NAMES, f"{NAMES[0]}.{NAMES[0]}"]
        told = [each for name in NAMES[:3] for each in results(paths, name)]
        name = NAMES[1].replace("/", "")
        htp.report(hostile(NAMES), path, name=name, results=told)
        watch.allow(path.as_uri())
        page = open_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(WATCH)
        page.goto(path.as_uri())
        return page

    return opening


def looked_through(page):
    """Go everywhere in the page, and look what ran."""
    page.locator(".tree .row[aria-level]").first.wait_for()
    page.get_by_role("button", name="Unfold all").click()
    for tab in page.get_by_role("tab").all():
        tab.click()
        page.evaluate("document.querySelectorAll('.summary details').forEach((d) => (d.open = 1))")
    page.locator(".tree").focus()
    for key in ("Home", *["ArrowDown"] * 45):
        page.keyboard.press(key)
        page.evaluate("document.querySelectorAll('.panel details').forEach((d) => (d.open = true))")
    for name in (NAMES[1], "__proto__", "constructor", "*"):
        page.get_by_label("Search", exact=True).fill(name)
        expect(page.locator("#hits")).not_to_be_empty()
        page.keyboard.press("Enter")
    page.get_by_role("button", name="About").click()
    page.keyboard.press("Escape")


def told(page):
    """What ran or was tried: the canary, broken rules, and elements that names brought in."""
    strange = "script:not([type]), img, iframe, svg, form, base, meta[http-equiv=refresh], a"
    count = page.evaluate(f"document.querySelectorAll('{strange}').length")
    ran = page.evaluate("window.ran === undefined ? [] : ['ran']")
    scripts = len(paging.libraries()) + 1
    return [*ran, *page.evaluate("broken"), *["elements"] * (count != scripts)]


def test_nothing_runs(opened, picture):
    page = opened()
    looked_through(page)
    assert told(page) == []
    assert page.evaluate("({}).ran === undefined && Object.prototype.toString !== 'x'")
    assert re.fullmatch(r"file://.*/report\.html(#.*)?", page.url)
    picture(page, "report-hostile")


def test_names_are_shown_as_they_are(opened):
    page = opened()
    page.get_by_role("button", name="Unfold all").click()
    drawn = page.locator(".body .row .name bdi").all_inner_texts()
    for name in NAMES[:9]:
        assert name in drawn, name
    assert "\\u202egnp.exe\\u2066\\u2069" in drawn
    text = page.evaluate("document.documentElement.innerText")
    assert not set("\u202e\u2066\u2069\x1b\0") & set(text)


def as_it_is(document):
    """JSON without the spelling of what ends a script."""
    return json.dumps(document)


def without_policy(monkeypatch):
    read = paging._asset

    def loose(name):
        text = read(name)
        return re.sub("<meta http-equiv.*?>", "", text) if name == "page.html" else text

    monkeypatch.setattr(paging, "_asset", loose)


def test_without_escaping_the_policy_stops_it_and_the_test_sees_it(opened, watch, monkeypatch):
    monkeypatch.setattr(paging, "inert", as_it_is)
    watch.tolerate("")
    page = opened()
    page.wait_for_timeout(200)
    found = told(page)
    assert "ran" not in found
    assert any(each.startswith("script-src") for each in found)
    assert "elements" in found
    with pytest.raises(AssertionError):
        assert found == []


def test_without_escaping_and_policy_it_runs_and_the_test_sees_it(opened, watch, monkeypatch):
    monkeypatch.setattr(paging, "inert", as_it_is)
    without_policy(monkeypatch)
    watch.tolerate("")
    page = opened()
    page.wait_for_timeout(200)
    assert "ran" in told(page)
    watch.found.clear()


@pytest.mark.parametrize(
    "sink",
    [
        "element.innerHTML = '<img src=x onerror=window.ran=1>'",
        "element.setAttribute('onclick', 'window.ran = 1')",
        "document.write('<script>window.ran = 1</script>')",
    ],
)
def test_even_the_script_cannot_make_markup_of_a_text(opened, watch, sink):
    page = opened()
    page.locator(".tree .row[aria-level]").first.wait_for()
    watch.tolerate("")
    asked = f"const element = document.getElementById('app'); try {{ {sink}; }} catch (error) {{"
    assert page.evaluate(f"() => {{ {asked} return error.name; }} }}") == "TypeError"
    assert page.evaluate("window.ran === undefined")
