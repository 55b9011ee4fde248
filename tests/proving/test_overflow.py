"""htp.overflow: which modules leave the range of float16. Needs onnxruntime, no torch."""

import numpy as np
import onnx
import pytest
from literal import model, node, value, weight
from proving import faulty

import htp

pytest.importorskip("onnxruntime")


def large():
    """Two modules whose numbers pass 65504: what one makes is read by the layer itself."""
    made = faulty.layers()
    for number in (2, 5):
        made = faulty.changed(made, f"layer.{number}.w", lambda array: array * np.float32(1e5))
    return made


def test_overflow():
    found = htp.overflow(large(), faulty.samples())
    over = {"layer.2.linear", "layer.2.act", "layer.5.linear", "layer.5.act"}
    assert set(found.keep) == over
    assert found.rows[0].largest > 65504
    assert set(found.listed("names").text.split()) == {
        *("l2/MatMul", "l2/Tanh", "l5/MatMul", "l5/Tanh")
    }
    assert found.to_json()["keep"] == list(found.keep)
    assert "4 of 25 modules" in str(found)
    assert htp.overflow(faulty.layers(), faulty.samples()).keep == ()


def test_a_mask_is_no_overflow():
    made = faulty.layers()
    mask = onnx.numpy_helper.from_array(np.float32([-np.inf, 0] * 4), "mask")
    lowest = onnx.numpy_helper.from_array(np.finfo(np.float32).min * np.ones(8, np.float32), "low")
    made.graph.initializer.extend([mask, lowest])
    made.graph.node[-2].input[1] = "mask"
    made.graph.node[-1].input[0] = "l6_out"
    made.graph.node[2].input[1] = "low"
    made.graph.node[3].input[0] = "x"
    made.graph.node[5].input[1] = "x"
    assert htp.overflow(made, faulty.samples()).keep == ()


@pytest.mark.parametrize("limit", [0, -1, 1e6])
def test_a_limit_that_is_none(limit):
    with pytest.raises(htp.HTPError, match="limit"):
        htp.overflow(faulty.layers(), faulty.samples(), limit)


def norms():
    """Four layers of a product and a norm; the products of the second and the last are large."""
    random = np.random.default_rng(0)
    nodes, weights, before = [], [], "x"
    for number in range(4):
        held = random.standard_normal((8, 8)) * (5e4 if number in {1, 3} else 1) / 8**0.5
        path, at = f"layer.{number}", f"l{number}"
        weights += [
            weight(f"{at}.w", value=held.astype(np.float32)),
            weight(f"{at}.s", 8),
            weight(f"{at}.b", value=np.zeros(8, np.float32)),
        ]
        nodes += [
            node("MatMul", f"{before} {at}.w", f"{at}_m", f"{at}/MatMul", f"{path}.linear"),
            node(
                "LayerNormalization",
                f"{at}_m {at}.s {at}.b",
                f"{at}_o",
                f"{at}/Norm",
                f"{path}.norm",
                attributes={"axis": -1},
            ),
        ]
        before = f"{at}_o"
    nodes.append(node("MatMul", f"{before} h", "y", "head/MatMul", "head"))
    weights.append(weight("h", value=random.standard_normal((8, 3)).astype(np.float32)))
    return model(nodes, [value("x", 2, 8)], [value("y", 2, 3)], weights)


@pytest.mark.filterwarnings("ignore")  # numpy tells of the overflow
def test_nan_in_float16_and_right_with_the_list():
    """By ONNX's own evaluator: onnxruntime's CPU computes in float32, and hides it."""
    from onnx.reference import ReferenceEvaluator

    feeds = {"x": np.random.default_rng(1).standard_normal((2, 8)).astype(np.float32) * 3}
    found = htp.overflow(norms(), feeds)
    assert {row.path for row in found.rows if row.over} == {
        *("layer.1.linear", "layer.1.norm", "layer.3.linear", "layer.3.norm")
    }
    names = found.listed("names").text.split()
    plain, half, spared = (
        ReferenceEvaluator(each).run(None, feeds)[0]
        for each in (norms(), faulty.halved(norms(), []), faulty.halved(norms(), names))
    )
    assert np.isnan(half).any()
    np.testing.assert_allclose(spared, plain, atol=0.02)
