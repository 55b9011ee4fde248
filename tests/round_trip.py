"""Module calls as functions and back again: the same numbers, and the same graph up to names."""

import warnings

import numpy as np
import onnx
from onnx import inliner
from same_graph import fingerprints

import htp

__all__ = ["round_trip"]


def round_trip(tagged, path, folder):
    """All calls as functions, within each other, and back."""
    paths = dict.fromkeys(branch.call.path for branch in tagged.tree().walk())
    wanted = [each for each in paths if each]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* module calls are no functions", RuntimeWarning)
            made = tagged.as_functions(*wanted)
    except htp.HTPError as error:
        assert "No function can be made" in str(error)  # noqa: PT017 - a model of one module
        return
    out, back = str(folder / "functions.onnx"), str(folder / "inlined.onnx")
    made.save(out)
    onnx.checker.check_model(out, full_check=True)
    named = [call for row in made.functions.rows for call in row.calls]
    assert len(set(named)) == len(named)
    asked = {branch.call for branch in tagged.tree().walk() if branch.call.path}
    assert asked == {*named, *(each.call for each in made.functions.refused)}

    again = htp.load(out)
    assert again.carried is None
    assert [t for _, t in again.nodes()] == [t for _, t in made.nodes()]
    inlined = inliner.inline_local_functions(onnx.load(out, load_external_data=False))
    onnx.save(inlined, back)
    assert not inlined.functions
    model = onnx.load(path, load_external_data=False)
    if not model.functions:
        assert fingerprints(inlined, str(folder)) == fingerprints(model, str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = htp.diff(path, htp.carry(path, htp.load(back).strip()))
    assert found.equal or model.functions, str(found)
    assert same_numbers(path, (out, back))


def same_numbers(path, others):
    import onnxruntime

    def session(file):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])

    first = session(path)
    feeds = {each.name: made_up(each) for each in first.get_inputs()}
    expected = first.run(None, feeds)
    for other in others:
        for one, two in zip(expected, session(other).run(None, feeds)):
            np.testing.assert_array_equal(one, two)
    return True


def made_up(value):
    shape = [each if isinstance(each, int) else 2 for each in value.shape]
    random = np.random.default_rng(0)
    if "float" in value.type:
        return random.standard_normal(shape).astype(np.float32)
    if "bool" in value.type:
        return np.ones(shape, bool)
    return random.integers(1, 4, shape).astype(np.int64 if "64" in value.type else np.int32)
