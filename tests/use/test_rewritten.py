"""Boundaries and costs of a file that onnxruntime has rewritten: its names are still the values."""

import numpy as np
import onnx
import pytest

import htp
from htp.testing.noise import LET_TORCH_WARN

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]
FEED = {"tokens": np.arange(32).reshape(2, 16)}


@pytest.fixture(scope="module", params=USABLE)
def files(request, tmp_path_factory):
    """The demo, and what onnxruntime made of it."""
    from htp.cli.demo_model import example

    folder = tmp_path_factory.mktemp("rewritten")
    asked = example()
    model, args = asked.pop("model"), asked.pop("args")
    path, made = str(folder / "model.onnx"), str(folder / "basic.onnx")
    htp.export(model, args, path, backend=request.param, **asked)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = made
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return path, made


def values_of(path, names):
    """What the values of these names are, computed by onnxruntime without any optimisation."""
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return dict(zip(names, session.run(list(names), FEED)))


def test_each_value_is_the_one_that_it_was(files):
    path, made = files
    before, after = htp.load(path), htp.carry(htp.load(path), made)
    compared, same, calls = {}, 0, 0
    for branch in before.tree().walk():
        call = branch.call
        if not branch.total.total:
            continue
        was, now = (each.boundary(call.path, call.call) for each in (before, after))
        assert was.exact, call
        told, left = ({*each.inputs, *each.outputs} for each in (was, now))
        compared.update(dict.fromkeys((told & left) - {"tokens"}))
        same += told == left
        calls += 1
        if now.exact:
            assert (now.inputs, now.outputs) == (was.inputs, was.outputs)
    assert len(compared) > 10
    assert same > 0.7 * calls
    names = list(compared)
    first, second = values_of(path, names), values_of(made, names)
    for name in names:
        assert np.abs(first[name] - second[name]).max() < 1e-5, name


def test_it_costs_the_same(files):
    path, made = files
    before, after = (
        each.cost({"batch": 2}) for each in (htp.load(path), htp.carry(htp.load(path), made))
    )
    assert after.total.unknown == before.total.unknown == 0
    assert after.total.macs == before.total.macs
    layers = [
        {row.call.path: row.macs for row in cost.rows if row.call.path in ("encoder", "head")}
        for cost in (before, after)
    ]
    assert layers[0] == layers[1]
