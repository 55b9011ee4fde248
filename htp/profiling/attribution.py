"""Whose the kernels of a report are: by the file that was given, or by what was made of it."""

from typing import Dict, List, Optional, Sequence, Tuple

from htp.carry_report import CarriedNode
from htp.profiling.confirmed import Carried, laid_out, told
from htp.profiling.evidence import exact
from htp.profiling.kernels import OwnedKernel, Report, Timed
from htp.profiling.subject import Subject
from htp.scope import Tag

__all__ = ["marks_of", "owned", "owned_through"]


def owned(report: Report, subject: Subject) -> List[OwnedKernel]:
    """The owners of kernels that are joined to the nodes of the tagged file itself."""
    stands = [timed.nodes for timed in report.kernels]
    known = exact(subject, stands, [timed.is_sure for timed in report.kernels])
    return [
        OwnedKernel(
            timed.kernel,
            *_owner(timed, subject.owner(timed.nodes), is_exact, _mark(subject, timed.nodes)),
            _working(subject, timed.nodes),
        )
        for timed, is_exact in zip(report.kernels, known)
    ]


def owned_through(
    report: Report, made: Subject, nodes: Sequence[CarriedNode], given: Subject
) -> List[OwnedKernel]:
    """The owners of kernels that are joined to the nodes of what was made of the tagged file.

    Args:
        report: the kernels.
        made: the file that was made, with the tags that were carried onto it.
        nodes: for which nodes of the tagged file those of the other stand.
        given: the tagged file.
    """
    carried = made.told(nodes)
    certain = told(made, given, carried)
    stands, sure, tags = [], [], []
    for timed in report.kernels:
        known = [carried[place] for place in timed.nodes]
        stands.append(
            tuple(dict.fromkeys(old for node in known if node for old in node.stands_for))
        )
        sure.append(timed.is_sure and all(certain[place] for place in timed.nodes))
        tags.append(made.owner(timed.nodes))
    found = exact(given, stands, sure)
    by_node = {t.nodes[0]: one for t, one in zip(report.kernels, found) if len(t.nodes) == 1}
    laid_out(made, given, carried, by_node)
    for at, timed in enumerate(report.kernels):
        if len(timed.nodes) == 1 and timed.is_sure:
            found[at] = by_node[timed.nodes[0]]
    marks = marks_of(made, given, carried)
    return [
        OwnedKernel(
            timed.kernel,
            *_owner(timed, tag, is_exact, marks.get(_mark(made, timed.nodes), "")),
            _working(given, old),
        )
        for timed, tag, is_exact, old in zip(report.kernels, tags, found, stands)
    ]


def marks_of(made: Subject, given: Subject, carried: Carried) -> Dict[str, str]:
    """The exports in the tagged file, by those in the made one: each has a fingerprint anew."""
    found: Dict[str, str] = {}
    for mark, node in zip(made.marks, carried):
        if node is not None and node.stands_for:
            found.setdefault(mark, given.marks[node.stands_for[0]])
    return found


def _mark(subject: Subject, nodes: Tuple[int, ...]) -> str:
    return next((subject.marks[node] for node in nodes if subject.marks[node]), "")


def _working(subject: Subject, nodes: Tuple[int, ...]) -> Tuple[int, ...]:
    """Those of some nodes whose work takes time."""
    return tuple(subject.work.computing(list(nodes)))


def _owner(timed: Timed, tag: Tag, is_exact: bool, mark: str) -> Tuple[Tag, bool, str, str]:
    """Of a kernel the owner, whether it is exact, from which export, and why it has none."""
    reason: Optional[str] = timed.reason
    if not tag.stack and not reason:
        reason = "nothing is known of the node"
    return tag, is_exact and bool(tag.stack), mark, reason or ""
