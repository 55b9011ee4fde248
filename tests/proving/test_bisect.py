"""htp.bisect: the modules to blame, in few runs. Needs onnxruntime, no torch."""

import math
import random

import numpy as np
import onnx
import pytest
from literal import node
from proving import faulty

import htp
from htp.proving.bisecting import DiffuseError, blamed
from htp.proving.grouping import Group


def search(count, bad, most=8):
    """Look for ``bad`` among so many groups; what was found, and in how many runs."""
    groups = [Group((str(number),), frozenset([number])) for number in range(count)]
    runs = []

    def is_right(nodes):
        runs.append(nodes)
        return set(bad) <= nodes

    found = blamed(groups, is_right, most)
    return sorted(int(group.paths[0]) for group in found), len(runs)


class TestSearch:
    @pytest.mark.parametrize("count", [1, 2, 7, 100, 1000])
    def test_one_is_found_in_logarithmic_time(self, count):
        for bad in {0, count // 2, count - 1}:
            found, runs = search(count, [bad])
            assert found == [bad]
            assert runs <= 2 * math.ceil(math.log2(count)) + 2

    def test_pairs(self):
        draw = random.Random(0)
        for _ in range(100):
            bad = sorted(draw.sample(range(200), 2))
            found, runs = search(200, bad)
            assert found == bad
            assert runs <= 4 * math.ceil(math.log2(200)) + 2

    def test_too_many_are_diffuse(self):
        with pytest.raises(DiffuseError):
            search(100, range(0, 100, 5))
        assert search(100, range(0, 100, 20))[0] == list(range(0, 100, 20))


@pytest.fixture(autouse=True)
def runtime():
    pytest.importorskip("onnxruntime")


def test_twenty_pairs():
    draw = random.Random(0)
    for _ in range(20):
        pair = sorted(draw.sample(range(8), 2))
        found = htp.bisect(faulty.layers(), faulty.layers(faults=pair), faulty.samples())
        assert sorted(found.modules) == [f"layer.{n}.linear" for n in pair]
        assert found.differs
        assert found.runs <= 4 * math.ceil(math.log2(found.candidates)) + 4


def test_equal_files():
    found = htp.bisect(faulty.layers(), faulty.layers(), faulty.samples())
    assert (found.modules, found.differs, found.runs) == ((), False, 1)
    assert "agree within" in str(found)


def test_nan_is_found():
    made = faulty.layers()
    broken = made.graph.node[11]  # what layer.3 itself does
    broken.op_type = "Div"
    broken.input[:] = [broken.input[0], "zero"]
    zero = onnx.numpy_helper.from_array(np.zeros(8, np.float32), "zero")
    made.graph.initializer.append(zero)
    found = htp.bisect(faulty.layers(), made, faulty.samples(), atol=1e9)
    assert found.modules == ("layer.3",)
    assert found.before["y"].apart
    assert found.to_json()["before"]["y"]["max_abs"] == "inf"


def test_a_diffuse_error_points_to_sensitivity():
    found = htp.bisect(faulty.layers(), faulty.layers(faults=range(8)), faulty.samples(), most=3)
    assert found.diffuse
    assert found.modules == ()
    assert "htp sensitivity" in str(found)


def test_modules_that_a_tool_fused_are_told_together():
    made = faulty.layers(faults=[2])
    linear, act = made.graph.node[6], made.graph.node[7]
    linear.output[0] = "inside"
    act.input[0] = "inside"  # the value between them has gone
    found = htp.bisect(faulty.layers(), made, faulty.samples())
    assert found.groups in {(("layer.2.linear", "layer.2.act"),), (("layer.2.linear",),)}


def test_what_no_module_makes_is_said():
    made = faulty.layers()
    made.graph.node[-1].output[0] = "before"
    made.graph.node.append(node("Neg", "before", "y", "neg", "head"))
    del made.graph.node[-1].metadata_props[:]
    found = htp.bisect(faulty.layers(), made, faulty.samples())
    assert found.modules in {("head",), ()}
    assert str(found)


def test_files_of_different_models():
    other = faulty.layers()
    other.graph.input.append(onnx.helper.make_tensor_value_info("more", 1, ["n"]))
    with pytest.raises(htp.HTPError, match="1 inputs, the candidate 2"):
        htp.bisect(faulty.layers(), other, faulty.samples())


def test_json_says_the_same():
    found = htp.bisect(faulty.layers(), faulty.layers(faults=[1]), faulty.samples())
    told = found.to_json()
    assert told["schema"] == "htp.bisect/1"
    assert told["modules"] == ["layer.1.linear"]
    assert told["runs"] == found.runs
    assert "layer.1.linear" in str(found)


def test_what_stands_in_a_branch_is_found_by_the_module_that_holds_it():
    feeds = {"x": np.ones((2, 8), np.float32), "c": np.array(True)}
    found = htp.bisect(faulty.with_a_branch(), faulty.with_a_branch(fault=True), feeds)
    assert found.modules == ("choice",)
    assert any(each.startswith("choice.then: its operations") for each in found.not_swapped)
