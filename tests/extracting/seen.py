"""What every module call of a model took and returned in plain PyTorch, and what its file computes.

Tensors are copied when a call begins and when it ends, since a later operation may write into them.
They are looked for in nested tuples, lists and mappings, as HTP's records do; a cache or another
object is not looked into.
"""

import copy
import inspect
import os
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnx.external_data_helper import load_external_data_for_model
from oracles.call_values import reported, uncompiled
from oracles.calls import key, operation_by_operation, run_watched
from oracles.subject import Exported
from torch import Tensor

from htp.testing.case import Example
from htp.testing.running import flat_tensors, named_inputs

__all__ = ["Array", "Key", "Run", "Seen", "Value", "run_of", "session_of"]

Array = Any
Key = Tuple[str, int]
"""Path and number of a module call."""


class Value(NamedTuple):
    """One tensor or number that a call took or returned.

    Attributes:
        place: where it stood, outermost first.
        array: a copy; a number is an array without axes.
        is_tensor: whether it was a tensor.
        twin: the number of an earlier value that is the same tensor, else its own.
    """

    place: Tuple[str, ...]
    array: Array
    is_tensor: bool
    twin: int


class Seen(NamedTuple):
    """One call of a module.

    Attributes:
        inputs: what it took, in the order of its signature.
        outputs: what it returned, in its own order.
        args: copies of the arguments, to call it again.
        kwargs: likewise.
        call: the module.
    """

    inputs: List[Value]
    outputs: List[Value]
    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]
    call: Any

    def again(self, changed: Mapping[Tuple[str, ...], Tensor]) -> List[Value]:
        """What the module returns when some of its arguments are others."""
        args = _replaced(self.args, (), changed)
        kwargs = _replaced(self.kwargs, (), changed)
        with operation_by_operation(), torch.no_grad(), uncompiled():
            return _values(_several(self.call(*args, **kwargs)))


class Run(NamedTuple):
    """One forward pass, in PyTorch and from the file.

    Attributes:
        calls: what each call took and returned.
        values: what the file computes, by name; None for what is no tensor.
        apart: how far the results of the file are from the model's, as ``distance`` measures.
    """

    calls: Dict[Key, Seen]
    values: Dict[str, Optional[Array]]
    apart: float


def run_of(path: str, example: Example, *, exporting: bool = False) -> Run:
    """Run a model and its file on the same inputs.

    Args:
        path: of the file.
        example: the model, which has not run yet, and its inputs.
        exporting: let torch say meanwhile that it exports: some models take another way then.
    """
    model, args, kwargs = example
    sides: Dict[int, Seen] = {}
    results: List[Tensor] = []
    shapes = _shapes(path)
    feeds = {n: a.copy() for n, a in named_inputs(model, args, kwargs, shapes).items()}

    def around(number: int, call: Any, given: Tuple[Any, ...], named: Any) -> Any:
        memo: Dict[int, Tensor] = {}
        kept = (_copied(given, memo), _copied(named, memo))
        inputs = _values([*_placed(kept[0], ()), *_placed(_signed(call, kept[1]), ())])
        result = call(*given, **named)
        sides[number] = Seen(inputs, _values(_several(_copied(result, {}))), *kept, call)
        if number == 0:
            results.extend(flat_tensors(result))
        return result

    with uncompiled(), reported(exporting), torch.no_grad():
        stacks = run_watched(Exported(None, "", model, args, kwargs), around)  # type: ignore[arg-type]
    calls = {key(stacks[number][-1]): seen for number, seen in sides.items()}
    values, outputs = _computed(path, feeds)
    wanted = [tensor.detach().cpu().numpy() for tensor in results]
    return Run(calls, values, _apart(outputs, wanted))


def distance(one: Array, two: Array) -> float:
    """The largest difference relative to the second array, and infinite where kinds differ.

    An element is held against its own size, but not against less than the usual size of all. What
    is not finite, or means minus infinity in a mask, must be so on both sides.
    """
    if one.shape != two.shape or one.dtype != two.dtype:
        return float("inf")
    if one.dtype.kind not in "fc":
        return 0.0 if np.array_equal(one, two) else float("inf")
    if not one.size:
        return 0.0
    first, second = (_clipped(array.astype(np.float64)) for array in (one, two))
    finite = np.isfinite(second) & (np.abs(second) < HUGE)
    if not np.array_equal(first[~finite], second[~finite], equal_nan=True):
        return float("inf")
    first, second = first[finite], second[finite]
    if not second.size:
        return 0.0
    usual = max(float(np.sqrt(np.mean(np.minimum(np.abs(second), 1e4) ** 2))), 1e-3)
    found = np.abs(first - second) / np.maximum(np.abs(second), usual)
    return float(found.max()) if np.isfinite(found).all() else float("inf")


HUGE = 1e30


def _clipped(array: Array) -> Array:
    """The least number of a type, as masks use it, is minus infinity."""
    return np.where(np.abs(array) >= HUGE, np.sign(array) * np.inf, array)


def _apart(outputs: Sequence[Optional[Array]], wanted: Sequence[Array]) -> float:
    if len(outputs) != len(wanted):
        return float("inf")
    pairs = [(one, two) for one, two in zip(outputs, wanted)]
    return max((float("inf") if o is None else distance(o, t) for o, t in pairs), default=0.0)


def _copied(held: Any, memo: Dict[int, Tensor]) -> Any:
    """The same with every tensor copied once."""
    if isinstance(held, Tensor):
        if id(held) not in memo:
            memo[id(held)] = held.detach().clone()
        return memo[id(held)]
    return _mapped(held, lambda name, item: _copied(item, memo))


def _replaced(held: Any, place: Tuple[str, ...], changed: Mapping[Any, Tensor]) -> Any:
    if isinstance(held, Tensor):
        return changed[place].clone() if place in changed else held.clone()
    return _mapped(held, lambda name, item: _replaced(item, (*place, name), changed))


def _mapped(held: Any, made: Any) -> Any:
    """A tuple, list or dictionary with other items; anything else as it is."""
    if type(held) in (tuple, list):
        return type(held)(made(str(at), item) for at, item in enumerate(held))
    if isinstance(held, tuple) and hasattr(held, "_fields"):
        return type(held)(*(made(str(at), item) for at, item in enumerate(held)))
    if isinstance(held, dict):
        other = copy.copy(held)
        for name, item in held.items():
            dict.__setitem__(other, name, made(str(name), item))
        return other
    return held


def _placed(held: Any, place: Tuple[str, ...]) -> Iterator[Tuple[Tuple[str, ...], Any]]:
    if isinstance(held, (Tensor, int, float)):
        yield place, held
    elif isinstance(held, Mapping):
        for name, item in held.items():
            yield from _placed(item, (*place, str(name)))
    elif isinstance(held, (tuple, list)):
        for at, item in enumerate(held):
            yield from _placed(item, (*place, str(at)))


def _several(result: Any) -> List[Tuple[Tuple[str, ...], Any]]:
    return list(_placed(result if isinstance(result, tuple) else (result,), ()))


def _signed(call: Any, named: Mapping[str, Any]) -> Dict[str, Any]:
    """Keyword arguments in the order of the signature."""
    module = call.args[0]
    try:
        order = list(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):  # a scripted module has none
        order = []
    return dict(sorted(named.items(), key=lambda i: order.index(i[0]) if i[0] in order else -1))


def _values(rows: Sequence[Tuple[Tuple[str, ...], Any]]) -> List[Value]:
    found: List[Value] = []
    held: Dict[int, int] = {}
    for place, value in rows:
        if isinstance(value, Tensor):
            if value.layout != torch.strided or value.is_quantized or value.is_complex():
                continue
            twin = held.setdefault(id(value), len(found))
            found.append(Value(place, value.detach().cpu().numpy(), True, twin))
        else:
            found.append(Value(place, np.asarray(value), False, len(found)))
    return found


def _shapes(path: str) -> Dict[str, Sequence[Any]]:
    graph = onnx.load(path, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in graph.input
        if value.name not in weights
    }


def _computed(
    path: str, feeds: Mapping[str, Array]
) -> Tuple[Dict[str, Optional[Array]], List[Optional[Array]]]:
    """All that the main graph of a file computes, and its results."""
    model = onnx.load(path, load_external_data=False)
    load_external_data_for_model(model, os.path.dirname(path))
    graph = model.graph
    results = [value.name for value in graph.output]
    made = [name for node in graph.node for name in node.output if name]
    asked = [*results, *(name for name in made if name not in set(results))]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked[len(results) :])
    found = session_of(model.SerializeToString(), plain=True).run(asked, dict(feeds))
    values: Dict[str, Optional[Array]] = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
    }
    values.update(feeds)
    values.update((n, a if isinstance(a, np.ndarray) else None) for n, a in zip(asked, found))
    return values, [values[name] for name in results]


def session_of(model: Any, *, plain: bool = False) -> Any:
    """onnxruntime on one thread; ``plain`` is operator by operator as exported."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if plain:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
