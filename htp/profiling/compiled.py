"""Parts of a graph that a provider compiled: one kernel for many nodes, whose names it tells."""

from typing import Dict, List, Sequence

from htp.profiling.kernels import Report, Timed
from htp.profiling.measuring import Part
from htp.profiling.names import called_after
from htp.profiling.subject import Subject

__all__ = ["compiled"]


def compiled(subject: Subject, report: Report, parts: Sequence[Part]) -> Report:
    """A report in which kernels of no node have those that their provider took together.

    Where a provider took as many parts as it has such kernels, the first that runs is the first.

    Args:
        subject: the file that the runtime was given.
        report: the kernels, in the order in which they first ran.
        parts: what each provider took, in order.
    """
    taken: Dict[str, List[Part]] = {}
    for part in parts:
        taken.setdefault(part.provider, []).append(part)
    free: Dict[str, List[int]] = {}
    for at, timed in enumerate(report.kernels):
        if not timed.nodes:
            free.setdefault(timed.kernel.provider, []).append(at)
    kernels = list(report.kernels)
    for provider, places in free.items():
        several = taken.get(provider, [])
        if len(several) == len(places):
            for at, part in zip(places, several):
                kernels[at] = _made_of(subject, kernels[at], part)
    return report._replace(kernels=tuple(kernels))


def _made_of(subject: Subject, timed: Timed, part: Part) -> Timed:
    nodes: Dict[int, None] = {}
    is_sure = True
    for name in part.names:
        found = subject.named(name) if name else ()
        is_sure = is_sure and bool(found)
        nodes.update(dict.fromkeys(found or called_after(subject, name)))
    return timed._replace(nodes=tuple(nodes), is_sure=is_sure, reason="" if nodes else timed.reason)
