"""Patterns, shared nodes and unknown ones, in the library and by command. Needs no torch."""

import json

import onnx
import pytest
from onnx import helper

import htp
from htp.pattern import Pattern
from htp.scope import ModuleCall, Tag

ROOT = ("", "m.Net", 0)
MARK = "0" * 16


def call(path, number=0):
    return (path, f"m.{path.rpartition('.')[2].title()}", number)


def file(rows, calls, origins=(MARK,)):
    """A file with a node of each row: its name, its stack, and what it is shared with."""
    nodes = []
    for number, (name, stack, shared) in enumerate(rows):
        node = helper.make_node("Relu", ["x"], [f"{name}_out"], name)
        made = {"stack": json.dumps(stack), "provenance": "captured" if stack else "unknown"}
        if shared:
            made.update(shared=json.dumps(shared), sharing="fused")
        made["origin"] = origins[number % len(origins)]
        for key, value in made.items():
            node.metadata_props.add(key=f"pkg.htp.{key}", value=value)
        nodes.append(node)
    model = helper.make_model(helper.make_graph(nodes, "g", [], []))
    said = {"schema": "2", "backend": "fx", "torch": "2.9", "htp": "1", "calls": calls}
    for mark in origins:
        model.metadata_props.add(key=f"pkg.htp.{mark}", value=json.dumps(said))
    return model.SerializeToString()


BLOCK, CONV, NORM, TWICE = call("block"), call("block.conv"), call("block.norm"), call("block", 1)
CALLS = [
    [*ROOT, 0],
    [*BLOCK, 1],
    [*CONV, 2],
    [*NORM, 2],
    [*TWICE, 1],
    [*call("head"), 1],
]
FUSED = [
    ("fused", [ROOT, BLOCK], [CONV, NORM]),
    ("merged", [ROOT, BLOCK], [TWICE]),
    ("head", [ROOT, call("head")], []),
    ("root", [ROOT], []),
    ("lost", [], []),
]


@pytest.fixture
def fused(tmp_path):
    path = tmp_path / "fused.onnx"
    path.write_bytes(file(FUSED, CALLS))
    return path


def names(found):
    return [node.name for node, _ in found]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("block.norm", ["fused"]),
        ("block.conv", ["fused"]),
        ("*.norm", ["fused"]),
        ("block", ["fused", "merged"]),
        ("block@0", ["fused", "merged"]),
        ("block@1", ["merged"]),
        ("*@1", ["merged"]),
        ("", ["fused", "merged", "head", "root"]),
        ("*", ["fused", "merged", "head", "root"]),
    ],
)
def test_a_node_is_found_by_each_of_its_modules(pattern, expected, fused, run):
    assert names(htp.load(fused).find(pattern)) == expected
    lost = ["lost"] if pattern == "*" else []
    assert run("nodes", fused, pattern).out.split() == expected + lost


def test_a_node_is_found_through_what_lies_above_a_shared_call():
    """``other.norm`` is below ``other``, which owns nothing itself."""
    calls = [*CALLS, [*call("other"), 1], [*call("other.norm"), 2]]
    tagged = htp.load(file([("n", [ROOT, CONV], [call("other.norm")])], calls))
    assert names(tagged.find("other")) == ["n"]
    with pytest.raises(htp.UnknownModuleError):
        tagged.find("block.norm")


ODD = ["a*", "ab", "x[0]", "x0", "q?", "qq", "c@1", "c"]


@pytest.mark.parametrize("path", ODD)
def test_the_exact_path_comes_first(path):
    calls = [[*ROOT, 0], *([*call(name, number), 1] for name in ODD for number in range(2))]
    rows = [(f"{name}/{n}", [ROOT, call(name, n)], []) for name in ODD for n in range(2)]
    tagged = htp.load(file(rows, calls))
    assert names(tagged.find(path)) == [f"{path}/0", f"{path}/1"]
    assert names(tagged.find(f"{path}@1")) == ([f"{path}/1"] if path != "c" else ["c@1/0", "c@1/1"])


def test_wildcards_where_no_path_is_so():
    calls = [[*ROOT, 0], [*call("ab"), 1], [*call("ab", 1), 1], [*call("c@d"), 1]]
    rows = [("0", [ROOT, call("ab")], []), ("1", [ROOT, call("ab", 1)], [])]
    rows.append(("2", [ROOT, call("c@d")], []))
    tagged = htp.load(file(rows, calls))
    found = {p: "".join(names(tagged.find(p))) for p in ("a*", "?b", "a[bc]", "a*@1", "*@d", "c@*")}
    assert found == {"a*": "01", "?b": "01", "a[bc]": "01", "a*@1": "1", "*@d": "2", "c@*": "2"}


def test_of_deep_calls_nothing_is_walked_twice():
    """What lies above a call is asked once, however many nodes share calls."""
    calls = [ModuleCall(str(n), "m", 0) for n in range(500)]
    pattern = Pattern("0", lambda: {call: [before] for before, call in zip(calls, calls[1:])})
    tags = [Tag((ModuleCall("", "m", 0),), shared=(call,)) for call in calls]
    assert all(map(pattern.of, tags))


def table(ran):
    """The headings, and each line by the module that it begins with."""
    heads, *lines = ran.out[: ran.out.index("\n\n")].splitlines()
    return heads.split(), {line.strip(" │├└─").split()[0]: line for line in lines}


def test_the_tree_has_a_column_for_shared_nodes(fused, run):
    heads, rows = table(run("tree", fused))
    assert heads == ["module", "class", "own", "total", "shared", "captured", "unknown"]
    cells = {name: line.split()[-3:] for name, line in rows.items()}
    assert cells["norm"] == ["Norm", "0", "1"]
    assert cells["conv"] == ["Conv", "0", "1"]
    assert rows["(root)"].split() == ["(root)", "Net", "1", "4", "4"]
    plain = run("tree", fused).out
    assert "'shared' counts it" in plain
    assert "1 of them have no known owner" in plain


def test_a_line_for_several_calls_counts_a_shared_node_once(fused, run):
    """``merged`` is owned by the first call of ``block`` and stands for the second: one line."""
    apart = json.loads(run("tree", fused, "--json", "--calls").out)["tree"]
    together = json.loads(run("tree", fused, "--json").out)["tree"]
    shared = {(row["path"], row["call"]): row["shared"] for row in apart["children"]}
    assert shared == {("block", 0): 0, ("block", 1): 1, ("head", 0): 0}
    assert [row["shared"] for row in together["children"]] == [0, 0]
    assert together["total"]["total"] == 4
    assert together["children"][0]["total"]["total"] == 2
    assert [row["shared"] for row in together["children"][0]["children"]] == [1, 1]


def test_a_line_for_several_calls_that_share_with_another_module():
    rows = [("n", [ROOT, call("head")], [BLOCK, TWICE])]
    tagged = htp.load(file(rows, CALLS))
    from htp.cli.tree import rows as lines

    (block,) = [row for row in lines(tagged.tree()).children if row.first.path == "block"]
    assert (block.calls, block.shared, block.total.total) == (2, 1, 0)
    assert sum(branch.own.total for branch in tagged.tree().walk()) == 1


def test_a_shared_call_of_which_the_origin_says_nothing():
    tagged = htp.load(file([("n", [ROOT, BLOCK], [call("gone.norm")])], [[*ROOT, 0]]))
    shared = {branch.call.path: branch.shared for branch in tagged.tree().walk()}
    assert shared == {"": 0, "block": 0, "gone.norm": 1}


def test_no_column_where_nothing_is_shared(tmp_path, run):
    path = tmp_path / "plain.onnx"
    path.write_bytes(file(FUSED[2:], CALLS))
    assert "shared" not in run("tree", path).out


def test_shared_nodes_of_merged_models():
    """Each origin has its own calls, though they are called the same."""
    tagged = htp.load(file(FUSED[:1] * 2, CALLS, (MARK, "1" * 16)))
    for root in tagged.tree().roots:
        shared = {str(branch.call): branch.shared for branch in root.walk()}
        assert shared["block.norm"] == 1


# --- unknown nodes


@pytest.mark.parametrize("options", [(), ("*",)])
def test_unknown_nodes_are_listed_last(options, fused, run):
    ran = run("nodes", fused, *options)
    assert ran.out.split() == ["fused", "merged", "head", "root", "lost"]
    assert ran.err == "The last 1 of 5 have no known owner.\n"
    said = json.loads(run("nodes", fused, *options, "--json").out)
    assert said["schema"] == "htp.nodes/1"
    (lost,) = said["unknown"]
    root = said["nodes"][-1]
    assert (lost["name"], lost["path"], lost["type"], lost["call"]) == ("lost", None, None, None)
    assert (root["name"], root["path"], root["type"], root["call"]) == ("root", "", "m.Net", 0)


def test_an_operator_among_unknown_nodes(fused, run):
    assert run("nodes", fused, "--op-type", "Add").out == ""
    assert "lost" in run("nodes", fused, "--op-type", "Relu").out


def test_a_module_that_is_called_like_the_wildcard(tmp_path, run):
    path = tmp_path / "star.onnx"
    rows = [("star", [ROOT, call("*")], []), *FUSED[2:]]
    path.write_bytes(file(rows, [[*ROOT, 0]]))
    assert run("nodes", path, "*").out.split() == ["star"]
    assert run("nodes", path).out.split() == ["star", "head", "root", "lost"]


def test_a_file_of_unknown_nodes(tmp_path, run):
    path = tmp_path / "lost.onnx"
    path.write_bytes(file(FUSED[-1:], CALLS))
    assert run("nodes", path, "*").out.split() == ["lost"]
    assert "did you mean" not in run("nodes", path, "lots").out
    assert run("nodes", path, "head").code == 3


# --- a file that kept what it says of itself, and lost the tags


def slimmed(data, keep_names=True):
    model = htp.load(data).model
    for number, node in enumerate(model.graph.node):
        del node.metadata_props[:]
        node.name = f"/block/conv/Relu_{number}" if keep_names else f"n{number}"
    return model.SerializeToString()


@pytest.mark.filterwarnings("ignore:.*was tagged by HTP")
def test_lost_tags_are_told_and_inferred():
    data = slimmed(file(FUSED, CALLS))
    with pytest.warns(RuntimeWarning, match=r"tagged by HTP \(backend 'fx, torch 2.9'\), but no"):
        tagged = htp.load(data)
    assert tagged.coverage == htp.Coverage(inferred=5)
    assert tagged.backend == "fx"
    bare = onnx.ModelProto.FromString(data)
    del bare.metadata_props[:]
    plain = htp.load(bare)
    assert [tag for _, tag in tagged.nodes()] == [tag for _, tag in plain.nodes()]
    assert tagged.tree() == plain.tree()
    assert tagged.tag("/block/conv/Relu_0").path == "block.conv"


def test_lost_tags_of_which_nothing_else_tells():
    with pytest.warns(RuntimeWarning, match="no node of it has a tag any more"):
        tagged = htp.load(slimmed(file(FUSED, CALLS), keep_names=False))
    assert tagged.coverage == htp.Coverage(unknown=5)


def test_a_model_without_nodes_has_lost_none():
    """What it is given it returns."""
    tagged = htp.load(file([], CALLS))
    assert [branch.call.path for branch in tagged.tree().walk()][:2] == ["", "block"]


def test_some_lost_tags_stay_unknown():
    """A node that a tool added beside tagged ones is not guessed."""
    model = htp.load(file(FUSED, CALLS)).model
    model.graph.node[0].name = "/block/conv/Relu"
    del model.graph.node[0].metadata_props[:]
    tagged = htp.load(model.SerializeToString())
    assert tagged.coverage == htp.Coverage(captured=3, unknown=2)


@pytest.mark.filterwarnings("always")
def test_the_tree_says_so(tmp_path, run):
    path = tmp_path / "slim.onnx"
    path.write_bytes(slimmed(file(FUSED, CALLS)))
    ran = run("tree", path)
    assert ran.err.startswith("Warning: ")
    assert "a tool that rewrote it dropped them" in ran.err
    assert "conv" in ran.out
    assert "5 inferred" in ran.out


# --- misuse


@pytest.mark.parametrize("wrong", [None, 3, b"block", ["block"]])
def test_what_is_no_text(wrong):
    tagged = htp.load(file(FUSED, CALLS))
    for work in (tagged.find, tagged.tag):
        with pytest.raises(TypeError, match="found "):
            work(wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match="op_type is an operator's name"):
            tagged.find("block", op_type=[wrong])
