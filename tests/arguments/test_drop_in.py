"""``htp.export(**kw)`` in place of ``torch.onnx.export(**kw)``, with equal ``kw``.

Each row is a call as people write it. torch runs it, HTP runs it, and the stripped file is torch's.
"""

import inspect

import pytest
import torch
from torch import nn

import htp
from htp.testing.noise import LET_TORCH_WARN
from htp.torch_release import RELEASE

pytestmark = LET_TORCH_WARN

PARAMETERS = inspect.signature(torch.onnx.export).parameters
USABLE = [info.name for info in htp.available_backends() if info.usable]
TRAINING = torch.onnx.TrainingMode
HERE = f"{RELEASE.major}.{RELEASE.minor}"
DIM = getattr(getattr(torch, "export", None), "Dim", None)


class Two(nn.Module):
    """Its inputs are told apart by what becomes of them."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x, y, z=None):
        out = self.linear(x) * 2 - y
        return out if z is None else out * z


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x, more, pair):
        return self.linear(x) + more["a"] * more["b"] - pair[0] * pair[1]


class OneList(nn.Module):
    def forward(self, pair):
        return torch.relu(pair[0]) - pair[1]


class Two_outputs(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(x), torch.relu(x)


class Number(nn.Module):
    def forward(self, x, factor):
        return x * factor


class Folding(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 3))

    def forward(self, x):
        return torch.matmul(x, self.weight.transpose(0, 1)) + torch.relu(x)


def dropping():
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU())


def x(value=1.0):
    return torch.full((2, 3), value)


def nested():
    return (x(), {"a": x(2.0), "b": x(3.0)}, [x(4.0), x(5.0)])


class Row:
    """A call: what is exported, with which arguments, and where torch takes that."""

    def __init__(self, name, model, args, only=None, needs=(), when=True, **kw):
        self.name, self.model, self.args, self.kw = name, model, args, kw
        self.only, self.needs, self.when = only, needs, when

    def works(self, exporter):
        if self.only not in (None, exporter) or not self.when:
            return False
        return all(name in PARAMETERS for name in (*self.needs, *self.kw))


def dim(name, **bounds):
    return DIM(name, **bounds) if DIM else None


HINTS = {hint: getattr(DIM, hint, None) for hint in ("AUTO", "DYNAMIC", "STATIC")}
XY = ["first", "second"]
BATCH = {"x": {0: "batch"}, "y": {0: "batch"}}

ROWS = [
    Row("a tensor", lambda: nn.Linear(3, 3), x()),
    Row("a tuple", Two, (x(), x(2.0))),
    Row("a last dictionary", Two, (x(), {"y": x(2.0)})),
    Row("only a dictionary", Two, ({"x": x(), "y": x(2.0)},)),
    Row("only a dictionary, bare", Two, {"x": x(), "y": x(2.0)}, only="torchscript",
        needs=("custom_opsets", "export_modules_as_functions"),
        when=HERE != "1.11"),  # which takes it for the only argument
    Row("a dictionary the other way round", Two, ({"y": x(2.0), "x": x()},), input_names=XY),
    Row("an empty dictionary behind", Two, (x(), x(2.0), {})),
    Row("a dictionary that is an input", Nested, (*nested()[:2], nested()[2], {})),
    Row("a dictionary with one that is left out", Two, (x(), {"y": x(2.0), "z": x(3.0)})),
    Row("a list that is one input", OneList, ([x(), x(2.0)],)),
    Row("keywords", Two, (x(),), kwargs={"y": x(2.0)}),
    Row("keywords the other way round", Two, (), kwargs={"y": x(2.0), "x": x()}, input_names=XY),
    Row("keywords behind a dictionary", Nested, (x(), nested()[1]), kwargs={"pair": nested()[2]}),
    Row("names", Two, (x(), x(2.0)), input_names=["a", "b"], output_names=["c"]),
    Row("names in tuples", Two, (x(), x(2.0)), input_names=("a", "b"), only="fx"),
    Row("fewer names", Two, (x(), x(2.0)), input_names=["a"]),
    Row("axes", Two, (x(), x(2.0)), input_names=["x", "y"], dynamic_axes=BATCH),
    Row("axes of outputs", Two, (x(), x(2.0)), input_names=["x", "y"], output_names=["out"],
        dynamic_axes={**BATCH, "out": {0: "batch"}}),
    Row("axes of one input alone", Two_outputs, (x(),), input_names=["x"], output_names=["p", "q"],
        dynamic_axes={"x": {0: "batch"}, "q": {0: "batch"}}),
    Row("axes in lists", Two_outputs, (x(),), input_names=["x"], output_names=["p", "q"],
        dynamic_axes={"x": [0], "p": [0]}),
    Row("as exporting libraries call it", Two, ({"x": x(), "y": x(2.0)},), input_names=["x", "y"],
        output_names=["out"], dynamic_axes={**BATCH, "out": {0: "batch"}},
        do_constant_folding=True, export_params=True),
    Row("an opset", Two, (x(), x(2.0)), only="torchscript", opset_version=12),
    Row("a newer opset", Two, (x(), x(2.0)), only="fx", opset_version=18),
    Row("training", dropping, (torch.rand(4, 3),), only="torchscript", training=TRAINING.TRAINING,
        do_constant_folding=False),
    Row("training kept", dropping, (torch.rand(4, 3),), training=TRAINING.PRESERVE),
    Row("no folding", Folding, (x(),), do_constant_folding=False),
    Row("no weights", Folding, (x(),), export_params=False),
    Row("weights as inputs", Folding, (x(),), keep_initializers_as_inputs=True),
    Row("no weights as inputs", Folding, (x(),), keep_initializers_as_inputs=False),
    Row("operator type", Two, (x(), x(2.0)),
        operator_export_type=torch.onnx.OperatorExportTypes.ONNX),
    Row("fall-through operators", Two, (x(), x(2.0)), only="torchscript",
        operator_export_type=torch.onnx.OperatorExportTypes.ONNX_FALLTHROUGH),
    Row("opsets of others", Two, (x(), x(2.0)), custom_opsets={"mine": 2}),
    Row("quiet", Two, (x(), x(2.0)), verbose=False),
    Row("one file", Two, (x(), x(2.0)), external_data=False),
    Row("unoptimised", Folding, (x(),), optimize=False),
    Row("optimised", Folding, (x(),), optimize=True),
    Row("no table", Two, (x(), x(2.0)), only="fx", custom_translation_table={}),
    Row("no inlining", Two, (x(), x(2.0)), autograd_inlining=False),
    Row("no fall-back", Two, (x(), x(2.0)), fallback=False),
    Row("not as functions", Two, (x(), x(2.0)), export_modules_as_functions=False),
    Row("unchecked", Two, (x(), x(2.0)), enable_onnx_checker=False),
    Row("data beside the file", Two, (x(), x(2.0)), use_external_data_format=True),
    Row("a number", Number, (x(), 2.0), when="custom_opsets" in PARAMETERS
        and "aten" not in PARAMETERS),
    Row("shapes by name", Two, (x(), x(2.0)), only="fx", when=hasattr(DIM, "DYNAMIC"),
        dynamic_shapes={"x": {0: HINTS["DYNAMIC"]}, "y": {0: HINTS["DYNAMIC"]}}),
    Row("automatic shapes", Two, (x(), x(2.0)), only="fx", when=hasattr(DIM, "AUTO"),
        dynamic_shapes={"x": {0: HINTS["AUTO"], 1: HINTS["STATIC"]}, "y": (HINTS["AUTO"], None)}),
    Row("shapes by place", Two, (x(), x(2.0)), only="fx",
        dynamic_shapes=({0: dim("rows")}, {0: dim("rows")})),
    Row("bounded shapes", Two, (x(), x(2.0)), only="fx",
        dynamic_shapes={"x": {0: dim("n", min=1, max=9)}, "y": [dim("n", min=1, max=9), None]}),
    Row("nested shapes", Nested, nested(), only="fx",
        dynamic_shapes={"x": {0: dim("n")}, "more": {"a": {0: dim("n")}, "b": {0: dim("n")}},
                        "pair": [{0: dim("n")}, {0: dim("n")}]}),
    Row("static shapes", Two, (x(), x(2.0)), only="fx", dynamic_shapes={"x": None, "y": None}),
]  # fmt: skip


def exporters():
    found = ["torchscript"] if "torchscript" in USABLE else []
    return found + (["fx"] if "fx" in USABLE else [])


WITHOUT_MODULES = {
    ("2.5", "axes"),
    ("2.5", "axes of outputs"),
    ("2.5", "as exporting libraries call it"),
}
"""Where ``torch.export`` refuses the axes, and torch traces the model without its modules."""

CALLS = [
    pytest.param(row, exporter, id=f"{exporter}-{row.name}")
    for row in ROWS
    for exporter in exporters()
    if row.works(exporter)
]


def model_of(row):
    torch.manual_seed(0)
    model = row.model()
    return model.eval() if isinstance(model, nn.Module) else model


def said(row, exporter):
    """The keyword arguments, anew for each call: torch writes into some of them."""
    kw = {name: dict(v) if isinstance(v, dict) else v for name, v in row.kw.items()}
    return {**kw, "dynamo": exporter == "fx"} if "dynamo" in PARAMETERS else kw


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize(("row", "exporter"), CALLS)
def test_the_stripped_file_is_torchs(row, exporter, tmp_path):
    if exporter == "fx" and (HERE, row.name) in WITHOUT_MODULES:
        with pytest.raises(htp.CaptureError, match="without its modules"):
            htp.export(model_of(row), row.args, **said(row, exporter))
        return
    one, other = tmp_path / "torch", tmp_path / "htp"
    one.mkdir()
    other.mkdir()
    torch.onnx.export(model_of(row), row.args, str(one / "model.onnx"), **said(row, exporter))
    tagged = htp.export(model_of(row), row.args, str(other / "model.onnx"), **said(row, exporter))
    assert tagged.backend == exporter
    assert tagged.coverage.unknown == 0
    assert tagged.coverage.total > 0
    tagged.strip().save(other / "model.onnx")
    assert files(other) == files(one)
