"""What results show in a notebook: short lines, HTML that is safe and bounded. Needs no torch."""

import re

import pytest
from literal import ROOT, model, node
from showing.reading import Page
from showing.results import HOSTILE, results, row, verification

import htp
from htp.comparing.diff import Diff
from htp.exported import Exported, Exports
from htp.file.garbage import no_search
from htp.proving.verification import Verification
from htp.scope import Coverage
from htp.showing.sheet import Column, Sheet
from htp.showing.table import html
from htp.showing.text import brief, count

SMALL = results(["a", "b.c"])


@pytest.mark.parametrize("name", SMALL)
def test_a_repr_is_one_short_line(name):
    assert re.fullmatch(r"<\w+[ :].{10,150}>", repr(SMALL[name]))


@pytest.mark.parametrize("name", SMALL)
def test_html_holds_what_a_notebook_shows(name):
    page = Page(SMALL[name]._repr_html_())
    assert len(page.rows) >= 2
    assert page.texts[0] in {"TaggedModel", "ModuleTree", type(SMALL[name]).__name__}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:24])
def test_hostile_names_are_texts(text):
    for name, result in results([f"a{text}", text]).items():
        written = result._repr_html_()
        Page(written)
        assert len(written) < 25_000, name
        said = repr(result)
        assert len(said) < 400
        assert said.isprintable()


def test_a_name_is_shown_character_for_character():
    name = "<b>&\"'a  b"
    for result in results([name, "a"]).values():
        assert any(name in text for text in Page(result._repr_html_()).texts)


@pytest.mark.parametrize(
    ("of", "count"), [(lambda tagged: tagged, 100_000), (htp.TaggedModel.cost, 10_000)]
)
def test_many_modules_stay_bounded(of, count):
    calls = [[*ROOT, 0], *([f"layer.{at}", "m.Layer", 0, 1] for at in range(count))]
    result = of(htp.load(model([node("Relu", "x", "y", "n", "")], calls=calls)))
    with no_search():
        written = result._repr_html_()
        assert len(written) < 100_000
        assert f"{count - 249} of {count + 1} rows are not drawn" in written
        assert "to_pandas() has all" in written
        assert len(Page(written).rows) < 300
        assert len(repr(result)) < 200


def test_a_deep_tree_stays_bounded():
    paths = [".".join("a" * depth) for depth in range(1, 900)]
    calls = [[*ROOT, 0], *([path, "m.A", 0, at + 1] for at, path in enumerate(paths))]
    tagged = htp.load(model([node("Relu", "x", "y", "n", "")], calls=calls))
    for result in (tagged, tagged.cost()):
        page = Page(result._repr_html_())
        assert 40 <= len(page.rows) < 50
        assert any("859 of 900 rows are not drawn" in text for text in page.texts)


def test_a_tree_is_folded_below_its_second_level():
    paths = ["a", "a.b", "a.b.c", "a.b.c.d"]
    calls = [[*ROOT, 0], *([path, "m.A", 0, at + 1] for at, path in enumerate(paths))]
    tagged = htp.load(model([node("Relu", "x", "y", "n", "a.b.c.d")], calls=calls))
    written = tagged._repr_html_()
    page = Page(written)
    assert page.folded == 2
    assert written.count("<details open>") == 2
    assert written.count("<details>") == 2
    assert [text.split()[0] for text in page.rows[1:]] == ["(root)", "a", "b", "c", "d"]


def test_calls_of_one_module_are_one_line():
    calls = [[*ROOT, 0], ["norm", "m.Part", 0, 1], ["norm", "m.Part", 1, 1]]
    tagged = htp.load(model([node("Relu", "x", "y", "n", "norm")], calls=calls))
    assert any("norm \N{MULTIPLICATION SIGN}2" in text for text in Page(tagged._repr_html_()).texts)
    assert len(Page(tagged.cost()._repr_html_()).rows) == 4  # what each costs


def test_a_row_of_a_cost_stands_below_its_own_parent():
    """The origin has no calls: they are known by the nodes alone, in their order."""
    nodes = [
        node("Relu", "x", "a", "1", "left.in"),
        node("Relu", "a", "b", "2", "right"),
        node("Relu", "b", "y", "3", "left.out"),
    ]
    written = htp.load(model(nodes))._repr_html_(), htp.load(model(nodes)).cost()._repr_html_()
    for html_of in written:
        rows = [text.split()[0] for text in Page(html_of).rows[1:]]
        assert rows == ["(root)", "left", "in", "out", "right"]


def test_what_is_wrong_stands_out_and_the_rest_is_folded():
    found = verification([f"m{at}" for at in range(30)], wrong=3)
    page, written = Page(found._repr_html_()), found._repr_html_()
    assert written.count('<tr class="strong">') == 1
    assert written.count('<tr class="weak">') == 2
    assert "27 more rows" in page.texts
    assert page.folded == 28  # and the heading above them
    assert "30 calls could not be judged:" in page.texts
    assert repr(found) == (
        "<Verification: an error first arises in m0; 3 diverge of 30 calls judged, 30 not>"
    )


def test_nothing_found_is_said():
    fine = Verification((row("a"),), (), None, 1)
    assert repr(fine) == "<Verification: no error arises; 1 calls judged, 0 not>"
    assert Page(fine._repr_html_()).rows[1].startswith("a")
    equal = Diff((), (), 3, (), (7, 7), ("", ""))
    assert repr(equal) == "<Diff: equal: 7 nodes in 3 module calls>"
    assert Page(equal._repr_html_()).rows == []


def test_rows_that_are_not_drawn_are_counted():
    columns = (Column("number", str, right=True),)
    page = Page(html(Sheet("Numbers", "some", columns, list(range(1000)))))
    assert page.texts.count("number") == 2
    assert "180 more rows" in page.texts
    assert page.texts[-1] == "800 more rows are not drawn: print() and to_pandas() have all."


def test_ends_are_bounded():
    columns = (Column("number", str),)
    page = Page(html(Sheet("Numbers", "some", columns, [], ends=[f"e{at}" for at in range(99)])))
    assert page.texts[-1] == "59 more lines: print() shows all."
    assert len(page.texts) == 43


def test_exports_tell_where_and_whether():
    tagged = Exported("Net", "/m/net.onnx", "fx", "fx", Coverage(captured=3), 3)
    plain = Exported("Net", None, "dynamo_export", reason="nothing listens to it")
    assert repr(tagged) == "<Exported Net to /m/net.onnx; 3 nodes: 3 captured>"
    assert repr(plain) == "<Exported Net; not tagged: nothing listens to it>"
    assert repr(Exports([tagged, plain])) == "<Exports: 2, 1 of them tagged>"
    assert Exports([tagged, plain]) == [tagged, plain]


def test_a_cost_row_a_boundary_and_a_part_tell_themselves():
    part = SMALL["tagged"].extract("a").extraction
    assert repr(part).startswith("<Extraction a: 1 nodes, takes 1, gives 1; not exact: input x is")
    assert repr(SMALL["cost"].rows[1]) == "<CostRow a: 1 node, 0 parameters, 0 B, 0 MACs>"
    said = repr(SMALL["tagged"].boundary("a"))
    assert said == "<Boundary: a takes x, returns v0; not exact>"


@pytest.mark.parametrize(
    ("number", "unit", "said"),
    [
        (0, "", "0"),
        (999, "", "999"),
        (12_345, "", "12.3 k"),
        (12_345, "B", "12.3 kB"),
        (512, "B", "512 B"),
        (2e15, "", "2e+03 T"),
    ],
)
def test_numbers_as_people_read_them(number, unit, said):
    assert count(number, unit) == said


def test_brief_is_no_longer_than_it_is_allowed():
    assert brief("a" * 10, 10) == "a" * 10
    assert brief("a" * 11, 10) == "a" * 9 + "…"
    assert len(brief("\x1b" * 10, 10)) == 10
