"""Whose weights a node reads: by the names of initializers, or by their contents.

The exporters keep the names of parameters (``encoder.lin.weight``) until they transpose or fold
them. With the model at hand, weights are known again by what they hold.
"""

from typing import Dict, FrozenSet, Iterable, List, Mapping, Optional, Set, Tuple

from htp.annotating.modules import Modules
from htp.annotating.samples import Sample, Weight
from htp.annotating.subject import DEEPEST, Chain, Holders, Subject, Told

__all__ = ["alike", "by_contents", "by_parameter_names", "known_again", "named", "parameters_of"]

Found = Dict[int, Told]


def by_parameter_names(subject: Subject) -> Found:
    """What the names of initializers tell."""
    return _told(subject, named(subject))


def by_contents(subject: Subject) -> Found:
    """What the contents of initializers tell, where there is a model to compare them with."""
    return _told(subject, alike(subject))


def named(subject: Subject) -> Holders:
    """Whose weights initializers are by their names."""
    modules = subject.modules
    holders: Dict[str, FrozenSet[str]] = {}
    for name in (*subject.graph.initializers, *subject.copies):
        path, dot, _ = name.rpartition(".")
        if modules is not None:
            if name in modules.tensors:
                holders[name] = _holders(modules.tensors[name])
        elif dot and path.count(".") < DEEPEST and all(map(_is_part, path.split("."))):
            holders[name] = frozenset((path,))
    return holders


def _is_part(text: str) -> bool:
    return bool(text) and not any(sign in text for sign in "/: ")


def alike(subject: Subject) -> Holders:
    """Whose weights initializers are by what they hold."""
    if subject.model is None:
        return {}
    known = known_again(subject.weights, subject.model.states)
    return {name: _holders(names) for name, names in known.items()}


def _holders(names: Iterable[str]) -> FrozenSet[str]:
    return frozenset(name.rpartition(".")[0] for name in names)


def known_again(
    weights: Mapping[str, Weight], states: Mapping[str, Weight]
) -> Dict[str, Tuple[str, ...]]:
    """For each initializer the parameters and buffers that have its contents.

    Those that are all of one number, or of very few, are like many others, and left out.

    Args:
        weights: of the file.
        states: of the model.
    """
    names: Dict[Sample, List[str]] = {}
    for name, state in states.items():
        if state.sample.tells:
            names.setdefault(state.sample, []).append(name)
    return {
        name: tuple(names[weight.sample])
        for name, weight in weights.items()
        if weight.sample in names
    }


def _told(subject: Subject, holders: Holders) -> Found:
    """A node belongs to the one module whose weights it reads."""
    read: Dict[int, str] = {}
    for at, names in subject.held.items():
        found: Set[str] = set()
        for name in names:
            found |= holders.get(name, frozenset())
        if len(found) == 1:
            read[at] = found.pop()
    again = _read_again(subject, read)
    return {
        at: Told(_chain(path, subject.modules)) for at, path in read.items() if path not in again
    }


def _read_again(subject: Subject, read: Mapping[int, str]) -> Set[str]:
    """The modules of which several nodes read the same weight: which call is each of?"""
    seen: Set[Tuple[str, str]] = set()
    again: Set[str] = set()
    for at, path in read.items():
        for name in dict.fromkeys(subject.held[at]):
            if (path, name) in seen:
                again.add(path)
            seen.add((path, name))
    return again


def _chain(path: str, modules: Optional[Modules]) -> Chain:
    """The calls that lead to a module. Without the model: a list of modules is never called."""
    if modules is not None:
        return modules.chain(path)
    parts = path.split(".") if path else []
    ends = [at for at in range(1, len(parts)) if not parts[at].isdigit()]
    return ("", *(".".join(parts[:at]) for at in ends), *([path] if path else []))


def parameters_of(subject: Subject) -> Dict[str, Tuple[str, ...]]:
    """What each initializer was made from, by full names, as far as a model shows it."""
    model = subject.model
    if model is None:
        return {}
    tensors = model.modules.tensors
    found = {}
    for name, names in known_again(subject.weights, model.states).items():
        tied = tensors.get(names[0], names)
        if set(names) <= set(tied):  # else they are equal, and no one knows which it is
            found[name] = tied
    named = (name for name in subject.graph.initializers if name in tensors)
    found.update((name, tensors[name]) for name in named if name not in found)
    return found
