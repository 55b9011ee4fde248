"""What each module call took and returned, followed from the traced tensor to the written value.

A tensor is known by the FX node that computed it. Such a node gets a ``Value`` into its meta, and
whatever torch makes of the node later is given the same ``Value``:

    traced        %relu = relu(%x)             meta: V
    decomposed    %relu_1 = relu(%arg0)        meta: V, since running %relu gave %relu_1
    built         ir.Value "relu_1"            V.found, from the table of torch's translation
    optimised     "relu_1", or what took its place in every use

What this does not lead to has no name; nothing is guessed from names of nodes.
"""

from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

from htp.backends.fx.storages import StorageWrites
from htp.graph.records import Kind

__all__ = ["KEY", "Seen", "Value", "ValueTracker", "hand_on", "placed", "slot_of", "values_of"]

KEY = "pkg.htp.values"
"""Where the values that a node computes stand in ``torch.fx.Node.meta``. Never exported."""

Place = Tuple[str, ...]


class Value:
    """A tensor of the forward pass.

    Attributes:
        found: what it is in the graph that torch built, values of the ONNX IR.
        inner: it was found in a nested graph.
        lost: it was computed once more where HTP could not see by which node.
        reshaped: torch writes it otherwise than it is: complex numbers as pairs of real ones.
    """

    __slots__ = ("found", "inner", "lost", "reshaped")

    def __init__(self) -> None:
        self.found: List[Any] = []
        self.inner = False
        self.lost = False
        self.reshaped = False

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Value":
        return self  # torch copies meta; a copy would be another tensor


class _Given:
    """What was given to a node, and to what kind of node."""

    __slots__ = ("op", "target", "values")

    def __init__(self, node: Any, values: Tuple[Value, ...]) -> None:
        self.op, self.target, self.values = node.op, node.target, values

    def __deepcopy__(self, memo: Dict[int, Any]) -> "_Given":
        return self


class Seen(NamedTuple):
    """A tensor that a call took or returned.

    Attributes:
        place: where it stood.
        value: what it is, or why that is not known.
        unread: of an argument that the call does not read: what kind of tensor it is.
        traced: of an argument: whether all that the call does with it is in the graph. Of a
            constant that torch knows, Python may have made a number.
    """

    place: Place
    value: Union[Value, str]
    unread: Optional[Kind] = None
    traced: bool = False


def placed(given: Any, place: Place = ()) -> Iterator[Tuple[Place, Any]]:
    """Every tensor in tuples, lists and mappings, with its place, outermost first."""
    import torch

    if isinstance(given, torch.Tensor):
        yield place, given
        return
    for name, item in _items(given):
        yield from placed(item, (*place, str(name)))


def _items(given: Any) -> Iterable[Tuple[Any, Any]]:
    from collections.abc import Mapping

    if isinstance(given, Mapping):
        return given.items()
    return enumerate(given) if isinstance(given, (tuple, list)) else ()


class ValueTracker:
    """Gives nodes their values, and hands these on from graph to graph."""

    def __init__(self) -> None:
        self.aliases = Aliases()
        self.writes = StorageWrites()
        self._by_line: Dict[Any, Any] = {}

    def taken(self, tracer: Any, args: Any, kwargs: Any) -> List[Seen]:
        """What a call takes while ``tracer`` traces."""
        given = (*placed(tuple(args)), *placed(dict(kwargs)))
        return [Seen(place, self._value(tracer, tensor)) for place, tensor in given]

    def returned(self, tracer: Any, result: Any) -> List[Seen]:
        """What a call returned: a tuple is several results, anything else is one."""
        return self.taken(tracer, result if isinstance(result, tuple) else (result,), {})

    def _value(self, tracer: Any, tensor: Any) -> Union[Value, str]:
        # A functional tensor may be a view of what was changed.
        if hasattr(tensor, "elem") and not self.writes.holds(tensor):
            return "rewritten"
        node = _node_of(tracer, _plain(tensor))
        return "untraced" if node is None else self.of_node(node)

    def of_node(self, node: Any) -> Union[Value, str]:
        """The tensor that a node computed, as it is now."""
        if self.aliases.stale(node):
            return "rewritten"
        if not values_of(node):
            node.meta[KEY] = _Given(node, (Value(),))
        return values_of(node)[0]

    def ran(self, node: Any, result: Any) -> None:
        """Running an earlier node gave the proxy of a new one, or a tensor that is being traced."""
        import torch
        from torch.fx.experimental import proxy_tensor

        values = values_of(node)
        if isinstance(result, torch.fx.Proxy):
            hand_on(values, result.node)
            return
        mode = proxy_tensor.get_proxy_mode() if values else None
        if mode is None or not isinstance(result, torch.Tensor):
            return
        hand_on(values, _node_of(mode.tracer, _plain(result)))

    def lose(self, nodes: Iterable[Any]) -> None:
        """The nodes of a body run as code, so that it is not seen which nodes they give."""
        for node in nodes:
            for value in values_of(node):
                value.lost = True

    def computed_by_line(self, line: Any, node: Any) -> None:
        """A line of such code created a node of its own operation; the last one is its result.

        Those before are views that torch computed once more for it.
        """
        earlier = self._by_line.get(line)
        if earlier is not None and earlier.graph is node.graph:
            kept = [value for value in values_of(earlier) if value not in values_of(line)]
            earlier.meta[KEY] = _Given(earlier, tuple(kept))
        self._by_line[line] = node
        hand_on(values_of(line), node)

    def gave(self, tracer: Any, body: Any, result: Any) -> None:
        """Such code has run: its last line tells which nodes its results stand for.

        A line may have created no node, and handed on what it read:

            the body    ``to = aten.to(mul, float32); return (to,)``
            traced      ``%mul``, whose tensor is the first result, so that ``to`` is ``%mul``

        A tensor that was written to may hold something else by then, and is left.
        """
        *_, output = body.nodes
        for node, tensor in _paired(output.args[0], result):
            lost = tuple(value for value in values_of(node) if value.lost)
            if lost and _never_written(tensor):
                hand_on(lost, _node_of(tracer, _plain(tensor)))

    def translated(self, nodes: Iterable[Any], table: Any, inner: bool) -> None:
        """Torch has translated the nodes of a graph; ``table`` has the value of each by name."""
        for node in nodes:
            for value in values_of(node):
                made = table.get(node.name)
                if made is None or isinstance(made, (tuple, list)):
                    continue
                value.inner |= inner
                value.reshaped |= bool(getattr(node.meta.get("val"), "is_complex", bool)())
                value.found.append(made)


def hand_on(values: Tuple[Value, ...], node: Any) -> None:
    """Give a node the values of another one that computes the same."""
    for value in values:
        value.lost = node is None
    if node is not None and values:
        node.meta[KEY] = _Given(node, tuple(dict.fromkeys((*values_of(node), *values))))


def values_of(node: Any) -> Tuple[Value, ...]:
    """The values that a node was given.

    torch copies the meta of a node to others as well: that of a layer to its parameters, that of an
    operation to the casts before it. Those are not what was given the values.
    """
    given: Optional[_Given] = node.meta.get(KEY)
    if given is None or given.op != node.op:
        return ()
    # torch renames the inputs of a program, and their targets with them.
    return given.values if node.op == "placeholder" or given.target == node.target else ()


def slot_of(tracer: Any, tensor: Any) -> Any:
    """What a tracer knows of a tensor, its proxy among it; None for one that is not traced."""
    return getattr(tracer, "tensor_tracker", {}).get(_plain(tensor))


def _node_of(tracer: Any, tensor: Any) -> Any:
    """The node that computed a tensor, or None for one that is not traced."""
    slot = getattr(tracer, "tensor_tracker", {}).get(tensor)
    return None if slot is None else slot.proxy.node


class Aliases:
    """Which nodes no longer give what their tensor holds, because it was written to.

    before: ``%v = view(%x)``, ``%a = add_(%v, 1)``
    after:  ``%x`` and ``%v`` are stale, since both tensors hold what ``%a`` gave.
    """

    def __init__(self) -> None:
        self._base: Dict[Any, Any] = {}
        self._of_base: Dict[Any, List[Any]] = {}
        self._stale: set[Any] = set()

    def stale(self, node: Any) -> bool:
        """Whether another node has written to the tensor since."""
        return node in self._stale

    def created(self, node: Any) -> None:
        """Note what a new node is a view of, and what it writes to."""
        schema = getattr(node.target, "_schema", None)
        if schema is None:
            return
        shared: Optional[Any] = None
        for at, argument in enumerate(schema.arguments):
            alias = argument.alias_info
            if alias is None:
                continue
            for given in _nodes(_argument(node, at, argument.name)):
                base = self._base.get(given, given)
                shared = shared or base
                if alias.is_write:
                    self._stale.add(base)
                    self._stale.update(self._of_base.pop(base, ()))
        if shared is not None:
            self._base[node] = shared
            self._of_base.setdefault(shared, []).append(node)


def _paired(nodes: Any, given: Any) -> Iterator[Tuple[Any, Any]]:
    """The nodes of a body's ``output``, each with the tensor that it became."""
    import torch

    if isinstance(given, torch.Tensor):
        if hasattr(nodes, "meta"):
            yield nodes, given
    elif isinstance(given, (tuple, list)) and isinstance(nodes, (tuple, list)):
        for one, other in zip(nodes, given):
            yield from _paired(one, other)


def _never_written(tensor: Any) -> bool:
    """Whether a functional tensor's memory was never written to; False where it is another kind."""
    import torch

    return hasattr(tensor, "elem") and not torch._functionalize_has_data_mutation(tensor.elem)


def _plain(tensor: Any) -> Any:
    """What torch has for a functional tensor."""
    import torch

    return torch._from_functional_tensor(tensor.elem) if hasattr(tensor, "elem") else tensor


def _argument(node: Any, at: int, name: str) -> Any:
    return node.args[at] if at < len(node.args) else node.kwargs.get(name)


def _nodes(given: Any) -> Iterator[Any]:
    if isinstance(given, (tuple, list)):
        for item in given:
            yield from _nodes(item)
    elif hasattr(given, "meta"):
        yield given
