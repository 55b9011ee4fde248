"""The nodes and weights of a file, column by column, for the page."""

from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Tuple

from htp.comparing.contents import typed
from htp.file.document import text_of
from htp.file.tags import origin_of
from htp.reporting.rows import Rows
from htp.reporting.texts import Texts
from htp.scope import Evidence, Provenance, Sharing, Tag
from htp.use.places import BODY, FUNCTION, GRAPH, Placed, Weights
from htp.use.weight import held_by

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile

__all__ = ["EVIDENCE", "PLACES", "PROVENANCE", "SHARING", "nodes", "weights"]

PROVENANCE = tuple(map(str, Provenance))
EVIDENCE = tuple(map(str, Evidence))
SHARING = tuple(map(str, Sharing))
PLACES = (GRAPH, BODY, FUNCTION)
NOTHING = -1

Columns = Dict[str, Any]


def nodes(placed: Sequence[Placed], rows: Rows, texts: Texts, several: bool) -> Columns:
    """The nodes in document order.

    Args:
        placed: the nodes.
        rows: the tree's.
        texts: takes the names.
        several: whether the file holds several exports.

    Returns:
        For each a ``name``, an ``operator``, the ``row`` and the ``call`` of its owner (-1 where
        that is not known), ``provenance``, ``evidence`` and ``place`` by number, and the names of
        what it ``takes`` and ``gives``. ``shared`` has those that stand for other calls, too.
    """
    names = ("name", "operator", "row", "call", "provenance", "evidence", "place", "takes", "gives")
    columns: Columns = {name: [] for name in names}
    shared: List[List[Any]] = []
    for number, (node, tag, place) in enumerate(placed):
        origin = origin_of(node) if several else ""
        cells = (
            texts.number(text_of(node.name)),
            texts.number(text_of(node.op_type)),
            rows.owner(tag, origin),
            tag.call if tag.stack else NOTHING,
            PROVENANCE.index(tag.provenance.value),
            NOTHING if tag.evidence is None else EVIDENCE.index(tag.evidence.value),
            PLACES.index(place),
            texts.numbers(tuple(map(text_of, node.input))),
            texts.numbers(tuple(map(text_of, node.output))),
        )
        for name, cell in zip(names, cells):
            columns[name].append(cell)
        if tag.shared:
            kind = NOTHING if tag.sharing is None else SHARING.index(tag.sharing.value)
            shared.append([number, kind, _others(tag, rows, origin)])
    return {**columns, "shared": shared}


def _others(tag: Tag, rows: Rows, origin: str) -> List[Tuple[int, int]]:
    """The other calls of a node, each as its row and its number there."""
    found = ((rows.called(call, origin), call) for call in tag.shared)
    return [(row.number, call.call) for row, call in found if row is not None]


def weights(file: "ModelFile", placed: Sequence[Placed], texts: Texts) -> Columns:
    """The initializers.

    Returns:
        For each its ``name``, the names of the ``parameters`` that it was made from, its ``type``
        and ``shape`` as text, its ``bytes``, and the ``readers``, which are nodes by number.
    """
    known = file.parameters()
    held = Weights(file.outline, placed)
    sizes = held_by(held, [row.node for row in placed], known, dict)
    return {
        "name": [texts.number(name) for name in held.tensors],
        "parameters": [texts.numbers(known.get(name, ())) for name in held.tensors],
        "type": [texts.number(typed(each.data_type, each.dims)) for each in held.tensors.values()],
        "bytes": [sizes[name].bytes for name in held.tensors],
        "readers": [held.readers[name] for name in held.tensors],
    }
