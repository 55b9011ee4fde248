"""What a page shows, as one document of plain values: texts are numbers of a table."""

import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from htp.errors import HTPError
from htp.file.document import text_of
from htp.file.garbage import no_search
from htp.reporting.borders import borders, types
from htp.reporting.graph import EVIDENCE, PLACES, PROVENANCE, SHARING, nodes, weights
from htp.reporting.results.placing import placed_on
from htp.reporting.results.result import Result
from htp.reporting.rows import Row, Rows
from htp.reporting.texts import Texts, shown
from htp.scope import Coverage
from htp.tree import Row as Line
from htp.use.cost import Cost
from htp.use.places import placed
from htp.use.types import Shapes
from htp.version import VERSION

if TYPE_CHECKING:
    from htp.reporting.parts import Part
    from htp.tagged import TaggedModel

__all__ = ["document"]

FIGURES = ("parameters", "bytes", "macs", "activations", "unknown")


def document(
    tagged: "TaggedModel",
    name: str,
    results: Sequence[Result],
    shapes: Optional[Shapes] = None,
    parts: Sequence["Part"] = (),
) -> Dict[str, Any]:
    """All that the page shows.

    Args:
        tagged: the model.
        name: what to call its file.
        results: what else is known of its modules.
        shapes: the lengths of dynamic axes.
        parts: what was cut out of it.

    Raises:
        HTPError: a result is of another model, or there is no such axis.
        InvalidModelError: the file is damaged.
    """
    file = tagged.file
    with no_search():
        rows, texts, every = Rows(tagged.tree()), Texts(), placed(file)
        cost = tagged.cost(shapes)
        told = {
            "head": _head(tagged, name, cost, shapes),
            "legend": {
                "provenance": PROVENANCE,
                "evidence": EVIDENCE,
                "sharing": SHARING,
                "places": PLACES,
            },
            "modules": _modules(rows, cost, texts),
            "nodes": nodes(every, rows, texts, len(file.origins) > 1),
            "weights": weights(file, every, texts),
            "borders": borders(file, every, rows, texts),
            "types": types(file, texts),
            "results": [placed_on(rows, result) for result in results],
            "parts": [_part(each, rows) for each in parts],
        }
    return {**told, "texts": texts.all(), "altered": texts.altered()}


def _head(tagged: "TaggedModel", name: str, cost: Cost, shapes: Optional[Shapes]) -> Dict[str, Any]:
    model = tagged.file.outline
    coverage = tagged.coverage
    evidence = {} if tagged.carried is None else tagged.carried.evidence
    opsets = [(text_of(each.domain) or "ai.onnx", each.version) for each in model.opset_import]
    return {
        "file": shown(os.path.basename(name)),
        "altered": shown(os.path.basename(name)) != os.path.basename(name),
        "backend": None if tagged.backend is None else shown(tagged.backend),
        "torch": None if tagged.torch is None else shown(tagged.torch),
        "htp": VERSION,
        "ir": model.ir_version,
        "producer": shown(f"{text_of(model.producer_name)} {text_of(model.producer_version)}"),
        "opsets": [[shown(domain), version] for domain, version in opsets],
        "coverage": _counts(coverage),
        "evidence": [[str(kind), count] for kind, count in evidence.items()],
        "figures": [getattr(cost.total, figure) for figure in FIGURES],
        "shapes": [f"{shown(axis)} = {_length(length)}" for axis, length in (shapes or {}).items()],
        "remarks": list(map(shown, cost.remarks)),
        "models": len(tagged.origins),
    }


def _length(length: Any) -> str:
    return str(length) if isinstance(length, int) else "x".join(map(str, length))


def _counts(coverage: Coverage) -> List[int]:
    return [count for _, count in coverage]


def _modules(rows: Rows, cost: Cost, texts: Texts) -> Dict[str, Any]:
    """The rows, column by column; ``calls`` has the numbers of each row's calls."""
    lines = [row.line for row in rows]
    return {
        "parent": [row.parent for row in rows],
        "path": [texts.number(line.first.path) for line in lines],
        "name": [texts.number(line.name) for line in lines],
        "type": [texts.number(_types(line)) for line in lines],
        "class": [texts.number(line.first.class_name) for line in lines],
        "calls": [[call.call for call in line.members] for line in lines],
        "own": [_counts(line.own) for line in lines],
        "total": [_counts(line.total) for line in lines],
        "shared": [line.shared for line in lines],
        "figures": [_figures(row, cost) for row in rows],
    }


def _types(line: Line) -> str:
    return ", ".join(dict.fromkeys(call.type for call in line.members))


def _figures(row: Row, cost: Cost) -> List[int]:
    found = cost.of(row.line.members, row.origin)
    return [getattr(found, figure) for figure in FIGURES]


def _part(part: "Part", rows: Rows) -> Dict[str, Any]:
    row = rows.called(part.call, part.origin)
    if row is None:
        raise HTPError(f"{part.call} was cut out, and is no module of the file.")
    return {
        "row": row.number,
        "call": part.call.call,
        "link": part.link,
        "bytes": part.size,
        "reason": part.reason and shown(part.reason),
    }
