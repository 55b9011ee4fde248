"""Sessions of files that nobody trusts, samples in every layout, values exposed in groups."""

import os
import pickle

import numpy as np
import onnx
import pytest
from literal import model, node, value, weight
from onnx import TensorProto, helper, numpy_helper

from htp.errors import HTPError, InvalidModelError
from htp.file import sources
from htp.running import exposing, session
from htp.running.made_up import made_up
from htp.running.prepared import apart, prepared, prepared_file
from htp.running.samples import samples_of
from htp.running.session import Settings, Slot

W = np.arange(12, dtype=np.float32).reshape(3, 4)
INPUTS = {"x": Slot("x", "float32", ("n", 3)), "ids": Slot("ids", "int64", ("n",))}


def two_steps():
    """x -> y = x W -> z = relu(y + b)."""
    nodes = [
        node("MatMul", "x w", "y", "mm", "fc"),
        node("Add", "y b", "s", "add", "fc"),
        node("Relu", "s", "z", "relu", "act"),
    ]
    weights = [weight("w", value=W), weight("b", value=np.float32([1, -2, 3, -4]))]
    return model(nodes, [value("x", "n", 3)], [value("z", "n", 4)], weights)


@pytest.fixture
def outside(tmp_path):
    """The same with its weights in a data file."""
    onnx.save_model(
        two_steps(),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    return tmp_path / "m.onnx"


def file_of(f):
    return sources.opened(f)[0]


def moved(path, **entries):
    """Change what the first weight says of its data file."""
    made = onnx.load(path, load_external_data=False)
    tensor = made.graph.initializer[0]
    said = {e.key: e.value for e in tensor.external_data}
    del tensor.external_data[:]
    for key, said_value in {**said, **entries}.items():
        tensor.external_data.add(key=key, value=str(said_value))
    onnx.save(made, path)


X = np.float32([[1, 2, 3], [-1, 0, 1]])
Z = np.maximum(X @ W + np.float32([1, -2, 3, -4]), 0)


class TestSession:
    def setup_method(self):
        pytest.importorskip("onnxruntime")

    def test_a_model_in_memory(self):
        opened = session.opened(prepared(two_steps()))
        assert opened.inputs == {"x": Slot("x", "float32", ("n", 3), "tensor(float)")}
        assert opened.outputs == ["z"]
        assert opened.providers == ["CPUExecutionProvider"]
        np.testing.assert_allclose(opened.run({"x": X})["z"], Z)

    def test_weights_in_a_data_file_are_mapped(self, outside):
        file = file_of(outside)
        assert isinstance(prepared_file(file).weights["w"].base.base, np.memmap)
        np.testing.assert_array_equal(prepared_file(file).weights["w"], W)
        np.testing.assert_allclose(session.opened(file).run({"x": X})["z"], Z)
        assert sorted(os.listdir(outside.parent)) == ["m.data", "m.onnx"]

    def test_weights_of_nested_graphs_and_scalars_are_filled_in(self, tmp_path):
        inner = helper.make_graph(
            [helper.make_node("Add", ["x", "k"], ["i"])],
            "then",
            [],
            [value("i", 2)],
            [weight("k", value=np.float32([1, 2]))],
        )
        other = helper.make_graph(
            [helper.make_node("Identity", ["x"], ["j"])], "else", [], [value("j", 2)]
        )
        nodes = [
            helper.make_node("If", ["c"], ["o"], then_branch=inner, else_branch=other),
            helper.make_node("Mul", ["o", "f"], ["p"]),
        ]
        inputs = [value("x", 2), value("c", kind=TensorProto.BOOL)]
        made = model(nodes, inputs, [value("p", 2)], [weight("f", value=np.float32(3))])
        tensors = [made.graph.initializer[0]]
        tensors += [t for held in made.graph.node[0].attribute for t in held.g.initializer]
        content = b""
        for tensor in tensors:
            tensor.external_data.add(key="location", value="d")
            tensor.external_data.add(key="offset", value=str(len(content)))
            content += tensor.raw_data
            tensor.data_location = TensorProto.EXTERNAL
            tensor.ClearField("raw_data")
        (tmp_path / "d").write_bytes(content)
        onnx.save(made, tmp_path / "m.onnx")
        opened = session.opened(file_of(tmp_path / "m.onnx"))
        found = opened.run({"x": np.float32([5, 6]), "c": np.array(True)})
        np.testing.assert_array_equal(found["p"], [18, 24])

    @pytest.mark.parametrize(
        "entries",
        [
            {"location": "../m.data"},
            {"location": "/etc/hostname"},
            {"location": "gone.data"},
            {"location": "*/_ORT_MEM_ADDR_/*"},
            {"offset": "100000"},
            {"offset": "-4"},
            {"length": "5"},
            {"length": "99999999999999999999"},
        ],
    )
    def test_a_data_file_that_cannot_be_trusted(self, outside, entries):
        moved(outside, **entries)
        with pytest.raises(InvalidModelError, match="'w'"):
            session.opened(file_of(outside))

    def test_a_damaged_model(self):
        made = two_steps()
        made.graph.node[0].op_type = "Nothing\nlike it"
        with pytest.raises(InvalidModelError, match="cannot load this model") as told:
            session.opened(prepared(made))
        assert len(str(told.value)) < 700

    def test_the_model_as_it_runs_is_saved(self, outside, tmp_path):
        saved = tmp_path / "o.onnx"
        session.opened(file_of(outside), Settings(level="basic", optimised=str(saved)))
        assert [n.op_type for n in onnx.load(saved).graph.node]
        np.testing.assert_allclose(session.opened(file_of(saved)).run({"x": X})["z"], Z)

    def test_settings_that_there_are_not(self):
        with pytest.raises(HTPError, match="no level of optimisation 'most'"):
            session.opened(prepared(two_steps()), Settings(level="most"))
        with pytest.raises(HTPError, match="no provider 'CPUExecution'"):
            session.opened(prepared(two_steps()), Settings(providers=["CPUExecution"]))

    def test_options_of_the_caller_serve_once(self, outside):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        settings = Settings(options=options)
        np.testing.assert_allclose(session.opened(file_of(outside), settings).run({"x": X})["z"], Z)
        with pytest.raises(HTPError, match="used before"):
            session.opened(file_of(outside), settings)

    def test_what_fails_while_it_runs(self):
        with pytest.raises(HTPError, match="cannot run this model"):
            session.opened(prepared(two_steps())).run({"x": X[:, :2]})

    def test_without_onnxruntime(self, monkeypatch):
        import sys

        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(HTPError, match=r"htp-onnx\[runtime\]"):
            session.opened(prepared(two_steps()))


class TestExposing:
    def test_groups_keep_to_the_budget(self):
        feeds = {"x": np.zeros((10, 3), np.float32)}
        names = ["y", "s", "z"]
        assert exposing.grouped(two_steps(), names, feeds) == [names]
        assert exposing.grouped(two_steps(), names, feeds, 640) == [["y", "s"], ["z"]]
        assert exposing.grouped(two_steps(), names, feeds, 1) == [["y"], ["s"], ["z"]]
        assert exposing.grouped(two_steps(), names, {"x": np.zeros(1)}, 1) == [names]
        assert exposing.grouped(two_steps(), [], feeds) == []

    @pytest.mark.parametrize("budget", [1, 1 << 20])
    def test_values_of_several_samples(self, budget):
        pytest.importorskip("onnxruntime")
        samples = [{"x": X}, {"x": 2 * X}]
        seen = list(exposing.stream(two_steps(), ["z", "y"], samples, budget=budget))
        assert sorted((s.sample, s.name) for s in seen) == [(0, "y"), (0, "z"), (1, "y"), (1, "z")]
        for number, name, array in seen:
            np.testing.assert_allclose(array, X @ W * (number + 1)) if name == "y" else None

    def test_a_data_file_goes_along(self, outside):
        pytest.importorskip("onnxruntime")
        made = onnx.load(outside, load_external_data=False)
        [seen] = exposing.stream(made, ["y"], [{"x": X}], [str(outside.parent)])
        np.testing.assert_allclose(seen.array, X @ W)
        assert len(made.graph.output) == 1

    def test_a_value_that_is_not_there(self):
        with pytest.raises(HTPError, match="computes a value 'yy'"):
            exposing.exposed(two_steps(), ["yy"])


class TestSamples:
    def sample(self, number=0):
        return {"x": np.full((2, 3), number, np.float32), "ids": np.arange(2)}

    def same(self, found, *numbers):
        assert [s["x"][0, 0] for s in found] == list(numbers)
        assert all(s["ids"].dtype == np.int64 for s in found)

    def test_npz(self, tmp_path):
        np.savez(tmp_path / "a.npz", **self.sample())
        self.same(samples_of(tmp_path / "a.npz", INPUTS), 0)

    def test_a_folder_of_npz_in_order(self, tmp_path):
        for number in (10, 9, 1):
            np.savez(tmp_path / f"s{number}.npz", **self.sample(number))
        found = samples_of(str(tmp_path), INPUTS)
        self.same(found, 1, 9, 10)
        self.same(found[1:], 9, 10)
        assert len(found) == 3

    def test_npy_by_the_names_of_inputs(self, tmp_path):
        for number in range(2):
            (tmp_path / str(number)).mkdir()
            for name, array in self.sample(number).items():
                np.save(tmp_path / str(number) / f"{name}.npy", array)
        self.same(samples_of(tmp_path, INPUTS), 0, 1)
        self.same(samples_of(tmp_path / "1", INPUTS), 1)

    def test_npy_for_one_input(self, tmp_path):
        for number in range(3):
            np.save(tmp_path / f"{number}.npy", self.sample(number)["x"])
        found = samples_of(tmp_path, {"x": INPUTS["x"]})
        assert [s["x"][0, 0] for s in found] == [0, 1, 2]
        assert len(samples_of(tmp_path / "1.npy", {"x": INPUTS["x"]})) == 1

    @pytest.mark.parametrize("named", [True, False])
    def test_the_layout_of_onnx(self, tmp_path, named):
        for number in range(2):
            folder = tmp_path / f"test_data_set_{number}"
            folder.mkdir()
            order = list(self.sample(number).items())
            for at, (name, array) in enumerate(order[::-1] if named else order):
                tensor = numpy_helper.from_array(array, name if named else f"t{at}")
                (folder / f"input_{at}.pb").write_bytes(tensor.SerializeToString())
            (folder / "output_0.pb").write_bytes(b"")
        self.same(samples_of(tmp_path, INPUTS), 0, 1)
        self.same(samples_of(tmp_path / "test_data_set_1", INPUTS), 1)

    def test_from_the_caller(self):
        self.same(samples_of(self.sample(3), INPUTS), 3)
        self.same(samples_of(map(self.sample, range(2)), INPUTS), 0, 1)
        self.same(samples_of(samples_of(self.sample(3), {}), INPUTS), 3)

    def test_fractions_are_converted_and_nothing_else(self):
        wide = {"x": np.zeros((1, 3)), "ids": np.zeros(1, np.int64)}
        assert samples_of(wide, INPUTS)[0]["x"].dtype == np.float32
        with pytest.raises(HTPError, match="'ids' of the sample is int32; it must be int64"):
            samples_of({**wide, "ids": np.zeros(1, np.int32)}, INPUTS)[0]

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"y": 1}, "no input 'y', which sample 0 gives"),
            ({"x": None}, "sample 0 has nothing for the input 'x'"),
            ({"x": np.zeros((2, 4), np.float32)}, r"shape \[2, 4\]; it must be \['n', 3\]"),
            ({"x": np.zeros(3, np.float32)}, r"shape \[3\]"),
        ],
    )
    def test_what_does_not_fit(self, change, text):
        changed = {k: v for k, v in {**self.sample(), **change}.items() if v is not None}
        with pytest.raises(HTPError, match=text):
            samples_of([changed], INPUTS)[0]

    @pytest.mark.parametrize("given", [3, [3], [], "nowhere", "nowhere.npz"])
    def test_what_is_none(self, given, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(HTPError):
            samples_of(given, INPUTS)[0]

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(HTPError, match="There are no samples in"):
            samples_of(tmp_path, INPUTS)

    @pytest.mark.parametrize("name", ["a.npz", "x.npy", "input_0.pb"])
    def test_damaged_files(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"PK\x03\x04 is no file of this kind")
        with pytest.raises(HTPError, match="Cannot read"):
            samples_of(tmp_path, INPUTS)[0]

    def test_no_other_file_is_read(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        tensor = numpy_helper.from_array(self.sample()["x"], "x")
        (tmp_path / "secret").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="secret")
        (tmp_path / "samples").mkdir()
        (tmp_path / "samples" / "input_0.pb").write_bytes(tensor.SerializeToString())
        with pytest.raises(HTPError, match="lie in another file"):
            samples_of(tmp_path / "samples", {"x": INPUTS["x"]})[0]

    @pytest.mark.parametrize("name", ["a.npz", "x.npy"])
    def test_nothing_is_unpickled(self, tmp_path, name):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "made"),)

        held = np.array([Evil()], dtype=object)
        (np.savez if name == "a.npz" else np.save)(tmp_path / name, held)
        if name == "x.npy":
            (tmp_path / "x.npy").write_bytes(pickle.dumps(Evil()))
        with pytest.raises(HTPError, match="Cannot read"):
            samples_of(tmp_path, INPUTS)[0]
        assert not (tmp_path / "made").exists()


class TestMadeUp:
    def asked(self, **kinds):
        inputs = [value("x", "n", 3), value("ids", "n", kind=TensorProto.INT64)]
        inputs += [value("mask", "n", kind=kind) for kind in kinds.values()]
        nodes = [node("Gather", "rows ids", "g", "gather", "embed")]
        return model(nodes, inputs, [value("g", "n", 4)], [weight("rows", 7, 4)])

    def test_shapes_types_and_rows(self):
        found = made_up(self.asked(mask=TensorProto.BOOL), {"n": 500})
        assert found["x"].shape == (500, 3)
        assert found["x"].dtype == np.float32
        assert sorted(set(found["ids"])) == list(range(7))
        assert found["mask"].dtype == bool
        assert len(set(found["mask"])) == 2

    def test_the_same_for_one_seed(self):
        one, same, other = (made_up(self.asked(), {"n": 5}, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one["x"], same["x"])
        assert (one["x"] != other["x"]).any()

    def test_what_is_not_known(self):
        with pytest.raises(HTPError, match="--shape n=1"):
            made_up(self.asked())
        with pytest.raises(HTPError, match="No numbers of the type"):
            made_up(self.asked(mask=TensorProto.STRING), {"n": 2})
        with pytest.raises(HTPError, match="No dynamic axis"):
            made_up(self.asked(), {"m": 2})


class TestApart:
    def test_large_weights_stand_beside_the_model(self):
        made = two_steps()
        made.graph.initializer.append(weight("k", value=np.ones((4, 500), np.float32)))
        made.graph.node.append(node("MatMul", "z k", "q", "mm2", "head"))
        made.graph.output.add(name="q")
        made.graph.initializer.append(weight("idle", 400))  # nothing reads it
        light = apart(made)
        assert list(light.weights) == ["k"]
        assert light.model.ByteSize() < 4000
        assert light.model.metadata_props == made.metadata_props
        assert made.graph.initializer[2].raw_data
        pytest.importorskip("onnxruntime")
        found = session.opened(prepared(made)).run({"x": X})
        np.testing.assert_allclose(found["q"][:, 0], Z.sum(1))
