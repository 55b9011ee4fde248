"""A graph with some of its values computed by nodes of another one: put together, and in order."""

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, NamedTuple, Sequence, Set

from htp.errors import HTPError
from htp.file.document import bodies_of
from htp.proving.circuit import Circuit
from htp.running.prepared import Apart

if TYPE_CHECKING:
    import onnx

__all__ = ["Draft", "RefusedError", "Wire", "alive"]


class RefusedError(HTPError):
    """These nodes cannot be swapped; the text says why.

    Args:
        message: why.
        value: the value of the reference at whose border it fails; ``""`` where it is none.
    """

    def __init__(self, message: str, value: str = "") -> None:
        self.value = value
        super().__init__(message)


class Wire(NamedTuple):
    """Where a value of the guest's goes, or comes from, at home.

    Attributes:
        name: what it is called there.
        cast: the element type that it has to become on the way, as ``onnx.TensorProto`` numbers
            it; 0 where it stays as it is.
    """

    name: str
    cast: int = 0


def alive(circuit: Circuit, replaced: Set[str], taken: Sequence[str]) -> Set[int]:
    """The nodes that are still needed when some values are computed by others.

    Args:
        circuit: the graph.
        replaced: these values.
        taken: what those others read.
    """
    found: Set[int] = set()
    pending: List[str] = [*circuit.outputs, *taken]
    while pending:
        name = pending.pop()
        maker = circuit.made_by.get(name)
        if maker is not None and name not in replaced and maker not in found:
            found.add(maker)
            pending += circuit.reads[maker]
    return found


class Draft(NamedTuple):
    """A graph in the making.

    Attributes:
        home: the model into which nodes are put.
        guest: the model that they come from.
        here: the graph of the first.
        there: the graph of the other.
    """

    home: Apart
    guest: Apart
    here: Circuit
    there: Circuit

    def made(
        self,
        nodes: Sequence[int],
        taken: Mapping[str, Wire],
        given: Mapping[str, Sequence[Wire]],
    ) -> Apart:
        """The home model with nodes of the guest in it, and without those that nobody needs then.

        Args:
            nodes: their numbers.
            taken: where the values that they read of others come from.
            given: where those go that they give: each in the place of another.

        Raises:
            RefusedError: the values would go in a circle, or a value is missing.
        """
        new, old = (_unused(each, self.here) for each in ("reference/", "replaced/"))
        names = {name: new + name if wire.cast else wire.name for name, wire in taken.items()}
        model = _empty(self.home.model)
        _add_functions(model, self.guest.model)
        replaced = {wire.name for wires in given.values() for wire in wires}
        for node in self.here.nodes:
            _set_aside(model.graph.node.add(), node, old, replaced)
        for name, wire in taken.items():
            if wire.cast:
                _hand_on(model.graph.node.add(), wire.name, Wire(new + name, wire.cast))
        for number in nodes:
            node = model.graph.node.add()
            node.CopyFrom(self.there.nodes[number])
            _rename(node, lambda name: names.get(name, new + name))
        for name, wires in given.items():
            for wire in wires:
                _hand_on(model.graph.node.add(), new + name, wire)
        weights = self._weights(model, new)
        _sort(model, new)
        left = {tensor.name for tensor in model.graph.initializer}
        return Apart(model, {name: array for name, array in weights.items() if name in left})

    def _weights(self, model: "onnx.ModelProto", new: str) -> Dict[str, Any]:
        """Add the initializers, and give the contents of those that stand beside the model."""
        weights: Dict[str, Any] = {}
        for each, before in ((self.home, ""), (self.guest, new)):
            for tensor in each.model.graph.initializer:
                added = model.graph.initializer.add()
                added.CopyFrom(tensor)
                added.name = before + tensor.name
                if tensor.name in each.weights:
                    weights[added.name] = each.weights[tensor.name]
        return weights


def _unused(prefix: str, circuit: Circuit) -> str:
    """A prefix that no value of a graph has."""
    while any(name.startswith(prefix) for name in (*circuit.made_by, *circuit.constants)):
        prefix = f"_{prefix}"
    return prefix


def _empty(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The model without nodes, weights and types."""
    made = type(model)(ir_version=model.ir_version)
    made.opset_import.extend(model.opset_import)
    made.functions.extend(model.functions)
    made.graph.name = model.graph.name
    made.graph.input.extend(model.graph.input)
    made.graph.output.extend(model.graph.output)
    made.graph.sparse_initializer.extend(model.graph.sparse_initializer)
    return made


def _add_functions(model: "onnx.ModelProto", guest: "onnx.ModelProto") -> None:
    domains = {each.domain for each in model.opset_import}
    model.opset_import.extend(each for each in guest.opset_import if each.domain not in domains)
    known = {(each.domain, each.name) for each in model.functions}
    model.functions.extend(f for f in guest.functions if (f.domain, f.name) not in known)


def _set_aside(
    made: "onnx.NodeProto", node: "onnx.NodeProto", old: str, replaced: Set[str]
) -> None:
    """Copy a node of the home graph; values that others make now get another name."""
    made.CopyFrom(node)
    for at, name in enumerate(node.output):
        if name in replaced:
            made.output[at] = old + name


def _hand_on(node: "onnx.NodeProto", source: str, wire: Wire) -> None:
    node.input.append(source)
    node.output.append(wire.name)
    node.op_type = "Cast" if wire.cast else "Identity"
    if wire.cast:
        node.attribute.add(name="to", i=wire.cast, type=2)


def _rename(node: "onnx.NodeProto", new: Callable[[str], str]) -> None:
    """Rename the values of a node and of all that is nested in it."""
    pending: List[Any] = [node]
    while pending:
        each = pending.pop()
        each.name = new(each.name) if each.name else ""
        for names in (each.input, each.output):
            names[:] = [new(name) if name else "" for name in names]
        for body in bodies_of(each) if each.attribute else ():
            for value in (*body.input, *body.output):
                value.name = new(value.name)
            for tensor in body.initializer:
                tensor.name = new(tensor.name)
            del body.value_info[:]
            pending += body.node


def _sort(model: "onnx.ModelProto", new: str) -> None:
    """Bring the nodes into order, and leave out what nobody needs.

    Raises:
        RefusedError: there is no order, or a value is missing.
    """
    circuit = Circuit(model)
    order: List[int] = []
    state: Dict[int, bool] = {}  # False while what it reads is looked at
    read: Set[str] = set(circuit.outputs)
    pending = [circuit.made_by[name] for name in circuit.outputs if name in circuit.made_by]
    while pending:
        number = pending[-1]
        if number not in state:
            state[number] = False
            read.update(circuit.reads[number])
            makers = [circuit.made_by[n] for n in circuit.reads[number] if n in circuit.made_by]
            if any(state.get(maker) is False for maker in makers):
                raise RefusedError("the candidate computes what it takes from what it gives")
            pending += [maker for maker in makers if maker not in state]
        else:
            pending.pop()
            if not state[number]:
                state[number] = True
                order.append(number)
    lost = next((n for n in read if n not in circuit and not _is_sparse(model, n)), None)
    if lost is not None:
        raise RefusedError(f"it needs the value {lost.replace(new, '', 1)!r}, which is not there")
    nodes = [circuit.nodes[number] for number in order]
    _keep(model, nodes, read)


def _is_sparse(model: "onnx.ModelProto", name: str) -> bool:
    return any(each.values.name == name for each in model.graph.sparse_initializer)


def _keep(model: "onnx.ModelProto", nodes: Sequence["onnx.NodeProto"], read: Set[str]) -> None:
    """Leave these nodes and what is read in the model."""
    made = type(model.graph)()
    made.node.extend(nodes)
    made.initializer.extend(t for t in model.graph.initializer if t.name in read)
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(made.node)
    model.graph.initializer.extend(made.initializer)
