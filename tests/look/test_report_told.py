"""What the report draws of a module in Chromium: its cost, how owners are known, its part."""

from urllib.parse import unquote, urlsplit

import onnx
import pytest
from literal import model, node, value
from playwright.sync_api import expect
from reporting.shown import hostile, results, small

import htp

pytestmark = pytest.mark.look


@pytest.fixture
def with_parts(opened, tmp_path):
    """``with_parts(model, "encoder.*")``: the page, which links the parts that are cut out."""
    return lambda made, *cut: opened(made, extract=cut, parts=tmp_path / "parts")


def choose(page, path):
    page.goto(page.url.partition("#")[0] + f"#{path}")
    expect(page.locator("h2").first).to_have_text(path.rpartition(".")[2])


def card(page, title):
    found = page.locator(".card").filter(has=page.get_by_text(title, exact=True))
    return found.inner_text().split("\n")


def row(page, name):
    """What the columns say of the first module of a name: the text of each cell by its heading."""
    headings = [each.inner_text() for each in page.get_by_role("columnheader").all()]
    cells = page.locator(".body .row", has_text=name).first.get_by_role("gridcell").all()
    return dict(zip(headings, [each.inner_text() for each in cells]))


# the link of a part


def test_the_part_is_there_behind_its_link(with_parts, watch, tmp_path):
    page = with_parts(small(), "encoder.*.query")
    choose(page, "encoder.1.query")
    link = page.get_by_role("link", name="The part as a file")
    address = link.evaluate("element => element.href")
    part = tmp_path / "parts" / "0002-encoder.1.query.onnx"
    assert unquote(urlsplit(address).path) == str(part)
    size = f"{part.stat().st_size / 1000:.2f} kB"
    expect(link.locator("xpath=..")).to_have_text(f"The part as a file {size}")
    watch.allow(part.as_uri())
    with page.expect_download() as download:
        link.click()
    fetched = tmp_path / "fetched.onnx"
    download.value.save_as(fetched)
    assert onnx.load(fetched) == onnx.load(part)
    choose(page, "head")
    expect(page.get_by_role("link")).to_have_count(0)


def test_of_each_call_it_is_told(with_parts):
    """Nothing reads what the first call computes."""
    page = with_parts(small(), "encoder.0.norm@0", "encoder.0.norm@1")
    choose(page, "encoder.0.norm")
    panel = page.locator(".panel")
    assert panel.get_by_role("link").all_inner_texts() == ["The part as a file (call 1)"]
    why = "It could not be cut out: 'encoder.0.norm' cannot be cut out: nothing reads"
    expect(panel.locator(".remark", has_text=why)).to_have_count(1)


def test_why_there_is_no_part_is_told(with_parts):
    calls = [["", "m.Net", 0, 0], ["drop", "m.Dropout", 0, 1]]
    made = model([node("Relu", "x", "y", "r", "")], [value("x", 1)], [value("y", 1)], calls=calls)
    page = with_parts(made, "drop")
    choose(page, "drop")
    expect(page.locator(".panel")).to_contain_text("It could not be cut out: ")
    expect(page.get_by_role("link")).to_have_count(0)


def test_a_hostile_name_chooses_no_address(with_parts, tmp_path):
    names = [
        "../../evil",
        "javascript:window.ran=1",
        "//evil.invalid/x",
        "a'b",
        "</a><b>",
        "\u202e",
    ]
    page = with_parts(hostile(names), "*")
    page.locator(".tree").focus()
    seen = set()
    for key in ["Home", *["ArrowDown"] * 40]:
        page.keyboard.press(key)
        seen |= set(page.locator("a").evaluate_all("all => all.map((each) => each.href)"))
    written = {each.as_uri() for each in (tmp_path / "parts").iterdir()}
    assert seen
    assert seen <= written
    assert page.evaluate("window.ran === undefined")


# cost, provenance, evidence


def test_cost_is_drawn(opened):
    """A product of 2 by 4 with 4 by 4 is 32 multiply-accumulates; the weight has 16 elements."""
    page = opened(small(), shapes={"batch": 2})
    told = row(page, "query")
    assert (told["MACs"], told["parameters"], told["bytes"]) == ("32", "16", "64 B")
    assert card(page, "MACs") == ["MACs", "64", "with batch = 2"]
    assert card(page, "Parameters") == ["Parameters", "36", "144 B of weights"]


def test_what_is_not_known_of_the_cost_is_told(opened):
    page = opened(small())
    assert row(page, "query")["MACs"] == "unknown"
    assert card(page, "MACs") == ["MACs", "unknown", "not known of 2 nodes; --shape may tell"]


def test_how_owners_are_known_is_drawn(opened):
    page = opened(small())
    assert card(page, "Nodes") == ["Nodes", "11", "9 captured, 1 propagated, 1 unknown"]
    assert row(page, "head")["provenance"] == "propagated"
    assert row(page, "(unknown owner)")["provenance"] == "unknown"
    choose(page, "head")
    node_ = page.locator(".panel .node")
    node_.locator("summary").click()
    expect(node_.locator(".chip")).to_have_text("propagated")


def test_how_tags_were_carried_is_drawn(opened):
    made = small()
    made.graph.node[1].name = "renamed"
    del made.graph.node[1].metadata_props[:]
    carried = htp.carry(htp.load(small()), made)
    page = opened(carried)
    told = [f"{count} by {kind.value}" for kind, count in carried.carried.evidence.items()]
    assert len(told) > 1
    assert card(page, "Nodes")[-1] == f"carried: {', '.join(told)}"
    found = next(each for each in carried.carried.nodes if each.name == "renamed")
    assert found.tag.evidence.value != "kept"
    choose(page, "encoder.0.query")
    node_ = page.locator(".panel .node", has_text="renamed")
    node_.locator("summary").click()
    expect(node_).to_contain_text(f"matched by{found.tag.evidence.value}")


def wider(page, selector):
    """The texts of elements that are wider than the room that they have."""
    over = "all => all.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.innerText)"
    return page.locator(selector).evaluate_all(over)


CARDS = ".card, .card-more, .card-more *"


def mixed():
    """A model whose owners are known in every way."""
    made = small()
    for number, how in ((3, "inferred"), (4, "inferred"), (6, "propagated")):
        for prop in made.graph.node[number].metadata_props:
            if prop.key == "pkg.htp.provenance":
                prop.value = how
    return made


def test_no_word_is_covered(opened):
    page = opened(mixed(), results=results(["encoder.0", "encoder.1.query"]))
    assert card(page, "Nodes")[2] == "6 captured, 2 propagated, 2 inferred, 1 unknown"
    assert wider(page, CARDS) == []
    assert wider(page, ".tree, .body .coverage .words") == []


def test_a_word_that_is_covered_is_seen(opened):
    page = opened(mixed())
    page.evaluate("document.querySelector('.card').style.width = '90px'")
    page.evaluate("document.querySelector('.card-more .words').style.whiteSpace = 'nowrap'")
    assert wider(page, CARDS) != []


def test_each_provenance_has_a_pattern(opened):
    page = opened(mixed())
    drawn = page.locator(".card .stack i").evaluate_all(
        "all => all.map((each) => getComputedStyle(each).backgroundImage.replace(/rgb.*?\\)/g, ''))"
    )
    assert len(drawn) == len(set(drawn)) == 4
