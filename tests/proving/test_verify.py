"""htp.verify against PyTorch, on models of a few modules and faults of which it is known whose."""

import json
import warnings

import onnx
import pytest
from onnx.external_data_helper import load_external_data_for_model

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")

from proving.planting import Plain, planted  # noqa: E402
from torch import nn  # noqa: E402

import htp  # noqa: E402
from htp.proving.against_torch import against_torch  # noqa: E402
from htp.proving.tolerances import Tolerances  # noqa: E402
from htp.running.session import Settings  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of while it exports
BACKENDS = [each.name for each in htp.available_backends() if each.usable]
LEVELS = ["none", "basic", "extended", "all"]
X = torch.linspace(-1, 1, 16).reshape(2, 8)


class Block(nn.Module):
    """Calls, and works itself before, between and after."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, x):
        h = torch.tanh(self.first(x) * 0.5)
        return self.last(self.norm(h)) + x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x).softmax(-1)


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.act(self.norm(self.conv(x))).mean((2, 3)))


def seeded(kind):
    torch.manual_seed(0)
    return kind().eval()


class Made:
    """A model, its file, and faults for it."""

    def __init__(self, model, args, backend, folder):
        self.model, self.args, self.folder = model, args, folder
        path = str(folder / "model.onnx")
        self.tagged = htp.export(model, args, path, backend=backend, input_names=["x"])
        self.plain = Plain(self.tagged, str(folder), {"x": args[0].numpy()})

    def faults(self, kind, path):
        return [
            fault
            for fault in self.plain.candidates()
            if fault.kind == kind and fault.truth[0][0] == path and self.plain.shows(fault)
        ]

    def faulty(self, *faults, level=None):
        path = str(self.folder / "faulty.onnx")
        onnx.save_model(planted(self.plain, faults), path)
        return path if level is None else saved(path, level)

    def verify(self, file=None, level="all", **settings):
        file = self.tagged if file is None else file
        return htp.verify(self.model, self.args, file, level=level, **settings)


def saved(path, level):
    options = ort.SessionOptions()
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = getattr(levels, f"ORT_ENABLE_{level.upper()}")
    options.optimized_model_filepath = path = f"{path}.{level}"
    ort.InferenceSession(path[: -len(level) - 1], options, providers=["CPUExecutionProvider"])
    return path


@pytest.fixture(scope="module", params=BACKENDS)
def made(request, tmp_path_factory):
    return Made(seeded(Net), (X,), request.param, tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module", params=BACKENDS)
def vision(request, tmp_path_factory):
    image = torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8)
    return Made(seeded(Vision), (image,), request.param, tmp_path_factory.mktemp("vision"))


def named(found):
    return [row.call.path for row in found.culprits]


@pytest.mark.parametrize("level", LEVELS)
def test_a_clean_file(made, level):
    found = made.verify(level=level)
    assert found.first is None
    assert not any(row.diverges for row in found.rows)
    assert found.outputs.max_abs < 1e-5
    assert not found.remarks
    assert len(found.rows) >= 8
    assert "No error arises in any of" in str(found)


def test_a_wrong_weight(made):
    (fault, *_) = made.faults("weight", "blocks.1.first")
    found = made.verify(made.faulty(fault))
    assert found.first.path == "blocks.1.first"
    assert named(found) == ["blocks.1.first"]
    rows = {row.call.path: row for row in found.rows}
    assert rows["blocks.1.first"].own_error == pytest.approx(rows["blocks.1.first"].max_abs)
    assert found.rows[0] is rows["blocks.1.first"]
    assert rows["head"].diverges
    assert not rows["head"].arises
    assert rows["head"].own_error < 1e-5 < rows["head"].max_abs
    assert not rows["blocks.0"].diverges
    assert "in the run of the whole its inputs agree" in found.reason


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("activation", "blocks.0"),
        ("epsilon", "blocks.0.norm"),
        ("weight", "blocks.0.last"),
        ("weight", "head"),
    ],
)
def test_each_kind_of_fault(made, kind, path):
    """``tanh`` is the block's own, and its children that run later are not to blame."""
    (fault, *_) = made.faults(kind, path)
    found = made.verify(made.faulty(fault))
    assert named(found) == [path]


def test_two_faults_at_once(made):
    """The second is found on PyTorch's own inputs: in the run of the whole its inputs are wrong."""
    faults = [made.faults("weight", path)[0] for path in ("blocks.0.first", "blocks.1.last")]
    found = made.verify(made.faulty(*faults))
    assert named(found) == ["blocks.0.first", "blocks.1.last"]
    assert "though its inputs were wrong already" in found.culprits[1].reason


@pytest.mark.parametrize("level", ["basic", "extended"])
def test_a_file_that_was_saved_optimised(made, level):
    (fault, *_) = made.faults("weight", "blocks.0.last")
    assert made.verify(saved(made.faulty(), level), level="none").first is None
    assert named(made.verify(made.faulty(fault, level=level), level="none")) == ["blocks.0.last"]


def test_what_is_fused_is_told_apart_in_the_file_before(vision):
    (fault, *_) = vision.faults("activation", "act") or [None]
    (weight, *_) = [f for f in vision.plain.candidates() if ("norm", 0) in f.truth]
    found = vision.verify(vision.faulty(weight))
    assert named(found) == ["norm"]
    if fault is not None:
        assert named(vision.verify(vision.faulty(fault))) == ["act"]


def test_what_is_fused_is_a_group(vision):
    (weight, *_) = [f for f in vision.plain.candidates() if ("norm", 0) in f.truth]
    found = vision.verify(vision.faulty(weight, level="extended"), level="none")
    (row,) = found.culprits
    assert row.call.path == "act"
    assert {call.path for call in row.group} >= {"conv", "norm"}
    assert "act + " in str(found)


def test_what_has_no_value_is_not_judged(vision):
    found = vision.verify(level="none")
    reasons = {each.call.path: each.reason for each in found.not_judged}
    assert "only inside an operation" in reasons["conv"]
    assert "conv" not in {row.call.path for row in found.rows}


@pytest.mark.parametrize("level", ["none", "all"])
def test_a_file_of_16_bits(made, level):
    transformers = pytest.importorskip("onnxruntime.transformers.float16")
    model = onnx.load(str(made.folder / "model.onnx"))
    path = str(made.folder / "half.onnx")
    onnx.save_model(transformers.convert_float_to_float16(model, keep_io_types=True), path)
    found = made.verify(path, level)
    assert found.first is None
    assert max(row.max_abs for row in found.rows) > 1e-5
    assert made.verify(path, level, rtol=1e-6, atol=0.0).first is not None


def test_tolerances_of_the_caller(made):
    (fault, *_) = made.faults("weight", "blocks.1.first")
    path = made.faulty(fault)
    assert made.verify(path, atol=10.0).first is None
    assert made.verify(path, rtol=10.0).first is None


@pytest.mark.parametrize("budget", [1, 100])
def test_in_small_pieces_it_is_the_same(made, budget):
    (fault, *_) = made.faults("weight", "blocks.1.first")
    tagged = htp.load(made.faulty(fault))
    told = [
        against_torch(
            made.model, made.args, {}, tagged, Settings(level="none"), Tolerances(None, None), each
        )
        for each in (budget, 1 << 30)
    ]
    assert told[0].to_json() == told[1].to_json()


def test_a_branch_that_cannot_be_listened_to(tmp_path):
    class Touchy(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, x):
            if nn.Module.__call__ is not plain and not torch.jit.is_tracing():
                raise RuntimeError("somebody listens")
            return self.inner(x)

    plain = nn.Module.__call__
    model = nn.Sequential(nn.Linear(8, 8), Touchy(), nn.Linear(8, 8)).eval()
    tagged = htp.export(model, (X,), str(tmp_path / "m.onnx"), backend="torchscript")
    found = htp.verify(model, (X,), tagged)
    assert {row.call.path for row in found.rows} == {"", "0", "1", "2"}
    assert [each.call.path for each in found.not_judged] == ["1.inner"]


def test_json(made):
    (fault, *_) = made.faults("weight", "blocks.1.first")
    told = json.loads(json.dumps(made.verify(made.faulty(fault)).to_json(), allow_nan=False))
    assert told["schema"] == "htp.verify/1"
    assert told["first"]["path"] == "blocks.1.first"
    row = told["rows"][0]
    assert {"path", "type", "call", "max_abs", "max_rel", "cosine", "sqnr", "own_error"} <= set(row)
    assert (row["diverges"], row["arises"], row["group"]) == (True, True, [])


def test_other_weights_are_other_weights(made):
    torch.manual_seed(1)
    found = htp.verify(Net().eval(), made.args, made.tagged)
    assert len(found.culprits) > 4


def test_the_model_is_left_as_it_was(made):
    made.model.train()
    try:
        made.verify(level="none")
        assert all(module.training for module in made.model.modules())
    finally:
        made.model.eval()


def test_keyword_arguments(tmp_path):
    class Keywords(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, x, scale=None):
            return self.inner(x) * scale

    model, scale = Keywords().eval(), torch.tensor([2.0])
    for backend in BACKENDS:
        path = str(tmp_path / f"{backend}.onnx")
        tagged = htp.export(model, (X,), path, kwargs={"scale": scale}, backend=backend)
        found = htp.verify(model, (X,), tagged, {"scale": scale})
        assert found.first is None
        assert found.outputs.max_abs < 1e-6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (lambda made: (made.model, (torch.ones(2, 5),), made.tagged), "The model fails"),
        (lambda made: (made.model, (), made.tagged), "The model fails"),
        (lambda made: (made.model, made.args), "There is no file to verify"),
        (lambda made: (made.model, made.args, "missing.onnx"), "missing.onnx"),
        (lambda made: (made.tagged, made.args, None, {"x": 1}), "Keyword arguments are those"),
    ],
)
def test_bad_input(made, arguments, said):
    with pytest.raises(htp.HTPError, match=said):
        htp.verify(*arguments(made))


def test_a_level_that_is_none(made):
    with pytest.raises(htp.HTPError, match="no level of optimisation 'most'"):
        made.verify(level="most")


def test_a_damaged_weight_file(made):
    """A file that onnxruntime cannot load is an error of the file."""
    model = onnx.ModelProto()
    model.CopyFrom(made.tagged.model)
    load_external_data_for_model(model, str(made.folder))
    model.graph.node[0].op_type = "NoSuchOperator"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tagged = htp.load(model)
        with pytest.raises(htp.InvalidModelError, match="cannot load this model"):
            made.verify(tagged)


def test_a_file_of_no_export(tmp_path):
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Neg", ["x"], ["y"], name="/a/Neg")],
            "g",
            [onnx.helper.make_tensor_value_info("x", 1, [2])],
            [onnx.helper.make_tensor_value_info("y", 1, [2])],
        )
    )
    with pytest.raises(htp.HTPError, match="no export of HTP's"):
        htp.verify(nn.Identity(), (torch.ones(2),), model)


def without_values(path):
    """A file that says nothing of what its calls took and returned, as older ones."""
    model = onnx.load(path, load_external_data=False)
    for prop in model.metadata_props:
        if prop.key.startswith("pkg.htp.") and prop.value.startswith("{"):
            told = json.loads(prop.value)
            told.pop("values", None)
            prop.value = json.dumps(told)
    new = f"{path}.older"
    onnx.save_model(model, new)
    return new


def test_a_file_that_does_not_tell_its_values(made):
    """The graph is asked which value leaves a call."""
    assert made.verify(without_values(str(made.folder / "model.onnx"))).first is None
    (fault, *_) = made.faults("weight", "blocks.1.first")
    found = made.verify(without_values(made.faulty(fault)), level="none")
    assert named(found) == ["blocks.1.first"]


def test_nothing_can_be_judged(tmp_path):
    model = nn.Sequential(nn.Linear(8, 8)).eval()
    tagged = htp.export(model, (X,), str(tmp_path / "m.onnx"), backend=BACKENDS[0])

    class Other(nn.Module):
        def forward(self, x):
            return (x.sum(),)

    with pytest.raises(htp.HTPError, match="None of 2 module calls can be judged"):
        htp.verify(Other(), (X,), tagged)


def test_what_adds_up_is_said(made):
    (fault, *_) = made.faults("weight", "blocks.0.first")
    found = made.verify(made.faulty(fault))
    least = max(row.own_error for row in found.culprits)
    found = made.verify(made.faulty(fault), atol=least * 1.01, rtol=0.0)
    assert found.first is None
    if any(row.diverges for row in found.rows):
        assert "adds up" in found.remarks[0]
