"""Which provider took which node, module by module, as onnxruntime records it.

It assigns nodes after its basic optimisations and before the others. So a second session stops
there and saves the model: what it assigns are the nodes of that file.
"""

import os
import tempfile
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from htp import rewritten as rewriting
from htp.errors import HTPError, InvalidModelError
from htp.file.document import bodies_of, text_of
from htp.file.model_file import ModelFile
from htp.file.sources import opened as read_model
from htp.file.tags import origin_of
from htp.profiling.attribution import marks_of
from htp.profiling.measuring import TELLS, Wanted, session_of
from htp.profiling.options import ASSIGNED
from htp.profiling.subject import Subject
from htp.running.session import Session, onnxruntime
from htp.scope import ModuleCall, Tag
from htp.use.macs import macs_of
from htp.use.places import FUNCTION, placed
from htp.use.types import infer

__all__ = ["Placement", "PlacementRow", "placed_by"]

Place = Tuple[str, ModuleCall]


class PlacementRow(NamedTuple):
    """Who executes one module call, with all that it calls.

    Attributes:
        call: the call.
        depth: how many calls are above it.
        nodes: how many nodes each provider took.
        macs: how many multiply-accumulates those have, as far as known.
        origin: fingerprint of the export; ``""`` where there is only one.
    """

    call: ModuleCall
    depth: int
    nodes: Mapping[str, int]
    macs: Mapping[str, int]
    origin: str = ""


class Taken(NamedTuple):
    """A node that a provider took."""

    provider: str
    tag: Tag
    macs: Optional[int]
    origin: str


class Placement:
    """Which provider took which node of a file.

    Attributes:
        rows: one for each call that has nodes, in the order of the file.
        nodes: how many nodes each provider took, in the whole file.
        macs: how many multiply-accumulates those have, as far as known.
        unowned: how many nodes of each provider have no known owner; they are in no row.
        unknown: of how many nodes the multiply-accumulates are not known.
    """

    def __init__(self, taken: Iterable[Taken]) -> None:
        rows: Dict[Place, Tuple[int, Dict[str, int], Dict[str, int]]] = {}
        self.nodes: Dict[str, int] = {}
        self.macs: Dict[str, int] = {}
        self.unowned: Dict[str, int] = {}
        self.unknown = 0
        for each in taken:
            self.unknown += each.macs is None
            _add(each, self.nodes, self.macs)
            if not each.tag.stack:
                self.unowned[each.provider] = self.unowned.get(each.provider, 0) + 1
            for depth, call in enumerate(each.tag.stack):
                _, nodes, macs = rows.setdefault((each.origin, call), (depth, {}, {}))
                _add(each, nodes, macs)
        self.rows = tuple(
            PlacementRow(call, depth, nodes, macs, mark)
            for (mark, call), (depth, nodes, macs) in rows.items()
        )

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "rows": [
                {
                    **row.call._asdict(),
                    **({"origin": row.origin} if row.origin else {}),
                    "depth": row.depth,
                    "nodes": dict(row.nodes),
                    "macs": dict(row.macs),
                }
                for row in self.rows
            ],
            "nodes": self.nodes,
            "macs": self.macs,
            "unowned": self.unowned,
            "unknown": self.unknown,
        }


def _add(each: Taken, nodes: Dict[str, int], macs: Dict[str, int]) -> None:
    nodes[each.provider] = nodes.get(each.provider, 0) + 1
    macs[each.provider] = macs.get(each.provider, 0) + (each.macs or 0)


def placed_by(file: ModelFile, wanted: Wanted, shapes: Mapping[str, Tuple[int, ...]]) -> Placement:
    """Ask onnxruntime.

    Args:
        file: the file as it is given to onnxruntime.
        wanted: how it is run.
        shapes: of the inputs.

    Raises:
        HTPError: the installed onnxruntime does not record it.
        InvalidModelError: it cannot load the file.
    """
    package = onnxruntime()
    if not hasattr(package.InferenceSession, TELLS):
        raise HTPError(
            f"onnxruntime {package.__version__} does not tell which provider takes which node.",
            "take 1.24 or newer, or leave out the placement: a profile has the provider of each "
            "kernel that ran.",
        )
    values = {"graph_optimization_level": package.GraphOptimizationLevel.ORT_ENABLE_BASIC}
    entries = {ASSIGNED: "1"}
    with tempfile.TemporaryDirectory(prefix="htp-placement-") as folder:
        path = os.path.join(folder, "basic.onnx")
        try:
            session = session_of(package, file, wanted, values, path, entries)
            made = read_model(path)[0]
            made.linked = file.folder
            carried, said = rewriting.carried(rewriting.source_of(file), made)
            subject = Subject(carried)
            marks = marks_of(subject, Subject(file), subject.told(said.nodes))
        except InvalidModelError:  # a provider compiles nodes, or nothing of the graph is left
            session = session_of(package, file, wanted, values, "", entries)
            carried, marks = file, {}
        taken = _taken(session, carried, shapes)
        return Placement(
            each._replace(origin=marks.get(each.origin, each.origin)) for each in taken
        )


def _taken(
    session: Session, file: ModelFile, shapes: Mapping[str, Tuple[int, ...]]
) -> Iterator[Taken]:
    known = _known(file, shapes)
    for part in session.raw.get_provider_graph_assignment_info():
        for node in part.get_nodes():
            found = known.get((node.op_type, node.name), [])
            told = found.pop(0) if found else Taken("", Tag(), None, "")
            yield told._replace(provider=part.ep_name)


def _known(
    file: ModelFile, shapes: Mapping[str, Tuple[int, ...]]
) -> Dict[Tuple[str, str], List[Taken]]:
    """The nodes by operator and name, those of one name in order."""
    several = len(file.origins) > 1
    rows = placed(file)
    values = infer(file.outline, shapes)
    lengths = {name: each.lengths for name, each in values.items() if each.lengths is not None}
    known: Dict[Tuple[str, str], List[Taken]] = {}
    for row in rows:
        seen = {} if row.place == FUNCTION else lengths
        nested = bool(row.node.attribute) and bool(bodies_of(row.node))
        macs = 0 if nested else macs_of(row.node, seen)
        mark = origin_of(row.node) if several else ""
        key = (text_of(row.node.op_type), text_of(row.node.name))
        known.setdefault(key, []).append(Taken("", row.tag, macs, mark))
    return known
