"""Chains of classes that WinML and the tool before it write: ``/Net/Encoder/Layer.0/Linear.query``.

A part is a module's class, and often the last part of its path: always so where the tag was made
from torch's metadata, else for numbers and a few names. The tag of the root alone is what those
tools write where they know nothing. The file that both write beside the model
(``model_htp_metadata.json``) tells the path of each tag; else the modules of the model do, where
just one has such classes. Without either, no path is known.
"""

from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from htp.annotating.modules import Module, Modules
from htp.annotating.subject import DEEPEST, Chain, Subject, Told, Types

__all__ = ["WINML", "by_forerunner", "by_winml"]

WINML = "winml.hierarchy.tag"

Found = Dict[int, Told]


def by_winml(subject: Subject, types: Types) -> Found:
    """What WinML's metadata tells, and what the file beside the model tells by nodes' names."""
    beside = subject.sidecar.get("nodes", {})
    said = [
        props.get(WINML) or (beside.get(node.name, "") if node.name else "")
        for node, props in zip(subject.nodes, subject.props)
    ]
    return _told(subject, said, types)


def by_forerunner(subject: Subject, types: Types) -> Found:
    """What the attribute ``hierarchy_tag`` tells."""
    return _told(subject, subject.tags, types)


def _told(subject: Subject, said: Sequence[str], types: Types) -> Found:
    reader = _Chains(subject.sidecar.get("modules", {}), subject.modules)
    found = {}
    for at, tag in enumerate(said):
        chain = reader.read(tag) if tag else None
        if chain is not None:
            found[at] = Told(chain)
            types.update(reader.types)
    return found


class _Chains:
    """Reads tags, each once.

    Args:
        scopes: the path of each tag, as the file beside the model tells.
        modules: the model's, or None.
    """

    def __init__(self, scopes: Mapping[str, str], modules: Optional[Modules]) -> None:
        self._scopes, self._modules = scopes, modules
        self._known: Dict[str, Optional[Chain]] = {}
        self._below = _by_holder(modules) if modules is not None else {}
        self.types: Types = {}

    def read(self, tag: str) -> Optional[Chain]:
        """The chain of a tag; None where it is not known."""
        if tag not in self._known:
            parts = [part for part in tag.split("/") if part]
            deep = not 1 < len(parts) <= DEEPEST  # the root's is what is written for want of more
            chain = None if deep else self._from_scopes(parts)
            self._known[tag] = chain if chain or deep else self._from_modules(parts)
        return self._known[tag]

    def _from_scopes(self, parts: Sequence[str]) -> Optional[Chain]:
        chain = [""]
        for depth in range(2, len(parts) + 1):
            path = self._scopes.get("/" + "/".join(parts[:depth]))
            if path is None or (self._modules is not None and path not in self._modules):
                return None
            chain.append(path)
        return tuple(chain)

    def _from_modules(self, parts: Sequence[str]) -> Optional[Chain]:
        chains: List[Tuple[str, ...]] = [("",)]
        for part in parts[1:]:
            kind, _, name = part.partition(".")
            chains = [
                (*chain, module.path)
                for chain in chains
                for module in self._below.get((chain[-1], kind), ())
                if not name or module.path.rpartition(".")[2] == name
            ]
            if len(chains) != 1:
                return None
        return chains[0]


def _by_holder(modules: Modules) -> Dict[Tuple[str, str], List[Module]]:
    """The modules that each holds, by the name of their class."""
    found: Dict[Tuple[str, str], List[Module]] = {}
    for module in modules.all.values():
        if module.path and module.is_called:
            kind = module.type.rpartition(".")[2]
            found.setdefault((modules.holder(module.path), kind), []).append(module)
    return found
