"""The ways to run an operation inside a ``forward``: each belongs to the module that ran it.

In each model, ``a`` computes ``tanh`` in one way, and ``b`` reads what comes of it. That is
planted: ``tanh`` and all that was computed for it is of ``a``, or of the module inside ``a`` that
the way names, and nothing of it is of ``b``, its reader.
"""

import functools
import inspect
import io
import types
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import torch
from expected import RefusesError, cases, param
from packaging.specifiers import SpecifierSet
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import htp
from htp.testing.noise import LET_TORCH_WARN
from htp.torch_release import RELEASE

pytestmark = LET_TORCH_WARN

BACKENDS = [info.name for info in htp.available_backends() if info.usable]

WAYS = {}
"""What makes each module ``a``, by the name of the way."""


class Way(NamedTuple):
    make: object
    owner: str
    torch: str


def way(owner="a", torch=">=1.8"):
    """A function that makes ``a`` is a row of the table; ``owner`` is the module that runs tanh."""

    def note(make):
        WAYS[make.__name__] = Way(make, owner, torch)
        return make

    return note


def running(forward, name=""):
    """The same for a row that only needs a forward: ``forward(self, x)``."""

    def make():
        return type("A", (nn.Module,), {"forward": forward})()

    WAYS[name or forward.__name__] = Way(make, "a", ">=1.8")
    return forward


def compute(x):
    return torch.tanh(x) * 1.5


def quietly(make, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*args)


class Inner(nn.Module):
    def forward(self, x):
        return compute(x)

    def helper(self, x):
        return compute(x)


class Plain(nn.Module):
    """Runs a function that it holds."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, x):
        return self.run(x)


class Root(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.a = a
        self.b = nn.Sigmoid()

    def forward(self, x):
        return self.b(self.a(x))


# --- Python's own


@running
def in_forward(self, x):
    return torch.tanh(x) * 1.5


@running
def function(self, x):
    return compute(x)


@running
def nested_function(self, x):
    def inner(value):
        return compute(value) + x

    return inner(x)


@running
def generator(self, x):
    def rows():
        for scale in (1.5, 2.5):
            yield torch.tanh(x) * scale

    return sum(rows())


@running
def comprehension(self, x):
    return sum([torch.tanh(row) for row in (x, x * 2)])


@running
def rows_of_a_tensor(self, x):
    return torch.stack([torch.tanh(row) for row in x])


@running
def after_an_exception(self, x):
    try:
        raise ValueError("caught")
    except ValueError:
        return compute(x)


@running
def recursion(self, x):
    def again(value, depth):
        return again(compute(value), depth - 1) if depth else value

    return again(x, 3)


@running
def mapping_results(self, x):
    return {"y": compute(x)}["y"]


@running
def new_tensors(self, x):
    return torch.tanh(x) * torch.arange(4) + torch.ones_like(x)


@way()
def function_as_attribute():
    return Plain(compute)


@way()
def anonymous_function():
    return Plain(lambda x: torch.tanh(x) * 1.5)


@way()
def partial_function():
    return Plain(functools.partial(lambda scale, x: torch.tanh(x) * scale, 1.5))


@way()
def closure():
    scale = 1.5
    return Plain(lambda x: torch.tanh(x) * scale)


@way()
def wrapped_function():
    @functools.wraps(compute)
    def wrapper(x):
        return compute(x) + 1

    return Plain(wrapper)


@way()
def method():
    class A(Inner):
        def forward(self, x):
            return self.helper(x)

    return A()


@way()
def inherited_forward():
    class A(Inner):
        def forward(self, x):
            return super().forward(x) + 1

    return A()


@way()
def static_method():
    class A(nn.Module):
        run = staticmethod(compute)

        def forward(self, x):
            return self.run(x)

    return A()


@way()
def computed_property():
    class A(nn.Module):
        @property
        def result(self):
            return compute(self.x)

        def forward(self, x):
            self.__dict__["x"] = x
            result = self.result
            del self.__dict__["x"]
            return result

    return A()


@way()
def context_manager():
    class A(nn.Module):
        @contextmanager
        def result(self, x):
            yield compute(x)

        def forward(self, x):
            with self.result(x) as result:
                return result

    return A()


@way()
def forward_on_the_instance():
    a = nn.Identity()
    a.forward = compute
    return a


@way()
def method_on_the_instance():
    a = nn.Identity()
    a.forward = types.MethodType(lambda self, x: compute(x), a)
    return a


@way()
def operators():
    class Value:
        def __init__(self, x):
            self.x = x

        def __matmul__(self, other):
            return torch.tanh(self.x @ other.x.t())

    return Plain(lambda x: Value(x) @ Value(x))


# --- other modules


class Holder(nn.Module):
    def __init__(self, inner, run):
        super().__init__()
        self.inner = inner
        self.run = run

    def forward(self, x):
        return self.run(self.inner, x)


@way("a.inner")
def child():
    return Holder(Inner(), lambda inner, x: inner(x))


@way("a.inner")
def child_by_keyword():
    return Holder(Inner(), lambda inner, x: inner(x=x))


@way()
def method_of_a_child():
    return Holder(Inner(), lambda inner, x: inner.helper(x))


@way()
def forward_of_a_child():
    return Holder(Inner(), lambda inner, x: inner.forward(x))


@way()
def module_of_no_model():
    inner = [Inner()]
    return Plain(inner[0].__call__)


@way("a.inner.0")
def list_of_modules():
    return Holder(nn.ModuleList([Inner()]), lambda inner, x: inner[0](x))


@way("a.inner.key")
def mapping_of_modules():
    return Holder(nn.ModuleDict({"key": Inner()}), lambda inner, x: inner["key"](x))


@way("a.inner.0")
def slice_of_modules():
    return Holder(nn.Sequential(Inner(), nn.ReLU()), lambda inner, x: inner[:1](x))


@way()
def functional_of_torch():
    return Plain(lambda x: functional.normalize(torch.tanh(x), dim=1))


# --- hooks


def hooked(register):
    a = nn.Identity()
    register(a)
    return a


@way()
def forward_hook():
    return hooked(lambda a: a.register_forward_hook(lambda module, args, y: compute(y)))


@way()
def forward_pre_hook():
    return hooked(lambda a: a.register_forward_pre_hook(lambda module, args: (compute(args[0]),)))


@way(torch=">=2.0")
def hook_with_keywords():
    return hooked(
        lambda a: a.register_forward_hook(lambda m, args, kwargs, y: compute(y), with_kwargs=True)
    )


class Twice(nn.Module):
    """Calls a module with a hook twice: what the hook makes is of the call that it ran in."""

    def __init__(self, register):
        super().__init__()
        self.inner = hooked(register)

    def forward(self, x):
        return self.inner(torch.relu(self.inner(x)))


@way("a.inner")
def hook_of_a_module_called_twice():
    return Twice(lambda inner: inner.register_forward_hook(lambda m, args, y: compute(y)))


@way("a.inner")
def pre_hook_of_a_module_called_twice():
    return Twice(
        lambda inner: inner.register_forward_pre_hook(
            lambda m, args: (torch.tanh(args[0]) + torch.arange(4) * torch.tensor(2.5),)
        )
    )


class Globally(nn.Module):
    """Its own calls, and nobody else's, go through a hook of all modules."""

    def __init__(self, register):
        super().__init__()
        self.register = register
        self.inner = nn.Identity()

    def forward(self, x):
        handle = self.register()
        try:
            return self.inner(x)
        finally:
            handle.remove()


@way("a.inner")
def hook_of_all_modules():
    register = nn.modules.module.register_module_forward_hook
    return Globally(lambda: register(lambda module, args, y: compute(y)))


@way("a.inner")
def pre_hook_of_all_modules():
    register = nn.modules.module.register_module_forward_pre_hook
    return Globally(lambda: register(lambda module, args: (compute(args[0]),)))


@way("a.parametrizations.weight.0", torch=">=1.9")
def parametrisation():
    from torch.nn.utils import parametrize

    class Scale(nn.Module):
        """Reads an input, or the exporter folds it."""

        def forward(self, weight):
            return weight * torch.tanh(given[0].sum())

    class A(nn.Linear):
        def forward(self, x):
            given[:] = [x]
            return super().forward(x)

    given = [torch.ones(1)]
    a = A(4, 4)
    parametrize.register_parametrization(a, "weight", Scale())
    return a


# --- torch's ways


@running
def without_gradients(self, x):
    with torch.no_grad():
        return compute(x)


@running
def with_gradients(self, x):
    with torch.enable_grad():
        return compute(x)


@running
def decorated_without_gradients(self, x):
    return torch.no_grad()(compute)(x)


@way(torch=">=1.10")
def autocast():
    def run(x):
        with torch.autocast("cpu", enabled=False):
            return compute(x)

    return Plain(run)


@running
def in_place(self, x):
    return x.clone().tanh_().mul_(1.5)


@running
def into_a_slice(self, x):
    y = x.clone()
    y[:, 1:3] = torch.tanh(x[:, 1:3])
    return y


@running
def into_an_output(self, x):
    y = torch.empty_like(x)
    torch.tanh(x, out=y)
    return y


@running
def view(self, x):
    return torch.tanh(x.view(4, 2)).t().reshape(2, 4)


@running
def einsum(self, x):
    return torch.tanh(torch.einsum("ij,kj->ik", x, x))


class Symbolic(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient

    @staticmethod
    def symbolic(g, x):
        return g.op("Tanh", x)


class Inlined(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.tanh(x) * 1.5

    @staticmethod
    def backward(ctx, gradient):
        return gradient


@running
def autograd_function(self, x):
    return Symbolic.apply(x)


@running
def autograd_function_without_symbolic(self, x):
    return Inlined.apply(x)


@way(torch=">=1.11")
def checkpointed():
    return Plain(lambda x: checkpoint(compute, x, use_reentrant=True))


@way(torch=">=1.11")
def checkpointed_without_reentry():
    return Plain(lambda x: checkpoint(compute, x, use_reentrant=False))


@way(torch=">=2.0,!=2.5.*,!=2.6.*,!=2.7.*")  # fx there fails in it, and leaves torch inside
def vectorised_map():
    return Plain(torch.vmap(torch.tanh))


@way("a.inner", torch=">=2.0")
def functional_call():
    return Holder(Inner(), lambda inner, x: torch.func.functional_call(inner, {}, (x,)))


@way(torch=">=2.0")
def saved_tensors_hooks():
    def run(x):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            return compute(x)

    return Plain(run)


@way(torch=">=2.0")
def mode_of_functions():
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):
        def __torch_function__(self, func, kinds, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    def run(x):
        with Mode():
            return compute(x)

    return Plain(run)


@way()
def ignored_by_the_compiler():
    return Plain(torch.jit.ignore(compute))


@way()
def while_tracing():
    return Plain(lambda x: compute(x) if torch.jit.is_tracing() else compute(x) * 1.5)


@way()
def symbolic_trace():
    from torch import fx

    class A(nn.Module):
        def forward(self, x):
            return torch.tanh(x) * 1.5

    return fx.symbolic_trace(A())


@way("a.inner")
def symbolic_trace_with_a_child():
    from torch import fx

    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Tanh()

        def forward(self, x):
            return self.inner(x) * 1.5

    return fx.symbolic_trace(A())


@way("a.inner.1", torch=">=2.5")
def unflattened_program():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

        def forward(self, x):
            return torch.relu(self.inner(x))

    return torch.export.unflatten(torch.export.export(A(), (torch.zeros(2, 4),)))


# --- control flow


@way(torch=">=2.5")
def conditional():
    return Plain(lambda x: torch.cond(x.sum() > 0, compute, torch.relu, (x,)))


@way(torch=">=2.6")
def while_loop():
    def run(x):
        from torch._higher_order_ops.while_loop import while_loop

        return while_loop(
            lambda i, y: i < 3, lambda i, y: (i + 1, torch.tanh(y)), (torch.tensor(0), x)
        )[1]

    return Plain(run)


@way(torch=">=2.6")
def scan():
    def run(x):
        from torch._higher_order_ops.scan import scan

        return scan(lambda carry, y: (carry + y, torch.tanh(y)), torch.zeros(4), x)[1]

    return Plain(run)


# --- compiled before


def scripted_compute(x):
    return torch.tanh(x) * 1.5


def scripted_loop(x):
    total = torch.zeros_like(x)
    for row in range(x.shape[0]):
        total = total + torch.tanh(x) * 1.5 + row
    if bool(x.sum() > 0):
        total = total + 1
    return torch.erf(total)


@way()
def scripted_function():
    return Plain(quietly(torch.jit.script, scripted_compute))


@way()
def scripted_function_with_branches():
    return Plain(quietly(torch.jit.script, scripted_loop))


@way()
def traced_function():
    return Plain(quietly(torch.jit.trace, compute, (torch.zeros(2, 4),)))


@way()
def scripted_if_tracing():
    # A function that was already compiled stays so: a new one for each model.
    return Plain(torch.jit.script_if_tracing(scripted_loop))


@way()
def scripted_function_of_a_method():
    function = quietly(torch.jit.script, scripted_compute)

    class A(nn.Module):
        def helper(self, x):
            return function(x)

        def forward(self, x):
            return self.helper(self.helper(x))

    return A()


@way("a.inner")
def scripted_function_of_a_child():
    function = quietly(torch.jit.script, scripted_loop)
    return Holder(Plain(function), lambda inner, x: inner(torch.relu(x)))


@way()
def scripted_function_of_a_hook():
    function = quietly(torch.jit.script, scripted_compute)
    return hooked(lambda a: a.register_forward_hook(lambda module, args, y: function(y)))


@way()
def scripted_function_of_a_pre_hook():
    function = quietly(torch.jit.script, scripted_compute)
    return hooked(lambda a: a.register_forward_pre_hook(lambda module, args: (function(args[0]),)))


@way()
def scripted_function_of_an_autograd_function():
    function = quietly(torch.jit.script, scripted_compute)

    class Calls(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return function(x)

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    return Plain(Calls.apply)


# --- the test


def opset(backend):
    """One that has every operator here, in each release."""
    return {"opset_version": 13} if backend == "torchscript" else {}


def plain(model, x, backend):
    """torch's own export."""
    options = opset(backend)
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = backend == "fx"
    torch.onnx.export(model, (x,), io.BytesIO(), **options)


def known():
    return [name for name, row in WAYS.items() if RELEASE in SpecifierSet(row.torch)]


def wrong(tagged, owner):
    """Nodes that are not of whom they must be, as ``(operator, path, provenance)``."""
    found = []
    for node, tag in tagged.nodes():
        if node.op_type == "Sigmoid":
            right = tag.path == "b"
        elif node.op_type == "Tanh":
            right = tag.path == owner
        else:
            right = tag.path == "a" or tag.path.startswith("a.")
        if not right:
            found.append((node.op_type, str(tag.owner), str(tag.provenance)))
    return found


def model_of(name):
    return Root(WAYS[name].make()).eval(), torch.randn(2, 4)


def exported(name, backend):
    """A way as HTP exports it.

    Raises:
        RefusesError: HTP fails, and so does torch alone.
    """
    model, x = model_of(name)
    try:
        return htp.export(model, (x,), io.BytesIO(), backend=backend, **opset(backend))
    except htp.CaptureError as error:
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever torch makes of it
            plain(*model_of(name), backend)
        raise RefusesError(str(error)) from error


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        param(name, backend, test="test_who_ran_it_owns_it", backend=backend, case=name)
        for backend in BACKENDS
        for name in known()
    ],
)
def test_who_ran_it_owns_it(name, backend):
    tagged = exported(name, backend)
    operators = [node.op_type for node, _ in tagged.nodes()]
    assert "Sigmoid" in operators
    assert "Tanh" in operators
    assert wrong(tagged, WAYS[name].owner) == []


class CallsTwice(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.a = a

    def forward(self, x):
        return torch.relu(self.a(torch.relu(self.a(x))))


def with_constants(x):
    return x * 2.5 + torch.arange(4) + torch.tensor(1.5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "register",
    [
        lambda a: a.register_forward_hook(lambda module, args, y: with_constants(y)),
        lambda a: a.register_forward_pre_hook(lambda module, args: (with_constants(args[0]),)),
    ],
    ids=["hook", "pre_hook"],
)
def test_what_a_hook_makes_is_of_the_call_that_it_ran_in(register, backend):
    model = CallsTwice(hooked(register)).eval()
    tagged = htp.export(model, (torch.randn(2, 4),), io.BytesIO(), backend=backend)
    owners = {"": [], "a": [], "a@1": []}
    for node, tag in tagged.nodes():
        owners[str(tag.owner)].append(node.op_type)
    assert set(owners[""]) == {"Relu"}
    assert sorted(owners["a"]) == sorted(owners["a@1"]) or backend == "fx"  # which merges constants


def test_every_way_has_a_name_and_every_expected_failure_a_way():
    assert len(WAYS) >= 49
    assert cases("test_who_ran_it_owns_it") <= set(WAYS)
