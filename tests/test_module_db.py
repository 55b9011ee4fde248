"""torch's own database of modules: wherever torch exports a case, HTP exports it, tagged in full.

The cases are torch's (``torch.testing._internal.common_modules``), so nobody here chose them. Each
module stands alone below a root that does nothing, so that a node that is unknown, or at the root,
is one that HTP lost. All cases of a module run in a child of this process: by TorchScript some end
the process, in torch alone too.

``HTP_MODULE_DB_CASES`` says how many cases of each module are tried: 3, or the number given.
"""

import copy
import inspect
import io
import json
import os
import warnings
from importlib.util import find_spec

import pytest
import torch
from expected import RefusesError, param
from torch import nn

import htp
from htp import registry
from htp.testing.noise import LET_TORCH_WARN

pytestmark = [pytest.mark.module_db, LET_TORCH_WARN]


def database():
    """torch's database, and why this environment cannot read it: a package that it needs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from torch.testing._internal.common_modules import module_db
        except ImportError as error:
            return [], str(error)
    return module_db, ""


DATABASE, UNREADABLE = database()
HAS_DATABASE = find_spec("torch.testing._internal.common_modules") is not None
MODULES = {info.name: info for info in DATABASE}
USABLE = [info.name for info in htp.available_backends() if info.usable]
WITHOUT_MODULES = "captured the model without its modules"
"""What HTP says of a model that torch.export refuses and torch exports all the same."""

EXPORTED = {}
"""How many cases each backend exported."""


class Alone(nn.Module):
    """Runs one module and does nothing itself."""

    def __init__(self, module):
        super().__init__()
        self.alone = module

    def forward(self, *args, **kwargs):
        return self.alone(*args, **kwargs)


def cases_of(info):
    """Yields for each case what makes it anew: the model and its inputs."""
    most = int(os.environ.get("HTP_MODULE_DB_CASES", "3"))
    torch.manual_seed(0)
    given = {"device": "cpu", "dtype": torch.float32, "requires_grad": False, "training": False}
    for each in list(info.module_inputs_func(info, **given))[:most]:
        yield each.desc, _maker(info, each)


def _maker(info, case):
    def make():
        torch.manual_seed(1)
        made, given = case.constructor_input, case.forward_input
        module = info.module_cls(*copy.deepcopy(made.args), **copy.deepcopy(made.kwargs))
        inputs = (given.args, given.kwargs) if given is not None else ((), {})
        return (Alone(module).eval(), *copy.deepcopy(inputs))

    return make


def by_torchscript(model, args, kwargs):
    options = {"example_outputs": None, "dynamo": False}
    known = inspect.signature(torch.onnx.export).parameters
    file = io.BytesIO()
    torch.onnx.export(
        model,
        (*args, kwargs) if kwargs or (args and isinstance(args[-1], dict)) else args,
        file,
        **{name: value for name, value in options.items() if name in known},
    )
    return file.getvalue()


def by_fx(model, args, kwargs):
    program = torch.onnx.export(model, args, kwargs=kwargs or None, dynamo=True, verbose=False)
    return program.model_proto.SerializeToString()


PLAIN = {"torchscript": by_torchscript, "fx": by_fx}


def examine(info, backend, say):
    """Export every case by torch and by HTP, and say of each what came of it."""
    torch.set_num_threads(1)
    for place, (desc, make) in enumerate(cases_of(info)):
        name = f"{place} {desc}".strip()
        say([name, "plain"])
        try:
            plain = PLAIN[backend](*make())
        except Exception as error:
            say([name, "refused", f"{type(error).__name__}: {str(error)[:200]}"])
            continue
        say([name, "htp"])
        say([name, *compare(backend, make, plain)])


def compare(backend, make, plain):
    model, args, kwargs = make()
    file = io.BytesIO()
    options = {"exporter_options": {"verbose": False}} if backend == "fx" else {}
    try:
        tagged = htp.export(model, args, file, kwargs=kwargs, backend=backend, **options)
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {str(error)[:400]}"
    lost = [
        f"{node.op_type} {node.name!r}: {tag.provenance.value} at {tag.path!r}"
        for node, tag in tagged.nodes()
        if not tag.path.startswith("alone")
    ]
    stripped = io.BytesIO()
    tagged.strip().save(stripped)
    if stripped.getvalue() != plain:
        lost.append("other bytes")
    return ("wrong", "; ".join(lost)) if lost else ("exported",)


def in_a_child(work):
    """The lines that ``work`` says, up to its end or that of the process that it ran in."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)  # what torch prints of a failure, and of the end of a process
            os.dup2(silence, 2)
            with os.fdopen(writing, "w") as pipe, warnings.catch_warnings():
                warnings.simplefilter("ignore")

                def say(line):
                    pipe.write(json.dumps(line) + "\n")
                    pipe.flush()

                work(say)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = [json.loads(line) for line in pipe if line.endswith("\n")]
    return lines, os.waitpid(child, 0)[1]


@pytest.mark.skipif(not HAS_DATABASE, reason="this torch has no such database")
def test_the_database_can_be_read():
    assert UNREADABLE == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child process that may end")
@pytest.mark.parametrize(
    ("backend_name", "name"),
    [
        param(backend, name, test="test_each_module", backend=backend, case=name)
        for backend in USABLE
        for name in sorted(MODULES)
    ],
)
def test_each_module(backend_name, name):
    exporter = registry.chosen(backend_name).exporter
    assert exporter in PLAIN
    info = MODULES[name]
    lines, status = in_a_child(lambda say: examine(info, backend_name, say))
    wrong = [line for line in lines if line[1] == "wrong"]
    if status != 0 and lines and lines[-1][1] == "htp":
        wrong.append([*lines[-1], f"ended the process with status {status}"])
    if wrong and all(WITHOUT_MODULES in line[2] for line in wrong):
        raise RefusesError(wrong)
    assert not wrong, wrong
    assert status == 0 or lines[-1][1] == "plain", (lines, status)
    exported = sum(line[1] == "exported" for line in lines)
    EXPORTED[backend_name] = EXPORTED.get(backend_name, 0) + exported
    if not exported:
        pytest.skip(f"torch exports none of its cases: {lines[-1:]}")


@pytest.mark.skipif(not HAS_DATABASE, reason="this torch has no such database")
@pytest.mark.parametrize("backend_name", USABLE)
def test_enough_was_exported(backend_name, record_property):
    """Comes last: a database that torch cannot export at all would prove nothing."""
    record_property("exported", EXPORTED.get(backend_name, 0))
    print(f"{backend_name}: {EXPORTED.get(backend_name, 0)} cases exported and tagged in full")  # noqa: T201
    assert EXPORTED.get(backend_name, 0) > len(MODULES)
