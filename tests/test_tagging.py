"""Exports of others inside ``htp.tagging``: torch's own, and tagged."""

import contextlib
import importlib
import inspect
import io
import os
import pickle
import stat
import subprocess
import sys
import threading
import warnings

import pytest
import torch
import torch.onnx
from torch.onnx import export as export_imported_earlier

import htp
from htp.backends.common.entrances import ENTRANCES
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

TAKES_DYNAMO = "dynamo" in inspect.signature(torch.onnx.export).parameters
HAS_FX = any(info.name == "fx" and info.usable for info in htp.available_backends())
TAKES_BYTES_IO = (
    "BytesIO"
    in inspect.getsource(__import__("torch.onnx._internal.exporter._compat", fromlist=["x"]))
    if HAS_FX
    else False
)
EXPORTERS = ["torchscript", *(["fx"] if HAS_FX else [])]
X = torch.ones(2, 4)


class Net(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.first = torch.nn.Linear(width, width)
        self.second = torch.nn.Sequential(torch.nn.Linear(width, 3), torch.nn.ReLU())

    def forward(self, x):
        return self.second(self.first(x)) + 1


class Raises(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Refuses()

    def forward(self, x):
        return self.inner(x)


class Refuses(torch.nn.Module):
    def forward(self, x):
        raise KeyError("no such thing")


def net(width=4):
    torch.manual_seed(0)
    return Net(width).eval()


def options(exporter, **more):
    """Keywords of torch's own that choose an exporter."""
    if exporter == "fx":
        return {"dynamo": True, "verbose": False, **more}
    return {"dynamo": False, **more} if HAS_FX else more


def export(exporter, f=None, model=None, x=X, **more):
    return torch.onnx.export(model or net(), (x,), f, **options(exporter, **more))


def stripped(f):
    file = io.BytesIO()
    htp.load(f).strip().save(file)
    return file.getvalue()


def paths(f):
    return [tag.path for _, tag in htp.load(f).nodes()]


def break_off(inside, exporter, file):
    """What torch refuses inside, it refuses alone, in the same words."""
    with pytest.raises(type(inside.value)) as alone:
        export(exporter, file)
    assert str(inside.value) == str(alone.value)


@pytest.fixture(params=EXPORTERS)
def exporter(request):
    return request.param


@pytest.fixture
def plain(exporter, tmp_path):
    """What torch alone writes."""
    path = tmp_path / "plain" / "model.onnx"
    path.parent.mkdir()
    export(exporter, str(path))
    return path.read_bytes()


def entrances():
    """What stands at torch's entrances now."""
    found = {}
    for entrance in ENTRANCES.values():
        for place in entrance.holders:
            module, _, inner = place.partition(":")
            holder = sys.modules.get(module)
            holder = getattr(holder, inner, None) if inner else holder
            found[place, entrance.name] = vars(holder).get(entrance.name) if holder else None
    return found


# Where an export goes.


def test_a_path(exporter, plain, tmp_path):
    path = tmp_path / "model.onnx"
    with htp.tagging() as exports:
        export(exporter, str(path))
        assert stripped(path) == plain != path.read_bytes()  # when torch returns, not later
        [told] = exports
    assert (told.path, told.exporter, told.backend) == (str(path), exporter, exporter)
    assert told.tagged
    assert told.reason is None
    assert told.model == "Net"
    assert told.nodes == told.coverage.total == len(paths(path)) > 2
    assert told.coverage == htp.load(path).coverage
    assert told.coverage.captured == told.nodes
    assert set(paths(path)) == {"first", "second.0", "second.1", ""}
    assert os.listdir(tmp_path / "plain") == [n for n in os.listdir(tmp_path) if n != "plain"]


def test_it_is_what_htp_export_writes(exporter, tmp_path):
    path = tmp_path / "model.onnx"
    with htp.tagging():
        export(exporter, str(path))
    ours = htp.export(net(), (X,), str(tmp_path / "ours"), backend=exporter)
    theirs = htp.load(path)
    assert [tag for _, tag in theirs.nodes()] == [tag for _, tag in ours.nodes()]
    assert theirs.parameters() == ours.parameters()
    assert theirs.tree() == ours.tree()


def test_a_path_object_a_relative_one_and_a_link(exporter, plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.onnx").symlink_to("target.onnx")
    with htp.tagging() as exports:
        export(exporter, "relative.onnx")
        export(exporter, "link.onnx")
    assert [told.path for told in exports] == [
        str(tmp_path / "relative.onnx"),
        str(tmp_path / "link.onnx"),
    ]
    assert (tmp_path / "link.onnx").is_symlink()
    if exporter == "torchscript":  # fx names its data file after the model
        assert stripped("relative.onnx") == stripped("target.onnx") == plain


def test_mode_and_hard_links_stay(exporter, plain, tmp_path):
    path, other = tmp_path / "model.onnx", tmp_path / "other"
    path.write_bytes(b"before")
    path.chmod(0o640)
    with htp.tagging():
        export(exporter, str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        os.link(path, other)
        export(exporter, str(path))
    assert path.samefile(other)
    assert stripped(other) == plain


def test_a_file_that_is_no_regular_one_is_left_alone(exporter):
    more = {"external_data": False} if exporter == "fx" else {}
    with pytest.warns(
        RuntimeWarning, match="'/dev/null' is no regular file"
    ), htp.tagging() as all_:
        export(exporter, "/dev/null", **more)
    assert not all_[0].tagged
    assert all_[0].coverage is None
    assert os.path.exists("/dev/null")


def test_an_open_file(plain, exporter, tmp_path):
    path = tmp_path / "model.onnx"
    with htp.tagging() as exports, open(path, "wb") as file:
        file.write(b"before ")
        if exporter == "fx":  # of file objects it takes BytesIO only
            with pytest.raises(TypeError) as inside:
                export(exporter, file)
            assert not exports
            break_off(inside, exporter, file)
            return
        export(exporter, file)
        assert file.tell() > len(plain)
        file.write(b" behind")
    held = path.read_bytes()[len(b"before ") : -len(b" behind")]
    assert exports[0].path is None
    assert stripped(held) == plain


def test_bytes_io(exporter, plain):
    if exporter == "fx" and not TAKES_BYTES_IO:
        with pytest.raises(TypeError) as inside, htp.tagging():
            export(exporter, io.BytesIO())
        break_off(inside, exporter, io.BytesIO())
        return
    alone, file = io.BytesIO(), io.BytesIO()
    export(exporter, alone)
    with htp.tagging() as exports:
        export(exporter, file)
    assert exports[0].tagged
    assert exports[0].path is None
    assert stripped(file.getvalue()) == alone.getvalue()


def test_a_file_object_that_cannot_flush_fails_as_in_torch():
    class Odd:
        def __init__(self):
            self.data = b""

        def write(self, data):
            self.data += data

    alone, inside = Odd(), Odd()
    with pytest.raises(AttributeError) as plain:
        export("torchscript", alone)
    with pytest.raises(AttributeError) as listened, htp.tagging() as exports:
        export("torchscript", inside)
    assert str(listened.value) == str(plain.value)
    assert inside.data == alone.data
    assert not exports


def test_data_files(exporter, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    model = net(64)
    more = {"use_external_data_format": True}
    if exporter == "fx":
        more = {"external_data": True}
    elif "use_external_data_format" not in inspect.signature(torch.onnx.export).parameters:
        pytest.skip("this torch writes data files of models above 2 GB only")
    x = torch.ones(2, 64)
    export(exporter, str(here / "m.onnx"), model, x, **more)
    with htp.tagging() as exports:
        export(exporter, str(there / "m.onnx"), model, x, **more)
    assert exports[0].tagged
    assert sorted(os.listdir(here)) == sorted(os.listdir(there))
    assert len(os.listdir(here)) > 1
    assert stripped(there / "m.onnx") == (here / "m.onnx").read_bytes()
    for name in os.listdir(here):
        if name != "m.onnx":
            assert (here / name).read_bytes() == (there / name).read_bytes()


# What torch returns.


@pytest.mark.skipif(not HAS_FX, reason="this torch returns no program")
def test_a_program_that_stays_in_memory(tmp_path):
    alone = export("fx")
    with htp.tagging() as exports:
        program = export("fx")
    assert exports[0].path is None
    assert exports[0].tagged
    assert type(program) is type(alone)
    for one, name in ((alone, "alone"), (program, "tagged")):
        (tmp_path / name).mkdir()
        one.save(str(tmp_path / name / "m.onnx"))
    assert set(paths(tmp_path / "tagged" / "m.onnx")) >= {"first", "second.0"}
    assert stripped(tmp_path / "tagged" / "m.onnx") == (tmp_path / "alone" / "m.onnx").read_bytes()
    assert stripped(program.model_proto) == alone.model_proto.SerializeToString()
    assert stripped(program.model_proto) == stripped(program.model)
    keys = [list(node.metadata_props) for node in program.model.graph]
    before = [list(node.metadata_props) for node in alone.model.graph]
    assert [held[: len(own)] for held, own in zip(keys, before)] == before
    program.apply_weights(net().state_dict())
    if hasattr(program, "optimize"):
        program.optimize()
    assert set(paths(program.model_proto)) >= {"first", "second.0"}


@pytest.mark.skipif(not HAS_FX, reason="this torch returns no program")
def test_a_program_that_was_written_holds_the_tags_of_its_file(tmp_path):
    path = tmp_path / "m.onnx"
    with htp.tagging():
        program = export("fx", str(path))
    written = {tuple(node.output): tag for node, tag in htp.load(path).nodes()}
    held = {tuple(node.output): tag for node, tag in htp.load(program.model).nodes()}
    assert written == held
    assert htp.load(path).origins == htp.load(program.model).origins
    assert htp.load(path).parameters()


def test_torchscript_returns_what_it_returns(tmp_path):
    alone = export("torchscript", str(tmp_path / "m.onnx"))
    with htp.tagging():
        inside = export("torchscript", str(tmp_path / "m.onnx"))
    assert type(alone) is type(inside)


# Who calls it, and how.


def test_a_name_imported_earlier_and_the_older_entrance(tmp_path):
    older = torch.onnx.utils.export
    with htp.tagging() as exports:
        export_imported_earlier(net(), (X,), str(tmp_path / "a"), **options("torchscript"))
        older(net(), (X,), str(tmp_path / "b"))
    assert [told.exporter for told in exports] == ["torchscript"] * 2
    assert stripped(tmp_path / "a") == stripped(tmp_path / "b")


def test_signatures_are_unchanged_and_all_is_put_back():
    before, public = entrances(), inspect.signature(torch.onnx.export)
    finders = list(sys.meta_path)
    with htp.tagging():
        assert inspect.signature(torch.onnx.export) == public
        for place, plain in before.items():
            if plain is not None:
                assert entrances()[place] is not plain
                assert inspect.signature(entrances()[place]) == inspect.signature(plain)
    assert entrances() == before
    assert sys.meta_path == finders


def test_contexts_inside_each_other(exporter, plain, tmp_path):
    path = str(tmp_path / "model.onnx")
    before = entrances()
    with htp.tagging() as outer:
        with htp.tagging(exporter) as inner:
            export(exporter, path)
        assert stripped(path) == plain
        export(exporter, path)
    assert len(inner) == 1
    assert len(outer) == 2
    assert stripped(path) == plain
    assert entrances() == before


def test_contexts_that_end_in_another_order(tmp_path):
    before = entrances()
    one, two = htp.tagging(), htp.tagging()
    first = one.__enter__()
    second = two.__enter__()
    one.__exit__(None, None, None)
    export("torchscript", str(tmp_path / "m"))
    two.__exit__(None, None, None)
    assert (len(first), len(second)) == (0, 1)
    assert entrances() == before


def test_htp_export_inside(exporter, plain, tmp_path):
    path = str(tmp_path / "model.onnx")
    with htp.tagging() as exports:
        tagged = htp.export(net(), (X,), path, backend=exporter)
    [told] = exports
    assert (told.path, told.backend, told.coverage) == (path, exporter, tagged.coverage)
    assert stripped(path) == plain


@pytest.mark.skipif(not HAS_FX, reason="this torch has one exporter")
def test_a_named_backend_listens_alone(tmp_path):
    with htp.tagging("fx") as exports, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        export("torchscript", str(tmp_path / "m"))
        export("fx", str(tmp_path / "n"))
    assert [told.tagged for told in exports] == [False, True]
    assert exports[0].reason == "only backend 'fx' was to listen"
    assert exports[0].backend is None


def test_a_backend_that_there_is_not():
    before = entrances()
    with pytest.raises(htp.BackendUnavailableError, match="nonesuch"), htp.tagging("nonesuch"):
        pass
    assert entrances() == before


@pytest.mark.skipif(
    not HAS_FX or not hasattr(torch.onnx, "dynamo_export"), reason="no dynamo_export that is fx"
)
def test_dynamo_export_is_heard_where_it_leads_to_fx(tmp_path, monkeypatch):
    """Up to 2.5 it exports modules by an exporter of its own: ``tests/libraries`` has that."""
    monkeypatch.chdir(tmp_path)  # where it writes a report of what fails
    program = torch.export.export(net(), (X,))
    alone = torch.onnx.dynamo_export(program, X)
    with htp.tagging() as exports:
        inside = torch.onnx.dynamo_export(program, X)
    [told] = exports
    assert (told.exporter, told.tagged, told.reason) == ("fx", True, None)
    assert stripped(inside.model_proto) == alone.model_proto.SerializeToString()


# Modules with a ``__call__`` of their own.


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(4, 4)

    def __call__(self, x):
        return super().__call__(x * 2) + 1

    def forward(self, x):
        return self.inner(x)


def test_a_class_with_its_own_call_is_left_as_it_was(exporter, tmp_path):
    own, model = vars(Layer)["__call__"], torch.nn.Sequential(Layer(), Layer()).eval()
    with htp.tagging() as exports:
        export(exporter, str(tmp_path / "m"), model)
        assert vars(Layer)["__call__"] is own
    assert exports[0].tagged
    if not (exporter == "fx" and torch.__version__.startswith("2.5.")):  # it leaves the rest out
        assert set(paths(tmp_path / "m")) == {"0", "0.inner", "1", "1.inner"}
    pickle.loads(pickle.dumps(model))

    class Fails(Layer):
        def __call__(self, x):
            raise KeyError("no such thing")

        forward = __call__

    own = vars(Fails)["__call__"]
    with pytest.raises(Exception), htp.tagging():  # noqa: B017, PT011
        export(exporter, str(tmp_path / "m"), torch.nn.Sequential(Fails()))
    assert vars(Fails)["__call__"] is own


# Threads.


def test_an_export_in_another_thread(exporter, plain, tmp_path):
    errors = []

    def work(name, model):
        try:
            export(exporter, str(tmp_path / name / "model.onnx"), model)
        except Exception as error:
            errors.append(error)

    names = ["one", "two", "three"]
    with htp.tagging() as exports:
        threads = [threading.Thread(target=work, args=(name, net())) for name in names]
        for name, thread in zip(names, threads):
            (tmp_path / name).mkdir()
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors
    assert sorted(told.path for told in exports) == sorted(
        str(tmp_path / name / "model.onnx") for name in names
    )
    assert all(told.tagged for told in exports)
    for name in names:
        assert stripped(tmp_path / name / "model.onnx") == plain


# Failures.


def test_a_failed_export_is_torchs_own(exporter, tmp_path, capsys):
    path = str(tmp_path / "m.onnx")
    with pytest.raises(Exception) as alone:  # noqa: PT011 - whatever torch raises
        export(exporter, path, Raises())
    before = entrances()
    capsys.readouterr()
    with pytest.raises(Exception) as inside, htp.tagging() as exports:  # noqa: PT011
        export(exporter, path, Raises())
    assert type(inside.value) is type(alone.value)
    assert str(inside.value) == str(alone.value)
    assert "while exporting inner (Refuses, call 0)" in capsys.readouterr().err
    if hasattr(inside.value, "__notes__"):
        assert "while exporting inner (Refuses, call 0)" in inside.value.__notes__[-1]
    assert not os.path.exists(path)
    assert not exports
    assert entrances() == before
    with htp.tagging() as exports:
        export(exporter, path)
    assert exports[0].tagged


FAULTS = [
    ("htp.guest", "complete"),
    ("htp.file.encode", "made"),
    ("htp.registry", "load"),
    ("htp.registry", "reason_against"),
    ("htp.file.theirs", "_rewrite"),
]


@pytest.mark.parametrize(("module", "name"), FAULTS)
def test_a_defect_of_htp_leaves_torchs_own_file(
    exporter, plain, tmp_path, monkeypatch, module, name
):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(importlib.import_module(module), name, broken)
    path = tmp_path / "model.onnx"
    with pytest.warns(RuntimeWarning) as told, htp.tagging() as exports:
        result = export(exporter, str(path))
    ours = [str(one.message) for one in told if "HTP left the export of Net" in str(one.message)]
    assert len(ours) == 1
    assert "planted" in ours[0]
    assert path.read_bytes() == plain
    assert exports[0].reason == "ZeroDivisionError: planted"
    if exporter == "fx":
        assert not [k for node in result.model.graph for k in node.metadata_props if "htp" in k]


def test_a_defect_leaves_an_open_file_as_torch_alone(plain, exporter, monkeypatch, tmp_path):
    if exporter == "fx" and not TAKES_BYTES_IO:
        pytest.skip("it takes no file object")

    def broken(*args, **kwargs):
        raise ZeroDivisionError("planted")

    alone, file = io.BytesIO(), io.BytesIO()
    export(exporter, alone)
    import htp.guest

    monkeypatch.setattr(htp.guest, "complete", broken)
    with pytest.warns(RuntimeWarning, match="planted"), htp.tagging():
        export(exporter, file)
    assert file.getvalue() == alone.getvalue()


@pytest.mark.parametrize("when", ["before", "after", "instead"])
def test_a_listener_that_fails_breaks_nothing(exporter, plain, tmp_path, monkeypatch, when):
    class Broken:
        def hear(self, export, /, *args, **kwargs):
            if when == "before":
                raise ZeroDivisionError("planted")
            result = export(*args, **kwargs)
            if when == "after":
                raise ZeroDivisionError("planted")
            return result

        def take(self):
            raise ZeroDivisionError("planted")

        def where(self):
            raise ZeroDivisionError("planted")

    class Backend:
        def listener(self):
            return Broken()

    monkeypatch.setattr("htp.registry.load", lambda spec: Backend())
    path = tmp_path / "model.onnx"
    with pytest.warns(RuntimeWarning, match="planted"), htp.tagging():
        export(exporter, str(path))
    assert path.read_bytes() == plain
    with pytest.raises(Exception) as inside, htp.tagging():  # noqa: PT011
        export(exporter, str(path), Raises())
    if when != "before":
        assert "ZeroDivision" not in repr(inside.value)


@pytest.mark.parametrize("broken", [False, True])
def test_doc_strings_are_torchs_own(monkeypatch, capsys, broken):
    """Asked for them, torch writes the stack of each operation, in which HTP's functions stand."""

    def fail(capture):
        raise ValueError("planted")

    if broken:
        monkeypatch.setattr("htp.guest.complete", fail)
    known = inspect.signature(torch.onnx.export).parameters
    asked = {"verbose": True, "strip_doc_string": False}
    asked = {name: value for name, value in asked.items() if name in known}
    written = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for context in (contextlib.nullcontext(), htp.tagging()):
            file = io.BytesIO()
            with context as exports:
                export("torchscript", file, **asked)
            written.append(file.getvalue())
    assert exports[0].tagged is not broken
    assert b"forward" in written[0]
    assert written[0] == (written[1] if broken else stripped(written[1]))


def test_where_warnings_are_errors(exporter, plain, tmp_path, monkeypatch, capsys):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("planted")

    import htp.guest

    monkeypatch.setattr(htp.guest, "complete", broken)
    path = tmp_path / "model.onnx"
    with htp.tagging(), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        export(exporter, str(path))
    assert path.read_bytes() == plain
    assert "planted" in capsys.readouterr().err


def test_the_warning_names_the_caller(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("planted")

    import htp.guest

    monkeypatch.setattr(htp.guest, "complete", broken)
    with pytest.warns(RuntimeWarning, match="planted") as told, htp.tagging():
        export("torchscript", str(tmp_path / "m"))
    assert [one.filename for one in told if "planted" in str(one.message)] == [__file__]


def test_torchs_own_warnings_are_those_of_the_same_lines(exporter, tmp_path):
    def warned(inside):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with htp.tagging() if inside else contextlib.nullcontext():
                export(exporter, str(tmp_path / "m"), Net().train())
        return sorted(
            (one.filename, one.lineno, one.category.__name__, str(one.message)) for one in told
        )

    export(exporter, str(tmp_path / "m"))  # some things are told once in a process
    assert warned(inside=True) == warned(inside=False)


# A process of its own.


def python(code, *options, cwd=None):
    words = [sys.executable, *options, "-c", code]
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=cwd)


def test_a_process_that_never_exports_imports_nothing_for_it():
    ran = python(
        "import sys, htp\n"
        "with htp.tagging() as exports:\n"
        "    import json\n"
        "assert exports == []\n"
        "wrong = {'torch', 'onnx', 'numpy', 'htp.guest'} & set(sys.modules)\n"
        "assert not wrong, wrong\n"
    )
    assert ran.returncode == 0, ran.stderr


def test_torch_may_be_imported_inside(tmp_path):
    ran = python(
        "import sys, htp\n"
        "with htp.tagging() as exports:\n"
        "    import torch, torch.onnx\n"
        "    torch.onnx.export(torch.nn.Linear(2, 2).eval(), (torch.ones(1, 2),), 'm.onnx')\n"
        "    assert exports[0].tagged, exports\n"
        "from htp.backends.common.entrances import ENTRANCES\n"
        "for entrance in ENTRANCES.values():\n"
        "    for place in entrance.holders:\n"
        "        held = vars(sys.modules.get(place, sys)).get(entrance.name)\n"
        "        assert held is None or held.__code__.co_filename.count('torch'), held\n"
        "        spec = getattr(sys.modules.get(place), '__spec__', None)\n"
        "        assert spec is None or 'htp' not in repr(spec.loader), spec\n",
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert htp.load(tmp_path / "m.onnx").coverage.captured


def test_nothing_of_torch_is_needed():
    ran = python(
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'torch': raise ImportError(name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "import htp\n"
        "with htp.tagging() as exports: pass\n"
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_during_an_export_does_not_hang(tmp_path):
    code = """
import os, threading, warnings
import htp, torch
import torch.onnx
from htp import turns
held, done = threading.Event(), threading.Event()
def work():
    with turns.turn():
        held.set()
        done.wait()
thread = threading.Thread(target=work)
thread.start()
held.wait()
child = os.fork()
if not child:
    with turns.turn():
        os._exit(5)
done.set()
thread.join()
assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 5
"""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
