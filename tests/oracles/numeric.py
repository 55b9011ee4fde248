"""What each module call returned in PyTorch, looked for among the values of the graph.

onnxruntime runs the graph as exported, with every value as an output. A value that equals what a
module call returned must be computed by a node of that call and be read outside of it, and no
other value of the call may be.
"""

import os
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Set, Tuple

import numpy as np
import onnx
import onnxruntime
import torch
from onnx.external_data_helper import load_external_data_for_model

from htp.testing.eager import Call
from htp.testing.graph import attribute_graphs, document_order
from htp.testing.running import flat_tensors, named_inputs
from oracles.calls import Stack, key, run_watched
from oracles.subject import Exported, Report

__all__ = ["computed_values", "equal", "numeric", "plain"]

Array = Any
"""A numpy array of 64-bit floats."""


class Result(NamedTuple):
    """A tensor that a module call returned.

    Attributes:
        call: the call.
        place: its place among the tensors that the call returned.
        of: how many they are.
        array: the tensor at that time.
        given: what the call was handed, and the same tensor as an earlier call returned it.
    """

    call: Call
    place: int
    of: int
    array: Array
    given: Tuple[Array, ...]

    def __str__(self) -> str:
        return f"output {self.place} of {self.call.short}"


class Run(NamedTuple):
    """What an eager run gave.

    Attributes:
        stacks: of every call.
        results: what the calls returned, but for the root's.
        handed: by call, the sorted elements of what it returned or wrote into its inputs, and of
            what the modules keep in their attributes.
        opaque: calls that took or gave objects that cannot be looked into, such as caches.
    """

    stacks: List[Stack]
    results: List[Result]
    handed: Dict[Tuple[str, int], List[Array]]
    opaque: Set[Tuple[str, int]]


def numeric(exported: Exported) -> Report:
    """Is what each call returned computed by its nodes, and do they hand out nothing else?"""
    run = _run(exported)
    values = computed_values(exported)
    graph = _Graph(exported.tagged, run.stacks)
    decided, wrong, undecided = 0, [], []
    not_found: Set[Tuple[str, int]] = set()
    for result in run.results:
        alike = [name for name, array in values.items() if equal(array, result.array)]
        if not alike:
            not_found.add(key(result.call))
        own = [name for name in alike if graph.computes(result.call, name)]
        if plain(result.array):
            undecided.append(f"{result}: all of its elements are equal")
        elif any(graph.leaves(result.call, name) for name in own):
            decided += 1
        elif not alike:
            undecided.append(f"{result}: no such value: folded, fused or laid out differently")
        elif any(equal(array, result.array) for array in result.given):
            undecided.append(f"{result}: it was there before the call")
        elif own and result.of > 1:
            undecided.append(f"{result}: one of several, and perhaps nobody wanted it")
        else:
            decided += 1
            wrong.append(f"{result}: {graph.told(result.call, own or alike)}")
    for name, array in values.items():
        elements = np.sort(array, axis=None)
        for call in graph.left_by(name) if not plain(array) else ():
            if any(equal(elements, other) for other in run.handed.get(key(call), ())):
                decided += 1
            elif key(call) in run.opaque:
                undecided.append(f"{name} of {call}: the call takes or gives an object of its own")
            elif key(call) in not_found:
                undecided.append(f"{name} of {call}: some of what the call returned was not found")
            else:
                decided += 1
                wrong.append(f"{name}: read outside of {call}, which did not hand it out")
    return Report(decided, tuple(wrong), tuple(undecided))


def plain(array: Array) -> bool:
    """Too many other values may be equal to it."""
    return bool(np.all(array == array.flat[0])) if array.size else True


def _opaque(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_opaque, value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(_opaque, value))
    return not isinstance(
        value, (torch.Tensor, int, float, complex, str, type(None), torch.dtype, torch.device)
    )


def _tensors(value: Any) -> List[torch.Tensor]:
    return [
        tensor.detach()
        for tensor in flat_tensors(value)
        if tensor.is_floating_point() and not tensor.is_sparse and not tensor.is_quantized
    ]


def _array(tensor: torch.Tensor) -> Array:
    """A copy, since a later operation may write into the tensor."""
    return tensor.double().cpu().numpy().copy()


def _run(exported: Exported) -> Run:
    results: List[Tuple[int, Result]] = []
    ended: List[Tuple[torch.Tensor, Array]] = []
    handed: Dict[int, List[Array]] = {}
    opaque: Set[int] = set()

    def record(number: int, call: Any, args: Any, kwargs: Any) -> Any:
        inputs = [_array(tensor) for tensor in _tensors([*args, kwargs])]
        before = len(ended)
        value = call(*args, **kwargs)
        tensors = _tensors(value)
        for place, tensor in enumerate(tensors):
            array = _array(tensor)
            kept = [old for known, old in ended[:before] if known.data_ptr() == tensor.data_ptr()]
            # the call itself is known when the run is over
            result = Result(_ROOT, place, len(tensors), array, (*inputs, *kept))
            results.append((number, result))
            ended.append((tensor, array))
        handed[number] = [_elements(tensor) for tensor in (*tensors, *_tensors([*args, kwargs]))]
        if _opaque([*args, kwargs, value]):
            opaque.add(number)
        return value

    stacks = run_watched(exported, record)
    own = [_tensors(list(vars(module).values())) for module in exported.model.modules()]
    kept = [_elements(tensor) for tensors in own for tensor in tensors]
    return Run(
        stacks,
        [result._replace(call=stacks[number][-1]) for number, result in results if number],
        {key(stacks[number][-1]): [*arrays, *kept] for number, arrays in handed.items()},
        {key(stacks[number][-1]) for number in opaque},
    )


_ROOT = Call("", "", 0)


def _elements(tensor: torch.Tensor) -> Array:
    """However they are laid out: a node that only moves them may be gone."""
    return np.sort(_array(tensor), axis=None)


def computed_values(exported: Exported) -> Dict[str, Array]:
    """Every floating value that a node of the main graph computes, constants left out."""
    model = onnx.ModelProto()
    model.CopyFrom(exported.tagged.model)
    load_external_data_for_model(model, os.path.dirname(exported.path))
    known = {value.name for value in model.graph.output}
    wanted = [
        name
        for node in model.graph.node
        if node.op_type != "Constant"
        for name in node.output
        if name
    ]
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in wanted if name not in known
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    graph = {value.name: value.shape for value in session.get_inputs()}
    feeds = named_inputs(exported.model, exported.args, exported.kwargs, graph)
    outputs = session.run(wanted, feeds)
    return {
        name: array.astype(np.float64)
        for name, array in zip(wanted, outputs)
        if isinstance(array, np.ndarray) and array.dtype.kind == "f"
    }


def equal(one: Array, two: Array) -> bool:
    if one.shape != two.shape:
        return False
    size = np.abs(two[np.isfinite(two)]).max(initial=0.0)
    return bool(np.allclose(one, two, rtol=1e-4, atol=1e-6 * size, equal_nan=True))


class _Graph:
    """Which calls compute and read the values of the main graph."""

    def __init__(self, tagged: Any, stacks: List[Stack]) -> None:
        self.stacks = {key(stack[-1]): {key(call) for call in stack} for stack in stacks}
        self.outputs = {value.name for value in tagged.model.graph.output}
        self.maker: Dict[str, Any] = {}
        self.readers: Dict[str, List[Any]] = {}
        listed = tagged.nodes()
        for top in tagged.model.graph.node:
            for depth, inner in enumerate(document_order([top])):
                _, tag = next(listed)
                self.maker.update((name, tag) for name in inner.output if depth == 0)
                for name in _read(inner):
                    self.readers.setdefault(name, []).append(tag)

    def within(self, tag: Any) -> Iterator[Set[Tuple[str, int]]]:
        """The calls around a node, once for each operation that it stands for."""
        yield {key(call) for call in tag.stack}
        for call in tag.shared:
            yield self.stacks.get(key(call), set())

    def computes(self, call: Call, name: str) -> bool:
        """The node that computes a value is a call's, alone or with others."""
        return any(key(call) in calls for calls in self.within(self.maker[name]))

    def leaves(self, call: Call, name: str) -> bool:
        """A value is read outside of a call, or by nobody, or it is an output of the model."""
        readers = self.readers.get(name)
        if name in self.outputs or not readers:
            return True
        return any(key(call) not in calls for tag in readers for calls in self.within(tag))

    def left_by(self, name: str) -> Iterator[Any]:
        """The calls that compute a value alone, and outside of which it is read."""
        tag = self.maker[name]
        for call in tag.stack[1:] if not tag.shared else ():
            used = name in self.outputs or name in self.readers
            if used and self.leaves(call, name):
                yield call

    def told(self, call: Call, names: List[str]) -> str:
        """The tags that contradict what is true."""
        makers = {name: str(self.maker[name].owner) or "the root" for name in names}
        if any(self.computes(call, name) for name in names):
            return f"computed by {makers}, and read by nothing but this call"
        return f"computed by {makers}, and not by this call"


def _read(node: onnx.NodeProto) -> Iterator[str]:
    yield from node.input
    for body in attribute_graphs(node):
        yield from (value.name for value in body.output)
