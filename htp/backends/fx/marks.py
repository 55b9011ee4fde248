"""Marks that carry the identity of a node through torch's optimiser.

Each node of the graph as first built is marked with a metadata key of its own. Where onnxscript
fuses nodes it merges their metadata, key by key and the first value winning, so that the keys of
all of them stand on the new node (0.7.2 does, 0.5.7 does not yet: there a fused node has no mark):
https://github.com/microsoft/onnxscript/blob/v0.7.2/onnxscript/utils/metadata_merger.py
The marks are gone before torch writes the file, and the order of torch's own keys is untouched.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from htp.backends.fx.ir import MARK, identifier, record, rename_ends, walk
from htp.backends.fx.kinds import Kinds
from htp.backends.fx.owners import function_owners, owners_of, shared_constants
from htp.graph.records import GraphRecord
from htp.scope import ModuleCall, Owner, Sharing, Stack

__all__ = ["Marks", "taken_off", "without"]

_OPERATION, _HELPER, _FUNCTION = range(3)
"""How much a mark says where several stand on one node; the first kind that is there decides.
A helper is a constant, which others may use too, or the call of a function, whose body has marks of
its own before it is inlined; the body of a function of the exporter's says least."""

_SET = "1"
"""The value of a mark. onnxscript drops keys without one when it merges."""


@dataclass
class _Built:
    """A node of the graph as first built.

    Attributes:
        owner: its owner, or None where it is not known.
        rank: how much its mark says.
        kind: equal for nodes that compute the same.
        outputs: the values that it computes.
    """

    owner: Optional[Owner]
    rank: int
    kind: int
    outputs: Tuple[Any, ...]


class Marks:
    """The marks of one graph, from its building to its end.

    Args:
        model: the IR model as first built.
        owner_of: the owner of a node that was lowered from an FX node, else None.
    """

    def __init__(self, model: Any, owner_of: Callable[[Any], Optional[Stack]]) -> None:
        self._built: List[_Built] = []
        self.fused: Set[int] = set()
        """The values, by ``id``, of nodes that became one with others; known once collected."""
        nodes = list(walk(model))
        owners = owners_of(nodes, owner_of)
        made_of = function_owners(model, nodes, owners)
        shared = shared_constants(nodes, owners)
        kinds = Kinds(model)
        numbers: Dict[int, int] = {}
        for node, _ in nodes:
            number = len(self._built)
            numbers[id(node)] = number
            rank = _OPERATION
            owner = _with_users(owners[id(node)], shared.get(id(node), ()))
            if id(node) in made_of:
                owner, rank = made_of[id(node)], _FUNCTION
            elif node.op_type == "Constant" or identifier(node) in model.functions:
                rank = _HELPER
            self._built.append(_Built(owner, rank, kinds.kind(node), tuple(node.outputs)))
            if owner is not None:
                node.metadata_props[f"{MARK}{number}"] = _SET
        self.before = record(model, lambda node: self._built[numbers[id(node)]].owner)

    def collect(self, model: Any) -> Tuple[GraphRecord, bool]:
        """Take the marks off and read from them who owns the nodes of the finished model.

        Returns:
            The record, and whether each node is still the one that was built in its place.
        """
        found: Dict[int, List[int]] = {}
        for node, _ in walk(model):
            found[id(node)] = _numbers(node.metadata_props)
        without(model)

        same = len(found) == len(self._built) and all(
            numbers == ([place] if self._built[place].owner is not None else [])
            for place, numbers in enumerate(found.values())
        )
        merged = self._merged_away(found)
        self._note_fused(found)
        after = record(model, lambda node: self._owner(found[id(node)], merged))
        rename_ends(self.before, after)
        return after, same

    def told(self) -> Iterator[Tuple[Optional[Stack], int]]:
        """Of each node as first built: its owner; its kind, equal where the same is computed."""
        for built in self._built:
            yield built.owner.stack if built.owner else None, built.kind

    def _note_fused(self, found: Dict[int, List[int]]) -> None:
        for numbers in found.values():
            if len({self._built[number].kind for number in numbers}) > 1:
                self.fused.update(id(v) for number in numbers for v in self._built[number].outputs)

    def _merged_away(self, found: Dict[int, List[int]]) -> Dict[int, List[int]]:
        """By kind, the nodes that are gone while one that computes the same has stayed."""
        left = {number for numbers in found.values() for number in numbers}
        kept = {self._built[number].kind for number in left}
        gone: Dict[int, List[int]] = {}
        for number, built in enumerate(self._built):
            if number not in left and built.kind in kept and built.rank == _OPERATION:
                gone.setdefault(built.kind, []).append(number)
        return gone

    def _owner(self, numbers: List[int], merged: Dict[int, List[int]]) -> Optional[Owner]:
        if not numbers:
            return None
        rank = min(self._built[number].rank for number in numbers)
        built = [self._built[number] for number in numbers if self._built[number].rank == rank]
        owners = [one.owner for one in built if one.owner is not None]
        # Equal nodes that carry each other's marks were merged; different ones became one.
        alike = len({one.kind for one in built}) == 1
        whose = (Owner.merged if alike else Owner.fused)(owner.stack for owner in owners)
        if whose is None:
            return None
        others = [*whose.others, *(call for owner in owners for call in owner.others)]
        for one in built:
            gone = (self._built[number].owner for number in merged.get(one.kind, ()))
            others.extend(each.stack[-1] for each in gone if each and each.stack != whose.stack)
        known = [whose.sharing, *(owner.sharing for owner in owners)]
        sharing = Sharing.FUSED if Sharing.FUSED in known else Sharing.MERGED if others else None
        return Owner(whose.stack, tuple(dict.fromkeys(others)), sharing)


def _with_users(stack: Optional[Stack], users: Tuple[ModuleCall, ...]) -> Optional[Owner]:
    return Owner(stack, users, Sharing.MERGED if users else None) if stack else None


def _numbers(properties: Any) -> List[int]:
    return sorted(int(key[len(MARK) :]) for key in properties if key.startswith(MARK))


def _marked(model: Any) -> Iterator[Any]:
    """Every metadata of a model that a mark may have got into."""
    for node, _ in walk(model):
        yield node.metadata_props
        for value in node.outputs:
            yield value.metadata_props
    for graph in (model.graph, *model.functions.values()):
        yield graph.metadata_props
    for value in model.graph.initializers.values():
        yield value.metadata_props
    yield model.metadata_props


def without(model: Any) -> List[Tuple[Any, str, str]]:
    """Take the marks off a model; what was taken off where."""
    taken = [
        (properties, key, properties[key])
        for properties in _marked(model)
        for key in properties
        if key.startswith(MARK)
    ]
    for properties, key, _ in taken:
        del properties[key]
    return taken


@contextmanager
def taken_off(model: Any) -> Iterator[None]:
    """Let a model be without its marks meanwhile."""
    taken = without(model)
    try:
        yield
    finally:
        for properties, key, value in taken:
            properties[key] = value
