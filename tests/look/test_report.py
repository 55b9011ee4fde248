"""The report in Chromium: the tree, the keyboard, search, results, small screens and paper."""

import json
from importlib import resources

import pytest
from literal import model, node, value
from playwright.sync_api import expect
from reporting.shown import results, small, told, wide

import htp
from htp.pattern import Pattern

pytestmark = pytest.mark.look

TIMES = "\N{MULTIPLICATION SIGN}"
PATHS = ["encoder.0.query", "encoder.0", "encoder.1"]


def names(page):
    """The names of the rows that are drawn, each set in by its level."""
    rows = page.locator(".body .row")
    return [
        "  " * (int(row.get_attribute("aria-level")) - 1) + row.locator("bdi").first.inner_text()
        for row in rows.all()
    ]


def chosen(page):
    return page.locator('.body .row[aria-selected="true"] .name bdi').inner_text()


# the tree


def test_the_tree_is_drawn(opened):
    page = opened(small())
    assert page.title() == "small.onnx - HTP"
    assert names(page) == [
        *("(root)", "  encoder", "    0", "      norm", "      query", "    1"),
        *("      norm", "      query", "  head", "(unknown owner)"),
    ]
    row = page.locator(".body .row", has_text="norm").first
    assert f"{TIMES}2" in row.inner_text()
    assert row.get_attribute("aria-level") == "4"
    assert (row.get_attribute("aria-posinset"), row.get_attribute("aria-setsize")) == ("1", "2")
    tree = page.get_by_role("treegrid")
    assert tree.get_attribute("aria-rowcount") == "11"
    assert tree.get_attribute("aria-activedescendant") == "row-0"


def test_it_folds_by_the_mouse(opened):
    page = opened(small())
    page.locator(".body .row", has_text="encoder").locator(".twisty").click()
    assert names(page) == ["(root)", "  encoder", "  head", "(unknown owner)"]
    page.get_by_role("button", name="Unfold all").click()
    assert len(names(page)) == 10
    page.get_by_role("button", name="Fold", exact=True).click()
    assert names(page) == ["(root)", "  encoder", "  head", "(unknown owner)"]


def test_the_keyboard_goes_everywhere(opened):
    page = opened(small())
    page.locator(".tree").focus()
    for key, wanted in (
        ("ArrowDown", "encoder"),
        ("ArrowRight", "0"),
        ("ArrowRight", "norm"),
        ("ArrowDown", "query"),
        ("ArrowRight", "query"),
        ("ArrowLeft", "0"),
        ("End", "(unknown owner)"),
        ("ArrowUp", "head"),
        ("Home", "(root)"),
        ("PageDown", "(unknown owner)"),
        ("PageUp", "(root)"),
        ("h", "head"),
        ("ArrowLeft", "(root)"),
    ):
        page.keyboard.press(key)
        assert chosen(page) == wanted, key
    page.keyboard.press("ArrowLeft")
    assert names(page) == ["(root)", "(unknown owner)"]
    page.keyboard.press("Space")
    page.keyboard.press("*")
    assert len(names(page)) == 10
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.className").startswith("panel")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "tree"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("/")
    assert page.locator("#search").input_value() == "/"


def test_typing_ahead_takes_several_letters(opened):
    page = opened(small())
    page.locator(".tree").focus()
    page.keyboard.type("que")
    assert chosen(page) == "query"


def test_columns_can_be_sorted_and_left_out(opened):
    page = opened(small())
    heading = page.get_by_role("columnheader", name="nodes")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert names(page)[1] == "  head"
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") is None
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("nodes").uncheck()
    expect(heading).to_have_count(0)


def test_the_address_names_a_module(opened, tmp_path):
    page = opened(small())
    page.goto((tmp_path / "report.html").as_uri() + "#encoder.1.query")
    expect(page.locator("h2").first).to_have_text("query")
    page.goto((tmp_path / "report.html").as_uri() + "#%zz")
    expect(page.locator("h2").first).to_have_text("query")


# the panel


def test_the_panel_tells_of_the_module(opened):
    page = opened(small())
    page.locator(".body .row", has_text="query").last.click()
    panel = page.locator(".panel")
    text = panel.inner_text()
    for wanted in ("m.Linear", "encoder.1.query", "MatMul", "mm_1", "w1", "encoder.1.query.weight"):
        assert wanted in text, wanted
    assert "float32[4, 4] · 64 B" in text
    assert "htp extract small.onnx -o encoder.1.query.onnx encoder.1.query" in text
    assert "netron" in text
    panel.locator(".node summary").click()
    expect(panel.locator(".node")).to_contain_text("float32[batch, 4]")
    panel.get_by_role("button", name="encoder", exact=True).click()
    expect(page.locator("h2").first).to_have_text("encoder")
    assert "No node is this module's own" in panel.inner_text()
    panel.get_by_label("with those of all modules below").check()
    expect(panel.locator(".node")).to_have_count(8)


def test_calls_have_their_own_borders(opened):
    page = opened(small())
    page.locator(".body .row", has_text="norm").first.click()
    panel = page.locator(".panel")
    assert "x" in panel.locator(".value").first.inner_text()
    panel.get_by_role("button", name="call 1").click()
    expect(panel.locator(".value").first).to_contain_text("q0")
    expect(panel.locator(".command").last).to_contain_text("--call 1")


def test_the_border_says_what_has_no_name(opened):
    page = opened(told())
    page.locator(".body .row", has_text="encoder").click()
    values = [each.inner_text().split() for each in page.locator(".value").all()]
    assert values[0][:2] == ["0", "x"]
    assert values[1] == ["mask", *["computed", "by", "the", "exporter"]]


def test_nodes_that_stand_for_others_are_told_at_both(opened):
    page = opened(small())
    page.locator(".body .row", has_text="1").nth(0).click()
    page.goto(page.url.partition("#")[0] + "#encoder.1")
    panel = page.locator(".panel")
    expect(panel).to_contain_text("Owned elsewhere, and stands for it, too")
    panel.locator(".node", has_text="fused").locator("summary").click()
    expect(panel.locator(".node", has_text="fused")).to_contain_text("fused with")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a b", "htp extract small.onnx -o a_b.onnx 'a b'"),
        ("it's", "htp extract small.onnx -o it_s.onnx 'it'\\''s'"),
        ("-x", "htp extract small.onnx -o x.onnx -- -x"),
        ("$(id)", "htp extract small.onnx -o id_.onnx '$(id)'"),
        ("a\nb", None),
        ("a\u202eb", None),
        ("y" * 400, None),
    ],
)
def test_a_command_is_safe_to_paste(opened, path, wanted):
    made = model([node("Relu", "x", "y", "n", "")], [value("x", 1)], [value("y", 1)])
    made.graph.node[0].metadata_props[0].value = json.dumps([["", "m.Net", 0], [path, "m", 0]])
    page = opened(made)
    page.locator(".body .row").nth(1).click()
    if wanted is None:
        assert "htp extract" not in page.locator(".panel").inner_text()
    else:
        assert wanted in page.locator(".panel").inner_text().split("\n")


# search


@pytest.mark.parametrize(
    "pattern",
    [
        *("encoder.1", "encoder.*", "*.query", "encoder.?.norm", "*norm@1", "encoder.0.norm@1"),
        *("*.[0]", "*.[!0]", "*.[0-9].q*", "*", "**e*r*", "[", "encoder.[]0].*", "nothing"),
    ],
)
def test_patterns_name_what_they_name_everywhere(opened, pattern):
    page = opened(small())
    page.get_by_label("Where to look").select_option("path")
    page.get_by_label("Search", exact=True).fill(pattern)
    asked = Pattern(pattern)
    tree = htp.load(small()).tree()
    named = {branch.call.path: asked.names(branch.call) for branch in tree.walk()}
    for branch in tree.walk():
        named[branch.call.path] = max(named[branch.call.path], asked.names(branch.call))
    best = max(named.values())
    wanted = sorted(path or "(root)" for path, how in named.items() if how == best and best)
    if not wanted:  # then a word is looked for anywhere
        wanted = sorted(path for path in named if pattern in path and path)
    expect(page.locator("#hits")).to_have_text(
        f"{len(wanted)} module{'s' * (len(wanted) != 1)}" if wanted else "nothing found"
    )
    found = [each.get_attribute("title") for each in page.locator(".name .hit").all()]
    assert sorted(found) == wanted


@pytest.mark.parametrize(
    ("typed", "hits"),
    [
        ("matmul", "2 nodes"),
        ("Mat*", "2 nodes"),
        ("op:Add", "2 nodes"),
        ("class:Linear", "3 modules"),
        ("class:m.Linear", "3 modules"),
        ("value:e1", "1 node"),
        ("value:x", "3 nodes"),
        ("node:lost", "1 node"),
        ("param:*.query.weight", "2 parameters"),
        ("__proto__", "nothing found"),
    ],
)
def test_everything_is_found(opened, typed, hits):
    page = opened(small())
    page.get_by_label("Search", exact=True).fill(typed)
    expect(page.locator("#hits")).to_have_text(hits)
    if "nothing" in hits:
        page.get_by_role("button", name="Show all modules").click()
        assert len(names(page)) == 10


def test_enter_goes_from_hit_to_hit(opened):
    page = opened(small())
    page.keyboard.press("/")
    page.keyboard.type("op:MatMul")
    expect(page.locator("#hits")).to_have_text("2 nodes")
    chosen = page.locator('.body .row[aria-selected="true"] bdi').first
    for key, at in (("Enter", 0), ("Enter", 1), ("Enter", 0), ("Shift+Enter", 1)):
        page.keyboard.press(key)
        expect(chosen).to_have_attribute("title", f"encoder.{at}.query")
    page.keyboard.press("Escape")
    expect(page.locator("#hits")).to_have_text("")


# results


def test_results_have_tabs(opened):
    page = opened(small(), results=results(PATHS, "why"))
    tabs = [tab.inner_text() for tab in page.get_by_role("tab").all()]
    assert tabs == [
        *("Modules", "Profile", "Verification", "Diff", "Sensitivity", "Overflow", "Bisection"),
        "Carried",
    ]
    page.get_by_role("tab", name="Modules").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Profile")).to_have_attribute("aria-selected", "true")
    assert "50.0 %" in page.locator(".body .row", has_text="query").first.inner_text()
    page.get_by_role("tab", name="Verification").click()
    assert chosen(page) == "0"
    assert "arises here" in page.locator(".panel").inner_text()
    page.get_by_role("button", name="Next (1 of 2)").click()
    assert chosen(page) == "query"
    page.get_by_role("button", name="Fold", exact=True).click()
    expect(page.locator(".body .row", has_text="encoder")).to_contain_text("2 below")
    page.get_by_role("tab", name="Diff").click()
    page.get_by_text("2 rows of no module in this file").click()
    expect(page.locator(".summary")).to_contain_text("(unknown owner)")


def test_a_card_opens_its_tab(opened):
    page = opened(small(), results=results(PATHS)[:2])
    page.locator(".card", has_text="Verification").click()
    expect(page.get_by_role("tab", name="Verification")).to_have_attribute("aria-selected", "true")


# how it looks


def axe(page):
    """What axe-core finds wrong."""
    source = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page.evaluate(f"{source};0")
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{each['id']}: {node_['html']}" for each in found for node_ in each["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (360, 740)])
def test_people_with_other_senses_can_use_it(opened, scheme, size):
    page = opened(small(), size, scheme, results=results(PATHS, "why"))
    assert axe(page) == []
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert axe(page) == [], tab.inner_text()
    if size[0] > 1000:
        page.get_by_label("Search", exact=True).fill("nothing at all")
        page.get_by_text("Nothing is called so.").wait_for()
        assert axe(page) == []
    page.get_by_role("button", name="About").click()
    assert axe(page) == []


def test_what_axe_finds_is_found(opened):
    page = opened(small())
    page.evaluate("document.querySelector('.made').style.color = '#ddd'")
    assert [each for each in axe(page) if each.startswith("color-contrast")]


def test_colours_can_be_chosen(opened):
    page = opened(small(), scheme="dark")
    paper = "getComputedStyle(document.querySelector('.left')).backgroundColor"
    assert page.evaluate(paper) == "rgb(20, 23, 28)"
    page.get_by_role("button", name="Colours: auto").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Colours: light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(paper) == "rgb(20, 23, 28)"


def test_a_small_screen(opened, picture):
    page = opened(small(), (360, 740), results=results(PATHS)[:1])
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.locator(".panel")).not_to_be_visible()
    page.locator(".body .row", has_text="query").first.click()
    expect(page.locator(".panel")).to_be_visible()
    box = page.locator(".panel").bounding_box()
    assert round(box["width"]) == 360
    picture(page, "report-narrow")
    page.get_by_role("button", name="Back to the tree").click()
    expect(page.locator(".panel")).not_to_be_visible()


def test_on_paper_all_rows_are_there(opened):
    page = opened(wide(2000))
    page.get_by_role("button", name="Unfold all").click()
    assert page.locator(".body .row").count() < 100
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator(".body .row")).to_have_count(753)
    assert page.locator(".body .row").nth(600).is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    page.locator(".body .row").nth(200).wait_for(state="detached")


def test_nothing_moves_for_who_wants_none(opened):
    still = opened(small(), before=lambda page: page.emulate_media(reduced_motion="reduce"))
    moving = "getComputedStyle(document.querySelector('.panel')).transitionDuration"
    assert still.evaluate(moving) == "0s"


def test_a_model_of_10000_nodes_stays_light(opened, tmp_path):
    page = opened(wide(10000))
    assert (tmp_path / "report.html").stat().st_size < 5e6
    assert page.evaluate("document.querySelectorAll('*').length") < 1000
    page.get_by_role("button", name="Unfold all").click()
    expect(page.locator(".tree")).to_have_attribute("aria-rowcount", "3754")
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    page.locator(".tree").focus()
    page.keyboard.press("End")
    assert chosen(page) == "3"
    expect(page.locator("h2").first).to_be_visible()


def test_a_file_without_modules_says_so(opened):
    made = model([node("Relu", "x", "y", "relu", None)], [value("x", 1)], [value("y", 1)])
    page = opened(made)
    page.locator(".body .row").last.click()
    assert "Nothing is known of where these nodes come from" in page.locator(".panel").inner_text()


def test_without_its_script_the_page_says_so(browser, tmp_path):
    path = tmp_path / "report.html"
    htp.report(small(), path)
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        assert "has not run" in page.inner_text("body")
