"""What each module call took and returned, noted while TorchScript traces.

A number that is read while torch traces is not the number that the exporter sees, and a tensor that
is written into has another value afterwards. So the value itself is noted: a ``prim::Print`` that
reads it goes into the graph where the call begins or ends.

    %5 = aten::relu(%4)
      = prim::Print(%5)      a call returned it (and the next one took it: asked once)

The Prints are taken out again before anything else looks at the graph (``following``).
"""

import weakref
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from htp.backends.torchscript.unread import PRINT, Reading
from htp.graph.records import Kind

__all__ = ["PRINT", "UNTRACED", "Noted", "Noting", "Place", "Prints", "Slots"]

_NUMBER = "prim::NumToTensor"
UNTRACED = -1
"""In the place of a slot: the tensor is not the result of anything that was traced."""

Place = Tuple[str, ...]
Slots = List[Tuple[Place, int]]


class Noted(NamedTuple):
    """The tensors of one call: where each stands, and the slot that its value has.

    Attributes:
        inputs: what it took.
        outputs: what it returned.
        unread: by its number among the inputs: what kind of tensor one is that it does not read.
    """

    inputs: Slots
    outputs: Slots
    unread: Dict[int, Kind]


class Prints:
    """The Prints of one export. A scripted function may have others, another listener as well."""

    def __init__(self) -> None:
        self._mark = f"htp{id(self)}"

    def make(self, graph: Any, values: List[Any]) -> Any:
        """A new Print that reads the values, not yet inserted."""
        node = graph.create(PRINT, values, 0)
        node.i_(self._mark, 1)
        return node

    def owns(self, node: Any) -> bool:
        """Whether a node is one of these Prints."""
        return bool(node.kind() == PRINT and node.hasAttribute(self._mark))

    def of(self, graph: Any) -> List[Any]:
        """Those in a graph, in order."""
        return [node for node in graph.findAllNodes(PRINT) if node.hasAttribute(self._mark)]

    def take_away(self, graph: Any) -> None:
        """Take every one of them out."""
        for node in self.of(graph):
            node.destroy()


class Noting:
    """Notes what the calls of one forward pass take and return.

    A slot is one value at one time. Slots are counted from 0; the Prints read them in this order.

    Attributes:
        calls: what is known of each call, by its token.
        slots: how many values were noted.
        numbers: slots of sizes: while torch traces, a size is a tensor, and else a number.
    """

    def __init__(self, prints: Prints) -> None:
        import torch

        self._tensor = torch.Tensor
        self._prints = prints
        self._known: Dict[int, Tuple[Any, Optional[int], int, Any]] = {}
        self.reading = Reading()
        self.calls: Dict[int, Noted] = {}
        self.slots = 0
        self.numbers: Set[int] = set()

    def enter(
        self, state: Any, token: int, args: Tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """A call begins."""
        tensors: List[Any] = []
        places: List[Place] = []
        _collect_all(self._tensor, args, tensors, places)
        for name, value in kwargs.items():
            _collect(self._tensor, value, (name,), tensors, places)
        slots, values = self._note(state, tensors, places)
        self.calls[token] = Noted(slots, [], {})
        self.reading.begin(token, tensors, values)

    def leave(self, state: Any, token: int, result: Any) -> None:
        """A call ends: a tuple is several results, anything else is the only one."""
        tensors: List[Any] = []
        places: List[Place] = []
        given = result if isinstance(result, tuple) else (result,)
        _collect_all(self._tensor, given, tensors, places)
        inputs, outputs, unread = self.calls[token]
        outputs += self._note(state, tensors, places)[0]
        for at, kind in self.reading.end(token):
            if all(slot != inputs[at][1] for _, slot in outputs):
                unread[at] = kind
        if not self.reading:
            self.forget()

    def fail(self, token: int) -> None:
        """A call ends with an error."""
        self.reading.end(token)
        if not self.reading:
            self.forget()

    def forget(self) -> None:
        """The model has run: torch drops what has no use now, and no value may be held then."""
        self._known.clear()
        self.reading.forget()

    def _note(self, state: Any, tensors: List[Any], places: List[Place]) -> Tuple[Slots, List[Any]]:
        """The slots of some tensors, and their values, None of what was not traced.

        A Print reads those that were not known yet.

        Args:
            state: of the trace.
            tensors: what to note.
            places: where each stands.
        """
        slots: Slots = []
        held: List[Any] = []
        values: List[Any] = []
        for at, tensor in enumerate(tensors):
            known = self._known.get(id(tensor))
            version = _version(tensor)
            if known is not None and known[0]() is tensor and known[1] == version is not None:
                slots.append((places[at], known[2]))  # and nothing has written into it since
                held.append(known[3])
                continue
            value = traced_value(state, tensors, at)
            held.append(value)
            if value is None:
                slots.append((places[at], UNTRACED))
                continue
            values.append(value)
            slots.append((places[at], self.slots))
            if not tensor.dim() and value.node().kind() == _NUMBER:
                self.numbers.add(self.slots)
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known[id(tensor)] = (weakref.ref(tensor), version, self.slots, value)
            self.slots += 1
        if values:
            graph = state.graph()
            graph.insertNode(self._prints.make(graph, values))
        return slots, held


_REMEMBERED = 64
"""Calls hand a tensor on at once or not at all, so few need to be known."""


def _version(tensor: Any) -> Optional[int]:
    """How often a tensor, or a view of it, was written into; tensors of inference don't count."""
    try:
        version: int = tensor._version
    except RuntimeError:
        return None
    return version


_FIRST = ("0",)


def _collect_all(
    kind: Any, items: Tuple[Any, ...], tensors: List[Any], places: List[Place]
) -> None:
    if len(items) == 1 and isinstance(items[0], kind):  # nearly always
        tensors.append(items[0])
        places.append(_FIRST)
        return
    for at, item in enumerate(items):
        _collect(kind, item, (str(at),), tensors, places)


def _collect(kind: Any, value: Any, place: Place, tensors: List[Any], places: List[Place]) -> None:
    """The tensors, which are of this kind, in nested tuples, lists and mappings, in order."""
    if isinstance(value, kind):
        tensors.append(value)
        places.append(place)
    elif isinstance(value, (tuple, list)):
        for at, item in enumerate(value):
            _collect(kind, item, (*place, str(at)), tensors, places)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _collect(kind, item, (*place, str(name)), tensors, places)


def traced_value(state: Any, tensors: List[Any], at: int) -> Any:
    """The value of a tensor in the traced graph; None for one that was not traced.

    Asking for a tensor that was not traced makes a constant of it, unless it requires a gradient:
    then torch raises and stops tracing
    (``getValue`` in
    https://github.com/pytorch/pytorch/blob/v2.0.1/torch/csrc/jit/frontend/tracer.cpp).
    Where torch is about to name the value, it looks for the tensor among the variables of the
    function that called this one, so tensors come in a list.
    """
    if tensors[at].requires_grad:
        return _ask(state, tensors, at)
    try:
        tensors[at].requires_grad = True
    except RuntimeError:  # integers: only real and complex numbers can have gradients
        return _ask_of_integers(state, tensors, at)
    try:
        return _ask(state, tensors, at)
    finally:
        tensors[at].requires_grad = False


def _ask(state: Any, tensors: List[Any], at: int) -> Any:
    import torch

    try:
        return torch._C._get_value_trace(tensors[at])
    except RuntimeError:
        torch._C._set_tracing_state(state)
        return None


def _ask_of_integers(state: Any, tensors: List[Any], at: int) -> Any:
    """Ask for a tensor that holds real numbers meanwhile: torch knows it by what it is."""
    import torch

    set_state = torch._C._set_tracing_state
    set_state(None)
    try:
        held = [tensors[at].detach()]
        try:
            tensors[at].data = torch.empty(0)
            tensors[at].requires_grad = True
            set_state(state)
            return _ask(state, tensors, at)
        finally:
            set_state(None)
            tensors[at].requires_grad = False
            tensors[at].data = held[0]
    except RuntimeError:  # a kind of tensor that cannot stand for another
        return None
    finally:
        set_state(state)
