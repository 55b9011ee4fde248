"""Which operation of PyTorch computed the value that a node computes?

Every tensor that an operation gives in an eager run is kept with the module call that it was
executed in. onnxruntime runs the graph with every value as an output. Random weights make the
values of different operations different, so a value of the graph that equals the results of one
call's operations, and of no other's, was computed for that call.
"""

import contextlib
import itertools
from collections import defaultdict
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Mapping, Tuple

import numpy as np
import torch
from torch import Tensor

from htp.testing.graph import document_order
from htp.testing.running import flat_tensors
from oracles.calls import key, run_watched
from oracles.numeric import computed_values, equal, plain
from oracles.subject import Exported, Report

__all__ = ["known_owners", "values"]

Owner = Tuple[str, int]
"""Path of a module, and which of its calls."""

Array = Any


def values(exported: Exported) -> Report:
    """Are the nodes tagged with the calls that computed their values?"""
    truth = known_owners(exported)
    wrong = []
    main = sum(1 for _ in document_order(exported.tagged.model.graph.node))
    for node, tag in itertools.islice(exported.tagged.nodes(), main):  # functions have own names
        for name in node.output:
            said = {key(call) for call in (*tag.stack[-1:], *tag.shared)}
            if name in truth and truth[name] not in said:
                path, call = truth[name]
                wrong.append(f"{node.op_type} {name} is of {path}@{call}, the tag says {said}")
    return Report(len(truth), tuple(wrong))


def known_owners(exported: Exported) -> Dict[str, Owner]:
    """For each value of the main graph that tells: the module call that computed it."""
    results = _results(exported)
    found: Dict[str, Owner] = {}
    computed = computed_values(exported)
    read = {
        name: [other for other in node.input if other in computed]
        for node in exported.tagged.model.graph.node
        for name in node.output
    }
    for name, array in computed.items():
        if array.size < _FEWEST or plain(array):
            continue
        if any(equal(array, other) for other in _laid_out_from(name, read, computed)):
            continue  # a helper that hands on what another operation computed
        owners = {owner for other, owner in results.get(array.shape, ()) if equal(array, other)}
        if len(owners) == 1:
            found[name] = owners.pop()
    return found


def _laid_out_from(
    name: str, read: Mapping[str, List[str]], computed: Mapping[str, Array]
) -> Iterator[Array]:
    """The values that a value consists of, laid out otherwise or not, the nearest first.

    An exporter may bring a value into another form and back for a reader.
    """
    elements = np.sort(computed[name], axis=None)
    pending = [name]
    for value in pending:  # grows while it is walked
        for other in read[value]:
            array = computed[other]
            if array.size == elements.size and equal(np.sort(array, axis=None), elements):
                pending.append(other)
                yield array


_FEWEST = 4
"""Elements that a value must have: a few numbers may be equal by chance."""


def _results(exported: Exported) -> Dict[Tuple[int, ...], List[Tuple[Array, Owner]]]:
    """What the operations of each module call gave, by shape."""
    running: List[int] = []
    given: List[Tuple[Array, int]] = []

    def note(result: Any) -> None:
        for tensor in flat_tensors(result):
            if running and tensor.is_floating_point() and not tensor.is_sparse:
                array = tensor.detach().as_subclass(Tensor).double().cpu().numpy()
                given.append((array.copy(), running[-1]))

    def follow(number: int, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        running.append(number)
        try:
            return call(*args, **kwargs)
        finally:
            running.pop()

    with _each_operation(exported, note) as watched:
        stacks = run_watched(watched, follow)
    by_shape: Dict[Tuple[int, ...], List[Tuple[Array, Owner]]] = defaultdict(list)
    for array, number in given:
        by_shape[array.shape].append((array, key(stacks[number][-1])))
    return by_shape


@contextlib.contextmanager
def _each_operation(exported: Exported, note: Callable[[Any], None]) -> Iterator[Exported]:
    """Be told what every function of torch's computes that is called on a tensor.

    Yields:
        What to run meanwhile: releases without modes follow what is computed from the inputs.
    """
    mode: Any = getattr(torch.overrides, "TorchFunctionMode", None)
    if mode is not None:

        class Noting(mode):  # type: ignore[misc]
            def __torch_function__(
                self, func: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                return _noted(func, args, kwargs or {}, note)

        context: ContextManager[Any] = Noting()
        with context:
            yield exported
        return

    class Seen(Tensor):
        @classmethod
        def __torch_function__(
            cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            # The inherited one refuses to work with a Parameter.
            with torch._C.DisableTorchFunction():
                return seen(_noted(func, args, kwargs or {}, note))

    def seen(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.as_subclass(Seen)
        if type(value) in (tuple, list):
            return type(value)(map(seen, value))
        return value

    args = tuple(seen(value) for value in exported.args)
    kwargs = {name: seen(value) for name, value in exported.kwargs.items()}
    yield exported._replace(args=args, kwargs=kwargs)


def _noted(func: Any, args: Any, kwargs: Any, note: Callable[[Any], None]) -> Any:
    """Call a function. What it only hands back, as ``to`` may, it has not computed."""
    given = {id(tensor): tensor._version for tensor in flat_tensors([args, kwargs])}
    result = func(*args, **kwargs)
    note([t for t in flat_tensors(result) if given.get(id(t)) != t._version])
    return result
