"""What torch itself writes for the models of the suite.

``python -m htp.testing.plain EXPORTER FOLDER CASE...`` runs plain ``torch.onnx.export`` in a
process in which HTP does not export; ``htp:BACKEND`` as the exporter runs ``htp.export`` instead,
for what needs a new process. Each case goes to ``FOLDER/CASE/model.onnx``, or its error to
``FOLDER/CASE/error.txt``; the file ``FOLDER/CASE/done`` says that it is complete.
"""

import inspect
import os
import sys
import traceback
from typing import Any, Callable, Dict, List

import torch
from packaging.version import Version

import htp
from htp.testing.case import Case
from htp.testing.models import case as case_named
from htp.torch_release import FX_TAKES_NAMED_AXES_SINCE, RELEASE

__all__ = ["PLAIN", "export_plain", "main"]


def _torchscript(case: Case, path: str) -> None:
    model, args, kwargs = case.example()
    options: Dict[str, Any] = case.options()
    shapes = options.pop("dynamic_shapes", None)
    if shapes is not None:
        options["dynamic_axes"] = shapes
    accepted = inspect.signature(torch.onnx.export).parameters
    if "dynamo" in accepted:
        options["dynamo"] = False
    if "example_outputs" in accepted and isinstance(model, torch.jit.ScriptModule):
        options["example_outputs"] = model(*args, **kwargs)
    if kwargs and "kwargs" in accepted:
        options["kwargs"] = dict(kwargs)
    elif kwargs:  # the last of args, if it is a dictionary, holds the keyword inputs
        args = (*args, dict(kwargs))
    torch.onnx.export(model, args, path, **options)


def _fx(case: Case, path: str) -> None:
    model, args, kwargs = case.example()
    options: Dict[str, Any] = case.options()
    shapes = options.pop("dynamic_shapes", None)
    if shapes is not None:
        assert not kwargs, "which of them is meant depends on their order"
        names = options.get("input_names") or list(inspect.signature(model.forward).parameters)
        dims: Dict[str, Any] = {}
        # By position: as keys, torch 2.6 wants input_names and other releases want parameters.
        options["dynamic_shapes"] = tuple(
            {axis: _dim(label, dims) for axis, label in shapes[name].items()}
            if name in shapes
            else None
            for name in names
        )
    torch.onnx.export(model, args, path, kwargs=dict(kwargs) or None, dynamo=True, **options)


def _dim(name: str, dims: Dict[str, Any]) -> Any:
    """A dynamic axis: its name alone, from the release on that takes names."""
    if RELEASE is not None and Version(FX_TAKES_NAMED_AXES_SINCE) <= RELEASE:
        return name
    return dims.setdefault(name, torch.export.Dim(name))


def _htp(case: Case, path: str, backend: str) -> None:
    model, args, kwargs = case.example()
    tagged = htp.export(model, args, path, kwargs=kwargs, backend=backend, **case.options())
    tagged.strip().save(path)


PLAIN: Dict[str, Callable[[Case, str], None]] = {"torchscript": _torchscript, "fx": _fx}
"""How torch alone exports by each mechanism that it has."""


def export_plain(exporter: str, case: Case, folder: str) -> None:
    """Export one case to ``folder``, or write there why that failed."""
    os.makedirs(folder)
    done = os.path.join(folder, "done")
    try:
        path = os.path.join(folder, "model.onnx")
        if exporter.startswith("htp:"):
            _htp(case, path, exporter[4:])
        else:
            PLAIN[exporter](case, path)
    except Exception:
        with open(os.path.join(folder, "error.txt"), "w", encoding="utf-8") as file:
            file.write(traceback.format_exc())
    with open(done, "w", encoding="utf-8"):
        pass


def main(arguments: List[str]) -> None:
    """Export the named cases one after the other."""
    exporter, folder, *names = arguments
    for name in names:
        export_plain(exporter, case_named(name), os.path.join(folder, name))


if __name__ == "__main__":
    main(sys.argv[1:])
