"""What calls take and return while dynamo reads them: nothing runs, and tensors are variables."""

from typing import Any, Dict, Iterator, List, Optional, Tuple

from htp.backends.common.overriding import overrides
from htp.backends.fx.meta import Call
from htp.backends.fx.values import Seen, ValueTracker

__all__ = ["ReadValues"]


class _UnknownPlaceError(Exception):
    """Something that may hold tensors, whose places are not known."""


class _Read:
    """A module that dynamo calls.

    Attributes:
        inputs: what it takes; None where that is not known.
        call: the call that it turned out to be; None for a module that is not the model's.
        announced: whether ``call`` was set.
    """

    def __init__(self, inputs: Optional[List[Seen]]) -> None:
        self.inputs = inputs
        self.call: Optional[Call] = None
        self.announced = False


class ReadValues:
    """Follows the modules that dynamo calls.

    Args:
        values: what gives the nodes their values.
    """

    def __init__(self, values: ValueTracker) -> None:
        self._values = values
        self._calling: List[_Read] = []
        self._versions: Dict[Any, int] = {}
        """For the nodes whose tensors were written to: how often, when the node gave them."""

    def example(self, node: Any, example: Any) -> None:
        """Dynamo has run a node: this tensor stands for what it gives."""
        if getattr(example, "_version", 0):
            self._versions[node] = example._version

    def begin(self, args: Any, kwargs: Any) -> None:
        """Dynamo begins to call a module."""
        self._calling.append(_Read(self._seen(args, kwargs)))

    def announce(self, call: Optional[Call], module: Any) -> None:
        """This is the call that began, one of this module."""
        if self._calling and not self._calling[-1].announced:
            self._calling[-1].announced = True
            # Of the root dynamo reads the __call__ of its own first; this is but a part of that.
            is_part = call is not None and call.parent is None and overrides(module)
            self._calling[-1].call = None if is_part else call

    def end(self, result: Any) -> None:
        """It returned."""
        read = self._calling[-1]
        if read.call is not None and not read.call.replayed:
            several = _kind(result) == "TupleVariable" or _kind(result) == "NamedTupleVariable"
            read.call.inputs = read.inputs
            read.call.outputs = self._seen(result.items if several else [result], {})

    def over(self) -> None:
        """It returned, or failed."""
        if self._calling:
            self._calling.pop()

    def _seen(self, args: Any, kwargs: Any) -> Optional[List[Seen]]:
        try:
            given = [*_several(enumerate(args), ()), *_several(kwargs.items(), ())]
        except _UnknownPlaceError:
            return None
        return [Seen(place, self._value(node)) for place, node in given]

    def _value(self, node: Any) -> Any:
        # dynamo runs what it reads on tensors without contents, which count how often they were
        # written to; the node of an input or a view that was written to is that of before.
        example = node.meta.get("example_value")
        if example is None or example._version != self._versions.get(node, 0):
            return "rewritten"
        return self._values.of_node(node)


def _several(items: Any, place: Tuple[str, ...]) -> Iterator[Tuple[Tuple[str, ...], Any]]:
    for name, item in items:
        yield from _placed(item, (*place, str(name)))


def _placed(variable: Any, place: Tuple[str, ...]) -> Iterator[Tuple[Tuple[str, ...], Any]]:
    """Every tensor in a variable of dynamo's, with its place.

    Raises:
        _UnknownPlaceError: it may hold tensors in places that are not known.
    """
    from torch._dynamo.variables import dicts, lists, tensor

    variable = _realized(variable)
    if isinstance(variable, tensor.TensorVariable):
        if _kind(variable) == "TensorVariable":
            yield place, variable.as_proxy().node
        elif not isinstance(variable, tensor.UnspecializedPythonVariable):
            raise _UnknownPlaceError
    elif isinstance(variable, lists.BaseListVariable):
        yield from _several(enumerate(variable.items), place)
    elif isinstance(variable, dicts.ConstDictVariable):
        entries: Dict[Any, Any] = variable.items
        named = [(key.vt.as_python_constant(), entry) for key, entry in entries.items()]
        yield from _several(named, place)
    elif _may_hold_tensors(variable):
        raise _UnknownPlaceError


def _realized(variable: Any) -> Any:
    """What stands behind a variable that dynamo makes only when it is needed."""
    if hasattr(variable, "is_realized"):
        if not variable.is_realized():
            raise _UnknownPlaceError
        return variable.realize()
    return variable


def _may_hold_tensors(variable: Any) -> bool:
    try:
        kind = variable.python_type()
    except NotImplementedError:
        return True
    return issubclass(kind, (dict, list, tuple))


def _kind(variable: Any) -> str:
    return type(variable).__name__
