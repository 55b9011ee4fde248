"""htp.verify of two files: which module of a rewritten file is wrong. Needs onnxruntime."""

import numpy as np
import onnx
import pytest
from proving import faulty

import htp

ort = pytest.importorskip("onnxruntime")


def verify(reference, candidate, samples=None, **options):
    file = htp.load(reference.SerializeToString())
    return htp.verify(file, candidate, samples or faulty.samples(), **options)


def paths(found):
    return [row.call.path for row in found.culprits]


def optimised(made, folder, level="ORT_ENABLE_ALL"):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(folder / "o.onnx")
    providers = ["CPUExecutionProvider"]
    ort.InferenceSession(made.SerializeToString(), options, providers=providers)
    return onnx.load(folder / "o.onnx")


@pytest.mark.parametrize("level", ["none", "all"])
def test_equal_files(level):
    found = verify(faulty.layers(), faulty.layers(), level=level)
    assert found.first is None
    assert found.samples == 2
    assert found.outputs.max_abs < 1e-5
    assert {row.call.path for row in found.rows} >= {"layer.3", "layer.3.linear", "head", ""}


@pytest.mark.parametrize("number", range(8))
def test_one_fault_in_an_optimised_file(number, tmp_path):
    candidate = optimised(faulty.layers(faults=[number]), tmp_path)
    found = verify(faulty.layers(), candidate)
    assert paths(found) == [f"layer.{number}.linear"]
    later = {row.call.path for row in found.rows if row.diverges and not row.arises}
    assert "layer.7" in later or number == 7


def test_two_faults_at_once():
    found = verify(faulty.layers(), faulty.layers(faults=[1, 6]))
    assert paths(found) == ["layer.1.linear", "layer.6.linear"]
    assert found.first.path == "layer.1.linear"


def test_a_fault_that_one_of_many_samples_shows():
    made = faulty.layers()
    made.graph.node[4].op_type = "Sin"  # near zero it is what Tanh is
    small, large = ({"x": np.full((2, 8), each, np.float32)} for each in (1e-4, 1.0))
    assert paths(verify(faulty.layers(), made, [small])) == []
    assert paths(verify(faulty.layers(), made, [small, small, large])) == ["layer.1.act"]


def test_half_the_width(tmp_path):
    convert = pytest.importorskip("onnxruntime.transformers.float16").convert_float_to_float16
    clean = convert(faulty.layers(), keep_io_types=True)
    assert paths(verify(faulty.layers(), clean)) == []
    wrong = convert(faulty.layers(faults=[3]), keep_io_types=True)
    assert paths(verify(faulty.layers(), wrong)) == ["layer.3.linear"]


def test_what_the_candidate_has_not_is_not_judged(tmp_path):
    made = faulty.layers()
    made.graph.node[3].output[0] = made.graph.node[4].input[0] = "renamed"
    made.graph.node[3].op_type = "Gemm"
    made.graph.node[4].op_type = "Sin"
    found = verify(faulty.layers(), made, level="none")
    assert "layer.1.linear" in {each.call.path for each in found.not_judged}
    assert paths(found) == ["layer.1.act"]
    assert [call.path for call in found.culprits[0].group] == ["layer.1.linear"]


def test_files_that_do_not_belong_together():
    other = faulty.layers()
    other.graph.input.append(onnx.helper.make_tensor_value_info("more", 1, ["n"]))
    with pytest.raises(htp.HTPError, match="takes 1 inputs, the candidate 2"):
        verify(faulty.layers(), other)
