"""The place of a part in the whole: before every path and every parameter's name, once."""

import pytest

from htp.errors import CaptureError
from htp.graph.records import CallRecord, Capture, GraphRecord, NodeRecord
from htp.graph.rooted import checked_root, rooted
from htp.pattern import Pattern
from htp.scope import ModuleCall, Owner, Provenance, Sharing, Tag

ROOT = ModuleCall("", "net.Encoder", 0)
NORM = ModuleCall("layer.0.norm", "net.Norm", 1)
OTHER = ModuleCall("layer.1.norm", "net.Norm", 0)


def moved(call):
    return call._replace(path=f"model.encoder.{call.path}" if call.path else "model.encoder")


def capture():
    owner = Owner((ROOT, NORM), (OTHER,), Sharing.MERGED)
    shared = NodeRecord("Add", ["a"], ["b"], owner)
    inner = GraphRecord(nodes=[NodeRecord("Relu", [], [], Owner((ROOT,)))])
    inner.parameters = {"w": ("layer.0.norm.weight", "layer.1.norm.weight")}
    after = GraphRecord(nodes=[shared, NodeRecord("If", [], [], None, [inner])])
    after.parameters = {"s": ("scale",)}
    before = GraphRecord(nodes=[shared])
    return Capture(after, before, (CallRecord((ROOT,)), CallRecord((ROOT, NORM))))


def test_every_path_gets_its_place():
    made = rooted(capture(), "model.encoder")
    add, condition, relu = made.after.walk()
    stack = (moved(ROOT), moved(NORM))
    assert add.owner == Owner(stack, (moved(OTHER),), Sharing.MERGED)
    assert condition.owner is None
    assert relu.owner == Owner((moved(ROOT),))
    assert [record.stack for record in made.calls] == [(moved(ROOT),), stack]
    assert made.after.parameters == {"s": ("model.encoder.scale",)}
    assert condition.bodies[0].parameters == {
        "w": ("model.encoder.layer.0.norm.weight", "model.encoder.layer.1.norm.weight")
    }


def test_what_stands_in_both_graphs_is_moved_once():
    made = rooted(capture(), "model.encoder")
    assert made.before.nodes[0] is made.after.nodes[0]
    assert made.before.nodes[0].owner.stack[0].path == "model.encoder"


def test_no_root_changes_nothing():
    given = capture()
    assert rooted(given, "") is given
    assert given == capture()


@pytest.mark.parametrize("root", ["", "encoder", "model.encoder", "layers.0", "vélo.x[0]"])
def test_a_root_that_can_be_one(root):
    assert checked_root(root) == root


@pytest.mark.parametrize(
    ("root", "why"),
    [
        (".", "empty part"),
        ("model.", "empty part"),
        (".encoder", "empty part"),
        ("a..b", "empty part"),
        (" ", "empty part"),
        ("model/encoder", "slash"),
        ("model\\encoder", "slash"),
        ("a\x1b]0;x\x07", "cannot be printed"),
        ("a\nb", "cannot be printed"),
        ("\ud800", "cannot be printed"),
        (b"model", "found bytes"),
        (None, "found NoneType"),
        (1, "found int"),
    ],
)
def test_a_root_that_can_be_none(root, why):
    with pytest.raises(CaptureError, match=why) as error:
        checked_root(root)
    assert error.value.hint


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", True),
        ("model", True),
        ("model.encoder", True),
        ("model.encoder.layer.0.norm", True),
        ("model.*", True),
        ("*.norm@1", True),
        ("mod", False),
        ("model.enc", False),
        ("layer.0", False),
        ("encoder", False),
        ("model@0", False),
    ],
)
def test_patterns_speak_of_the_whole(pattern, names):
    tag = Tag((moved(ROOT), moved(NORM)), Provenance.CAPTURED)
    assert bool(Pattern(pattern).of(tag)) == names
