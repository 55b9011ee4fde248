"""Where Model Explorer shows each node of a file: in which of its graphs, and by which name.

Its adapter for ONNX, https://github.com/justinchuby/model_explorer_onnx (``_passes.py``,
``main.py``), draws the bodies of an ``If`` into the graph around it, and those of a ``Loop`` or
``Scan`` of the main graph as graphs of their own. Deeper ones it does not draw:

    main graph  choose: If                   main_graph   choose
      then        product: MatMul            main_graph   choose/then_branch/product
    main graph  rounds: Loop                 main_graph   rounds
      body        step: Add                  rounds/body  step
      body        again: Loop                rounds/body  again
        body        inner: Mul               not drawn
    function f::Gelu  half: Mul              [function]f::Gelu  half

Before that it names what has no name, or one that an earlier node of the same graph has: by
``onnx_ir.passes.common.NameFixPass``.
"""

from typing import TYPE_CHECKING, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set

from htp.file.document import graphs_of, text_of

if TYPE_CHECKING:
    import onnx

__all__ = ["Spot", "spots"]


class Spot(NamedTuple):
    """A node as Model Explorer knows it.

    Attributes:
        graph: the id of the graph in which it is drawn.
        node: its id there.
    """

    graph: str
    node: str


class _Place(NamedTuple):
    """Where the nodes of a graph are drawn.

    Attributes:
        graph: the id of the graph.
        before: what stands before their names.
        embeds: whether bodies of an ``If`` are drawn in it, too.
        opens: whether other bodies are graphs of their own.
    """

    graph: str
    before: str = ""
    embeds: bool = True
    opens: bool = False


def spots(model: "onnx.ModelProto") -> List[Optional[Spot]]:
    """For every node in document order where it is drawn; None where it is not.

    Raises:
        InvalidModelError: a name is no text.
    """
    main = _Place(text_of(model.graph.name) or "<main>", opens=True)
    found = list(_Walk().nodes(model.graph.node, main))
    for function in model.functions:
        parts = (function.domain, function.name, getattr(function, "overload", ""))
        name = "::".join(text_of(part) for part in parts[: 3 if parts[2] else 2])
        place = _Place(f"[function]{name}", embeds=False)
        found += _Walk().nodes(function.node, place)
    return found


class _Walk:
    """The nodes of the main graph or of a function, with their bodies, in document order."""

    def __init__(self) -> None:
        self._renamed: Dict[str, int] = {}

    def nodes(
        self, nodes: "Sequence[onnx.NodeProto]", place: Optional[_Place]
    ) -> Iterator[Optional[Spot]]:
        taken: Set[str] = set()
        for node in nodes:
            name = self._named(text_of(node.name) or "node", taken)
            here = None if place is None else Spot(place.graph, place.before + name)
            yield here
            for attribute in node.attribute:
                alone = not attribute.graphs
                for body in graphs_of(attribute):
                    inside = _inside(node, text_of(attribute.name), place, here) if alone else None
                    yield from self.nodes(body.node, inside)

    def _named(self, wanted: str, taken: Set[str]) -> str:
        name = wanted
        while name in taken:
            self._renamed[wanted] = self._renamed.get(wanted, 0) + 1
            name = f"{wanted}_{self._renamed[wanted]}"
        taken.add(name)
        return name


def _inside(
    node: "onnx.NodeProto", attribute: str, place: Optional[_Place], spot: Optional[Spot]
) -> Optional[_Place]:
    """Where the body of a node is drawn that an attribute holds; None where it is not."""
    if place is None or spot is None:
        return None
    if node.op_type == "If" and not node.domain and place.embeds:
        return place._replace(before=f"{spot.node}/{attribute}/")
    return _Place(f"{spot.node}/{attribute}") if place.opens else None
