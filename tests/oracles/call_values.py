"""The names that a capture gives to what module calls took and returned, held against PyTorch.

The model runs once in plain PyTorch with a copy taken of every tensor that goes into or comes out
of each call of its modules. The named values are exposed as outputs of the written file, which
onnxruntime runs operator by operator; each must have the shape and the numbers of its tensor.

Some models take another way while torch says that it exports (``torch.compiler.is_exporting``):
they hand on no mask, say, where they would otherwise. Where a capture does not fit the first run,
the model runs once more while torch says so, and the capture is right if all of it fits that run.
It is never held against both at once.

Places are those of ``ValueRecord.place``: positional arguments are ``0``, ``1``, ...; keyword
arguments have their names; a tuple that a call returns is several results ``0``, ``1``, ..., and
anything else is the only result ``0``. Within, entries of tuples and lists are counted from 0 and
those of mappings have their keys. Whatever else (a cache, a data class) is not looked into.
"""

import contextlib
import dataclasses
import importlib
import inspect
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnx.external_data_helper import load_external_data_for_model

from htp import arguments, registry
from htp.testing.running import flat_tensors, named_inputs
from oracles.calls import key, run_watched
from oracles.subject import Exported, Subject

__all__ = ["REASONS", "Judgement", "Recorded", "judge", "recorded", "reported", "uncompiled"]

REASONS = frozenset(["fused", "folded", "unread", "rewritten", "ambiguous", "body", "untraced"])
"""Why a tensor may have no name."""

RTOL, ATOL = 1e-3, 1e-4

Array = Any
Place = Tuple[str, ...]
Side = str
"""``inputs`` or ``outputs``, as ``CallRecord`` calls them."""


class Recorded(NamedTuple):
    """One export as a backend heard it.

    Attributes:
        capture: what it brought home.
        path: the file as torch wrote it.
        subject: what was exported.
    """

    capture: Any
    path: str
    subject: Subject


@dataclass
class Judgement:
    """What the numbers say of a capture's names.

    Attributes:
        calls: how many calls the capture holds.
        not_recorded: how many of them have neither inputs nor outputs recorded.
        values: how many tensors are recorded.
        named: how many of them have a name.
        equal: the named value is the tensor, in shape and numbers.
        plain: how many of the equal ones have all elements alike, which says little.
        wrong: the others, a line each; and records that don't fit the call at all.
        none: how many have no name, by reason.
        not_judged: how many names could not be judged, by reason.
        apart: why no name of this file was judged: it does not compute what PyTorch does; or "".
    """

    calls: int = 0
    not_recorded: int = 0
    values: int = 0
    named: int = 0
    equal: int = 0
    plain: int = 0
    wrong: List[str] = field(default_factory=list)
    none: "Counter[str]" = field(default_factory=Counter)
    not_judged: "Counter[str]" = field(default_factory=Counter)
    apart: str = ""

    def __str__(self) -> str:
        return (
            f"{self.calls} calls, {self.values} values: {self.equal} equal ({self.plain} plain), "
            f"{len(self.wrong)} wrong, none {dict(self.none)}, not judged {dict(self.not_judged)}, "
            f"{self.not_recorded} calls not recorded{self.apart and '; apart: ' + self.apart}"
        )


def recorded(subject: Subject, backend: str, folder: str) -> Recorded:
    """Export a subject as ``htp.export`` does, but keep the capture and the plain file."""
    model, args, kwargs = subject.build()
    spec = registry.chosen(backend)
    given = {**subject.options, "kwargs": kwargs or None}
    request = arguments.checked(model, args, given, spec.exporter, None)
    export: Any = importlib.import_module("htp.export")
    written, capture, *_ = export.record(request, spec)
    data = written.data
    path = os.path.join(folder, "model.onnx")
    with open(path, "wb") as file:
        file.write(data)
    return Recorded(capture, path, subject)


def judge(made: Recorded) -> Judgement:
    """Hold every recorded value against what the call took or returned in PyTorch."""
    made = _root_by_position(made)
    found = _judge(made, exporting=False)
    if not found.wrong and not found.apart:
        return found
    second = _judge(made, exporting=True)
    # A run that does not compute what the file does says nothing of its names.
    better = not second.apart and (found.apart or not second.wrong)
    return second if better else found


def _judge(made: Recorded, *, exporting: bool) -> Judgement:
    """Hold every recorded value against one run."""
    found = Judgement(len(made.capture.calls))
    with reported(exporting):
        truth, results, feeds = _eager(made.subject, _graph_inputs(made.path))
    named = {v.name for call in made.capture.calls for _, v in _records(call) if v.name}
    try:
        file = _File(made.path, feeds, named)
        found.apart = _differs(file.results, results)
    except Exception as error:  # onnxruntime raises what it likes; the files are torch's
        file, found.apart = None, f"onnxruntime cannot run it: {str(error).splitlines()[0]}"
    for call in made.capture.calls:
        _judge_call(call, truth.get(key(call.stack[-1])), file, found)
    return found


@contextlib.contextmanager
def reported(exporting: bool) -> Iterator[None]:
    """Let torch say that it exports, or leave what it says.

    https://github.com/pytorch/pytorch/blob/v2.9.0/torch/export/_trace.py#L1784
    """
    compiler: Any = getattr(torch, "compiler", None)
    flags = ("_is_compiling_flag", "_is_exporting_flag") if exporting else ()
    before = {flag: getattr(compiler, flag) for flag in flags if hasattr(compiler, flag)}
    try:
        for flag in before:
            setattr(compiler, flag, True)
        yield
    finally:
        for flag, value in before.items():
            setattr(compiler, flag, value)


@contextlib.contextmanager
def uncompiled() -> Iterator[None]:
    """``torch.cond`` and its kin compile what they run, which the watch over the calls prevents.

    A release that cannot be told to run them plainly is told to forget what it compiled: else it
    names the parameters of later exports otherwise than in a fresh process.
    """
    stance: Any = getattr(getattr(torch, "compiler", None), "set_stance", None)
    try:
        with stance("force_eager") if stance is not None else contextlib.nullcontext():
            yield
    finally:
        dynamo = sys.modules.get("torch._dynamo")
        if stance is None and dynamo is not None:
            dynamo.reset()


def _root_by_position(made: Recorded) -> Recorded:
    """Some exporters hand the model its keyword arguments by position, which is as good."""
    root, *others = made.capture.calls
    if root.inputs is None:
        return made
    model = made.subject.build().model
    inputs = sorted(
        (v._replace(place=_by_position(v.place, model)) for v in root.inputs),
        key=lambda value: value.place,
    )
    calls = (root._replace(inputs=tuple(inputs)), *others)
    return made._replace(capture=dataclasses.replace(made.capture, calls=calls))


def _by_position(place: Place, model: Any) -> Place:
    order = list(inspect.signature(model.forward).parameters)
    return (str(order.index(place[0])), *place[1:]) if place[0] in order else place


def _judge_call(
    call: Any, seen: Optional[Mapping[Side, Any]], file: Optional["_File"], found: Judgement
) -> None:
    if call.inputs is None and call.outputs is None:
        found.not_recorded += 1
    if seen is not None:
        for side in ("inputs", "outputs"):
            given = getattr(call, side)
            if given is None:
                continue
            numbers = seen[f"numbers of {side}"]
            tensors = [value.place for value in given if value.place not in numbers]
            if _in_order(tensors) != _in_order(seen[side]):
                places = [".".join(place) for place in tensors]
                wanted = [".".join(place) for place in seen[side]]
                found.wrong.append(f"{side} of {call.stack[-1]}: {places}, there were {wanted}")
    for side, value in _records(call):
        found.values += 1
        found.named += value.name is not None
        label = f"{side} {'.'.join(value.place)} of {str(call.stack[-1]) or 'the root'}"
        if value.name is None:
            found.none[str(value.reason)] += 1
            if value.reason not in REASONS:
                found.wrong.append(f"{label}: the reason {value.reason!r} is not known")
        elif value.reason not in (None, "merged", *(("folded",) if side == "inputs" else ())):
            found.wrong.append(f"{label}: has a name and the reason {value.reason!r}")
        elif file is None or found.apart:
            found.not_judged["file differs from eager"] += 1
        elif seen is None:
            found.not_judged["no such call in eager"] += 1
        else:
            arrays = {**seen[f"numbers of {side}"], **seen[side]}
            if value.place in arrays:
                _judge_value(label, value.name, arrays[value.place], file, found)


def _in_order(places: Iterable[Place]) -> List[Place]:
    """Places with keywords last and sorted: torch brings those into the order of the signature."""
    return sorted(places, key=lambda place: ("", ()) if place[0].isdigit() else (place[0], place))


def _judge_value(
    label: str, name: str, array: Optional[Array], file: "_File", found: Judgement
) -> None:
    if name not in file.values:
        if name in file.inner:
            found.not_judged["within a body or function"] += 1
        else:
            found.wrong.append(f"{label}: the file has no value {name!r}")
    elif file.values[name] is None or array is None:
        found.not_judged["not a tensor of numbers"] += 1
    elif _equal(file.values[name], array):
        found.equal += 1
        found.plain += bool(array.size and np.all(array == array.flat[0]))
    else:
        shapes = f"{file.values[name].shape} and {array.shape}"
        found.wrong.append(f"{label}: {name} is another value (shapes {shapes})")


def _records(call: Any) -> Iterator[Tuple[Side, Any]]:
    for side in ("inputs", "outputs"):
        for value in getattr(call, side) or ():
            yield side, value


def _equal(one: Array, two: Array) -> bool:
    return one.shape == two.shape and bool(
        np.allclose(one, two, rtol=RTOL, atol=ATOL, equal_nan=True)
    )


def _differs(file: Sequence[Array], eager: Sequence[Array]) -> str:
    """How the outputs of the model differ, or ""."""
    if len(file) != len(eager):
        return f"the file has {len(file)} outputs, the model returns {len(eager)} tensors"
    for at, (one, two) in enumerate(zip(file, eager)):
        if one is None or two is None or not _equal(one, two):
            return f"output {at} is not what the model returns"
    return ""


def _array(value: Any) -> Optional[Array]:
    """A copy of real numbers, since a later operation may write into the tensor; or None."""
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.is_quantized or value.is_complex():
            return None
        return value.detach().double().cpu().numpy().copy()
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return value.astype(np.float64)
    return None


def _placed(value: Any, place: Place) -> Iterator[Tuple[Place, Any]]:
    """The tensors and numbers in nested tuples, lists and mappings, in order."""
    if isinstance(value, (torch.Tensor, int, float)):
        yield place, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _placed(item, (*place, str(name)))
    elif isinstance(value, (tuple, list)):
        for at, item in enumerate(value):
            yield from _placed(item, (*place, str(at)))


def _arrays(rows: Iterable[Tuple[Place, Any]], side: Side) -> Dict[str, Dict[Place, Any]]:
    """Copies of the tensors; apart from them the numbers: sizes are tensors while torch traces."""
    listed = list(rows)
    numbers = {p: np.float64(v) for p, v in listed if not isinstance(v, torch.Tensor)}
    tensors = {p: _array(v) for p, v in listed if isinstance(v, torch.Tensor)}
    return {side: tensors, f"numbers of {side}": numbers}


Truth = Dict[Tuple[str, int], Dict[Side, Dict[Place, Optional[Array]]]]
"""What each call, by path and count, took and returned."""


def _eager(
    subject: Subject, inputs: Mapping[str, Sequence[Any]]
) -> Tuple[Truth, List[Optional[Array]], Dict[str, Array]]:
    """What every call took and returned, what the model returned, and what the graph is fed."""
    model, args, kwargs = subject.build()
    feeds = {n: a.copy() for n, a in named_inputs(model, args, kwargs, inputs).items()}
    sides: Dict[int, Dict[Side, Dict[Place, Optional[Array]]]] = {}
    results: List[Any] = []

    def around(number: int, call: Any, given: Tuple[Any, ...], named: Any) -> Any:
        rows = [*_placed(tuple(given), ()), *_placed(named, ())]
        if number == 0:
            rows = sorted(((_by_position(p, model), v) for p, v in rows), key=lambda row: row[0])
        inputs = _arrays(rows, "inputs")
        result = call(*given, **named)
        several = result if isinstance(result, tuple) else (result,)
        sides[number] = {**inputs, **_arrays(_placed(several, ()), "outputs")}
        if number == 0:
            results.extend(map(_array, flat_tensors(result)))
        return result

    with uncompiled():
        exported = Exported(None, "", model, args, kwargs)  # type: ignore[arg-type]
        stacks = run_watched(exported, around)
    return {key(stacks[n][-1]): side for n, side in sides.items()}, results, feeds


def _graph_inputs(path: str) -> Dict[str, Sequence[Any]]:
    """The shape of each input."""
    graph = onnx.load(path, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in graph.input
        if value.name not in weights
    }


class _File:
    """The values of a written file.

    Attributes:
        values: numbers of every named value of the main graph; None for what is no tensor.
        results: what the file computes as a whole.
        inner: names within bodies and functions, which cannot be exposed.
    """

    def __init__(self, path: str, feeds: Mapping[str, Array], named: "set[str]") -> None:
        model = onnx.load(path, load_external_data=False)
        load_external_data_for_model(model, os.path.dirname(path))
        graph = model.graph
        made = {name for node in graph.node for name in node.output if name}
        outputs = [value.name for value in graph.output]
        asked = sorted((named & made) - set(outputs))
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked)
        arrays = _run(model, [*outputs, *asked], feeds)
        self.results = arrays[: len(outputs)]
        self.values: Dict[str, Optional[Array]] = {
            n: _array(np.asarray(a)) for n, a in feeds.items()
        }
        for tensor in graph.initializer:
            if tensor.name in named:
                self.values[tensor.name] = _array(numpy_helper.to_array(tensor))
        self.values.update(zip([*outputs, *asked], arrays))
        self.inner = {name for node in graph.node for name in _within(node)}
        for function in getattr(model, "functions", ()):
            self.inner.update(f"{function.domain}::{function.name}/{n}" for n in function.input)
            for node in function.node:
                self.inner.update(f"{function.domain}::{function.name}/{n}" for n in node.output)


def _run(model: Any, wanted: List[str], feeds: Mapping[str, Array]) -> List[Optional[Array]]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [_array(value) for value in session.run(wanted, dict(feeds))]


def _within(node: Any) -> Iterator[str]:
    """Names in the bodies of a node."""
    for attribute in node.attribute:
        for body in [attribute.g, *attribute.graphs]:
            yield from (value.name for value in body.input)
            for inner in body.node:
                yield from inner.output
                yield from _within(inner)
