"""What the installed torch takes, what other releases' options mean here, and what is refused."""

import inspect
import os
import subprocess
import sys
import warnings

import onnx
import pytest
import torch
from expected import where_known
from torch import nn

import htp
from htp.arguments import options
from htp.errors import CaptureError
from htp.testing.noise import LET_TORCH_WARN
from htp.torch_release import RELEASE

pytestmark = LET_TORCH_WARN

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
PARAMETERS = inspect.signature(torch.onnx.export).parameters
HERE = f"{RELEASE.major}.{RELEASE.minor}"
TAKES_ANY = any(each.kind is each.VAR_KEYWORD for each in PARAMETERS.values())
USABLE = [info.name for info in htp.available_backends() if info.usable]


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU()).eval()


def x():
    return torch.ones(2, 3)


def names_of(option):
    return [] if option.kind is option.VAR_KEYWORD else [option.name]


# --- the table


def test_the_table_says_of_this_release_what_it_takes():
    here = {name for each in PARAMETERS.values() for name in names_of(each)}
    table = {name for name, row in options.known().items() if HERE in row.releases}
    assert table == here - {"model", "args", "f"}


def test_the_table_knows_every_release():
    releases = {each for row in options.known().values() for each in row.releases}
    names = os.listdir(os.path.join(ROOT, "constraints"))
    pinned = {name[5:-4] for name in names if name.startswith("torch")}
    assert releases == pinned


@pytest.mark.skipif(sys.version_info < (3, 9), reason="the tool is run on a newer Python")
def test_the_page_and_the_shipped_table_are_what_the_records_say():
    tool = os.path.join(ROOT, "tools", "options.py")
    done = subprocess.run([sys.executable, tool, "--check"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_ranges_of_releases():
    known = sorted(options.known()["dynamic_axes"].releases, key=options._numbers)
    assert options._ranges(known[:3]) == f"{known[0]} to {known[2]}"
    assert options._ranges([known[0], known[4]]) == f"{known[0]}, {known[4]}"


# --- literals, on a torch that is told


@pytest.fixture
def takes(monkeypatch):
    """Let a torch be installed whose ``torch.onnx.export`` has these parameters."""

    def install(*names, swallows=False, default=False):
        kind = inspect.Parameter.KEYWORD_ONLY
        found = {name: inspect.Parameter(name, kind, default=default) for name in names}
        if swallows:
            found["_"] = inspect.Parameter("_", inspect.Parameter.VAR_KEYWORD)
        monkeypatch.setattr(options, "installed", lambda: found)

    return install


def translated(given, exporter="torchscript", *, to_path=True):
    return options.translated(given, exporter, to_path=to_path)


def test_what_is_taken_goes_straight_through(takes):
    takes("verbose", "dynamic_axes", "training")
    value = object()
    assert translated({"verbose": value, "training": None}) == {"verbose": value, "training": None}


def test_a_torch_that_takes_anything_is_given_anything(takes):
    takes("verbose", swallows=True)
    assert translated({"colour": 1}) == {"colour": 1}


@pytest.mark.parametrize(
    ("given", "exporter", "to_path", "has", "expected"),
    [
        ({"external_data": True}, "torchscript", True, ["use_external_data_format"],
         {"use_external_data_format": True}),
        ({"external_data": True}, "torchscript", False, ["use_external_data_format"], {}),
        ({"external_data": False}, "torchscript", True, ["use_external_data_format"], {}),
        ({"external_data": True}, "torchscript", True, [], {}),
        ({"use_external_data_format": True}, "fx", True, ["external_data"],
         {"external_data": True}),
        ({"use_external_data_format": False}, "fx", True, ["external_data"],
         {"external_data": False}),
        ({"use_external_data_format": True}, "torchscript", True, ["external_data"], {}),
        ({"dynamo": False}, "torchscript", True, [], {}),
        ({"fallback": False, "report": False, "aten": False}, "torchscript", True, [], {}),
        ({"custom_translation_table": None}, "torchscript", True, [], {}),
    ],
)  # fmt: skip
def test_what_means_the_same_here_is_translated(takes, given, exporter, to_path, has, expected):
    takes(*has)
    assert translated(given, exporter, to_path=to_path) == expected


def test_an_option_that_torch_no_longer_heeds_is_not_given(takes):
    takes("use_external_data_format", default=None)  # as 1.10, which warns of it
    assert translated({"external_data": True}) == {}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"enable_onnx_checker": False}, "'enable_onnx_checker', which was False. Releases that"),
        ({"optimize": False}, "Releases that take it: 2.6 to "),
        ({"report": True}, "Releases that take it: 2.5 to "),
        ({"aten": True}, "Releases that take it: 1.8 to "),
        ({"colour": 1}, "does not take 'colour', and no other release does."),
        ({"dynamic_shape": {}}, "did you mean 'dynamic_shapes'"),
    ],
)
def test_what_cannot_be_said_here_is_refused(takes, given, text):
    takes("verbose")
    with pytest.raises(CaptureError) as caught:
        translated(given)
    assert text in str(caught.value)
    assert "\nHint: " in str(caught.value)
    assert isinstance(caught.value, TypeError)  # as calling torch itself raises


def test_an_exporter_that_this_torch_does_not_have(takes):
    takes("verbose")
    assert options.exporter_of(model(), {"dynamo": False}) == "torchscript"
    assert options.exporter_of(model(), {}) is None
    with pytest.raises(CaptureError, match=r"torch 2\.5 and newer have it"):
        options.exporter_of(model(), {"dynamo": True})


# --- through htp.export


def test_an_option_that_no_release_knows_is_refused_where_torch_refuses_it():
    if TAKES_ANY:
        htp.export(model(), (x(),), colour=1)
    else:
        with pytest.raises(TypeError, match="'colour'"):
            htp.export(model(), (x(),), colour=1)


def test_arguments_by_position(tmp_path):
    """``export_params, verbose, training, input_names`` where torch takes them so."""
    rest = (True, False, torch.onnx.TrainingMode.EVAL, ["tokens"])
    by_position = PARAMETERS["export_params"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    if not by_position:
        with pytest.raises(TypeError, match="takes 3: model, args, f"):
            htp.export(model(), (x(),), str(tmp_path / "m.onnx"), *rest)
        return
    torch.onnx.export(model(), (x(),), str(tmp_path / "torch.onnx"), *rest)
    tagged = htp.export(model(), (x(),), str(tmp_path / "htp.onnx"), *rest)
    assert [value.name for value in tagged.model.graph.input] == ["tokens"]
    tagged.strip().save(tmp_path / "htp.onnx")
    assert (tmp_path / "htp.onnx").read_bytes() == (tmp_path / "torch.onnx").read_bytes()


def test_an_argument_by_position_and_by_name():
    if PARAMETERS["export_params"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
        with pytest.raises(CaptureError, match="'export_params' was given twice"):
            htp.export(model(), (x(),), None, True, export_params=True)


@pytest.mark.parametrize("backend", USABLE)
def test_dynamo_chooses_the_backend_before_the_environment(backend, monkeypatch):
    monkeypatch.setenv("HTP_BACKEND", "torchscript" if backend == "fx" else "fx")
    assert htp.export(model(), (x(),), dynamo=backend == "fx").backend == backend
    assert htp.export(model(), (x(),), backend=backend).backend == backend


@pytest.mark.skipif("dynamic_shapes" not in PARAMETERS, reason="there is but one exporter")
@pytest.mark.parametrize("backend", USABLE)
def test_dynamo_and_a_backend_that_contradict_each_other(backend):
    dynamo = backend != "fx"
    with pytest.raises(CaptureError, match=f"backend='{backend}' and dynamo={dynamo} contradict"):
        htp.export(model(), (x(),), backend=backend, dynamo=dynamo)


@pytest.mark.parametrize("backend", USABLE)
def test_dynamo_and_a_backend_that_agree(backend):
    tagged = htp.export(model(), (x(),), backend=backend, dynamo=backend == "fx")
    assert tagged.backend == backend


@pytest.mark.skipif("dynamic_shapes" in PARAMETERS, reason="this torch has it")
def test_dynamo_on_a_torch_without_it():
    with pytest.raises(CaptureError, match="has no such exporter"):
        htp.export(model(), (x(),), dynamo=True)


def test_exporter_options_are_deprecated():
    with pytest.warns(DeprecationWarning, match="as keyword arguments"):
        tagged = htp.export(model(), (x(),), exporter_options={"do_constant_folding": False})
    assert tagged.coverage.total == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(CaptureError, match="holds f, which"):
            htp.export(model(), (x(),), exporter_options={"f": "x"})


@pytest.mark.parametrize("backend", USABLE)
def test_kwargs_on_every_release(backend):
    tagged = htp.export(model(), (), kwargs={"input": x()}, backend=backend)
    assert {tag.path for _, tag in tagged.nodes()} == {"0", "1"}


@pytest.mark.parametrize("option", ["report", "profile", "verify", "dump_exported_program"])
def test_options_that_write_more(option, tmp_path):
    if option not in PARAMETERS or "fx" not in USABLE:
        pytest.skip("this torch does not have it")
    if option == "profile":
        pytest.importorskip("pyinstrument")
    path = tmp_path / "model.onnx"
    folder = tmp_path / "artifacts"
    folder.mkdir()
    tagged = htp.export(
        model(), (x(),), path, dynamo=True, artifacts_dir=str(folder), **{option: True}
    )
    assert tagged.coverage.captured == tagged.coverage.total > 0
    written = "verify" not in option
    assert bool(os.listdir(folder)) == written


@pytest.mark.skipif("custom_translation_table" not in PARAMETERS, reason="torch does not have it")
def test_a_translation_table_of_ones_own():
    onnxscript = pytest.importorskip("onnxscript")
    ops = onnxscript.opset18

    def negative(self):
        return ops.Neg(self)

    table = {torch.ops.aten.relu.default: negative}
    tagged = htp.export(model(), (x(),), dynamo=True, custom_translation_table=table)
    [(_, tag)] = tagged.find("*", op_type="Neg")
    assert tag.path == "1"


@pytest.mark.skipif("export_modules_as_functions" not in PARAMETERS, reason="torch lacks it")
@where_known(
    "test_functions_that_are_named_after_scopes_are_refused_and_not_disturbed", "torchscript"
)
def test_functions_that_are_named_after_scopes_are_refused_and_not_disturbed(tmp_path):
    """HTP replaces scopes; whoever exports so while it listens gets torch's own file."""
    from htp import registry

    asked = {"export_modules_as_functions": True, "opset_version": 15}
    if "dynamo" in PARAMETERS:
        asked["dynamo"] = False
    with pytest.raises(CaptureError, match="names functions after scopes"):
        htp.export(model(), (x(),), **asked)
    paths = [str(tmp_path / name) for name in ("plain.onnx", "heard.onnx")]
    torch.onnx.export(model(), (x(),), paths[0], **asked)
    with registry.load(registry.chosen("torchscript")).listen() as listener:
        torch.onnx.export(model(), (x(),), paths[1], **asked)
        assert listener.take() == []
    with open(paths[0], "rb") as one, open(paths[1], "rb") as other:
        assert one.read() == other.read()


def by_fx(path):
    """Whether torch.export captured what torch wrote: only then do its nodes have metadata."""
    return any(node.metadata_props for node in onnx.load(path).graph.node)


@pytest.mark.skipif("fallback" not in PARAMETERS or "fx" not in USABLE, reason="no fall-back")
def test_a_fall_back_that_was_asked_for(tmp_path):
    """torch changes to its other exporter, and the tags are that one's.

    Where it takes ``draft_export`` first, that may follow the branch: only the file tells.
    """

    class Branch(nn.Module):
        def forward(self, x):
            return x * 2 if float(x.sum()) > 0 else x - 1  # torch.export cannot follow it

    plain, path = tmp_path / "torch.onnx", tmp_path / "htp.onnx"
    torch.onnx.export(Branch(), (x(),), str(plain), dynamo=True, fallback=True)
    if HERE in ("2.5", "2.6", "2.7"):  # traced in torch.export, without modules
        with pytest.raises(CaptureError, match="without its modules"):
            htp.export(Branch(), (x(),), str(path), dynamo=True, fallback=True)
        return
    tagged = htp.export(Branch(), (x(),), str(path), dynamo=True, fallback=True)
    assert tagged.backend == ("fx" if by_fx(plain) else "torchscript")
    assert tagged.coverage.unknown == 0
    tagged.strip().save(path)
    assert path.read_bytes() == plain.read_bytes()
