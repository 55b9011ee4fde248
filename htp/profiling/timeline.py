"""Events of onnxruntime, joined to the nodes of the file that it ran, each with its own time.

If_3     |-----------------------|       10
  Mul_0    |----|                         3      its own time is 10 - 3 - 4 = 3
  Add_1           |-----|                 4

What runs inside a node that has bodies is looked up in those. Of several runs the median counts: a
pause of the machine is no kernel's time. A kernel that runs in some of them has its part of that.
"""

from statistics import median
from typing import Dict, List, NamedTuple, Sequence, Tuple

from htp.profiling.kernels import Kernel, Report, Timed
from htp.profiling.names import Names, Scopes, called_after
from htp.profiling.reports.onnxruntime import Event, Trace
from htp.profiling.subject import Subject

__all__ = ["joined"]

_SHORT = 2.0
"""Microseconds by which what runs inside may seem to end later: times are cut to whole ones."""

_DEEPEST = 50
"""Nodes with bodies that run at once, at most: one within the other, or on several threads."""


class _Open(NamedTuple):
    """A node with bodies that runs."""

    event: int
    end: float
    thread: str
    scopes: Scopes


class _Told(NamedTuple):
    """Of an event its own time, in microseconds, and where its node stands."""

    scopes: Scopes
    own: List[float]


def joined(subject: Subject, trace: Trace, guess: bool = False) -> Report:
    """The kernels of a trace.

    Args:
        subject: the file whose nodes onnxruntime ran.
        trace: what it wrote.
        guess: whether the file is the one from which that was made: then a kernel without a node of
            its name may be called after one.
    """
    names = Names(subject)
    told = lambda e: (e.start, -e.end, e.operator not in names.holding)  # noqa: E731
    events = sorted(trace.events, key=told)
    where = _nested(names, events)
    _align(names, events, where)
    kernels = _summed(names, events, where, trace.runs)
    if guess:
        kernels = tuple(each if each.nodes else _guessed(subject, each) for each in kernels)
    return Report(kernels, trace.runs, TOOL, trace.remarks)


def _guessed(subject: Subject, timed: Timed) -> Timed:
    nodes = called_after(subject, timed.kernel.name)
    return timed._replace(nodes=nodes, reason="" if nodes else NAMELESS)


TOOL = "onnxruntime"


def _nested(names: Names, events: Sequence[Event]) -> List[_Told]:
    """For each event, in order, its own time and where its node stands."""
    found: List[_Told] = []
    running: List[_Open] = []
    for at, event in enumerate(events):
        running = [each for each in running[-_DEEPEST:] if each.end > event.start]
        inside = [each for each in running if event.end <= each.end + _SHORT]
        holders = [each for each in inside if each.thread == event.thread]
        if not holders and not names.called(event.name, (0,)):  # on a thread of its own
            holders = [each for each in inside if names.called(event.name, each.scopes)]
        scopes = holders[-1].scopes if holders else (0,)
        found.append(_Told(scopes, [event.end - event.start]))
        if holders:
            found[holders[-1].event].own[0] -= event.end - event.start
        if event.operator in names.holding:
            bodies = names.bodies(event.name, event.operator, scopes)
            running.append(_Open(at, event.end, event.thread, bodies))
    return found


def _align(names: Names, events: Sequence[Event], where: Sequence[_Told]) -> None:
    """Find the nodes without a name."""
    ran: Dict[Tuple[Scopes, str], Dict[str, None]] = {}
    for event, (scopes, _) in zip(events, where):
        if not names.called(event.name, scopes):
            ran.setdefault((scopes, event.operator), {})[event.name] = None
    for (scopes, said), called in ran.items():
        names.align(scopes, said, list(called))


def _summed(
    names: Names, events: Sequence[Event], where: Sequence[_Told], runs: int
) -> Tuple[Timed, ...]:
    spent: Dict[Tuple[Scopes, str, str, str], Dict[int, float]] = {}
    counts: Dict[Tuple[Scopes, str, str, str], int] = {}
    for event, (scopes, own) in zip(events, where):
        key = (scopes, event.name, event.operator, event.provider)
        held = spent.setdefault(key, {})
        held[event.run] = held.get(event.run, 0.0) + max(own[0], 0.0)
        counts[key] = counts.get(key, 0) + 1
    found = []
    for key, held in spent.items():
        scopes, name, said, provider = key
        nodes, is_sure = names.of(name, scopes, said)
        seconds = median(held.values()) / 1e6 * len(held) / max(runs, 1)
        kernel = Kernel(name, said, seconds, counts[key] / max(runs, 1), provider)
        found.append(Timed(kernel, nodes, is_sure, "" if nodes else NAMELESS))
    return tuple(found)


NAMELESS = "no node has its name"
