"""Where did my export fail? Planted failures, and whether the module call is named that fails."""

import gc
import importlib
import io
import re
import weakref
from pathlib import Path

import planted_failures
import pytest
import torch
from expected import RefusesError, cases, param
from planted_failures import KINDS, PLANTED, lines

import htp
from htp import registry
from htp.backends.base import Where
from htp.backends.common import failing
from htp.failures import told
from htp.scope import ModuleCall
from htp.torch_release import RELEASE, TRACED_LINES_ARE_RIGHT

LINE = re.compile(
    r"^while exporting (?P<path>.+) \((?P<type>\w+), call (?P<call>\d+)\)"
    r"(?: at (?P<source>\S+:\d+))?(?:, (?:running|converting) (?P<operator>[^\s,]+))?",
    re.MULTILINE,
)
NO_MODULE = re.compile(
    r"^while converting (?P<operator>\S+)(?: at (?P<source>\S+:\d+))?", re.MULTILINE
)
BACKENDS = [one.name for one in htp.available_backends() if one.usable]
UNREACHED = {
    ("2.6", "fx", "while_leaf"),  # torch fails on the loop, before it comes to what that calls
    ("2.6", "fx", "while_translation"),
    ("2.8", "fx", "rows"),  # draft_export follows a loop of the data, and torch alone never ends
}
"""Where torch alone does not come to what was planted."""

HERE = RELEASE and f"{RELEASE.major}.{RELEASE.minor}"
CASES = [
    param(row, name, test="test_where_it_was_planted", backend=name, case=row.name)
    for row in PLANTED
    for name in row.backends
    if name in BACKENDS and (HERE, name, row.name) not in UNREACHED
]


def message(row, backend, monkeypatch):
    """What the export that fails says; None where this torch does not fail."""
    torch.manual_seed(0)
    try:
        model = row.build()
    except Exception:  # it cannot be written for this torch
        return None
    module = isinstance(model, torch.nn.Module)
    model, arguments = (model.eval(), x()) if module else (model, ())
    if row.fault is None:
        return failed(model, arguments, backend, {})
    with row.fault(monkeypatch) as options:
        return None if options is None else failed(model, arguments, backend, options)


def failed(model, arguments, backend, options):
    try:
        htp.export(model, arguments, backend=backend, **options)
    except htp.CaptureError as error:
        if "captured the model without its modules" in str(error):
            return None  # torch 2.5 has traced it instead
        return str(error)
    return None


def safe(text):
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("row", "backend"), CASES)
def test_where_it_was_planted(row, backend, monkeypatch):
    text = message(row, backend, monkeypatch)
    if text is None:
        raise RefusesError("this torch exports it")
    found, line = LINE.search(text), NO_MODULE.search(text)
    if row.module is None:
        assert not found, text
        assert not line, text
        return
    if found or row.named:
        assert found, text
        path, call = row.module
        assert (found["path"], found["call"]) == (safe(path) or "the model", str(call)), text
    else:
        found = line
    if row.mark is not None:
        source = f"planted_failures.py:{lines()[row.mark]}"
        unknown = not TRACED_LINES_ARE_RIGHT and " converting " in text
        assert found["source"] in ((source, None) if unknown else (source,)), text
    if backend in row.operator:
        assert found["operator"] == row.operator[backend], text


def test_every_expected_failure_has_a_row():
    assert cases("test_where_it_was_planted") <= {row.name for row in PLANTED}


def test_every_kind_is_in_the_table_of_the_docs():
    page = (Path(__file__).parent.parent / "docs" / "failures.md").read_text("utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| ")]
    told_of = {kind.strip(): count.strip() for kind, count in rows if count.strip().isdigit()}
    assert told_of == {kind: str(len(rows)) for kind, rows in KINDS.items()}


# --- in one line


CALL = ModuleCall("encoder.layer.3.attention", "models.bert.BertAttention", 1)
ROOT = ModuleCall("", "models.bert.Bert", 0)


@pytest.mark.parametrize(
    ("where", "line"),
    [
        (Where(), ""),
        (Where(source="net.py:8", inputs=("int",)), ""),
        (Where(running=(ROOT,)), "while exporting the model (Bert, call 0)"),
        (
            Where(running=(ROOT, CALL)),
            "while exporting encoder.layer.3.attention (BertAttention, call 1)",
        ),
        (
            Where(running=(ROOT, CALL), source="net.py:8", inputs=("float32[3, 4]", "None")),
            (
                "while exporting encoder.layer.3.attention (BertAttention, call 1) at net.py:8, "
                "called with float32[3, 4], None"
            ),
        ),
        (
            Where((ROOT, CALL), (), "aten::mm", "net.py:8", ("float32[3, 4]", "float32[5, 6]")),
            (
                "while exporting encoder.layer.3.attention (BertAttention, call 1) at net.py:8, "
                "running aten::mm of float32[3, 4], float32[5, 6]"
            ),
        ),
        (
            Where((), (ROOT, CALL), "aten::histc"),
            (
                "while exporting encoder.layer.3.attention (BertAttention, call 1), "
                "converting aten::histc"
            ),
        ),
        (Where((), (), "aten::histc", "net.py:8"), "while converting aten::histc at net.py:8"),
        (
            Where((ModuleCall("a\nb\x1b[2J\u202e\ud800", "m.N\r", 0),), source="x\x07.py:1"),
            r"while exporting a\nb\x1b[2J\u202e\ud800 (N\r, call 0) at x\x07.py:1",
        ),
    ],
)
def test_what_is_told(where, line):
    assert told(where) == line
    assert told(where).isprintable()


def test_the_line_stands_before_the_hint():
    error = htp.CaptureError("It failed.", "try again.")
    error.say("while exporting a (B, call 0)")
    assert str(error) == "It failed.\nwhile exporting a (B, call 0)\nHint: try again."
    plain = htp.CaptureError("It failed.")
    plain.say("")
    assert str(plain) == "It failed."
    plain.say("there")
    assert str(plain) == "It failed.\nthere"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (
            "/a/net.py(12): forward\n/t/module.py(3): _call",
            [("/a/net.py", 12), ("/t/module.py", 3)],
        ),
        ('  File "/a/net.py", line 12, in forward\n    x(1)\n', [("/a/net.py", 12)]),
        ('File "/a b/net.py", line 12\ndef f(x):\n  ~ <--- HERE', [("/a b/net.py", 12)]),
        ("", []),
    ],
)
def test_call_stacks_as_torch_writes_them(text, places):
    assert failing.written(text) == places


def test_a_file_is_told_as_it_stands_in_its_package(tmp_path):
    inner = tmp_path / "package" / "models"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").touch()
    assert failing._relative(str(inner / "net.py")) == "package/models/net.py"
    assert failing._relative(str(tmp_path / "net.py")) == "net.py"
    assert failing._relative("<string>") == "<string>"


def test_shapes_of_inputs():
    tensor = torch.zeros(3, 4, dtype=torch.int8)
    values = (tensor, [tensor, None], 1, "text", *range(9))
    told_of = failing.shapes(values, lambda value: "")
    assert told_of[:4] == ("int8[3, 4]", "[int8[3, 4], None]", "int", "str")
    assert told_of[-1] == "..."
    assert len(told_of) == 9


# --- nothing is disturbed


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def x():
    return (torch.rand(4, 4),)


def export_fails(model, backend):
    """Torch's own export, which fails."""
    options = {"dynamo": backend == "fx"} if "fx" in BACKENDS else {}
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever torch makes of it
        torch.onnx.export(model.eval(), x(), io.BytesIO(), **options)


def listener_after(model, backend):
    """Where a listener says that a failed export was, and the listener."""
    with registry.load(registry.chosen(backend)).listen() as listener:
        export_fails(model, backend)
        return listener.where(), listener


@pytest.mark.filterwarnings("ignore")
def test_what_a_listener_tells_is_plain(backend):
    where, _ = listener_after(planted_failures.Net(planted_failures.Leaf()), backend)
    assert where.running[-1].path == "block.1.1"
    pending = [where]
    while pending:
        one = pending.pop()
        if isinstance(one, tuple):
            pending.extend(one)
        else:
            assert type(one) in (str, int)


@pytest.mark.filterwarnings("ignore")
def test_the_next_export_is_another(backend):
    def fails(model):
        return failed(model.eval(), x(), backend, {})

    assert "while exporting block.1.1 (" in fails(planted_failures.Net(planted_failures.Leaf()))
    assert "while exporting steps.2 (" in fails(planted_failures.Listed(planted_failures.Leaf()))
    htp.export(planted_failures.Net(torch.nn.ReLU()).eval(), x(), backend=backend)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("step", ["frames", "line", "shapes"])
def test_what_goes_wrong_in_telling_is_not_told(backend, step, monkeypatch):
    """Torch's own error is what the user gets, without a line."""

    called = []

    def breaks(*args):
        called.append(step)
        raise RuntimeError("in the telling")

    for name in BACKENDS:
        module = importlib.import_module(f"htp.backends.{name}.failing")
        monkeypatch.setattr(module, step, breaks)
    text = failed(planted_failures.Net(planted_failures.Leaf()).eval(), x(), backend, {})
    assert called or step == "shapes"  # dynamo is not asked for shapes
    assert not called or "while exporting" not in text
    assert "in the telling" not in text
    assert "planted" in text or "Observed exception" in text


# --- nothing is kept


def held():
    """What fails while it runs, and what each exporter fails to convert."""
    unknown = {"torchscript": "Histc", "fx": "Eig"}
    for backend in BACKENDS:
        for inner in ("Leaf", unknown[backend]):
            yield pytest.param(inner, backend, id=f"{inner}-{backend}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("inner", "backend"), list(held()), indirect=["backend"])
def test_nothing_of_a_failed_export_is_held(backend, inner):
    """Neither by the listener nor, once the error is gone, by anything else."""
    exports = (export_fails, listener_after)
    for export in exports:
        left(export, inner, backend)  # torch imports lazily, and fills caches
    for _ in range(3):  # what earlier tests left may go meanwhile; what is held is held each time
        plain, heard = (left(export, inner, backend) for export in exports)
        if all(mine <= its for mine, its in zip(heard, plain)):
            break
    assert all(mine <= its for mine, its in zip(heard, plain)), (heard, plain)


def left(export, inner, backend):
    """What is left of a failed export while the listener lives: parts of graphs, the model."""
    model = planted_failures.Net(getattr(planted_failures, inner)())
    alive, before = weakref.ref(model), parts(backend)
    listener = export(model, backend)
    del model
    after = parts(backend)
    del listener
    return after - before, alive() is not None


def parts(backend):
    gc.collect()
    return sum(isinstance(one, PARTS[backend]()) for one in gc.get_objects())


def parts_of_torchscript():
    return (torch._C.Graph, torch._C.Node, torch._C.Value)


def parts_of_fx():
    return (torch.fx.Node, torch.fx.Graph, torch._subclasses.FakeTensor)


PARTS = {"torchscript": parts_of_torchscript, "fx": parts_of_fx}
