"""htp.node_data on models written down by hand. Needs no torch, and no viewer."""

import json

import numpy as np
import pytest
from literal import model, node, value, weight
from viewing.nested import nested

import htp
from htp.profiling.kernels import Kernel, OwnedKernel
from htp.proving.measure import Measure
from htp.proving.verification import NotJudged, Tolerance, Verification, VerificationRow
from htp.scope import ModuleCall, Provenance, Tag
from htp.viewing import colours
from htp.viewing.spots import Spot, spots

ROOT = ModuleCall("", "m.Net", 0)


def test_where_nodes_are_drawn():
    assert spots(nested()) == [
        Spot("g", "choose"),
        Spot("g", "choose/else_branch/same"),
        Spot("g", "choose/else_branch/same_1"),
        Spot("g", "choose/then_branch/node"),
        Spot("g", "rounds"),
        Spot("rounds/body", "pick"),
        Spot("rounds/body", "pick/else_branch/same"),
        Spot("rounds/body", "pick/else_branch/same_2"),
        Spot("rounds/body", "pick/then_branch/node"),
        Spot("rounds/body", "again"),
        None,
        Spot("g", "node"),
        Spot("g", "node_1"),
        Spot("g", "half"),
        Spot("[function]f::Half", "pick"),
        None,
        None,
        None,
        Spot("[function]f::Half", "node"),
    ]


def chain():
    """Two products of ``a`` and ``b``, an activation of ``b``."""
    nodes = [
        node("MatMul", "x w", "h", "one", "a"),
        node("MatMul", "h w", "i", "two", "b"),
        node("Tanh", "i", "y", "three", "b.act"),
    ]
    return model(nodes, [value("x", 4, 4)], [value("y", 4, 4)], [weight("w", 4, 4)])


def profiled(*kernels):
    """A profile of the chain in which kernels of some seconds do the work of some nodes."""
    from htp.profiling.result import Profile

    tagged = htp.load(chain())
    tags = [tag for _, tag in tagged.nodes()]
    owned = [
        OwnedKernel(
            Kernel(str(at), "MatMul", seconds, 1.0, "here"), tags[owner], exact=True, nodes=nodes
        )
        for at, (seconds, owner, nodes) in enumerate(kernels)
    ]
    return tagged, Profile(tagged.file, owned, 1, "by hand")


def test_a_kernel_is_divided_among_its_nodes():
    tagged, profile = profiled((1e-3, 0, (0,)), (4e-3, 1, (1, 2)), (2e-3, 1, (1,)))
    found = htp.node_data(tagged, profile)
    assert found.values == pytest.approx(
        {Spot("g", "one"): 1000.0, Spot("g", "two"): 4000.0, Spot("g", "three"): 2000.0}
    )
    assert sum(found.values.values()) == pytest.approx(profile.seconds * 1e6)
    assert found.remarks == ()


def test_time_of_no_node_is_told():
    tagged, profile = profiled((1e-3, 0, (0,)), (3e-3, 1, ()))
    found = htp.node_data(tagged, profile)
    assert found.remarks == ("75.0 % of the time is of no node that Model Explorer shows",)


@pytest.mark.parametrize("nodes", [(1,), (7,)])
def test_a_profile_of_another_file_is_refused(nodes):
    tagged, profile = profiled((1e-3, 0, nodes))
    with pytest.raises(htp.HTPError, match="of another file"):
        htp.node_data(tagged, profile)


def test_a_real_profile_adds_up():
    inputs = {"x": np.ones((4, 4), np.float32)}
    tagged = htp.load(chain())
    profile = htp.profile(tagged, inputs, runs=2)
    found = htp.node_data(tagged, profile)
    assert {spot.node for spot in found.values} == {"one", "two", "three"}
    assert sum(found.values.values()) == pytest.approx(profile.seconds * 1e6)


def row(path, own, most=0.0, **how):
    owner = ModuleCall(path, "m.Part", 0)
    measured = None if own is None else Measure(4, own, own, 1.0)
    wrong = how.get("diverges", False)
    return VerificationRow(
        owner, Measure(4, most, most, 1.0), measured, Tolerance(1e-5, 1e-5), most, wrong,
        how.get("arises", False), how.get("group", ()),
    )  # fmt: skip


def verified(*rows, not_judged=()):
    return Verification(rows, tuple(NotJudged(each, "why") for each in not_judged), None, 1)


def test_the_colour_is_the_verdict():
    wrong = row("a", 0.5, 0.5, diverges=True, arises=True)
    after = row("b", 1e-7, 0.25, diverges=True)
    found = htp.node_data(htp.load(chain()), verified(wrong, after, row("b.act", None, 2e-7)))
    one, two, three = (Spot("g", name) for name in ("one", "two", "three"))
    assert found.values == {one: 0.5, two: 1e-7, three: 2e-7}
    expected = {one: colours.ARISES, two: colours.PASSES, three: colours.RIGHT}
    assert found.colours == expected


def test_a_group_is_to_blame_together():
    other = ModuleCall("b.act", "m.Part", 0)
    wrong = row("b", 0.5, 0.5, diverges=True, arises=True, group=(other,))
    found = htp.node_data(htp.load(chain()), verified(wrong, row("b.act", None, 0.5)))
    assert found.colours[Spot("g", "three")] == colours.ARISES
    assert found.values[Spot("g", "three")] == 0.5


def test_what_could_not_be_judged_has_no_value():
    lost = ModuleCall("a", "m.Part", 0)
    found = htp.node_data(htp.load(chain()), verified(row("b", None), not_judged=[lost]))
    assert set(found.values) == {Spot("g", "two")}
    assert found.remarks == ("1 calls could not be judged: their nodes have none",)


def test_no_measure_is_no_number():
    wrong = row("a", float("inf"), float("inf"), diverges=True, arises=True)
    found = htp.node_data(htp.load(chain()), verified(wrong))
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["g"]["results"]["one"]["value"] == "inf"


def test_the_document(tmp_path):
    tagged, profile = profiled((1e-3, 0, (0,)))
    found = htp.node_data(tagged, profile)
    found.save(tmp_path / "times.json")
    written = json.loads((tmp_path / "times.json").read_text("utf-8"))
    assert written == found.to_json()
    assert written["g"]["name"] == "microseconds (by hand)"
    assert written["g"]["results"] == {"one": {"value": pytest.approx(1000.0)}}
    assert [each["stop"] for each in written["g"]["gradient"]] == [0.0, 0.5, 1.0]


def test_nodes_of_which_nothing_is_known_have_no_verdict():
    made = chain()
    del made.graph.node[0].metadata_props[:]
    tag = Tag((), Provenance.UNKNOWN)
    assert next(htp.load(made).nodes())[1] == tag
    found = htp.node_data(htp.load(made), verified(row("", 0.1), row("b", 0.1)))
    assert set(found.values) == {Spot("g", "two")}


def test_another_result_is_refused():
    with pytest.raises(TypeError, match="found dict"):
        htp.node_data(htp.load(chain()), {})
