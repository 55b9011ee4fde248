"""Convolutions that onnxruntime lays out in blocks: all their values and weights have new names."""

import numpy as np
import onnx
import onnxruntime
import pytest
from literal import model, node, value, weight

import htp


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32) * 0.1


def residual(blocks=3):
    """Blocks of two convolutions, beside a third that brings down the size."""
    nodes, weights = [], [weight("bias", value=random(32))]
    for at in range(blocks):
        block = f"block.{at}"
        rows = [("conv1", f"x{at}", "a", 3, 2), ("down", f"x{at}", "d", 1, 2)]
        rows.append(("conv2", f"b{at}", "c", 3, 1))
        for name, read, made, size, stride in rows:
            weights.append(weight(f"w{at}{name}", value=random(32, 32, size, size) + at))
            attributes = {"strides": [stride] * 2, "pads": [size // 2] * 4}
            path, inputs = f"{block}.{name}", f"{read} w{at}{name} bias"
            nodes.append(
                node("Conv", inputs, f"{made}{at}", f"/{path}/Conv", path, attributes=attributes)
            )
            if name == "conv1":
                nodes.append(node("Relu", f"a{at}", f"b{at}", f"/{block}/Relu", block))
        nodes.append(node("Add", f"c{at} d{at}", f"s{at}", f"/{block}/Add", block))
        nodes.append(node("Relu", f"s{at}", f"x{at + 1}", f"/{block}/Relu_1", block))
    nodes.append(node("ReduceMean", f"x{blocks}", "y", "/pool/ReduceMean", "pool"))
    return model(nodes, [value("x0", 1, 32, 64, 64)], [value("y", 1, 1, 1, 1)], weights)


@pytest.fixture(scope="module")
def carried(tmp_path_factory):
    path = tmp_path_factory.mktemp("blocked") / "made.onnx"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        residual().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    made = onnx.load(str(path))
    if not any(node.domain == "com.microsoft.nchwc" for node in made.graph.node):
        pytest.skip("on this machine onnxruntime does not lay out channels in blocks")
    return htp.carry(residual(), made)


def test_every_convolution_is_of_its_own_block(carried):
    found = [(tag.path, len(tag.shared)) for node, tag in carried.nodes() if node.op_type == "Conv"]
    wanted = []
    for at in range(3):
        block = f"block.{at}"
        wanted += [(block, 1), (f"{block}.down", 0), (block, 1)]
    assert sorted(found) == sorted(wanted)


def test_what_lays_out_is_of_what_it_lays_out(carried):
    (last,) = (tag for node, tag in carried.nodes() if node.op_type == "ReorderOutput")
    assert last.path == "block.2"
