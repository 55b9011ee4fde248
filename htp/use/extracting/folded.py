"""What a module computes of arguments that the exporter folded: done again in its part.

the file:   x, t -> Mul -> y                                  t is an initializer
its origin: table -> Unsqueeze -> t
the part:   table -> Unsqueeze -> t;  x, t -> Mul -> y        it takes x and table
"""

from typing import (
    TYPE_CHECKING,
    AbstractSet,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from htp.graph.records import Operation

if TYPE_CHECKING:
    import onnx

__all__ = ["NOTHING", "Folded", "Ways", "nodes_of"]


Ways = Dict[str, List[Operation]]
"""For initializers by their names: the operations that compute each, in order."""


class Folded:
    """The operations that the exporter of a file did in advance.

    Args:
        held: gives them.
    """

    def __init__(self, held: Callable[[], Sequence[Operation]]) -> None:
        self._held = held
        self._maker: Optional[Dict[str, Operation]] = None

    def __bool__(self) -> bool:
        return bool(self._makers())

    def _makers(self) -> Dict[str, Operation]:
        if self._maker is None:
            self._maker = {name: each for each in self._held() for name in each.outputs if name}
        return self._maker

    def ways(self, names: Iterable[str], taken: AbstractSet[str]) -> Ways:
        """How constants are computed of arguments; without those that are not.

        Args:
            names: of constants.
            taken: the names of the arguments.
        """
        found = {name: self._way(name, taken) for name in names}
        return {name: way for name, way in found.items() if way}

    def _way(self, name: str, taken: AbstractSet[str]) -> List[Operation]:
        makers = self._makers()
        found: Dict[str, Operation] = {}
        begun: Set[str] = set()
        reached = False
        pending: List[Tuple[str, bool]] = [(name, False)]
        while pending:
            each, is_ready = pending.pop()
            made = makers.get(each)
            if each in taken:
                reached = True
            elif is_ready and made is not None:
                found.setdefault(made.outputs[0], made)
            elif made is not None and each not in begun:
                begun.add(each)
                pending += [(each, True), *((read, False) for read in made.inputs if read)]
        return list(found.values()) if reached else []


NOTHING = Folded(tuple)
"""Of a file of which that is not known."""


def nodes_of(
    ways: Ways, arguments: Mapping[str, str], free: Callable[[str], str]
) -> "List[onnx.NodeProto]":
    """The nodes that compute constants of arguments.

    Args:
        ways: how.
        arguments: the names of the arguments in the part.
        free: makes of a name one that nothing in the part has.
    """
    made = {each.outputs[0]: each for way in ways.values() for each in way}
    renamed = dict(arguments)
    for each in made.values():
        for name in each.outputs:
            if name and name not in ways and name not in renamed:
                renamed[name] = free(f"folded.{len(renamed)}")
    return [_node(each, renamed) for each in made.values()]


def _node(operation: Operation, renamed: Mapping[str, str]) -> "onnx.NodeProto":
    import onnx

    domain, _, kind = operation.op.rpartition("::")
    made = onnx.NodeProto(op_type=kind, domain=domain)
    made.input.extend(renamed.get(name, name) for name in operation.inputs)
    made.output.extend(renamed.get(name, name) for name in operation.outputs)
    made.name = made.output[0]
    for name, form, value in operation.attributes:
        said = made.attribute.add(name=name, type=getattr(onnx.AttributeProto, form))
        if form == "TENSOR":
            dtype, shape, digits = value
            said.t.data_type, said.t.raw_data = dtype, bytes.fromhex(digits)
            said.t.dims.extend(shape)
        elif form in ("INTS", "FLOATS"):
            getattr(said, form.lower()).extend(value)
        else:
            setattr(said, form[0].lower(), value.encode() if form == "STRING" else value)
    return made
