"""Of which kernels all operations are known: what could be hidden in one would change its owner.

    file      Conv %a  ->  BatchNormalization %b  ->  Relu %c  ->  MaxPool
    kernels   "Conv": Conv        "Relu": Relu        "MaxPool": MaxPool

No kernel stands for the BatchNormalization, so ``Conv`` or ``Relu`` did its work: the owner of
either would be another one, and neither is exact. Where the hidden operation is of the same owner,
or of a module below it, nothing changes.
"""

from typing import Dict, List, Sequence, Set, Tuple

from htp.profiling.subject import Subject
from htp.scope import Provenance, common_stack

__all__ = ["exact"]


def exact(subject: Subject, stands: Sequence[Tuple[int, ...]], sure: Sequence[bool]) -> List[bool]:
    """For each kernel whether all operations for which it stands are known.

    Args:
        subject: the file that the runtime was given.
        stands: for each kernel the nodes of the file for which it stands.
        sure: whether these are told, and not guessed.
    """
    homes: Dict[int, List[int]] = {}
    for kernel, nodes in enumerate(stands):
        for node in nodes:
            homes.setdefault(node, []).append(kernel)
    found = [told and _is_known(subject, nodes) for nodes, told in zip(stands, sure)]
    claims = {node: sum(sure[each] for each in kernels) for node, kernels in homes.items()}
    for kernel, nodes in enumerate(stands):
        computing = [node for node in nodes if subject.work.computes(node)]
        others = any(claims[node] > 1 for node in computing)
        if others and len({subject.tags[node].stack for node in computing}) > 1:
            found[kernel] = False  # which of them did which part is not known
    owners = [subject.owner(nodes).stack for nodes in stands]
    for hidden, beside in _hidden(subject, homes):
        whole = common_stack([subject.tags[node].stack for node in hidden])
        for kernel in beside:
            own = owners[kernel]  # would it be another, if the kernel did this work, too?
            found[kernel] = found[kernel] and common_stack([own, whole]) == own
    return found


def _is_known(subject: Subject, nodes: Tuple[int, ...]) -> bool:
    """Whether the owners were recorded of all that these nodes compute; they decide the owner."""
    tags = [subject.tags[node] for node in subject.work.computing(list(nodes))]
    return bool(tags) and all(tag.provenance is Provenance.CAPTURED for tag in tags)


Hidden = Tuple[List[int], Set[int]]


def _hidden(subject: Subject, homes: Dict[int, List[int]]) -> List[Hidden]:
    """The nodes that compute what is needed and for which no kernel stands.

    Those that hang together are one group; each with the kernels beside it.
    """
    free = {node for node in _needed(subject) if node not in homes and _is_live(subject, node)}
    found: List[Hidden] = []
    seen: Set[int] = set()
    for first in sorted(free):
        if first in seen:
            continue
        seen.add(first)
        inside, beside, pending = [first], set(), [first]
        while pending:
            for other in _neighbours(subject, pending.pop()):
                if other in homes:
                    beside.update(homes[other])
                elif other in free and other not in seen:
                    seen.add(other)
                    inside.append(other)
                    pending.append(other)
        computing = [node for node in inside if _computes(subject, node)]
        if computing:
            found.append((computing, beside))
    return found


def _computes(subject: Subject, node: int) -> bool:
    """Whether a node computes elements; a size that is known beforehand is often folded."""
    made = [value for value in subject.flat.outputs[node] if value >= 0]
    return subject.work.computes(node) and any(subject.work.live[value] for value in made)


def _is_live(subject: Subject, node: int) -> bool:
    is_call = subject.flat.nodes[node].op in subject.functions
    return not is_call and subject.work.source(node) >= 0


def _neighbours(subject: Subject, node: int) -> List[int]:
    """The nodes that make what this one reads, and that read what it makes."""
    flat, live = subject.flat, subject.work.live
    read = [value for value in flat.inputs[node] if value >= 0 and live[value]]
    made = [maker[0] for maker in map(flat.maker.__getitem__, read) if maker is not None]
    results = [value for value in flat.outputs[node] if value >= 0]
    return made + [each for value in results for each, _ in flat.readers[value] if each >= 0]


def _needed(subject: Subject) -> Set[int]:
    """The nodes on which an output depends."""
    flat = subject.flat
    found: Set[int] = set()
    pending = [value for value, _ in flat.exits if value >= 0]
    while pending:
        maker = flat.maker[pending.pop()]
        if maker is not None and maker[0] not in found:
            found.add(maker[0])
            pending += [value for value in flat.inputs[maker[0]] if value >= 0]
    return found
