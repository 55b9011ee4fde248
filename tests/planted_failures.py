"""Models with a failure planted in them, and where it was planted.

The truth is in this file: the line that fails has a comment, ``# fails: NAME``, and a row of
``PLANTED`` says which module call it is part of. Nothing of HTP is asked.
"""

import contextlib
import importlib
import inspect
from pathlib import Path

import torch
from torch import nn

BOTH = ("torchscript", "fx")


def lines():
    """The line of every mark in this file."""
    found = {}
    for number, text in enumerate(Path(__file__).read_text("utf-8").splitlines(), 1):
        _, mark, name = text.rpartition("# fails: ")
        if mark and name.isidentifier():
            assert name not in found
            found[name] = number
    return found


Planted, PlantedToo = ZeroDivisionError, LookupError
"""What the planted failures raise: dynamo of old releases reads no other classes."""


def fail():
    raise Planted("planted")


# --- modules that fail


class Leaf(nn.Module):
    def forward(self, x):
        raise Planted("planted")  # fails: leaf


class Helped(nn.Module):
    def forward(self, x):
        return self.helper(x + 1)

    def helper(self, x):
        y = x * 2
        return deeper(y)


def deeper(x):
    if x is not None:
        raise Planted("planted")  # fails: helper
    return x


class OnWide(nn.Module):
    """Fails on five columns."""

    def forward(self, x):
        if x.shape[-1] == 5:
            raise Planted("planted")  # fails: wide
        return x + 1


class Histc(nn.Module):
    def forward(self, x):
        y = x + 1
        return torch.histc(y, bins=4)  # fails: histc


class Eig(nn.Module):
    def forward(self, x):
        y = x + 1
        return torch.linalg.eigvals(y)  # fails: eig


class Erfinv(nn.Module):
    def forward(self, x):
        y = x * 0.5
        return torch.erfinv(y)  # fails: erfinv


class Branch(nn.Module):
    def forward(self, x):
        y = x + 1
        if y.sum() > 0:  # fails: branch
            return y
        return y - 1


class Rows(nn.Module):
    def forward(self, x):
        for _ in range(int(x.sum())):  # fails: rows
            x = x + 1
        return x


class MatMul(nn.Module):
    def forward(self, x):
        return torch.matmul(x, x.new_zeros(7, 7))  # fails: matmul


class View(nn.Module):
    def forward(self, x):
        y = x + 1
        return y.reshape(3, 7)  # fails: reshape


# --- models that reach them


class Net(nn.Module):
    """A module three calls deep."""

    def __init__(self, inner):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.block = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(4, 4), inner))

    def forward(self, x):
        return self.block(self.first(x))


class Root(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, x):
        y = self.first(x)
        raise Planted(f"{y.shape}")  # fails: root


class Twice(nn.Module):
    """The second call of a module fails."""

    def __init__(self, shared):
        super().__init__()
        self.shared = shared

    def forward(self, x):
        y = self.shared(x)
        return self.shared(torch.cat([y, y[:, :1]], 1))  # fails: second_call


class Holder(nn.Module):
    def __init__(self, held):
        super().__init__()
        self.held = held

    def forward(self, x):
        return self.held(x)


class Aliased(nn.Module):
    """Two modules share one; it fails where the second calls it."""

    def __init__(self):
        super().__init__()
        one = OnWide()
        self.left, self.right = Holder(one), Holder(one)

    def forward(self, x):
        return self.right(torch.cat([self.left(x), x[:, :1]], 1))


class Listed(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.steps = nn.ModuleList([nn.ReLU(), nn.Linear(4, 4), last])

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        return x


class Parallel(nn.Module):
    """Hands on what it is given, as DataParallel does."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


class NoGrad(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        with torch.no_grad():
            return self.inner(x * 2)


def hook(module, inputs):
    raise Planted("planted")  # fails: hook


def hook_after(module, inputs, output):
    raise Planted("planted")  # fails: hook_after


def hook_computes(module, inputs, output):
    return torch.histc(output, bins=4)  # fails: hook_computes


def hook_eig(module, inputs, output):
    return torch.linalg.eigvals(output)


def hooked(before=None, after=None):
    model = Net(nn.Linear(4, 4))
    inner = model.block[1][1]
    if before is not None:
        inner.register_forward_pre_hook(before)
    if after is not None:
        inner.register_forward_hook(after)
    return model


class Caught(nn.Module):
    """What its child raised is caught; then it fails itself."""

    def __init__(self):
        super().__init__()
        self.bad, self.good = Leaf(), nn.Linear(4, 4)

    def forward(self, x):
        try:
            x = self.bad(x)
        except Planted:
            x = x + 1
        raise PlantedToo("planted")  # fails: after_caught


class CaughtThenOther(nn.Module):
    """What its child raised is caught; then another child fails."""

    def __init__(self):
        super().__init__()
        self.bad, self.other = Leaf(), OnWide()

    def forward(self, x):
        try:
            x = self.bad(x)
        except Planted:
            x = torch.cat([x, x[:, :1]], 1)
        return self.other(x)


class Replaced(nn.Module):
    """In the place of what its child raised, it raises an error of its own."""

    def __init__(self):
        super().__init__()
        self.bad = Leaf()

    def forward(self, x):
        try:
            return self.bad(x)
        except Planted:
            raise PlantedToo("planted")  # noqa: B904  # fails: replaced


class Reraised(nn.Module):
    """What its child raised is raised again."""

    def __init__(self):
        super().__init__()
        self.bad = Leaf()

    def forward(self, x):
        try:
            return self.bad(x)
        except Planted:
            x + 1
            raise


class Again(nn.Module):
    """It tries its child once more."""

    def __init__(self):
        super().__init__()
        self.bad = Leaf()

    def forward(self, x):
        try:
            return self.bad(x)
        except Planted:
            pass
        return self.bad(x)


class CaughtAndGoesOn(nn.Module):
    """What its child raised is caught, and the export fails later, in the conversion."""

    def __init__(self, last):
        super().__init__()
        self.bad, self.last = Leaf(), last

    def forward(self, x):
        try:
            x = self.bad(x)
        except Planted:
            x = x + 1
        return self.last(x)


def odd_names():
    inner = nn.Sequential()
    inner.add_module("a\nb\x1b[31m", Leaf())
    outer = nn.Sequential()
    outer.add_module("\u202eover", inner)
    return outer


# --- bodies


class Loop(nn.Module):
    def forward(self, x):
        for _ in range(int(x.shape[0])):
            x = x + 1
            if x.sum() > 3:
                x = torch.histc(x, bins=4)  # fails: scripted_loop
        return x


class If(nn.Module):
    def forward(self, x):
        y = x + 1
        if x.sum() > 0:
            y = x + torch.histc(y, bins=4)  # fails: scripted_if
        return y


def loop(x):
    for _ in range(int(x.shape[0])):
        x = torch.histc(x, bins=4)  # fails: loop
    return x


def branch(x):
    if bool(x.sum() > 0):
        x = x + torch.histc(x, bins=4)  # fails: branch_of_function
    return x


class Calls(nn.Module):
    """Calls a scripted function, whose loops and branches stay."""

    def __init__(self, function):
        super().__init__()
        self.function = torch.jit.script(function)

    def forward(self, x):
        return self.function(x + 1)


class LoopOverModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = Histc()

    def forward(self, x):
        for _ in range(int(x.shape[0])):
            x = self.step(x)
        return x


class Cond(nn.Module):
    """Both branches of ``torch.cond`` call modules."""

    def __init__(self, yes, no):
        super().__init__()
        self.yes, self.no = yes, no

    def forward(self, x):
        def yes(y):
            return self.yes(y)

        return torch.cond(x.sum() > 0, yes, lambda y: self.no(y) * 1, (x,))


class CondBody(nn.Module):
    def forward(self, x):
        def yes(y):
            return torch.erfinv(y * 0.5)  # fails: cond_body

        return torch.cond(x.sum() > 0, yes, lambda y: y + 1, (x,))


class While(nn.Module):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def forward(self, x):
        from torch._higher_order_ops.while_loop import while_loop

        def body(at, y):
            return at + 1, self.step(y)

        return while_loop(lambda at, y: at < 3, body, (torch.tensor(0), x))[1]


class Method(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.exp()

    @staticmethod
    def symbolic(g, x):
        return fail()


class Converts(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.exp()

    @staticmethod
    def symbolic(g, x):
        return g.op("Exp", x)


class CallsMethods(nn.Module):
    def __init__(self, *methods):
        super().__init__()
        self.methods = methods

    def forward(self, x):
        for method in self.methods:
            x = method.apply(x)  # fails: method
        return x


# --- what is injected


@contextlib.contextmanager
def failing_symbolic(monkeypatch):
    """A symbolic function of the user's for erfinv that raises."""
    import torch.onnx

    def symbolic(g, *inputs):
        return fail()

    name = "aten::erfinv"
    try:
        torch.onnx.register_custom_op_symbolic(name, symbolic, 11)
    except RuntimeError:  # old releases name operators of torch's own without its namespace
        name = "::erfinv"
        torch.onnx.register_custom_op_symbolic(name, symbolic, 11)
    try:
        yield {"opset_version": 11}
    finally:
        if hasattr(torch.onnx, "unregister_custom_op_symbolic"):
            torch.onnx.unregister_custom_op_symbolic(name, 11)


@contextlib.contextmanager
def failing_translation(monkeypatch):
    """A translation function of the user's for erfinv that raises."""

    def translate(x):
        return fail()

    if "custom_translation_table" not in inspect.signature(torch.onnx.export).parameters:
        yield None
        return
    table = {torch.ops.aten.erfinv.default: translate}
    yield {"exporter_options": {"custom_translation_table": table}}


@contextlib.contextmanager
def failing_decomposition(monkeypatch):
    """A decomposition of erfinv that raises."""
    passes = importlib.import_module("torch.onnx._internal.exporter._decomp")
    plain = passes.create_onnx_friendly_decomposition_table

    def decompose(x):
        return fail()

    def table(*args, **kwargs):
        return {**plain(*args, **kwargs), torch.ops.aten.erfinv.default: decompose}

    monkeypatch.setattr(passes, "create_onnx_friendly_decomposition_table", table)
    yield {}


@contextlib.contextmanager
def strict(monkeypatch):
    """Dynamo reads the model, and nothing else is tried."""
    strategies = importlib.import_module("torch.onnx._internal.exporter._capture_strategies")
    kept = [s for s in strategies.CAPTURE_STRATEGIES if "NonStrict" not in s.__name__]
    monkeypatch.setattr(strategies, "CAPTURE_STRATEGIES", tuple(kept[:1]))
    yield {}


WRITERS = (
    "torch.onnx.utils",  # up to 1.12
    "torch._C",  # 1.13
    "torch.onnx._internal.onnx_proto_utils",  # from 2.0
    "torch.onnx._internal.torchscript_exporter.onnx_proto_utils",  # from 2.9
)
"""What the older exporter writes or checks a finished model with."""


@contextlib.contextmanager
def failing_writing(monkeypatch):
    """The model cannot be written, after all conversion."""
    import onnx

    def refuse(*args, **kwargs):
        return fail()

    with contextlib.suppress(ImportError):
        program = importlib.import_module("torch.onnx._internal.exporter._onnx_program")
        monkeypatch.setattr(program.ONNXProgram, "optimize", refuse, raising=False)
        monkeypatch.setattr(program.ONNXProgram, "save", refuse)
        monkeypatch.setattr(program.ONNXProgram, "model_proto", property(refuse))
    for name in WRITERS:
        with contextlib.suppress(ImportError):
            writer = importlib.import_module(name)
            for each in ("_export_file", "_check_onnx_proto"):
                monkeypatch.setattr(writer, each, refuse, raising=False)
    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    yield {}


@contextlib.contextmanager
def unknown_opset(monkeypatch):
    yield {"opset_version": 99}


# --- the table


class Row:
    """One planted failure.

    Attributes:
        name: of it.
        build: makes the model.
        module: path and call of the module call that fails; None when the failure is of none.
        mark: of the line that fails.
        operator: by backend: what is being converted; None where it is not looked at.
        backends: where it fails.
        fault: what else is injected.
        named: whether the module must be named; else no other must be.
    """

    def __init__(
        self, name, build, module, mark=None, operator=None, backends=BOTH, fault=None, named=True
    ):
        self.name = name
        self.build = build
        self.module = module
        self.mark = mark
        self.operator = operator or {}
        self.backends = backends
        self.fault = fault
        self.named = named


TS, FX = ("torchscript",), ("fx",)
DEEP = ("block.1.1", 0)
HISTC = {"torchscript": "aten::histc"}
EIG = {"fx": "aten::linalg_eig"}
ERFINV = {"torchscript": "aten::erfinv", "fx": "aten::erfinv"}

KINDS = {
    "an exception in a forward": (
        Row("leaf", lambda: Net(Leaf()), DEEP, "leaf"),
        Row("root", Root, ("", 0), "root"),
        Row("helper", lambda: Net(Helped()), DEEP, "helper"),
        Row("second_call", lambda: Twice(OnWide()), ("shared", 1), "wide"),
        Row("aliased", Aliased, ("right.held", 1), "wide"),
        Row("pre_hook", lambda: hooked(before=hook), DEEP),
        Row("hook", lambda: hooked(after=hook_after), DEEP),
        Row("no_grad", lambda: Net(NoGrad(Leaf())), ("block.1.1.inner", 0), "leaf"),
        Row("parallel", lambda: Net(Parallel(Leaf())), ("block.1.1.module", 0), "leaf"),
        Row("module_list", lambda: Listed(Leaf()), ("steps.2", 0), "leaf"),
        Row("caught", Caught, ("", 0), "after_caught"),
        Row("caught_below", lambda: Net(Caught()), DEEP, "after_caught"),
        Row("caught_then_other", CaughtThenOther, ("other", 0), "wide"),
        Row("replaced", Replaced, ("", 0), "replaced"),
        Row("reraised", Reraised, ("bad", 0), "leaf"),
        Row("again", Again, ("bad", 1), "leaf"),
        Row("odd_names", odd_names, ("\u202eover.a\nb\x1b[31m", 0), "leaf"),
    ),
    "a shape that does not fit": (
        Row("linear_shape", lambda: Twice(nn.Linear(4, 4)), ("shared", 1), "second_call"),
        Row("matmul_shape", lambda: Net(MatMul()), DEEP, "matmul"),
        Row("reshape", lambda: Net(View()), DEEP, "reshape"),
    ),
    "a branch that depends on data": (
        Row("branch", lambda: Net(Branch()), DEEP, "branch", backends=FX),
        Row("branch_listed", lambda: Listed(Branch()), ("steps.2", 0), "branch", backends=FX),
        Row("rows", lambda: Net(Rows()), DEEP, "rows", backends=FX),
    ),
    "the same, in strict capture": (
        *(
            Row(f"strict_{name}", build, module, mark, backends=FX, fault=strict)
            for name, build, module, mark in (
                ("leaf", lambda: Net(Leaf()), DEEP, "leaf"),
                ("root", Root, ("", 0), "root"),
                ("second_call", lambda: Twice(OnWide()), ("shared", 1), "wide"),
                ("branch", lambda: Net(Branch()), DEEP, "branch"),
                ("branch_in_root", Branch, ("", 0), "branch"),
                ("rows", lambda: Net(Rows()), DEEP, "rows"),
                ("matmul_shape", lambda: Net(MatMul()), DEEP, "matmul"),
                ("caught", Caught, ("", 0), "after_caught"),
                ("caught_then_other", CaughtThenOther, ("other", 0), "wide"),
                ("no_grad", lambda: Net(NoGrad(Leaf())), ("block.1.1.inner", 0), "leaf"),
            )
        ),
    ),
    "an operator that is not supported": (
        Row("histc", lambda: Net(Histc()), DEEP, "histc", HISTC, TS),
        Row("histc_root", Histc, ("", 0), "histc", HISTC, TS),
        Row("histc_twice", lambda: Twice2(Histc()), ("twice", 0), "histc", HISTC, TS),
        Row("histc_list", lambda: Listed(Histc()), ("steps.2", 0), "histc", HISTC, TS),
        Row(
            "histc_no_grad",
            lambda: Net(NoGrad(Histc())),
            ("block.1.1.inner", 0),
            "histc",
            HISTC,
            TS,
        ),
        Row("histc_hook", lambda: hooked(after=hook_computes), DEEP, "hook_computes", HISTC, TS),
        Row(
            "histc_after_caught", lambda: CaughtAndGoesOn(Histc()), ("last", 0), "histc", HISTC, TS
        ),
        Row("eig", lambda: Net(Eig()), DEEP, "eig", EIG, FX),
        Row("eig_list", lambda: Listed(Eig()), ("steps.2", 0), "eig", EIG, FX),
        Row("eig_parallel", lambda: Net(Parallel(Eig())), ("block.1.1.module", 0), "eig", EIG, FX),
        Row("eig_after_caught", lambda: CaughtAndGoesOn(Eig()), ("last", 0), "eig", EIG, FX),
        Row("eig_strict", lambda: Net(Eig()), DEEP, "eig", EIG, FX, strict),
        Row("eig_no_grad", lambda: Net(NoGrad(Eig())), ("block.1.1.inner", 0), "eig", EIG, FX),
        Row("eig_hook", lambda: hooked(after=hook_eig), DEEP, None, EIG, FX),
        Row("eig_twice", lambda: Twice2(Eig()), ("twice", 0), "eig", EIG, FX),
        Row("eig_program", lambda: program(Net(Eig())), DEEP, "eig", EIG, FX),
    ),
    "a symbolic function, translation or decomposition that fails": (
        Row("symbolic", lambda: Net(Erfinv()), DEEP, "erfinv", ERFINV, TS, failing_symbolic),
        Row("translation", lambda: Net(Erfinv()), DEEP, "erfinv", ERFINV, FX, failing_translation),
        Row(
            "decomposition",
            lambda: Net(Erfinv()),
            DEEP,
            "erfinv",
            ERFINV,
            FX,
            failing_decomposition,
        ),
        Row("method", lambda: Net(CallsMethods(Method)), DEEP, "method", backends=TS),
        Row(
            "second_method",
            lambda: nn.Sequential(CallsMethods(Converts, Converts), CallsMethods(Converts, Method)),
            ("1", 0),
            "method",
            backends=TS,
        ),
    ),
    "a failure in the body of a loop or branch": (
        # torch drops the scopes of what it inlines: the module may not be known, the line is
        Row("loop", lambda: Net(Calls(loop)), DEEP, "loop", HISTC, TS, named=False),
        Row("if", lambda: Net(Calls(branch)), DEEP, "branch_of_function", HISTC, TS, named=False),
        # torch does not trace scripted modules
        Row("scripted_within", lambda: Net(scripted(If())), DEEP, backends=TS),
        Row("scripted_loop", lambda: scripted(Net(Loop())), DEEP, "scripted_loop", HISTC, TS),
        Row("scripted_if", lambda: scripted(Net(If())), DEEP, "scripted_if", HISTC, TS),
        Row(
            "scripted_loop_module",
            lambda: scripted(Net(LoopOverModule())),
            ("block.1.1.step", 0),
            "histc",
            HISTC,
            TS,
        ),
        Row(
            "cond_leaf", lambda: Net(Cond(Leaf(), OnWide())), ("block.1.1.yes", 0), "leaf", None, FX
        ),
        Row(
            "cond_second",
            lambda: Net(Cond(OnWide(), Leaf())),
            ("block.1.1.no", 0),
            "leaf",
            None,
            FX,
        ),
        Row(
            "cond_translation",
            lambda: Net(Cond(OnWide(), Erfinv())),
            ("block.1.1.no", 0),
            "erfinv",
            ERFINV,
            FX,
            failing_translation,
        ),
        Row(
            "cond_body", lambda: Net(CondBody()), DEEP, "cond_body", ERFINV, FX, failing_translation
        ),
        Row("while_leaf", lambda: Net(While(Leaf())), ("block.1.1.step", 0), "leaf", None, FX),
        Row(
            "while_translation",
            lambda: Net(While(Erfinv())),
            ("block.1.1.step", 0),
            "erfinv",
            ERFINV,
            FX,
            failing_translation,
        ),
    ),
    "a failure after the conversion": (
        Row("writing", lambda: Net(nn.ReLU()), None, fault=failing_writing),
        Row(
            "writing_after_caught", lambda: CaughtAndGoesOn(nn.ReLU()), None, fault=failing_writing
        ),
        Row("opset", lambda: Net(nn.ReLU()), None, fault=unknown_opset),
    ),
}
"""The planted failures, by kind; ``docs/failures.md`` says of each what is told."""

PLANTED = tuple(row for rows in KINDS.values() for row in rows)


def scripted(model):
    return torch.jit.script(model)


def program(model):
    return torch.export.export(model.eval(), (torch.rand(4, 4),))


class Twice2(nn.Module):
    """The second call's result is not used: the first fails."""

    def __init__(self, twice):
        super().__init__()
        self.twice = twice

    def forward(self, x):
        return self.twice(x) + self.twice(x * 2)
