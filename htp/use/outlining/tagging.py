"""The tags of a model with functions, and an origin of its graph as it is now."""

from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Set, Tuple

from htp.file import keys, wire
from htp.file.document import serialised
from htp.file.encode import appended
from htp.file.model_file import ModelFile
from htp.file.records import record_model
from htp.fresh import Fresh, Part, entries_of, fresh, made_up
from htp.graph.records import CallRecord, ValueRecord
from htp.graph.used import aligned
from htp.scope import UNKNOWN
from htp.use.outlining.items import Row

if TYPE_CHECKING:
    import onnx

__all__ = ["tagged"]


def tagged(file: ModelFile, model: "onnx.ModelProto", rows: Sequence[Row]) -> ModelFile:
    """A model with tags.

    Args:
        file: what it was made of.
        model: it, with what its nodes said there.
        rows: of its nodes, in the order of ``htp.file.document.nodes_of``.
    """
    data = wire.join(wire.remove(serialised(model), keys.ours, keys.DIALECTS))
    plain = ModelFile([data], folder=file.folder, linked=file.linked)
    origins = {each.fingerprint: each for each in file.origins} or {
        "": made_up([tag for tag, _ in rows])
    }
    only = next(iter(origins))
    told = [(tag, mark if mark in origins else only) for tag, mark in rows]
    parameters, names = file.parameters(), _names(model)
    made: Dict[str, Fresh] = {}
    for mark in dict.fromkeys([mark for _, mark in told] or [only]):
        theirs = [tag if its == mark else UNKNOWN for tag, its in told]
        calls = [_still(record, names) for record in origins[mark].records()]
        made[mark] = fresh(Part(origins[mark], (), theirs, {}, parameters, calls), plain)
    record = record_model(plain.outline)
    found = appended(data, entries_of(record, aligned(record, told), made, parameters))
    found.folder, found.linked = file.folder, file.linked
    return found


def _names(model: "onnx.ModelProto") -> Set[str]:
    """The names of all values but those of functions."""
    record = record_model(model)
    record.functions = []
    found = set(record.initializers)
    for graph in record.graphs():
        found.update(graph.inputs)
    for node in record.walk():
        found.update(node.outputs)
    return found


def _still(record: CallRecord, names: Set[str]) -> CallRecord:
    return record._replace(inputs=_kept(record.inputs, names), outputs=_kept(record.outputs, names))


def _kept(
    values: Optional[Tuple[ValueRecord, ...]], names: Set[str]
) -> Optional[Tuple[ValueRecord, ...]]:
    """What a call took or gave: what lies in a function has no name that is its own."""
    if values is None:
        return None
    found: List[ValueRecord] = []
    for each in values:
        gone = each.name is not None and each.name not in names
        without = each.alone() if each.is_folded else ValueRecord(each.place, None, "body")
        found.append(without if gone else each)
    return tuple(found)
