"""Which module htp.verify names for a planted fault, against the truth."""

__all__ = ["is_gone", "verdict"]


def key(call):
    return call.path, call.call


def verdict(found, faults):
    """How right a verification is.

    Args:
        found: the verification.
        faults: those that were planted.

    Returns:
        ``exact``: for each fault a row whose call is one of those whose work the node does, and no
        other row; ``group``: a fault is in the group of a row, whose calls the file does together;
        ``missed``: a fault is in no row; ``wrong``: a row has no fault.
    """
    named = [({key(row.call)}, set(map(key, row.group))) for row in found.culprits]
    truths = [set(fault.truth) for fault in faults]
    if any(not any(truth & (call | group) for truth in truths) for call, group in named):
        return "wrong"
    if any(not any(truth & (call | group) for call, group in named) for truth in truths):
        return "missed"
    return "exact" if all(any(t & c for c, _ in named) for t in truths) else "group"


def is_gone(found, least):
    """Whether the tool that rewrote the file dropped what was planted: its results are right."""
    return found.outputs is not None and found.outputs.max_abs < least
