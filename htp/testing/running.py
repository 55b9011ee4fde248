"""One export of each case per session, the same by torch alone, and onnxruntime."""

import atexit
import inspect
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

import htp
from htp.testing.case import Case, Example
from htp.testing.eager import Truth, truth_of

__all__ = [
    "DONE",
    "Exported",
    "Workshop",
    "flat_tensors",
    "named_inputs",
    "run_eager",
    "run_onnx",
    "shown",
]

DONE = "done"
"""The file that says that torch's own export of a case is complete."""

PATIENCE = 900.0
"""Seconds to wait for torch's own exports; they take about a minute."""


@dataclass(frozen=True)
class Exported:
    """A case as HTP exported it.

    Attributes:
        tagged: what ``htp.export`` returned.
        path: the file that it wrote.
        example: the model that was exported, and its inputs.
        truth: what an eager run says of the model.
    """

    tagged: htp.TaggedModel
    path: str
    example: Example
    truth: Truth

    @property
    def folder(self) -> str:
        """Where the file lies, and its data files."""
        return os.path.dirname(self.path)


class Workshop:
    """Exports each case once for all tests of a session.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._exported: Dict[Tuple[str, str], Exported] = {}
        self._failed: Dict[Tuple[str, str], Exception] = {}
        self._truths: Dict[str, Truth] = {}
        self._processes: Dict[Tuple[str, str], Tuple[subprocess.Popen[bytes], str]] = {}

    def truth(self, case: Case) -> Truth:
        """What a case does, watched once."""
        if case.name not in self._truths:
            self._truths[case.name] = truth_of(case)
        return self._truths[case.name]

    def exported(self, backend: str, case: Case) -> Exported:
        """The case as HTP exports it through a backend.

        Raises:
            Exception: what ``htp.export`` raised, each time again.
        """
        key = (backend, case.name)
        if key in self._failed:
            raise self._failed[key]
        if key not in self._exported:
            truth = self.truth(case)
            model, args, kwargs = example = case.example()
            path = os.path.join(self.folder, "htp", backend, case.name, "model.onnx")
            os.makedirs(os.path.dirname(path))
            try:
                tagged = htp.export(
                    model, args, path, kwargs=kwargs, backend=backend, **case.options()
                )
            except Exception as error:
                self._failed[key] = error
                raise
            self._exported[key] = Exported(tagged, path, example, truth)
        return self._exported[key]

    def start(self, exporter: str, names: Sequence[str]) -> None:
        """Begin exports of cases in a fresh process, beside the tests.

        Args:
            exporter: as ``htp.testing.plain`` takes it.
            names: of the cases.
        """
        folder = os.path.join(self.folder, "fresh", exporter.replace(":", "-"), names[0])
        os.makedirs(folder)
        environment = dict(
            os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path)
        )
        script = [sys.executable, "-W", "ignore", "-m", "htp.testing.plain"]
        with open(os.path.join(folder, "log.txt"), "wb") as log:
            process = subprocess.Popen(
                [*script, exporter, folder, *names],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        atexit.register(_stop, process)
        self._processes.update(((exporter, name), (process, folder)) for name in names)

    def fresh(self, exporter: str, case: Case) -> str:
        """The folder that a fresh process wrote a case to.

        Raises:
            AssertionError: the case cannot be exported, or the process died.
        """
        if (exporter, case.name) not in self._processes:
            self.start(exporter, [case.name])
        process, parent = self._processes[exporter, case.name]
        folder = os.path.join(parent, case.name)
        deadline = time.monotonic() + PATIENCE
        while not os.path.exists(os.path.join(folder, DONE)):
            ended = process.poll() is not None
            if os.path.exists(os.path.join(folder, DONE)):
                break
            assert not ended, f"{exporter} ended early: {_text(parent, 'log.txt')}"
            assert time.monotonic() < deadline, f"no export of {case.name} by {exporter} in time"
            time.sleep(0.05)
        if os.path.exists(os.path.join(folder, "error.txt")):
            reason = _text(folder, "error.txt")
            raise AssertionError(f"{exporter} cannot export {case.name}: {reason}")
        return folder


def _text(folder: str, name: str) -> str:
    with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
        return file.read()[-2000:]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        process.wait()


def shown(problems: Iterable[Any]) -> str:
    """A list of problems, one a line, for the message of an assertion."""
    return "\n  ".join(["", *map(str, problems)])


def flat_tensors(value: Any) -> List[Tensor]:
    """The tensors of nested tuples, lists and dictionaries, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for item in value for tensor in flat_tensors(item)]
    return []


Shape = Sequence[Any]
"""Of a graph's input: a number for each axis of a fixed size, anything else for one without."""


def named_inputs(
    model: Any, args: Sequence[Any], kwargs: Mapping[str, Any], graph: Mapping[str, Shape]
) -> Dict[str, "np.ndarray"]:
    """The inputs under the names of a graph's inputs, told by their shapes.

    In which order keyword inputs became inputs of the graph differs between torch's exporters:
    that of the call or that of the signature. Names may have been given, so the shapes tell.

    Args:
        model: what was exported.
        args: its positional inputs.
        kwargs: its keyword inputs.
        graph: the shape of each input of the graph, in the graph's order.
    """
    called = flat_tensors([*args, *kwargs.values()])
    orders = {tuple(map(id, called)): called}
    if len(kwargs) > 1:
        parameters = list(inspect.signature(model.forward).parameters)
        signed = flat_tensors([*args, *(kwargs[name] for name in parameters if name in kwargs)])
        orders[tuple(map(id, signed))] = signed
    fitting = [order for order in orders.values() if _fit(order, list(graph.values()))]
    assert fitting, f"the graph takes {dict(graph)}, the model {[t.shape for t in called]}"
    if len(fitting) > 1:  # shapes don't tell; names that were not given do
        fitting = [o for o in fitting if all(kwargs.get(n, t) is t for n, t in zip(graph, o))]
    assert len(fitting) == 1, f"nothing tells which input is which: {dict(graph)}"
    return {name: tensor.detach().numpy() for name, tensor in zip(graph, fitting[0])}


def _fit(tensors: Sequence[Tensor], shapes: Sequence[Shape]) -> bool:
    return len(tensors) == len(shapes) and all(
        tensor.dim() == len(shape)
        and all(size == axis for size, axis in zip(tensor.shape, shape) if isinstance(axis, int))
        for tensor, shape in zip(tensors, shapes)
    )


def run_eager(model: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> List["np.ndarray"]:
    """What the model computes in PyTorch."""
    with torch.no_grad():
        output = model(*args, **kwargs)
    return [tensor.detach().numpy() for tensor in flat_tensors(output)]


def run_onnx(
    path: str, model: Any, args: Sequence[Any], kwargs: Optional[Mapping[str, Any]] = None
) -> List["np.ndarray"]:
    """What onnxruntime computes from a file, operator by operator as exported."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    graph = {value.name: value.shape for value in session.get_inputs()}
    outputs: List[np.ndarray] = session.run(None, named_inputs(model, args, kwargs or {}, graph))
    return outputs
