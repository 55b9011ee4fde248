"""What torch itself writes: ``python -m htp.testing.plain BACKEND FOLDER CASE...``

Runs plain ``torch.onnx.export`` on the models of the suite, in a process in which ``htp`` does not
export. Each case goes to ``FOLDER/CASE/model.onnx``, or its error to ``FOLDER/CASE/error.txt``.
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
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    # A trailing dict holds the keyword arguments; an empty one would be taken for an input.
    torch.onnx.export(model, (*args, kwargs) if kwargs else args, path, **options)


def _fx(case: Case, path: str) -> None:
    model, args, kwargs = case.example()
    options: Dict[str, Any] = case.options()
    shapes = options.pop("dynamic_shapes", None)
    if shapes is not None:
        parameters = list(inspect.signature(model.forward).parameters)
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
    torch.onnx.export(model, args, path, kwargs=kwargs or None, dynamo=True, **options)


PLAIN: Dict[str, Callable[[Case, str], None]] = {"torchscript": _torchscript, "fx": _fx}
"""How torch alone exports by each mechanism that it has."""


def export_plain(backend: str, case: Case, folder: str) -> None:
    """Export one case to ``folder``, or write there why torch could not."""
    os.makedirs(folder)
    try:
        PLAIN[backend](case, os.path.join(folder, "model.onnx"))
    except Exception:
        with open(os.path.join(folder, "error.txt"), "w", encoding="utf-8") as file:
            file.write(traceback.format_exc())


def main(arguments: List[str]) -> None:
    """Export the named cases one after the other."""
    backend, folder, *names = arguments
    for name in names:
        export_plain(backend, case_named(name), os.path.join(folder, name))


if __name__ == "__main__":
    main(sys.argv[1:])
