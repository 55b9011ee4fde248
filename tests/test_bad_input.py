"""What is wrong is said clearly, by an HTP error with a hint, and nothing is written."""

import contextlib
import io
import os
import re
import stat
import traceback

import onnx
import pytest
import torch
from torch import nn

import htp
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x, y):
        return self.linear(x) + y


def model():
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU()).eval()


def x():
    return torch.ones(2, 3)


def fails(error, *texts, **arguments):
    arguments.setdefault("model", model())
    arguments.setdefault("args", (x(),))
    with pytest.raises(error) as caught:
        htp.export(**arguments)
    for text in texts:
        assert text in str(caught.value)
    assert caught.value.hint is None or f"\nHint: {caught.value.hint}" in str(caught.value)
    return caught.value


@pytest.fixture(scope="module")
def tagged_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tagged") / "model.onnx"
    htp.export(model(), (x(),), path)
    return path


# --- export: the backend and the arguments


def test_unknown_backend():
    error = fails(htp.BackendUnavailableError, "There is no backend 'onnx'", backend="onnx")
    assert error.hint


def test_unknown_backend_is_looked_up_before_anything_is_written(tmp_path):
    fails(htp.BackendUnavailableError, backend="fxx", f=tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("backend", USABLE)
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((x(),), {}),
        ((x(), x(), x()), {}),
        ((x(),), {"z": x()}),
        ((x(), {"y": x()}, x()), None),
    ],
)
def test_arguments_that_do_not_fit_forward(backend, args, kwargs, tmp_path):
    path = tmp_path / "model.onnx"
    fails(
        htp.CaptureError,
        "don't fit forward",
        model=Two().eval(),
        args=args,
        kwargs=kwargs,
        f=path,
        backend=backend,
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("backend", USABLE)
def test_a_shape_that_does_not_fit_the_weights(backend, tmp_path):
    path = tmp_path / "model.onnx"
    error = fails(htp.CaptureError, args=(torch.ones(2, 5),), f=path, backend=backend)
    assert error.hint
    assert error.__cause__ is not None
    assert os.listdir(tmp_path) == []


class NoSymbol(torch.autograd.Function):
    """Fails while it is converted."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def symbolic(g, x):
        made = g.op("Identity", x)
        raise NotImplementedError(f"{type(made)} is of no use")


@pytest.mark.skipif("torchscript" not in USABLE, reason="no other backend has such graphs")
@pytest.mark.parametrize("operation", [lambda x: torch.histc(x, bins=4), NoSymbol.apply])
def test_an_error_holds_no_part_of_a_dead_graph(operation, tmp_path):
    """Old releases crash when such a part is shown, or still lives in a later export."""

    class Failing(torch.nn.Module):
        def forward(self, x):
            return operation(x)

    with pytest.raises(htp.CaptureError) as caught:
        htp.export(Failing(), (torch.ones(4),), str(tmp_path / "m.onnx"), backend="torchscript")
    places, error = [], caught.value
    while error is not None:
        places += list(traceback.walk_tb(error.__traceback__))
        error = error.__cause__
    inner = [frame for frame, _ in places if frame.f_globals["__name__"].startswith("torch.onnx")]
    assert inner
    assert not any(frame.f_locals for frame in inner)
    held = {type(value).__module__ for frame, _ in places for value in frame.f_locals.values()}
    assert not held & {"torch._C", "torch.onnx._internal.jit_utils"}


class HoldsItself(nn.Module):
    """Fails while one of its variables is a list that holds itself."""

    def forward(self, x):
        held = [x]
        held.append(held)
        raise ValueError(f"{len(held)} is of no use")


def test_a_forward_that_fails_beside_a_list_that_holds_itself():
    fails(htp.CaptureError, "is of no use", model=HoldsItself(), backend="torchscript")


@pytest.mark.parametrize("backend", USABLE)
def test_something_else_than_a_model(backend):
    fails(htp.CaptureError, model="resnet50", backend=backend)


@pytest.mark.skipif("torchscript" not in USABLE, reason="the other exporter takes it")
def test_a_model_in_a_wrapper_that_torch_refuses(tmp_path):
    model = nn.Linear(4, 4)
    wrapped = {"module": nn.DataParallel(model)}
    with contextlib.suppress(AttributeError, RuntimeError):  # not on this release or this Python
        wrapped["_orig_mod"] = torch.compile(model)
    for name, wrapper in wrapped.items():
        with pytest.raises(htp.CaptureError, match=rf"model\.{name}"):
            htp.export(
                wrapper, (torch.randn(1, 4),), tmp_path / "model.onnx", backend="torchscript"
            )
    assert not list(tmp_path.iterdir())


class NoModule:
    """Has a forward, and is no module."""

    def forward(self, x):
        return x


@pytest.mark.parametrize("backend", USABLE)
@pytest.mark.parametrize("model", [NoModule(), abs, lambda x: x])
def test_something_that_can_be_called_and_is_no_module(model, backend):
    fails(htp.CaptureError, "model must be an nn.Module", model=model, backend=backend)


@pytest.mark.skipif("fx" not in USABLE, reason="this torch has no torch.export")
def test_an_exported_program_for_the_other_exporter():
    program = torch.export.export(model(), (x(),))
    fails(htp.CaptureError, "contradict", model=program, args=(), backend="torchscript")


@pytest.mark.parametrize("backend", USABLE)
def test_dynamic_shapes_of_an_input_that_does_not_exist(backend):
    shapes = {"inptu": {0: "batch"}}
    fails(htp.CaptureError, "'inptu'", "Hint: ", dynamic_shapes=shapes, backend=backend)


@pytest.mark.parametrize("backend", USABLE)
def test_an_opset_that_no_release_knows(backend):
    fails(htp.CaptureError, "999", opset_version=999, backend=backend)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"kwargs": [1]}, "kwargs must map names to inputs; found list."),
        ({"input_names": "x"}, "input_names must be a list of names; found 'x'."),
        ({"output_names": [1]}, "output_names must be a list of names; found [1]."),
        ({"input_names": 3}, "input_names must be a list of names; found 3."),
        ({"dynamic_shapes": 3}, "dynamic_shapes"),
        (
            {"dynamic_shapes": {"inp": {"a": "b"}}, "input_names": ["inp"]},
            "dynamic_shapes['input'] must be {axis: name} or a form of torch's; found {'a': 'b'}.",
        ),
        ({"dynamic_axes": ["x"]}, "dynamic_axes must map names to {axis: name} or to a list"),
        ({"dynamic_axes": {"x": 0}}, "dynamic_axes['x'] must map names to"),
        ({"backend": 3}, "backend must be the name of one; found int."),
        ({"opset_version": 0}, "opset_version must be a positive number; found 0."),
        ({"opset_version": "17"}, "opset_version must be a positive number; found '17'."),
        ({"opset_version": True}, "opset_version must be a positive number; found True."),
        ({"f": 3}, "f must be a path, a binary file object or None; found int."),
    ],
)
def test_arguments_of_the_wrong_kind(arguments, text):
    fails(htp.CaptureError, text, **arguments)


# --- export: where to


def test_a_missing_folder(tmp_path):
    fails(htp.CaptureError, "missing", "Hint: ", f=tmp_path / "missing" / "model.onnx")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "model.onnx").mkdir()
    fails(htp.CaptureError, "model.onnx", f=tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == ["model.onnx"]
    assert os.listdir(tmp_path / "model.onnx") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a folder that is read-only")
def test_a_folder_that_is_read_only(tmp_path):
    os.chmod(tmp_path, stat.S_IRUSR | stat.S_IXUSR)
    fails(htp.CaptureError, f=tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written():
    fails(htp.CaptureError, "/proc", f="/proc/model.onnx")


def test_a_file_object_that_takes_text():
    fails(htp.CaptureError, "StringIO", "Hint: open it with mode 'wb'.", f=io.StringIO())


class MustNotRun(nn.Module):
    """Tells when it is called."""

    def forward(self, x):
        raise AssertionError("the export ran")


@pytest.mark.parametrize("why", ["not open for writing", "is closed", "takes text"])
def test_a_file_object_that_cannot_be_written_is_noticed_before_the_export(why, tmp_path):
    (tmp_path / "there").write_bytes(b"x")
    mode = {"not open for writing": "rb", "is closed": "wb", "takes text": "w"}[why]
    with open(tmp_path / "there", mode) as file:
        if why == "is closed":
            file.close()
        fails(htp.CaptureError, why, model=MustNotRun(), f=file)


# --- load


def load_fails(path, *texts):
    with pytest.raises(htp.InvalidModelError) as caught:
        htp.load(path)
    for text in texts:
        assert text in str(caught.value)
    assert "\nHint: " in str(caught.value)


def test_load_of_a_missing_file(tmp_path):
    load_fails(tmp_path / "none.onnx", "none.onnx")


def test_load_of_a_folder(tmp_path):
    load_fails(tmp_path, str(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"not a model at all",
        b"\xff" * 4096,
        b"\x08\x09",
        b"PK\x03\x04" + b"0" * 99,
    ],
)
def test_load_of_something_else(content, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    load_fails(path)


def test_load_of_a_truncated_file(tagged_file, tmp_path):
    """It is refused, unless what is missing is a whole field behind the graph."""
    whole = tagged_file.read_bytes()
    tags = [tag for _, tag in htp.load(tagged_file).nodes()]
    path = tmp_path / "model.onnx"
    refused = 0
    for length in range(1, len(whole), max(1, len(whole) // 97)):
        path.write_bytes(whole[:length])
        try:
            assert [tag for _, tag in htp.load(path).nodes()] == tags
        except htp.InvalidModelError:
            refused += 1
    assert refused > 80


def test_load_of_a_damaged_file(tagged_file, tmp_path):
    """Whatever byte is wrong: an HTP error or a model, and never another error."""
    whole = bytearray(tagged_file.read_bytes())
    path = tmp_path / "model.onnx"
    for place in range(0, len(whole), max(1, len(whole) // 199)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(bytes(damaged))
        try:
            loaded = htp.load(path)
            list(loaded.nodes())
            loaded.tree()
            loaded.strip().save(tmp_path / "stripped.onnx")
        except htp.HTPError:
            pass


def test_load_of_a_model_without_tags(tmp_path):
    path = tmp_path / "model.onnx"
    node = onnx.helper.make_node("Relu", ["a"], ["b"])
    kind = onnx.TensorProto.FLOAT
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([node], "g", [value("a", kind, [1])], [value("b", kind, [1])])
    onnx.save(onnx.helper.make_model(graph), str(path))
    load_fails(path, "has no tags", "Hint: export it with htp.export.")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "null",
        "7",
        "[",
        '["a"]',
        '[["a", "b"]]',
        '[["a", 1, 2]]',
        '[["a", "b", "0"]]',
        "[" * 9999,
    ],
)
def test_tags_that_cannot_be_read(tagged_file, tmp_path, value):
    damaged = onnx.load(str(tagged_file))
    for prop in damaged.graph.node[0].metadata_props:
        if prop.key == "pkg.htp.stack":
            prop.value = value
    path = tmp_path / "model.onnx"
    onnx.save(damaged, str(path))
    with pytest.raises(htp.InvalidModelError):
        list(htp.load(path).nodes())


def test_tags_of_another_schema(tagged_file, tmp_path):
    newer = onnx.load(str(tagged_file))
    (entry,) = [p for p in newer.metadata_props if re.fullmatch(r"pkg\.htp\.[0-9a-f]{16}", p.key)]
    entry.value = entry.value.replace('"schema":"4"', '"schema":"99"')
    path = tmp_path / "model.onnx"
    onnx.save(newer, str(path))
    load_fails(path, "schema '99'", "newer HTP")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "7",
        "[]",
        "{",
        '{"schema":"2","calls":7}',
        '{"schema":"2","calls":[["","m.M",0]]}',
        '{"schema":"2","calls":[["","m.M",0,1]]}',
        '{"schema":"2","calls":[["","m.M",true,0]]}',
        '{"schema":"2","torch":7}',
        '{"schema":"2","calls":[["","m.M",' + "9" * 99999 + ",0]]}",
        "[" * 9999,
    ],
)
def test_an_origin_that_cannot_be_read(tagged_file, tmp_path, value):
    damaged = onnx.load(str(tagged_file))
    (entry,) = [p for p in damaged.metadata_props if re.fullmatch(r"pkg\.htp\.[0-9a-f]{16}", p.key)]
    entry.value = value
    path = tmp_path / "model.onnx"
    onnx.save(damaged, str(path))
    load_fails(path)


def test_no_name_names_no_node(tagged_file):
    with pytest.raises(htp.UnknownModuleError, match="No node is called ''"):
        htp.load(tagged_file).tag("")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (3, "A model cannot be read from int."),
        (None, "A model cannot be read from NoneType."),
        (b"", "The bytes are empty."),
        (b"not a model", "not an ONNX model"),
        (io.StringIO("text"), "gives str, not bytes"),
        (io.BytesIO(), "The bytes of the open file are empty."),
        (onnx.ModelProto(), "The model is not an ONNX model: it has no graph."),
    ],
)
def test_load_of_what_holds_no_model(source, text):
    load_fails(source, text)


def test_metadata_is_never_evaluated(tagged_file, tmp_path):
    """Other tools write Python literals; a file must not be able to run any."""
    evil = onnx.load(str(tagged_file))
    mark = tmp_path / "ran"
    for node in evil.graph.node:
        del node.metadata_props[:]
        for key in ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy", "namespace"):
            node.metadata_props.add(key=key, value=f"[open({str(mark)!r}, 'w')]")
    del evil.metadata_props[:]
    path = tmp_path / "model.onnx"
    onnx.save(evil, str(path))
    with contextlib.suppress(htp.InvalidModelError):
        list(htp.load(path).nodes())
    assert not mark.exists()


# --- names


def test_an_unknown_module(tagged_file):
    with pytest.raises(htp.UnknownModuleError) as caught:
        htp.load(tagged_file).find("00")
    assert "No module that owns a node matches '00'." in str(caught.value)


def test_a_name_that_is_nearly_right(tmp_path):
    path = tmp_path / "model.onnx"
    htp.export(Two().eval(), (x(), x()), path)
    with pytest.raises(htp.UnknownModuleError, match=r"Hint: did you mean 'linear'\?"):
        htp.load(path).find("liner")
    with pytest.raises(htp.UnknownModuleError, match="'linear'"):
        htp.load(path).find("Linear")


def test_names_that_a_hint_lists_are_cut():
    long = "a" * 30_000
    assert htp.errors.did_you_mean("liner", ["linear", long]) == "did you mean 'linear'?"
    told = htp.errors.did_you_mean("none", [f"{n}{long}{n}" for n in range(10)])
    assert told.startswith("known are 0aaa")
    assert "a...a" in told
    assert told.endswith("a7 and 2 more.")
    assert len(told) < 1000


def test_long_names_are_not_compared():
    """It takes time quadratic in their length."""
    name = "linear" * 500
    assert "known are" in htp.errors.did_you_mean(name, [name + "x"])


def test_a_node_that_does_not_exist(tagged_file):
    with pytest.raises(htp.UnknownModuleError, match="No node is called 'none'"):
        htp.load(tagged_file).tag("none")


def test_save_to_a_missing_folder(tagged_file, tmp_path):
    with pytest.raises(htp.HTPError, match="missing"):
        htp.load(tagged_file).save(tmp_path / "missing" / "model.onnx")
    assert os.listdir(tmp_path) == []


def test_save_to_a_file_object_that_takes_text(tagged_file):
    with pytest.raises(htp.HTPError, match=r"Hint: open it with mode 'wb'\."):
        htp.load(tagged_file).save(io.StringIO())
