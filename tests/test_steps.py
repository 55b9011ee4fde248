"""What verbs say of themselves while they work: ``htp.progress``. Most of it needs no torch."""

import asyncio
import inspect
import threading

import onnx
import pytest
from proving import faulty

import htp
from htp.steps import step, unheard


def heard(verb):
    """The steps that a verb takes; of each stage they are counted in order."""
    seen = []
    with htp.progress(seen.append):
        verb()
    for before, now in zip(seen, seen[1:]):
        if now.total is not None and before.stage == now.stage:
            assert now.done >= before.done, (before, now)
    assert all(0 <= each.done < each.total for each in seen if each.total is not None), seen
    return seen


def stages(verb):
    return list(dict.fromkeys(each.stage for each in heard(verb)))


@pytest.fixture(scope="module")
def model():
    return faulty.layers()


def without_tags(made):
    for node in made.graph.node:
        del node.metadata_props[:]
    return made


class TestListening:
    def test_nobody_listens(self):
        step("unheard")

    def test_the_innermost_hears(self):
        outer, inner = [], []
        with htp.progress(outer.append):
            step("one")
            with htp.progress(inner.append):
                step("two", 1, 3, "layer.0")
            step("three")
            with unheard():
                step("four")
        step("five")
        assert [each.stage for each in outer] == ["one", "three"]
        assert inner == [htp.Step("two", 1, 3, "layer.0")]

    def test_threads_have_their_own(self):
        seen = []
        with htp.progress(seen.append):
            thread = threading.Thread(target=step, args=("elsewhere",))
            thread.start()
            thread.join()
        assert seen == []

    def test_tasks_have_their_own(self):
        async def work(name):
            seen = []
            with htp.progress(seen.append):
                await asyncio.sleep(0)
                step(name)
                await asyncio.sleep(0)
            return [each.stage for each in seen]

        async def both():
            return await asyncio.gather(work("one"), work("two"))

        assert asyncio.run(both()) == [["one"], ["two"]]

    def test_what_a_listener_raises_ends_the_work(self, model, tmp_path):
        def stop(said):
            if said.stage == "cutting out":
                raise KeyboardInterrupt

        with htp.progress(stop), pytest.raises(KeyboardInterrupt):
            htp.load(model).extract("layer.1").save(tmp_path / "part.onnx")
        assert not list(tmp_path.iterdir())
        step("nobody listens any more")


class TestVerbs:
    def test_loading_and_saving(self, model, tmp_path):
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        first = heard(lambda: htp.load(path))[0]
        assert (first.stage, first.what) == ("reading", str(path))
        assert "writing the file" in stages(lambda: htp.load(path).save(path))

    def test_a_file_that_was_rewritten(self, model):
        tagged = htp.load(model)
        rewritten = without_tags(onnx.load_from_string(tagged.model.SerializeToString()))
        found = stages(lambda: htp.carry(tagged, rewritten))
        assert "matching by structure" in found
        assert found[-1] == "writing what was carried"

    def test_annotating(self):
        made = without_tags(faulty.layers())
        del made.metadata_props[:]
        for tensor in made.graph.initializer:
            del tensor.metadata_props[:]
            tensor.name = tensor.name.replace(".w", ".weight")
        for node in made.graph.node:
            node.input[:] = [name.replace(".w", ".weight") for name in node.input]
        asked = [each for each in heard(lambda: htp.annotate(made)) if each.stage == "asking"]
        assert [each.done for each in asked] == list(range(asked[0].total))

    def test_cutting(self, model):
        tagged = htp.load(model)
        assert "cutting out" in stages(lambda: tagged.extract("layer.1"))
        halves = [each for each in heard(lambda: tagged.split("layer.1")) if each.total]
        assert [(each.done, each.total) for each in halves] == [(0, 2), (1, 2)]

    def test_functions(self, model):
        made = [
            each for each in heard(lambda: htp.load(model).as_functions("layer.*")) if each.total
        ]
        assert {each.what for each in made} == {f"layer.{number}" for number in range(8)}
        assert {each.total for each in made} == {8}

    def test_diff(self, model):
        assert stages(lambda: htp.diff(model, model)) == ["reading weights", "comparing"]


class TestRunning:
    @pytest.fixture(autouse=True)
    def runtime(self):
        pytest.importorskip("onnxruntime")

    def test_bisect_counts_modules(self, model):
        bad = faulty.layers(faults=[2, 5])
        said = [
            each
            for each in heard(lambda: htp.bisect(model, bad, faulty.samples()))
            if each.stage == "bisecting"
        ]
        assert said[0].done == 0
        assert {each.total for each in said} == {25}
        assert said[-1].done > 15
        assert any("layer.5.linear" in each.what for each in said)

    def test_sensitivity_names_each_module(self, model):
        bad = faulty.layers(faults=[2])
        said = heard(lambda: htp.sensitivity(model, bad, faulty.samples()))
        alone = [each for each in said if each.stage == "trying each module"]
        assert [each.done for each in alone] == list(range(alone[0].total))
        assert "layer.2.linear" in {each.what for each in alone}

    def test_overflow_counts_values(self, model):
        said = [each for each in heard(lambda: htp.overflow(model, faulty.samples())) if each.total]
        assert said[-1].done == said[-1].total - 1
        assert "layer.2.linear" in {each.what for each in said}

    def test_verify_counts_samples(self, model):
        bad = faulty.layers(faults=[2])
        said = heard(lambda: htp.verify(model, bad, faulty.samples()))
        assert {each.total for each in said if each.stage == "comparing samples"} == {
            len(faulty.samples())
        }

    def test_profile_is_still_while_it_measures(self, model):
        said = heard(lambda: htp.profile(model, faulty.samples()[0], runs=3, warmup=1))
        runs = [each for each in said if each.stage == "running"]
        assert [(each.done, each.total) for each in runs] == [(n, 4) for n in range(4)]
        assert all(each.still == (each.stage == "running") for each in said)


@pytest.fixture(scope="module")
def net():
    torch = pytest.importorskip("torch")
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()).eval(), torch.ones(2, 4)


@pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere
class TestWithTorch:
    def test_export_and_verify(self, net):
        model, x = net
        held = []
        told = stages(lambda: held.append(htp.export(model, (x,), backend="torchscript")))
        assert told == [
            "exporting by torch",
            "hearing what was exported",
            "tagging",
            "writing the file",
        ]
        pytest.importorskip("onnxruntime")
        said = heard(lambda: htp.verify(model, (x,), held[0]))
        assert {each.what for each in said if each.stage == "comparing"} >= {"1"}

    def test_exports_of_others_say_nothing(self, net, tmp_path):
        import torch

        model, x = net
        there = inspect.signature(torch.onnx.export).parameters
        options = {"dynamo": False} if "dynamo" in there else {}  # the quicker one

        def export():
            with htp.tagging() as exports:
                torch.onnx.export(model, (x,), str(tmp_path / "net.onnx"), **options)
            assert exports[0].tagged

        assert heard(export) == []
