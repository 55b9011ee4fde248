"""Names that the TorchScript exporter gives to nodes, from torch 1.13 on, undone.

    /layer1/layer1.0/relu_1/Relu_2
     ------ -------- ------ ------
     calls within each other; then the node's operator

A call goes by the last part of its module's path that is no number, and what follows
(``layer1.0``). Only the last call of a name is numbered: ``_1`` says that it is the second call of
this very name that has nodes of its own. Those before it are not, and a module may be called
``relu_1`` itself. So a name alone is ambiguous; the modules of the model make it exact, and without
them the other names of the file tell how to read it:
https://github.com/pytorch/pytorch/blob/v2.4.0/torch/csrc/jit/passes/onnx/naming.cpp
"""

from typing import (
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from htp.annotating.modules import Modules, named_modules, spoken
from htp.annotating.subject import DEEPEST, Chain, Holders, Subject, Told

__all__ = ["by_names"]

Found = Dict[int, Told]

_MOST = 8
"""Modules that a part of a name may mean at once, before it is given up."""


def by_names(subject: Subject, holders: Holders) -> Found:
    """What the names of nodes tell.

    Args:
        subject: what is annotated.
        holders: the modules that each initializer may be a weight of.
    """
    scopes = [_scope(node.name) for node in subject.nodes]
    known = frozenset(scope for scope in scopes if scope is not None)
    modules = subject.modules or named_modules(subject.graph.initializers)
    read = _read_by(subject, scopes)
    reader = _Scopes(known, modules, read, subject.modules is not None)
    reader.settle({scope: _owners(names, holders) for scope, names in read.items()})
    told = ((at, reader.told[scope]) for at, scope in enumerate(scopes) if scope is not None)
    return {at: each for at, each in told if each is not None}


def _owners(names: Iterable[str], holders: Holders) -> FrozenSet[str]:
    return frozenset(path for name in names for path in holders.get(name, ()))


def _scope(name: str) -> Optional[str]:
    """The calls of a name; ``""`` are those of the root; None of another name."""
    if not name.startswith("/") or name.count("/") > DEEPEST or name.endswith("/"):
        return None
    scope = name.rpartition("/")[0]
    return None if "//" in f"{scope}/" else scope


def _read_by(subject: Subject, scopes: Sequence[Optional[str]]) -> Dict[str, FrozenSet[str]]:
    """The initializers that the nodes of each scope read."""
    found: Dict[str, set] = {}  # type: ignore[type-arg]
    for at, names in subject.held.items():
        scope = scopes[at]
        if scope is not None:
            found.setdefault(scope, set()).update(names)
    return {scope: frozenset(names) for scope, names in found.items()}


class _Reading(NamedTuple):
    """What a scope may be: the call of this number, by the name ``stem``, of this chain."""

    chain: Chain
    stem: str
    number: int


class _Scopes:
    """Reads scopes.

    Args:
        known: every scope of the file.
        modules: the model's; else those that the names of weights tell.
        read: the initializers that the nodes of each scope read.
        is_whole: whether these are all modules of the model.
    """

    def __init__(
        self,
        known: FrozenSet[str],
        modules: Modules,
        read: Mapping[str, FrozenSet[str]],
        is_whole: bool,
    ) -> None:
        self._known, self._modules, self._read, self._is_whole = known, modules, read, is_whole
        self._chains: Dict[str, Tuple[Chain, ...]] = {"": (("",),)}
        self.told: Dict[str, Optional[Told]] = {}

    def settle(self, owners: Mapping[str, FrozenSet[str]]) -> None:
        """Read every scope; of several readings take the one that weights bear witness of.

        Args:
            owners: for scopes whose nodes read weights, the modules that may have these.
        """
        readings = {scope: self._readings(scope) for scope in self._known}
        witnessed = {
            scope: [each for each in found if each.chain[-1] in owners[scope]]
            for scope, found in readings.items()
            if len(found) > 1 and owners.get(scope)
        }
        readings.update((scope, found) for scope, found in witnessed.items() if found)
        witnesses = _witnesses(found[0] for found in readings.values() if len(found) == 1)
        for scope, found in readings.items():
            left = found if len(found) == 1 else _agreeing(found, witnesses)
            self.told[scope] = Told(left[0].chain, scope) if len(left) == 1 else None

    def _readings(self, scope: str) -> List[_Reading]:
        """Each call that a scope may stand for: as it is written, or as a further call."""
        stem, _, number = scope.rpartition("_")
        numbered = _is_number(number) and stem.startswith("/") and not stem.endswith("/")
        again = numbered and self._follows(stem, int(number))
        written = self._resolved(scope)
        repeated = self._resolved(stem) if again else ()
        if written and repeated:
            shares = self._shares(scope, stem)
            if shares or (shares is None and not self._is_whole):
                written = ()
            elif not self._is_whole:
                repeated = ()
        found = [_Reading(chain, scope, 0) for chain in written]
        return found + [_Reading(chain, stem, int(number)) for chain in repeated]

    def _follows(self, stem: str, number: int) -> bool:
        """Whether the calls before this one are there as well: torch leaves no number out."""
        return stem in self._known and (number == 1 or f"{stem}_{number - 1}" in self._known)

    def _shares(self, scope: str, stem: str) -> Optional[bool]:
        """Whether two scopes read the same initializers; None where one of them reads none."""
        one, other = self._read.get(scope), self._read.get(stem)
        return None if not one or not other else bool(one & other)

    def _resolved(self, scope: str) -> Tuple[Chain, ...]:
        """The chains of modules that a scope without a number can mean."""
        pending = []
        while scope not in self._chains:
            pending.append(scope)
            scope = scope.rpartition("/")[0]
        for each in reversed(pending):
            above, _, name = each.rpartition("/")
            chains: List[Chain] = []
            for chain in self._chains[above]:
                chains += [(*chain, path) for path in self._called(name, chain)[:_MOST]]
            self._chains[each] = tuple(chains) if len(chains) <= _MOST else ()
        return self._chains[pending[0]] if pending else self._chains[scope]

    def _called(self, name: str, chain: Chain) -> Sequence[str]:
        """The modules that may go by a name within the last call of a chain."""
        known = self._modules.called(name, chain[-1])
        if self._is_whole:
            return known
        guess, below = _guessed(name, chain), f"{chain[-1]}." if chain[-1] else ""
        near = [path for path in known if path.startswith(below)]
        return near if near and guess not in near else [guess]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 9


def _guessed(name: str, chain: Chain) -> str:
    """The path of a module of which only this name tells.

    One that repeats the name before it (``layer1.0`` in ``layer1``) is held by the module that has
    that name; so is any other, by its whole name.
    """
    before = spoken(chain[-1])
    if before and name.startswith(f"{before}."):
        return f"{chain[-1][: len(chain[-1]) - len(before)]}{name}"
    return f"{chain[-1]}.{name}" if chain[-1] else name


Witnesses = Mapping[Tuple[str, int], FrozenSet[str]]
"""The modules that calls of one name and number within others were seen in, at that depth."""


def _witnesses(settled: Iterable[_Reading]) -> Witnesses:
    found: Dict[Tuple[str, int], Set[str]] = {}
    for reading in settled:
        stem = reading.stem
        for path in reversed(reading.chain):
            found.setdefault((stem, reading.number), set()).add(path)
            stem = stem.rpartition("/")[0]
    return {place: frozenset(paths) for place, paths in found.items()}


def _agreeing(readings: Sequence[_Reading], witnesses: Witnesses) -> List[_Reading]:
    """The readings that go with what is settled of calls of the same number around or within."""
    left = list(readings)
    for each in readings:
        stem = each.stem
        for path in reversed(each.chain):
            seen = witnesses.get((stem, each.number))
            if seen is not None and len(seen) == 1 and path not in seen and each in left:
                left.remove(each)
            stem = stem.rpartition("/")[0]
    return left
