"""What a part takes and gives, and what of it is not the module's own."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from htp.scope import ModuleCall
from htp.showing.text import brief

__all__ = ["CLASSES", "Exceptional", "Extraction", "Port"]

CLASSES: Dict[str, str] = {
    "size": "a size that others compute and that cannot be made from what the part takes",
    "foreign": "others make it, and the module did not take it as an argument",
    "graph": "the file does not say what the module takes and gives: the graph was asked",
    "folded": "it was computed when the model was exported, and is a constant in the file",
    "unread": "nothing in the file reads it, so it was dropped when the model was exported",
    "rewritten": "what computed it was replaced, and it has no name in the file any more",
    "ambiguous": "several values of the file may be it",
    "body": "it stands in a body that is there for several calls",
    "untraced": "the exporter never saw it",
    "gone": "a tool took it away",
    "untyped": "nothing reads it, and its type is not known",
}
"""Why something that a part takes or gives is not the module's own, or is missing."""


class Port(NamedTuple):
    """A value that a part takes or gives.

    Attributes:
        name: its name in the part.
        value: its name in the whole; ``""`` of an argument that the module does not read, and that
            is no value of the file.
        places: where it stands among the module's arguments or results, see ``ValueRecord.place``;
            none where it is not known to be one.
    """

    name: str
    value: str
    places: Tuple[Tuple[str, ...], ...]


class Exceptional(NamedTuple):
    """Something that keeps a part from having exactly the module's arguments and results.

    Attributes:
        side: ``input`` or ``output``.
        kind: the class of it: see ``CLASSES``.
        name: of the value that is not the module's own; None where one is missing.
        place: of the argument or result that is missing; None where one is too many.
    """

    side: str
    kind: str
    name: Optional[str]
    place: Optional[Tuple[str, ...]]

    def __str__(self) -> str:
        if self.place is not None:
            what = f"{self.side} {'.'.join(self.place)} is missing"
        else:
            what = f"{self.side} {self.name} is not the module's own"
        return f"{what} ({self.kind}): {CLASSES.get(self.kind, self.kind)}"


class Extraction(NamedTuple):
    """What was cut out.

    Attributes:
        name: what was asked for.
        calls: the module calls that the part is made of.
        inputs: what it takes, in its order.
        outputs: what it gives.
        rows: what of it is not the module's own, and what is missing.
        remarks: what else there is to know.
        nodes: how many nodes it has, those of bodies included.
    """

    name: str
    calls: Tuple[ModuleCall, ...]
    inputs: Tuple[Port, ...]
    outputs: Tuple[Port, ...]
    rows: Tuple[Exceptional, ...]
    remarks: Tuple[str, ...]
    nodes: int

    @property
    def exact(self) -> bool:
        """Whether it takes and gives what the module does, one to one and in its order."""
        return not self.rows

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": "htp.extract/1",
            "name": self.name,
            "calls": [call._asdict() for call in self.calls],
            "exact": self.exact,
            "nodes": self.nodes,
            "inputs": [_port(port) for port in self.inputs],
            "outputs": [_port(port) for port in self.outputs],
            "exceptions": [
                {**row._asdict(), "place": None if row.place is None else list(row.place)}
                for row in self.rows
            ],
            "remarks": list(self.remarks),
        }

    def __str__(self) -> str:
        lines = [f"{self.name or '(root)'}: {self.nodes} nodes"]
        lines += [f"  takes {_said(port)}" for port in self.inputs]
        lines += [f"  gives {_said(port)}" for port in self.outputs]
        lines += [f"  {row}" for row in self.rows]
        return "\n".join([*lines, *(f"  {each}" for each in self.remarks)])

    def __repr__(self) -> str:
        exact = "exact" if self.exact else f"not exact: {brief(self.rows[0])}"
        values = f"takes {len(self.inputs)}, gives {len(self.outputs)}"
        return f"<Extraction {brief(self.name) or '(root)'}: {self.nodes} nodes, {values}; {exact}>"


def _port(port: Port) -> Dict[str, Any]:
    return {**port._asdict(), "places": [list(place) for place in port.places]}


def _said(port: Port) -> str:
    places: List[str] = [".".join(place) for place in port.places]
    return f"{port.name}  {', '.join(places) or '-'}"
