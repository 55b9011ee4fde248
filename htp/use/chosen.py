"""What is known of nodes that were chosen: names, values, weights, and what lists of them miss."""

from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Sequence, Tuple

from htp.errors import did_you_mean
from htp.file.document import text_of
from htp.scope import Provenance, Tag
from htp.showing.frames import frame
from htp.showing.sheet import Sheet
from htp.showing.table import html
from htp.use.modules import Wanted
from htp.use.places import FUNCTION, Placed, Weights, distinct
from htp.use.shown import Seen, name_of, nodes

if TYPE_CHECKING:
    import onnx
    from pandas import DataFrame

    from htp.file.model_file import ModelFile

__all__ = ["Chosen", "listed"]


class Chosen:
    """Nodes that were chosen by module, and what tools want to know of them.

    It tells of the file as it was when it was made.

    Args:
        file: the file.
        rows: all its nodes.
        chosen: the numbers of those that were chosen, in document order.
        wanted: what was asked for.
        operator: likewise.

    Attributes:
        rows: the chosen nodes in document order, without large weights: to look at.
        names: their names, each once; nodes without one have none.
        values: the names of what they compute.
        initializers: the names of the initializers that they read.
        parameters: the full names of the parameters and buffers that those were made from.
        remarks: what a tool that is given such a list would do or leave out without a word.
    """

    def __init__(
        self,
        file: "ModelFile",
        rows: Sequence[Placed],
        chosen: Sequence[int],
        wanted: Wanted,
        operator: Sequence[str],
    ) -> None:
        self._file, self._all, self._chosen = file, rows, chosen
        self.wanted, self.operator = wanted, operator
        self.rows: Tuple[Placed, ...] = tuple(rows[number] for number in chosen)
        self.names: Tuple[str, ...] = distinct(text_of(row.node.name) for row in self.rows)
        self.values: Tuple[str, ...] = distinct(
            text_of(name) for row in self.rows for name in row.node.output
        )
        self.weights = Weights(file.outline, rows)
        inside = set(chosen)
        self.initializers: Tuple[str, ...] = tuple(
            name for name, readers in self.weights.readers.items() if inside.intersection(readers)
        )
        known = self.parameters_of()
        self.parameters: Tuple[str, ...] = distinct(
            full for each in known.values() for full in each
        )

    def __len__(self) -> int:
        return len(self._chosen)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} of {len(self._all)} nodes>"

    def _repr_html_(self) -> str:
        ends = [f"Remark: {each}." for each in self.remarks]
        return html(
            self._sheet(type(self).__name__, f"{len(self)} of {len(self._all)} nodes", ends)
        )

    def to_pandas(self) -> "DataFrame":
        """A row for each node: what it is, whose it is, how that is known.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(self._sheet())

    def _sheet(self, kind: str = "", title: str = "", ends: Sequence[str] = ()) -> Sheet[Seen]:
        return nodes([(row.node, row.tag) for row in self.rows], kind, title, ends)

    @property
    def remarks(self) -> Tuple[str, ...]:
        """What a tool that is given such a list would do or leave out without a word."""
        return tuple(_remarks(self))

    def to_json(self) -> Dict[str, Any]:
        """All that is known of it, for programs."""
        return {
            "schema": "htp.select/1",
            "nodes": [{**listed(node, tag), "place": place} for node, tag, place in self.rows],
            "names": list(self.names),
            "values": list(self.values),
            "initializers": list(self.initializers),
            "parameters": list(self.parameters),
            "remarks": list(self.remarks),
        }

    def parameters_of(self) -> Dict[str, Tuple[str, ...]]:
        """For each of the initializers the parameters and buffers that it was made from."""
        known = self._file.parameters()
        return {name: known.get(name, ()) for name in self.initializers}

    def others(self) -> List[Placed]:
        """The nodes that were not chosen."""
        chosen = set(self._chosen)
        return [row for number, row in enumerate(self._all) if number not in chosen]

    def beside(self, name: str) -> int:
        """How many nodes that were not chosen read an initializer."""
        chosen = set(self._chosen)
        return sum(1 for number in self.weights.readers.get(name, ()) if number not in chosen)

    @property
    def outline(self) -> "onnx.ModelProto":
        """The model, without large weights."""
        return self._file.outline


def _remarks(chosen: Chosen) -> Iterator[str]:
    others = chosen.others()
    if not chosen.rows:
        known = sorted({text_of(row.node.op_type) for row in others})
        none = [each for each in chosen.operator if each not in known]
        hint = f" (no node is of type {none[0]!r}: {did_you_mean(none[0], known)})" if none else ""
        yield f"no node is left{hint}"
    unnamed = sum(1 for row in chosen.rows if not row.node.name)
    if unnamed:
        yield f"{unnamed} of the {len(chosen)} nodes have no name, so no list of names has them"
    twice = {row.node.name for row in others}.intersection(chosen.names)
    if twice:
        yield f"{_some(twice)}: nodes outside the selection have the same name"
    yield from _shared(chosen)
    inner = sum(1 for row in chosen.rows if row.place == FUNCTION)
    if inner:
        yield f"{inner} nodes stand in bodies of functions, and inlining gives them other names"
    strangers = sum(1 for row in chosen.rows if not row.tag.stack)
    if strangers:
        yield f"{strangers} of the {len(chosen)} nodes have no known owner"
    lost = sum(1 for row in others if not row.tag.stack)
    if lost:
        yield f"{lost} nodes of the model have no known owner and are not among these"
    guessed = sum(1 for row in chosen.rows if row.tag.provenance is Provenance.INFERRED)
    if guessed:
        yield f"of {guessed} of the {len(chosen)} nodes the owner is inferred from names"


def _shared(chosen: Chosen) -> Iterator[str]:
    weights = [
        name
        for name in chosen.initializers
        if chosen.weights.is_weight(name) and chosen.beside(name)
    ]
    if weights:
        yield f"{_some(weights)}: nodes outside the selection read the same weight"
    both = sum(1 for row in chosen.rows if chosen.wanted.splits(row.tag))
    if both:
        yield f"{both} nodes stand for modules outside the selection, too"


def _some(names: Iterable[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    known = sorted(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(repr(name) for name in known[:most]) + more


def listed(node: "onnx.NodeProto", tag: Tag) -> Dict[str, Any]:
    """What is said of a node. One without a known owner has no path: the root's is ``""``."""
    outputs = list(map(text_of, node.output))
    return {
        "name": name_of(node),
        "op_type": text_of(node.op_type),
        "outputs": outputs,
        "path": tag.path if tag.stack else None,
        "type": tag.type if tag.stack else None,
        "call": tag.call if tag.stack else None,
        "provenance": str(tag.provenance),
        "evidence": tag.evidence and str(tag.evidence),
        "stack": [call._asdict() for call in tag.stack],
        "shared": [call._asdict() for call in tag.shared],
        "sharing": tag.sharing and str(tag.sharing),
    }
