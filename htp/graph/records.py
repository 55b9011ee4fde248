"""What a backend tells of a graph: the form that capture, completion and reading share.

A record holds the edges of a graph and nothing of its weights, so a model of any size has a small
one. Value names are unique within a graph and everything nested in it, as ONNX demands.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from htp.scope import Owner, Stack

__all__ = [
    "CallRecord",
    "Capture",
    "GraphRecord",
    "Kind",
    "NodeRecord",
    "Operation",
    "Sketch",
    "ValueRecord",
    "Weight",
]


class Sketch(NamedTuple):
    """What a weight still has in common with what a tool converted it to.

    Attributes:
        length: how many of its elements were looked at.
        signs: the highest bit of each, as a number of so many bits.
        first: the two highest bytes of the first one, the highest first; of one byte there is one.
        zeros: which of them are zero, in the same order; 0 where that is not known.
    """

    length: int
    signs: int
    first: bytes
    zeros: int = 0


class Weight(NamedTuple):
    """The contents of one initializer, as far as two files can be compared by it.

    Attributes:
        contents: fingerprint of a sample of its elements, the same whatever the order of its axes;
            ``""`` where they could not be read.
        shape: the length of each axis.
        dtype: the element type, as ``onnx.TensorProto`` numbers it.
        parameters: the full names of the parameters and buffers that it was made from.
        sketch: by which it is known again when a tool converted it; None where that is not known.
    """

    contents: str
    shape: Tuple[int, ...]
    dtype: int
    parameters: Tuple[str, ...] = ()
    sketch: Optional[Sketch] = None

    @property
    def elements(self) -> int:
        """How many elements it has."""
        count = 1
        for length in self.shape:
            count *= length
        return count


@dataclass
class NodeRecord:
    """One node and what was captured of its owner.

    Attributes:
        op: operator with its domain, for example ``Gemm`` or ``com.example::Foo``.
        inputs: value names, ``""`` for an input left out.
        outputs: value names, ``""`` for an output left out.
        owner: whose it is, or None when the exporter left no record.
        bodies: nested graphs, in the order of the node's attributes.
        name: the node's name in the file; ``""`` where it has none.
        keys: keys of the metadata that torch wrote into the node.
        attributes: fingerprint of its attributes, but for nested graphs; 0 where it has none, or
            where nobody asked for it.
        constant: what it holds where it is a constant, as a tool may write it as an initializer;
            None where nobody asked for it.
    """

    op: str
    inputs: List[str]
    outputs: List[str]
    owner: Optional[Owner] = None
    bodies: List["GraphRecord"] = field(default_factory=list)
    name: str = ""
    keys: Tuple[str, ...] = ()
    attributes: int = 0
    constant: Optional[Weight] = None


@dataclass
class GraphRecord:
    """A graph, a nested body or a function body.

    Attributes:
        inputs: value names of the graph's inputs.
        outputs: value names of the graph's outputs.
        nodes: in topological order, as ONNX demands.
        parameters: for each initializer known to be a parameter or buffer of the model, the names
            that ``named_parameters``/``named_buffers`` give it (several when it is tied).
        initializers: names of the main graph's initializers.
        functions: bodies of the model's local functions (only on the main graph); see
            ``add_function``.
        name: of a function: what a node that calls it has for its operator; of a nested graph that
            was read from a file: the attribute that holds it, and the how manieth there.
    """

    inputs: List[str] = field(default_factory=list)
    outputs: List[str] = field(default_factory=list)
    nodes: List[NodeRecord] = field(default_factory=list)
    parameters: Dict[str, Tuple[str, ...]] = field(default_factory=dict)
    initializers: List[str] = field(default_factory=list)
    functions: List["GraphRecord"] = field(default_factory=list)
    name: str = ""

    def walk(self) -> Iterator[NodeRecord]:
        """Every node in document order: a node, then its bodies; the functions last."""
        for node in self.nodes:
            yield node
            for body in node.bodies:
                yield from body.walk()
        for function in self.functions:
            yield from function.walk()

    def add_function(self, name: str, body: "GraphRecord") -> None:
        """Add the body of a local function.

        Its values have names of their own, which the main graph or another function may use as
        well; they are told apart by the function's name before them.
        """
        for graph in body.graphs():
            for names in (graph.inputs, graph.outputs):
                names[:] = [value and f"{name}/{value}" for value in names]
        for node in body.walk():
            for names in (node.inputs, node.outputs):
                names[:] = [value and f"{name}/{value}" for value in names]
        body.name = name
        self.functions.append(body)

    def uncalled(self) -> List["GraphRecord"]:
        """The functions that no node calls, neither of the graph nor of a function that is called.

        torch 2.5 writes such functions into every file. Nothing was lowered to their nodes.
        """
        called: Set[str] = set()
        bodies = {function.name: function for function in self.functions}
        pending = [GraphRecord(nodes=self.nodes)]
        while pending:
            new = {node.op for node in pending.pop().walk()}.intersection(bodies) - called
            called |= new
            pending += [bodies[name] for name in new]
        return [function for function in self.functions if function.name not in called]

    def graphs(self) -> Iterator["GraphRecord"]:
        """This graph, every nested body and every function body."""
        yield self
        for node in self.nodes:
            for body in node.bodies:
                yield from body.graphs()
        for function in self.functions:
            yield from function.graphs()


class Kind(NamedTuple):
    """What kind of tensor something is.

    Attributes:
        dtype: the element type, as ``onnx.TensorProto`` numbers it.
        shape: the length of each axis during the export, None for one that has no fixed length.
    """

    dtype: int
    shape: Tuple[Optional[int], ...]


class Operation(NamedTuple):
    """One operation that the exporter did in advance, so that the file has its result.

    Attributes:
        op: operator with its domain, as of a node.
        inputs: value names, ``""`` for an input left out.
        outputs: value names, likewise.
        attributes: name, kind as ``onnx.AttributeProto`` calls it, and value of each. A tensor is
            its element type, its shape, and its bytes in hexadecimal.
    """

    op: str
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    attributes: Tuple[Tuple[str, str, Any], ...] = ()


class ValueRecord(NamedTuple):
    """One tensor that a module call took or returned.

    Attributes:
        place: where it stands among the arguments or results, outermost first: ``("0",)`` is the
            first positional argument or the only result, ``("mask",)`` a keyword argument,
            ``("1", "key")`` an entry of a dictionary in the second place.
        name: the value in the written graph that is this tensor, or None.
        reason: why there is no such value, in one word: ``fused`` (between operations that became
            one), ``folded`` (computed by the exporter), ``unread`` (nothing reads it, so it was
            dropped), ``rewritten`` (another operation took the place of what computed it),
            ``ambiguous`` (several values may be it), ``body`` (inside a nested graph that stands
            for several calls), ``untraced`` (the exporter never saw it). With a name it is None,
            or ``merged``: the value is that of an equal one which stands for this one, too; or, of
            an argument, ``folded``: the exporter computed some of what the call makes of it, so
            that the value is not all that the call's nodes read of it.
        kind: of an argument without a name, or folded, where it is known what the call does with
            it: what kind of tensor it is.
        work: its name in ``Capture.folded``, which says what the call computes of it; None for one
            that no operation of the call reads, and that is none of its results.
    """

    place: Tuple[str, ...]
    name: Optional[str]
    reason: Optional[str] = None
    kind: Optional[Kind] = None
    work: Optional[str] = None

    @property
    def is_folded(self) -> bool:
        """Whether it has a name, but does not stand alone for what the call reads of it."""
        return self.name is not None and self.reason == "folded"

    def alone(self) -> "ValueRecord":
        """It, without a name that does not stand alone for it."""
        return self._replace(name=None) if self.is_folded else self


class CallRecord(NamedTuple):
    """One module call of the forward pass.

    A size that PyTorch hands on as a number is a tensor only while torch traces; it is listed where
    the file computes it.

    Attributes:
        stack: from the root to the call.
        inputs: the tensors that it took, in the module's own order; None when the backend did not
            see the call's arguments.
        outputs: the tensors that it returned, in the module's own order; None likewise.
    """

    stack: Stack
    inputs: Optional[Tuple[ValueRecord, ...]] = None
    outputs: Optional[Tuple[ValueRecord, ...]] = None


@dataclass
class Capture:
    """What a backend brings home from one run of torch's exporter.

    Attributes:
        after: the record of the written file, node for node in document order, with the captured
            owners.
        before: the record of the graph as it was first built, before torch rewrote it; None when
            it was not rewritten. Values that survived keep their names.
        calls: every module call of the forward pass in order, also of modules that left no node.
        folded: operations that the exporter did in advance, on arguments of calls. What they
            compute has the name of the initializer that holds it, if one does.
    """

    after: GraphRecord
    before: Optional[GraphRecord] = None
    calls: Tuple[CallRecord, ...] = ()
    folded: Tuple[Operation, ...] = ()
