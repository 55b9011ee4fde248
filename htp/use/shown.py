"""Nodes with their tags as rows: what notebooks show of a file, and of nodes that were chosen."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence, Tuple

from htp.file.document import text_of
from htp.file.garbage import no_search
from htp.scope import Tag
from htp.showing import folded
from htp.showing.sheet import Column, Sheet
from htp.tree import sheet
from htp.use.growing import tree

if TYPE_CHECKING:
    import onnx

    from htp.file.model_file import ModelFile

__all__ = ["Seen", "html", "name_of", "nodes"]

Seen = Tuple["onnx.NodeProto", Tag]


def name_of(node: "onnx.NodeProto") -> str:
    """The name of a node; of one without, that of the first value that it computes."""
    return text_of(node.name) or next(filter(None, map(text_of, node.output)), "")


def _known(what: str) -> Callable[[Seen], Optional[Any]]:
    """What the tag says of the owner; None where it is not known: the root's path is ``""``."""
    return lambda seen: getattr(seen[1], what) if seen[1].stack else None


def _said(what: str) -> Callable[[Seen], Optional[str]]:
    def said(seen: Seen) -> Optional[str]:
        found = getattr(seen[1], what)
        return None if found is None else str(found)

    return said


def _module(seen: Seen) -> str:
    tag = seen[1]
    return str(tag.owner) or "(root)" if tag.stack else "(unknown)"


_NODES: Tuple[Column[Seen], ...] = (
    Column("node", lambda seen: name_of(seen[0]), key="name", value=lambda seen: name_of(seen[0])),
    Column(
        *("operator", lambda seen: text_of(seen[0].op_type)),
        key="op_type",
        value=lambda seen: text_of(seen[0].op_type),
        dtype="category",
    ),
    Column("module", _module, key="path", value=_known("path")),
    Column(key="call", value=_known("call"), dtype="Int64"),
    Column(
        *("class", lambda seen: seen[1].owner.class_name),
        key="type",
        value=_known("type"),
        dtype="category",
    ),
    Column(
        *("known", lambda seen: str(seen[1].provenance)),
        key="provenance",
        value=_said("provenance"),
        dtype="category",
    ),
    Column(key="sharing", value=_said("sharing"), dtype="category"),
    Column(key="evidence", value=_said("evidence"), dtype="category"),
)


def nodes(
    rows: Sequence[Seen], kind: str = "", title: str = "", ends: Sequence[str] = ()
) -> Sheet[Seen]:
    """Nodes as rows."""
    return Sheet(kind, title, _NODES, rows, ends=ends, everything="to_pandas() has all")


def html(file: "ModelFile", title: str) -> str:
    """A file as its tree of modules."""
    with no_search():
        root = tree(file)
        found = sheet(root, "TaggedModel", title)
    ends = []
    if any(column.heading == "shared" for column in found.columns):
        ends.append(
            "A node of several modules is in the total of one; 'shared' counts it at the others."
        )
    if root.unknown:
        ends.append(f"{root.unknown} nodes have no known owner and stand in no row.")
    return folded.html(replace(found, ends=ends))
