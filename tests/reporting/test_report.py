"""htp.report: what a page holds, of which results, and what is refused. Needs no torch."""

import base64
import copy
import hashlib
import html
import io
import json
import re
from pathlib import Path

import onnx
import pytest
from literal import model, node, value
from onnx import compose
from reporting.shown import data, hostile, results, small, told, wide, written

import htp
from htp.reporting.page import SCRIPTS, STYLES, inert, libraries
from htp.reporting.results.placing import MOST_NOTES, placed_on
from htp.reporting.results.reading import result_of
from htp.reporting.rows import Rows
from htp.reporting.texts import LONGEST, Texts, shown

PATHS = ["encoder.0.query", "encoder.0", "encoder.1"]
ASSETS = Path(htp.reporting.__file__).parent / "assets"


@pytest.fixture(scope="module")
def page():
    return written(small(), name="small.onnx", results=results(PATHS))


@pytest.fixture(scope="module")
def document(page):
    return data(page)


def rows_of(document):
    """What is said of each row, by its path."""
    texts, modules = document["texts"], document["modules"]
    columns = {name: column for name, column in modules.items() if len(column)}
    return {
        texts[path]: {name: column[row] for name, column in columns.items()}
        for row, path in enumerate(modules["path"])
    }


# the file


def test_a_page_loads_nothing(page):
    assert re.findall(r"<(?:img|iframe|object|embed|base|form|audio|video)\b", page) == []
    assert re.findall(r"<link\b[^>]*>", page) == ['<link rel="icon" href="data:,">']
    outside = page.replace(data_of(page, "data"), "").replace(data_of(page, "libraries"), "")
    assert "@import" not in outside
    assert "url(" not in outside
    assert "sourceMappingURL" not in outside
    assert set(re.findall(r"https?://[\w./]+", outside)) <= {
        "http://www.w3.org/2000/svg",  # names of XML's own
        "http://www.w3.org/1999/xhtml",
        "http://www.w3.org/1998/Math/MathML",
    }


def data_of(page, name):
    return re.search(rf'id="{name}">(.*?)</script>', page, re.DOTALL).group(1)


def hashed(text):
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def test_the_policy_lets_this_script_and_this_style_run_and_nothing_else(page):
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
    rules = dict(rule.split(" ", 1) for rule in html.unescape(policy).split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert rules == {
        "default-src": "'none'",
        "script-src": " ".join(map(hashed, scripts)),
        "style-src": hashed(style),
        "img-src": "data:",
        "form-action": "'none'",
        "base-uri": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert page.count("<script") == len(scripts) + 2  # and the data, and the licences


def test_data_is_inert():
    text = "</script><!--<script>]]>&amp;\u2028\x7f\ud800"
    told_ = inert({text: [text]})
    assert told_.isascii()
    assert not set("<>&\x7f") & set(told_)
    assert json.loads(told_) == {text: [text]}


def test_the_libraries_are_what_was_published():
    rows = libraries()
    for row in rows:
        content = (ASSETS / "vendor" / row["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert row["version"].count(".") == 2
        notice = (ASSETS / "vendor" / row["notice"]).read_text("utf-8")
        assert {"MIT": "MIT License", "Apache-2.0": "Apache License"}[row["licence"]] in notice
    files = {row[key] for row in rows for key in ("file", "notice")}
    assert {path.name for path in (ASSETS / "vendor").iterdir()} == {*files, "libraries.json"}


def test_the_licences_are_in_the_page(page):
    told_ = json.loads(data_of(page, "libraries"))
    assert len(told_) == len(libraries())
    assert all("Permission is hereby granted" in row["text"] for row in told_[:4])


def test_our_own_files_are_short_and_write_no_markup():
    own = [*(f"{name}.js" for name in SCRIPTS), *(f"{name}.css" for name in STYLES)]
    kept = {path.name for path in ASSETS.iterdir()}
    assert kept == {*own, "page.html", "vendor"}
    sinks = "innerHTML|outerHTML|insertAdjacent|document.write|eval|Function\\(|setAttribute\\(.on"
    for name in own:
        text = (ASSETS / name).read_text("utf-8")
        assert len(text.splitlines()) < 300, name
        assert re.findall(sinks, text) == [], name
        assert text.startswith(("//", "/*")), name


# what it shows


def test_the_rows_are_the_tree(document):
    tree, rows = htp.load(small()).tree(), rows_of(document)
    branches = {}
    for branch in tree.walk():
        branches.setdefault(branch.call.path, []).append(branch)
    assert set(rows) == set(branches)
    for path, each in branches.items():
        assert rows[path]["calls"] == [branch.call.call for branch in each]
        assert sum(rows[path]["own"]) == sum(branch.own.total for branch in each)
        assert sum(rows[path]["total"]) == sum(branch.total.total for branch in each)
    assert rows["encoder.0.norm"]["calls"] == [0, 1]
    assert rows["encoder.1"]["shared"] == 1
    assert document["texts"][rows["encoder.0.norm"]["name"]] == "norm"


def test_roots_of_one_path_are_told_apart_by_their_classes():
    made = model([node("Relu", "x", "y", "n", "")], [value("x", 1)], [value("y", 1)])
    made.graph.node[0].metadata_props[0].value = json.dumps([["", "m.Other", 0], ["a", "m.A", 0]])
    shown_ = data(written(made))
    modules, texts = shown_["modules"], shown_["texts"]
    told_ = list(zip(modules["parent"], [texts[each] for each in modules["class"]]))
    assert told_ == [(-1, "Net"), (-1, "Other"), (1, "A")]
    assert list(map(sum, modules["total"])) == [0, 1, 1]
    assert shown_["nodes"]["row"] == [2]


def test_every_node_has_its_owner(document):
    texts, nodes, modules = document["texts"], document["nodes"], document["modules"]
    for number, (each, tag) in enumerate(htp.load(small()).nodes()):
        assert texts[nodes["name"][number]] == each.name
        assert texts[nodes["operator"][number]] == each.op_type
        assert [texts[name] for name in nodes["gives"][number]] == list(each.output)
        kind = document["legend"]["provenance"][nodes["provenance"][number]]
        assert kind == tag.provenance.value
        row = nodes["row"][number]
        if tag.stack:
            assert texts[modules["path"][row]] == tag.path
            assert nodes["call"][number] == tag.call
        else:
            assert (row, nodes["call"][number]) == (-1, -1)


def test_it_has_what_modules_cost(document):
    cost = htp.load(small()).cost()
    rows = rows_of(document)
    for row in cost.rows:
        if not row.call.path.endswith("norm"):  # two calls are one row
            assert rows[row.call.path]["figures"][:3] == [row.parameters, row.bytes, row.macs]
    assert document["head"]["figures"][0] == cost.total.parameters


def test_shapes_make_the_cost_known():
    before, after = data(written(small())), data(written(small(), shapes={"batch": 2}))
    assert before["head"]["figures"][4] > 0
    assert after["head"]["figures"][4] < before["head"]["figures"][4]
    assert after["head"]["shapes"] == ["batch = 2"]
    with pytest.raises(htp.HTPError, match="did you mean"):
        written(small(), shapes={"batsh": 2})


@pytest.mark.parametrize("made", [small, lambda: told().model])
def test_it_has_the_border_of_every_call(made):
    document = data(written(made()))
    texts, tagged = document["texts"], htp.load(made())
    borders = iter(document["borders"])
    for row, calls in enumerate(document["modules"]["calls"]):
        for call in calls:
            path = texts[document["modules"]["path"][row]]
            found = tagged.boundary(path, call)
            taken, given, remarks = next(borders)
            for told_, wanted in ((taken, found.taken), (given, found.given)):
                for (place, name, reason), each in zip(told_, wanted):
                    assert (texts[name] if name >= 0 else None) == each.name
                    assert (texts[reason] if reason >= 0 else None) == each.reason
                    known = None if each.place is None else ".".join(each.place)
                    assert (texts[place] if place >= 0 else None) == known
                assert len(told_) == len(wanted)
            assert [texts[each] for each in remarks] == list(found.remarks)
    assert next(borders, None) is None


def test_it_has_the_weights_and_who_reads_them(document):
    texts, weights, nodes = document["texts"], document["weights"], document["nodes"]
    found = {texts[name]: at for at, name in enumerate(weights["name"])}
    at = found["w1"]
    assert [texts[name] for name in weights["parameters"][at]] == ["encoder.1.query.weight"]
    assert texts[weights["type"][at]] == "float32[4, 4]"
    assert weights["bytes"][at] == 64
    assert [texts[nodes["name"][reader]] for reader in weights["readers"][at]] == ["mm_1"]


def test_types_of_values_are_told(document):
    texts, types = document["texts"], document["types"]
    told_ = {texts[name]: texts[kind] for name, kind in zip(types["name"], types["type"])}
    assert told_["x"] == "float32[batch, 4]"


def test_the_head(document):
    head = document["head"]
    assert head["file"] == "small.onnx"
    assert (head["backend"], head["torch"]) == ("fx", "2.9")
    assert ["ai.onnx", 17] in head["opsets"]
    assert head["coverage"] == [9, 1, 0, 1]


def test_only_the_name_of_the_file_is_told(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(small(), path)
    htp.report(path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert data(page)["head"]["file"] == "net.onnx"
    assert str(tmp_path) not in page


def test_several_models_in_one_file():
    other = onnx.ModelProto.FromString(small().SerializeToString().replace(b"0" * 16, b"1" * 16))
    both = compose.merge_models(small(), compose.add_prefix(other, "o/"), io_map=[("y", "o/x")])
    document = data(written(both))
    modules, nodes = document["modules"], document["nodes"]
    assert document["head"]["models"] == 2
    roots = [row for row, parent in enumerate(modules["parent"]) if parent == -1]
    assert len(roots) == 2
    half = len(nodes["row"]) // 2
    assert set(nodes["row"][:half]).isdisjoint(set(nodes["row"][half:]) - {-1})
    assert [sum(modules["total"][row]) for row in roots] == [10, 10]


def test_a_file_that_was_exported_without_htp():
    made = model([node("Relu", "x", "y", "relu", None)], [value("x", 1)], [value("y", 1)])
    document = data(written(made))
    assert document["nodes"]["row"] == [-1]
    assert document["head"]["coverage"] == [0, 0, 0, 1]


def test_how_tags_were_carried_is_shown():
    made = small()
    made.graph.node[1].name = "renamed"
    del made.graph.node[1].metadata_props[:]
    carried = htp.carry(htp.load(small()), made)
    document = data(written(carried))
    assert [each["kind"] for each in document["results"]] == ["carry"]
    assert sum(count for _, count in document["head"]["evidence"]) >= 10
    assert max(document["nodes"]["evidence"]) >= 0


# texts


def test_a_long_name_is_cut():
    texts = Texts()
    numbers = [texts.number(text) for text in ("a", "b" * 10**6, "a", "\u202ec")]
    assert numbers == [0, 1, 0, 2]
    assert texts.all()[0] == "a"
    assert len(texts.all()[1]) < LONGEST + 60
    assert texts.all()[2] == "\\u202ec"
    assert texts.altered() == [1, 2]


def test_a_page_of_long_names_is_small():
    names = [f"{number}{'x' * 10**5}" for number in range(4)]
    page = written(hostile(names), name="y" * 10**6)
    assert len(page) < 200_000
    assert json.dumps(data(page)).count("x" * LONGEST) == 0


# results


def test_every_kind_of_result_is_placed(document):
    texts, modules = document["texts"], document["modules"]
    kinds = [each["kind"] for each in document["results"]]
    assert kinds == ["profile", "verify", "diff", "sensitivity", "overflow", "bisect", "carry"]
    for each in document["results"]:
        paths = [texts[modules["path"][row]] for row in each["rows"]]
        assert sorted(paths) == sorted(PATHS), each["kind"]
        assert all(len(cells) == len(each["columns"]) for cells in each["cells"])
        assert set(each["found"]) <= set(each["rows"])
    apart = {each["kind"]: [row[0] for row in each["apart"]] for each in document["results"]}
    assert apart["diff"] == ["(unknown owner)", "as it is@7"]


def test_calls_of_a_module_are_one_row():
    first, second = ({"path": "encoder.0.norm", "type": "t", "call": at} for at in (0, 1))
    profile, verify, *_ = results(["encoder.0.norm", ""])
    row, other = profile["rows"][0], {**profile["rows"][0], **second, "seconds": 2e-3}
    profile["rows"] = [row, other]
    bad = {**verify["rows"][0], "arises": True, "max_abs": 1.0}
    fine = {**verify["rows"][0], **first, "arises": False, "diverges": False, "max_abs": "nan"}
    verify["rows"], verify["not_judged"] = [fine, {**bad, **second}], []
    found = data(written(small(), results=[profile, verify]))["results"]
    assert found[0]["cells"][0][0] == pytest.approx(3e-3)
    assert [call for call, *_ in found[0]["calls"][0]] == [0, 1]
    assert found[1]["cells"][0][0] == ["bad", "arises here"]
    assert found[1]["cells"][0][1] == "nan"  # which is the worst that there is


def test_results_come_as_files(tmp_path):
    for number, each in enumerate(results(PATHS)):
        (tmp_path / f"{number}.json").write_text(json.dumps(each))
    page = written(small(), results=sorted(tmp_path.glob("*.json")))
    assert len(data(page)["results"]) == 7


@pytest.mark.parametrize("number", range(7))
def test_a_result_of_another_model_is_refused(number):
    result = results(["body.block", "body"])[number]
    with pytest.raises(htp.HTPError, match="is of another model: it tells of '") as raised:
        written(small(), results=[result])
    assert "encoder" in raised.value.hint


def test_a_result_of_the_root_alone_is_of_any_model():
    for each in results([""])[:1]:
        assert data(written(small(), results=[each]))["results"][0]["rows"] == [0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "has no schema"),
        ([], "has no schema"),
        (None, "has no schema"),
        ({"schema": "htp.tree/1"}, "is of schema 'htp.tree/1'"),
        ({"schema": ["htp.profile/1"]}, "is of schema"),
        ({"schema": "htp.profile/1"}, "'total' of it should be an object"),
        (3, "has no schema"),
    ],
)
def test_what_is_no_result_is_refused(given, said):
    with pytest.raises(htp.HTPError, match=re.escape(said)):
        written(small(), results=[given])


def test_a_file_that_holds_no_result_is_refused(tmp_path):
    (tmp_path / "no.json").write_text("{")
    (tmp_path / "deep.json").write_text("[" * 10**6)
    for name, said in (("no.json", "is no JSON"), ("deep.json", "is no JSON"), ("none", "Cannot")):
        with pytest.raises(htp.HTPError, match=said):
            written(small(), results=[tmp_path / name])


def leaves(document, way=()):
    """The ways to all that stands in a document."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, each in items:
        yield (*way, key)
        if isinstance(each, (dict, list)):
            yield from leaves(each, (*way, key))


@pytest.mark.parametrize("number", range(7))
def test_whatever_stands_in_a_damaged_result_is_shown_or_refused(number):
    right = results(PATHS)[number]
    refused = 0
    for way in leaves(right):
        for wrong in (None, True, -1, 10**400, 1.5, float("nan"), "</script>", [], [[]], {}, [{}]):
            damaged = copy.deepcopy(right)
            place = damaged
            for key in way[:-1]:
                place = place[key]
            place[way[-1]] = wrong
            try:
                told_ = inert(placed_on(ROWS, result_of(damaged)))
            except htp.HTPError:
                refused += 1
            else:
                assert json.loads(told_)["columns"]
    assert refused > 20


ROWS = Rows(htp.load(small()).tree())


def test_many_notes_are_cut():
    diff = results(PATHS)[2]
    row = diff["rows"][0]
    diff["rows"] = [row] * (MOST_NOTES + 5)
    (found,) = data(written(small(), results=[diff]))["results"]
    ((_, _, notes),) = [call for calls in found["calls"] for call in calls if call[2]]
    assert len(notes) == MOST_NOTES + 1
    assert notes[-1][1].startswith("5 ")


# writing it


def test_it_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("before")
    with pytest.raises(htp.HTPError):
        htp.report(small(), path, results=[{}])
    assert path.read_text() == "before"
    htp.report(small(), path)
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("f", [None, 3, io.StringIO()])
def test_it_is_written_to_paths_and_binary_files(f):
    with pytest.raises(htp.HTPError):
        htp.report(small(), f)


def test_the_model_stays_as_it_is():
    made = small()
    before = made.SerializeToString()
    written(made, results=results(PATHS))
    assert made.SerializeToString() == before


def test_parts_are_cut_out_and_linked(tmp_path):
    page = tmp_path / "pages" / "report.html"
    page.parent.mkdir()
    htp.report(small(), page, extract=["encoder.*.query", "head"], parts=tmp_path / "parts")
    document = data(page.read_text("utf-8"))
    names = sorted(each.name for each in (tmp_path / "parts").iterdir())
    assert names == ["0001-encoder.0.query.onnx", "0002-encoder.1.query.onnx", "0003-head.onnx"]
    links = [each["link"] for each in document["parts"]]
    assert links == [f"./../parts/{name}" for name in names]
    part = htp.load(tmp_path / "parts" / names[0])
    assert {tag.path for _, tag in part.nodes()} == {"encoder.0.query"}


def test_a_part_that_cannot_be_cut_out_says_why(tmp_path):
    page = tmp_path / "report.html"
    calls = [["", "m.Net", 0, 0], ["drop", "m.Dropout", 0, 1]]
    made = model([node("Relu", "x", "y", "r", "")], [value("x", 1)], [value("y", 1)], calls=calls)
    htp.report(made, page, extract=["drop"], parts=tmp_path / "parts")
    (part,) = data(page.read_text("utf-8"))["parts"]
    assert part["link"] is None
    assert "drop" in part["reason"]


def test_what_a_model_says_chooses_no_place(tmp_path):
    names = ["../../evil", "/etc/evil", "CON", "a\0b", "..", "\u202e"]
    page = tmp_path / "report.html"
    folder = tmp_path / "parts"
    htp.report(hostile(names), page, extract=["*"], parts=folder)
    assert {each.name for each in tmp_path.iterdir()} == {"report.html", "parts"}
    for each in folder.iterdir():
        assert re.fullmatch(r"\d{4}-[A-Za-z0-9_.@-]+\.onnx", each.name)
    links = [each["link"] for each in data(page.read_text("utf-8"))["parts"] if each["link"]]
    assert links
    assert all(re.fullmatch(r"\./parts/[\w.%-]+", link) for link in links)


def test_parts_want_patterns_and_a_folder(tmp_path):
    with pytest.raises(htp.HTPError, match="Parts need patterns"):
        htp.report(small(), tmp_path / "report.html", extract=["head"])
    with pytest.raises(htp.UnknownModuleError, match="No module matches 'haed'"):
        htp.report(small(), tmp_path / "r.html", extract=["haed"], parts=tmp_path / "parts")
    assert list(tmp_path.iterdir()) == []


def test_a_page_grows_as_its_model():
    sizes = [len(json.dumps(data(written(wide(count))))) for count in (100, 200, 400)]
    assert sizes[2] - sizes[1] < 2.4 * (sizes[1] - sizes[0])
    assert sizes[2] < 400 * 400


def test_texts_are_shown_on_one_line():
    assert shown("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
