"""What torch itself writes: ``python -m htp.testing.plain BACKEND FOLDER CASE...``

Runs plain ``torch.onnx.export`` on the models of the suite, in a process in which ``htp`` does not
export. Each case goes to ``FOLDER/CASE/model.onnx``, or its error to ``FOLDER/CASE/error.txt``; the file
``FOLDER/CASE/done`` says that it is complete.
"""

import inspect
import os
import sys
import traceback
from typing import Any, Callable, Dict, List

import torch

from htp.testing.case import Case
from htp.testing.models import case as case_named

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
    # A trailing dict holds the keyword arguments; an empty one would be taken for an input.
    torch.onnx.export(model, (*args, kwargs) if kwargs else args, path, **options)


def _fx(case: Case, path: str) -> None:
    model, args, kwargs = case.example()
    options: Dict[str, Any] = case.options()
    shapes = options.pop("dynamic_shapes", None)
    parameters = list(inspect.signature(model.forward).parameters)
    if shapes is not None:
        names = options.get("input_names") or parameters
        dims: Dict[str, Any] = {}
        by_input = {
            name: {
                axis: dims.setdefault(dim, torch.export.Dim(dim)) for axis, dim in axes.items()
            }
            for name, axes in shapes.items()
        }
        options["dynamic_shapes"] = {
            parameter: by_input.get(name) for parameter, name in zip(parameters, names)
        }
    ordered = {name: kwargs[name] for name in parameters if name in kwargs}
    torch.onnx.export(model, args, path, kwargs=ordered or None, dynamo=True, **options)


PLAIN: Dict[str, Callable[[Case, str], None]] = {"torchscript": _torchscript, "fx": _fx}
"""How torch alone exports by each mechanism that it has."""


def export_plain(backend: str, case: Case, folder: str) -> None:
    """Export one case to ``folder``, or write there why torch could not."""
    os.makedirs(folder)
    done = os.path.join(folder, "done")
    try:
        PLAIN[backend](case, os.path.join(folder, "model.onnx"))
    except Exception:
        with open(os.path.join(folder, "error.txt"), "w", encoding="utf-8") as file:
            file.write(traceback.format_exc())
    with open(done, "w", encoding="utf-8"):
        pass


def main(arguments: List[str]) -> None:
    """Export the named cases one after the other."""
    backend, folder, *names = arguments
    for name in names:
        export_plain(backend, case_named(name), os.path.join(folder, name))


if __name__ == "__main__":
    main(sys.argv[1:])
