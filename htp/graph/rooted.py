"""The place of an exported part in the whole model: every path gets the part's own before it.

The root call itself becomes that of the part. With ``root="model.encoder"``:

    before:  "" > layer.0 > layer.0.query                 weights layer.0.query.weight
    after:   model.encoder > model.encoder.layer.0 > ...  weights model.encoder.layer.0.query.weight
"""

from dataclasses import replace
from typing import Any, Dict, Iterator, Set, Tuple

from htp.errors import CaptureError
from htp.graph.records import CallRecord, Capture, GraphRecord
from htp.scope import ModuleCall, Owner, Stack

__all__ = ["checked_root", "rooted"]


def checked_root(root: Any) -> str:
    """The path of a part, if it can be one; ``""`` is the whole model.

    Raises:
        CaptureError: it is none.
    """
    if not isinstance(root, str):
        raise CaptureError(
            f"root must be the path of a module, as a text; found {type(root).__name__}.",
            "for example root='model.encoder'.",
        )
    why = None
    if not root.isprintable():
        why = "holds characters that cannot be printed"
    elif "/" in root or "\\" in root:
        why = "holds a slash, as a file's path does"
    elif root and not all(map(str.strip, root.split("."))):
        why = "has an empty part"
    if why is not None:
        raise CaptureError(
            f"root is no dotted path of a module: {root!r} {why}.",
            "give the path that get_submodule of the whole model takes, as root='model.encoder'.",
        )
    return root


def rooted(capture: Capture, root: str) -> Capture:
    """What was captured of a part, with its place in the whole before all its paths, in place.

    Args:
        capture: what a backend brought home; its records are changed.
        root: the part's path, as ``checked_root`` gives it.
    """
    if not root:
        return capture
    prefix = _Prefix(root)
    seen: Set[int] = set()
    for graph in filter(None, (capture.after, capture.before)):
        prefix.put_before(graph, seen)
    return replace(capture, calls=tuple(map(prefix.call_record, capture.calls)))


class _Prefix:
    """Puts the part's path before others, once for each that are equal."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._stacks: Dict[Stack, Stack] = {(): ()}
        self._owners: Dict[Owner, Owner] = {}

    def put_before(self, graph: GraphRecord, seen: Set[int]) -> None:
        """Change every owner and every parameter's name; what was seen is changed already."""
        for body in _new(graph.graphs(), seen):
            body.parameters = {
                name: tuple(map(self._path, names)) for name, names in body.parameters.items()
            }
            for node in _new(iter(body.nodes), seen):
                if node.owner is not None:
                    node.owner = self._owner(node.owner)

    def call_record(self, record: CallRecord) -> CallRecord:
        """The record of one call."""
        return record._replace(stack=self._stack(record.stack))

    def _path(self, path: str) -> str:
        return f"{self._root}.{path}" if path else self._root

    def _call(self, call: ModuleCall) -> ModuleCall:
        return call._replace(path=self._path(call.path))

    def _stack(self, stack: Stack) -> Stack:
        known = self._stacks.get(stack)
        if known is None:
            known = self._stacks[stack] = tuple(map(self._call, stack))
        return known

    def _owner(self, owner: Owner) -> Owner:
        known = self._owners.get(owner)
        if known is None:
            others: Tuple[ModuleCall, ...] = tuple(map(self._call, owner.others))
            known = self._owners[owner] = Owner(self._stack(owner.stack), others, owner.sharing)
        return known


def _new(records: Iterator[Any], seen: Set[int]) -> Iterator[Any]:
    """Those that were not seen yet: a record may stand in both graphs."""
    for record in records:
        if id(record) not in seen:
            seen.add(id(record))
            yield record
