"""htp.sensitivity: what modules cost, and which to leave. Needs onnxruntime, no torch."""

import math

import numpy as np
import onnx
import pytest
from proving import faulty

import htp
from htp.proving.keeping import Choice, keep

pytest.importorskip("onnxruntime")


def choice(path, *nodes, share=0.1):
    return Choice(path, False, frozenset(nodes), len(nodes), share)


class TestKeep:
    def test_few_that_reach_it(self):
        shares = {1: 0.5, 2: 0.3, 3: 0.1, 4: 0.05}
        choices = [choice(str(n), n, share=share) for n, share in shares.items()]
        kept = keep(choices, lambda nodes: sum(shares[n] for n in nodes), 0.8)
        assert [each.path for each in kept.choices] == ["1", "2"]
        assert kept.share == pytest.approx(0.8)

    def test_what_is_not_needed_goes(self):
        choices = [choice("a", 1, share=0.5), choice("b", 2, share=0.4), choice("c", 3, share=0.3)]
        kept = keep(choices, lambda nodes: float({2, 3} <= nodes), 0.8)
        assert [each.path for each in kept.choices] == ["b", "c"]

    def test_a_part_of_what_is_there_is_not_listed(self):
        choices = [choice("a", 1, 2, share=0.9), choice("a.b", 1, share=0.2)]
        kept = keep(choices, lambda nodes: 0.45 * len(nodes), 0.9)
        assert [each.path for each in kept.choices] == ["a"]

    def test_a_target_that_is_out_of_reach(self):
        choices = [choice("a", 1, share=0.3), choice("b", 2, share=-0.1)]
        kept = keep(choices, lambda nodes: 0.3 * (1 in nodes), 0.8)
        assert [each.path for each in kept.choices] == ["a"]
        assert kept.share == 0.3
        assert keep([], lambda nodes: 0.0, 0.8).choices == ()


def rounded(made, bits=4, but=()):
    """What a quantiser does to weights: rounds them, coarsely where the largest is large."""
    for tensor in made.graph.initializer:
        if tensor.name not in but:
            array = onnx.numpy_helper.to_array(tensor)
            step = np.abs(array).max() / 2 ** (bits - 1)
            held = (np.round(array / step) * step).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(held, tensor.name))
    return made


def outlier(array):
    """One large weight, which makes the rounding of all others coarse."""
    changed = array.copy()
    changed[0, 0] = 40
    return changed


def files():
    """A file in which one module is much worse when it is quantised, and that one quantised."""
    made = [faulty.changed(faulty.layers(), "layer.2.w", outlier) for _ in range(2)]
    return made[0], rounded(made[1], bits=8)


def test_the_dearest_module_is_first_and_is_left():
    found = htp.sensitivity(*files(), faulty.samples())
    assert found.rows[0].path in {"layer.2", "layer.2.linear"}
    assert found.keep == ("layer.2.linear",)
    assert found.reached
    assert found.recovered > 0.8
    assert found.after > found.before
    assert found.rows[0].effect > 0
    assert (found.size, found.among) == (1, 25)
    assert found.listed("names").text == "l2/MatMul"
    assert "layer.2.linear" in str(found)


def test_a_whole_run_with_the_list_gives_what_is_told():
    reference, candidate = files()
    found = htp.sensitivity(reference, candidate, faulty.samples())
    for tensor in candidate.graph.initializer:
        if tensor.name == "layer.2.w":
            tensor.CopyFrom(next(t for t in reference.graph.initializer if t.name == tensor.name))
    again = htp.bisect(reference, candidate, faulty.samples())
    noise = again.before["y"].noise / again.before["y"].signal
    assert -10 * math.log10(noise) == pytest.approx(found.after)


def test_a_metric_of_the_callers():
    reference, candidate = files()
    seen = []

    def metric(results):
        seen.append(len(results))
        return -float(np.mean([np.abs(each["y"]).mean() for each in results]))

    found = htp.sensitivity(reference, candidate, faulty.samples(3), metric)
    assert found.measured == "metric"
    assert set(seen) == {3}
    assert found.samples == 3
    assert all(row.effect == pytest.approx(row.effect) for row in found.rows)


def test_nothing_lost():
    found = htp.sensitivity(faulty.layers(), faulty.layers(), faulty.samples())
    assert found.keep == ()
    assert "nothing was lost" in str(found)
    with pytest.raises(htp.HTPError, match="no module to be listed"):
        found.listed()


def test_what_cannot_be_swapped_is_said():
    reference, candidate = files()
    candidate.graph.node[0].output[0] = candidate.graph.node[1].input[0] = "renamed"
    candidate.graph.node[0].op_type, candidate.graph.node[1].op_type = "Gemm", "Sin"
    found = htp.sensitivity(reference, candidate, faulty.samples())
    assert {"layer.0.linear", "layer.0.act"} & {each.path for each in found.not_swapped}
    assert "the candidate has not" in str(found)


def test_a_target_that_is_none():
    with pytest.raises(htp.HTPError, match="share"):
        htp.sensitivity(*files(), faulty.samples(), target=80)


def test_json_says_the_same():
    found = htp.sensitivity(*files(), faulty.samples())
    told = found.to_json()
    assert told["schema"] == "htp.sensitivity/1"
    assert told["keep"] == ["layer.2.linear"]
    assert told["rows"][0]["path"] == found.rows[0].path


@pytest.mark.filterwarnings("ignore")  # what the converter warns of
def test_a_file_in_float16():
    """Values are cast at the border of what stays; the converter, told so, gives the same."""
    pytest.importorskip("onnxruntime.transformers.float16")
    feeds = faulty.samples(3)
    found = htp.sensitivity(faulty.layers(), faulty.halved(faulty.layers(), []), feeds)
    assert found.not_swapped == ()
    assert found.reached
    assert 0 < found.size < found.among
    again = faulty.halved(faulty.layers(), found.listed("names").text.split())
    told = htp.sensitivity(faulty.layers(), again, feeds).before
    assert told == pytest.approx(found.after, abs=3)
