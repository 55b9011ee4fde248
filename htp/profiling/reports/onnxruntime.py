"""onnxruntime's profile: events of its sessions, as Chrome's tracing knows them.

::

    {"cat": "Session", "name": "model_run", "ts": 37453, "dur": 12715, "tid": 7, "args": {}}
    {"cat": "Node", "name": "/fc/Gemm_kernel_time", "ts": 37500, "dur": 44, "tid": 7,
     "args": {"op_name": "Gemm", "provider": "CPUExecutionProvider"}}

A node without a name is called after its operator and its number, ``Gemm_12``. The time of a node
that has bodies holds that of what ran in them, which is listed, too.
"""

from bisect import bisect
from typing import Any, List, NamedTuple, Sequence, Tuple

from htp.profiling.reports.document import damaged, entries, number, word

__all__ = ["Event", "Trace", "is_profile", "trace"]

_KERNEL = "_kernel_time"


class Event(NamedTuple):
    """One execution of a kernel. Times are in microseconds.

    Attributes:
        name: of the node.
        operator: its type, without a domain.
        provider: what executed it.
        start: when it began.
        end: when it was done.
        thread: which thread it ran on.
        run: in which run of the model, from 0; all are in one where the profile does not say.
    """

    name: str
    operator: str
    provider: str
    start: float
    end: float
    thread: str
    run: int = 0


class Trace(NamedTuple):
    """What a profile tells.

    Attributes:
        events: the executions of kernels, in order of their begin.
        runs: how many runs of the model they are from; 0 where it does not say.
        remarks: what was left out.
    """

    events: Tuple[Event, ...]
    runs: int
    remarks: Tuple[str, ...] = ()


def is_profile(document: Any) -> bool:
    """Whether a document looks like such a profile."""
    return (
        isinstance(document, list)
        and bool(document)
        and isinstance(document[0], dict)
        and {"cat", "ts", "dur"} <= document[0].keys()
    )


def trace(document: Any, name: str, skip: int = 0) -> Trace:
    """What a profile tells.

    Args:
        document: the profile.
        name: what to call it in errors.
        skip: how many runs to leave out, from the first.

    Raises:
        HTPError: it is damaged, or has fewer runs.
    """
    events: List[Event] = []
    runs: List[Tuple[float, float]] = []
    other = 0
    for row in entries(document, name, "the profile"):
        if not isinstance(row, dict):
            raise damaged(name, "an event is no object")
        kind, said = row.get("cat"), row.get("name")
        if kind == "Session" and said == "model_run":
            runs.append(_times(row, name))
        elif kind == "Node" and isinstance(said, str) and said.endswith(_KERNEL):
            events.append(_event(row, name))
        elif kind == "Kernel":
            other += 1
    runs.sort()
    if skip and skip >= len(runs):
        raise damaged(name, f"it has {len(runs)} runs, of which {skip} are to be left out")
    begins = [begin for begin, _ in runs]
    numbered = [e._replace(run=max(bisect(begins, e.start) - 1, 0) - skip) for e in events]
    kept = sorted((e for e in numbered if e.run >= 0), key=lambda e: (e.start, -e.end))
    return Trace(tuple(kept), len(runs) - skip, tuple(_remarks(len(runs) - skip, other)))


def _remarks(runs: int, other: int) -> Sequence[str]:
    found = []
    if not runs:
        found.append("the profile does not say how many runs it is of: all times are summed up")
    if other:
        found.append(
            f"{other} events of a GPU's kernels are not counted: nodes have the time that the host "
            "took to start them"
        )
    return found


def _times(row: Any, name: str) -> Tuple[float, float]:
    start = number(row.get("ts"), name, "the time of an event")
    return start, start + number(row.get("dur"), name, "the duration of an event")


def _event(row: Any, name: str) -> Event:
    args = row.get("args")
    if not isinstance(args, dict):
        raise damaged(name, "the event of a node has no arguments")
    start, end = _times(row, name)
    called = word(row["name"], name, "the name of an event")[: -len(_KERNEL)]
    operator = word(args.get("op_name", ""), name, "an operator")
    provider = word(args.get("provider", ""), name, "a provider")
    return Event(called, operator, provider, start, end, str(row.get("tid"))[:40])
