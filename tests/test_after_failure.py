"""After a failed export everything is as plain torch leaves it.

Two fresh processes make the same failing exports, one by ``torch.onnx.export``, one by
``htp.export``, and tell after each what is set in torch and in the generators of random numbers.
"""

import hashlib
import inspect
import io
import json
import os
import random
import subprocess
import sys
import warnings

import pytest

KINDS = ("raises", "unsupported", "opset", "mismatch")


def models():
    import torch
    from torch import nn

    from htp.testing.harmless import Raises, Unsupported

    class Fine(nn.Sequential):
        pass

    torch.manual_seed(0)
    good, bad = torch.randn(3, 4), torch.randn(3, 5)
    yield "raises", Raises().eval(), good, {}
    yield "unsupported", Unsupported().train(), good, {}
    yield "opset", Fine(nn.Linear(4, 4), nn.Dropout()).train(), good, {"opset_version": 999}
    yield "mismatch", Fine(nn.Linear(4, 4)).eval(), bad, {}


def settings():
    """What is set in torch's exporter, where a value can be compared, and beside it."""
    import numpy as np
    import torch

    found = {
        "torch's generator": hashlib.sha256(bytes(torch.get_rng_state().tolist())).hexdigest(),
        "python's generator": hashlib.sha256(repr(random.getstate()).encode()).hexdigest(),
        "numpy's generator": hashlib.sha256(
            repr(np.random.get_state()).encode()  # noqa: NPY002
        ).hexdigest(),
        "grad": torch.is_grad_enabled(),
        "dtype": str(torch.get_default_dtype()),
        "tracing": torch._C._get_tracing_state() is not None,
        "map": type(torch.jit._trace._trace_module_map).__name__,
    }
    for name, module in list(sys.modules.items()):
        if name.startswith("torch.onnx"):
            found.update(plain_values(name, vars(module)))
    return found


def plain_values(name, table):
    for key, value in list(table.items()):
        if isinstance(value, (bool, int, str, type(None))) and not key.startswith("__"):
            yield f"{name}.{key}", value
        elif key == "GLOBALS":
            yield f"{name}.GLOBALS", repr(sorted(vars(value).items(), key=str))


def fail(exporter, way, path):
    """Write what is set after each failing export: torch itself prints to standard output."""
    import numpy as np
    import torch

    import htp

    accepted = inspect.signature(torch.onnx.export).parameters
    for kind, model, x, options in models():
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002 - the generator that others may use
        torch.manual_seed(1)
        failed = "nothing"
        file = io.BytesIO() if exporter == "torchscript" else None  # 2.5 writes to no file object
        try:
            if way == "htp":
                htp.export(model, (x,), file, backend=exporter, **options)
            elif "dynamo" in accepted:
                torch.onnx.export(model, (x,), file, dynamo=exporter == "fx", **options)
            else:
                torch.onnx.export(model, (x,), file, **options)
        except Exception as error:
            cause = error.__cause__ if way == "htp" else error
            failed = "nothing" if cause is None else type(cause).__name__  # of torch's
        flags = [module.training for module in model.modules()]
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps([kind, failed, {**settings(), "training": flags}]) + "\n")


def told(exporter, way, folder):
    answer = folder / f"{way}.jsonl"
    path = [os.path.dirname(__file__), *filter(None, sys.path)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, exporter, way, str(answer)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = map(json.loads, answer.read_text(encoding="utf-8").splitlines())
    return {kind: (failed, found) for kind, failed, found in lines}


def backends():
    import htp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [info.name for info in htp.available_backends() if info.usable]


if __name__ == "__main__":
    fail(*sys.argv[1:])
else:

    @pytest.mark.parametrize("backend_name", [n for n in backends() if n in ("torchscript", "fx")])
    def test_what_is_set_is_what_torch_leaves(backend_name, tmp_path):
        plain = told(backend_name, "plain", tmp_path)
        ours = told(backend_name, "htp", tmp_path)
        assert tuple(plain) == tuple(ours) == KINDS
        for kind in KINDS:
            before, after = plain[kind][1], ours[kind][1]
            differ = {
                name: (before.get(name), after.get(name))
                for name in {*before, *after}
                if before.get(name, "-") != after.get(name, "-")
            }
            assert plain[kind][0] == ours[kind][0], kind
            assert not differ, (kind, differ)
