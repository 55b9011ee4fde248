"""Results as data frames. Needs pandas, but for the error without."""

import sys

import pytest
from literal import ROOT, model, node, value, weight
from showing.results import HOSTILE, call, results, verification

import htp
from htp.comparing.diff import Diff
from htp.comparing.row import DiffRow
from htp.exported import Exported, Exports
from htp.scope import Coverage

notebook = pytest.mark.notebook

RESULTS = results(["a", "b.c"])


def columns(frame):
    return list(frame.columns)


@notebook
@pytest.mark.parametrize("name", RESULTS)
def test_every_result_with_rows_is_a_frame(name):
    frame = RESULTS[name].to_pandas()
    assert len(frame) >= (1 if name == "branch" else 2)
    assert all(isinstance(column, str) and column for column in frame.columns)
    if name in ("tree", "branch", "cost", "verification"):
        assert frame.index.names == ["path", "call"]


@notebook
def test_calls_are_found_by_path_and_number():
    calls = [[*ROOT, 0], ["norm", "m.Part", 0, 1], ["norm", "m.Part", 1, 1]]
    weights = [weight("w", 4, parameter="norm.weight")]
    nodes = [node("Mul", "x w", "h", "1", "norm"), node("Mul", "h w", "y", "2", "norm", number=1)]
    tagged = htp.load(model(nodes, [value("x", 4)], [value("y", 4)], weights, calls))
    tree, cost = tagged.tree().to_pandas(), tagged.cost().to_pandas()
    assert list(tree.index) == list(cost.index) == [("", 0), ("norm", 0), ("norm", 1)]
    assert tree.loc[("norm", 1), "total"] == 1
    assert tree.loc[("", 0), "captured"] == 2
    assert list(tree["depth"]) == [0, 1, 1]
    assert cost.loc[("", 0), "parameters"] == 4
    assert cost.loc[("norm", 1), "shared"] == 4
    assert cost.loc[("norm", 0), "operators"] == {"Mul": 1}


@notebook
def test_nodes_without_a_known_owner_have_no_path():
    nodes = [
        node("Relu", "x", "a", "root's", ""),
        node("Neg", "a", "b", "nobody's", None),
        node("Exp", "b", "y", "", "part", provenance="propagated"),
    ]
    tagged = htp.load(model(nodes, [value("x", 4)], [value("y", 4)]))
    frame = tagged.to_pandas()
    assert list(frame["name"]) == ["root's", "nobody's", "y"]
    assert list(frame["path"].isna()) == list(frame["call"].isna()) == [False, True, False]
    assert frame["path"][0] == ""
    assert frame["call"][2] == 0
    assert list(frame["provenance"]) == ["captured", "unknown", "propagated"]
    assert list(frame["op_type"].cat.categories) == ["Exp", "Neg", "Relu"]
    assert frame["evidence"].isna().all()
    assert list(tagged.select("part").to_pandas()["name"]) == ["y"]


@notebook
def test_merged_models_have_a_row_for_each_root():
    left, right = (htp.load(model([node("Relu", "x", "y", "n", "")])).tree() for _ in "12")
    both = htp.ModuleTree(htp.ModuleCall("", "", 0), [left, right], joined=True)
    frame = both.to_pandas()
    assert list(frame.index) == [("", 0), ("", 0)]
    assert list(frame["depth"]) == [0, 0]


@notebook
def test_types_of_columns():
    frame = verification(["a", "b"]).to_pandas()
    kinds = {name: kind.kind for name, kind in frame.dtypes.items() if hasattr(kind, "kind")}
    assert {kinds[name] for name in ("max_abs", "max_rel", "cosine", "sqnr", "own_error")} == {"f"}
    assert {kinds[name] for name in ("diverges", "arises")} == {"b"}
    assert list(frame[frame["arises"]].index) == [("a", 0)]
    rows = (
        DiffRow("a", "weight", "1", None, call("a"), ("w",)),
        DiffRow(None, "nodes", None, "2", None, ()),
    )
    frame = Diff(rows, (), 2, (), (1, 1), ("", "")).to_pandas()
    assert str(frame["call"].dtype) == "Int64"
    assert list(frame["path"].isna()) == [False, True]
    assert list(frame["names"]) == [("w",), ()]


@notebook
def test_nothing_is_a_frame_with_the_same_columns():
    some, none = RESULTS["diff"].to_pandas(), Diff((), (), 1, (), (1, 1), ("", "")).to_pandas()
    assert columns(some) == columns(none)
    assert list(some.dtypes.map(str)) == list(none.dtypes.map(str))
    assert len(none) == 0


@notebook
def test_exports_as_rows():
    made = Exports([Exported("Net", "/m.onnx", "fx", "fx", Coverage(captured=3), 3)])
    made.append(Exported("Net", None, "dynamo_export", reason="nothing listens to it"))
    frame = made.to_pandas()
    assert list(frame["tagged"]) == [True, False]
    assert frame["captured"][0] == 3
    assert frame["captured"].isna()[1]


@notebook
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:24])
def test_names_are_held_as_they_are(text):
    assert list(verification([text, "a"]).to_pandas().index) == [(text, 0), ("a", 0)]
    assert list(RESULTS["tree"].to_pandas().index)[1] == ("a", 0)


def test_without_pandas_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(htp.HTPError, match=r"pandas(.|\n)*pip install pandas"):
        RESULTS["tree"].to_pandas()
