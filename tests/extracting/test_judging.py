"""The judge of extracted parts sees each planted error, and finds nothing where there is none."""

import pytest

import htp
from extracting.judging import judge
from extracting.measuring import exported, extracted, measure
from extracting.planted import (
    FAULTS,
    own_nodes_alone,
    remembering,
    with_another_call,
    with_fault,
)
from extracting.seen import run_of
from extracting.subjects import judged
from htp.testing.case import Example
from htp.testing.noise import LET_TORCH_WARN

pytest.importorskip("onnxruntime")
pytestmark = LET_TORCH_WARN
USABLE = [info.name for info in htp.available_backends() if info.usable]
MODELS = {each.name: each for each in judged("static") if each.name.startswith("own:")}
PLANTED_IN = {
    "drops_a_node": "own:vae",
    "drops_the_last_node": "own:wavenet",
    "loses_an_input": "own:containers",
    "loses_an_output": "own:vae",
    "makes_a_weight_larger": "own:vae",
    "swaps_two_inputs": "own:containers",
    "swaps_two_outputs": "own:vae",
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("exports"))


def name_of(call):
    path, number = call
    return f"{path}@{number}" if number else path


@pytest.mark.parametrize("backend", USABLE)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen_in_every_part(fault, backend, cache):
    model = MODELS[PLANTED_IN[fault]]
    right = measure(model, backend, cache)
    assert not right.wrong, right.wrong
    done = []
    found = measure(model, backend, cache, with_fault(extracted, FAULTS[fault], done))
    assert done
    assert set(found.wrong) == {name_of(call) for call in done}


@pytest.mark.parametrize("backend", USABLE)
def test_another_call_s_nodes_are_seen(backend, cache):
    pairs = {("layers.0.skip", 0): ("layers.1.skip", 0), ("layers.2", 0): ("layers.1", 0)}
    found = measure(MODELS["own:wavenet"], backend, cache, with_another_call(extracted, pairs))
    assert set(found.wrong) == {"layers.0.skip", "layers.2"}


@pytest.mark.parametrize("claims", [False, True])
@pytest.mark.parametrize("backend", USABLE)
def test_the_activation_behind_a_fused_normalisation_is_not_the_module(backend, claims, cache):
    model = MODELS["own:partly_fused"]
    found = measure(model, backend, cache, own_nodes_alone(claims), only="norm")
    assert (found.given, list(found.wrong)) == (1, ["norm"])
    said = "it says that input" if claims else "it is not the module: on changed arguments"
    assert any(said in line for line in found.wrong["norm"])


@pytest.mark.parametrize("backend", USABLE)
def test_a_part_that_remembers_is_seen(backend, cache, tmp_path):
    model = MODELS["own:vae"]
    path = exported(model, backend, cache)
    right, wrong = str(tmp_path / "right.onnx"), str(tmp_path / "wrong.onnx")
    claims = extracted(htp.load(path), "encoder", 0, right)
    runs = [run_of(path, model.build())]
    remembering(right, runs[0].calls["encoder", 0], wrong)
    (problem,) = judge(wrong, ("encoder", 0), runs, claims).problems
    assert "on changed arguments" in problem
    other, _, kwargs = model.build()
    runs.append(run_of(path, Example(other, model.others(), kwargs)))
    assert judge(right, ("encoder", 0), runs, claims).equal
    (problem,) = judge(wrong, ("encoder", 0), runs, claims).problems
    assert problem.startswith("on other inputs")
