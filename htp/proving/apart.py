"""Tells calls apart whose work onnxruntime does together, by the file before it did so."""

from typing import Dict, List, Optional, Sequence, Set

from htp.proving.verification import Verification, VerificationRow, in_order
from htp.scope import ModuleCall

__all__ = ["told_apart"]


def told_apart(found: Verification, before: Verification) -> Verification:
    """What is wrong in a file as it runs, named by what is wrong in it before it is optimised.

    Where nothing is wrong before, the error is of the optimising, and the group stays.

    Args:
        found: of the file as it runs.
        before: of the same file without any optimising.
    """
    rows: List[VerificationRow] = []
    named: Dict[ModuleCall, VerificationRow] = {}
    for row in found.rows:
        hits = _within(row, before.culprits) if row.arises and row.group else []
        named.update((hit.call, hit) for hit in hits)
        rows.append(_passing(row, hits) if hits else row)
    known = {row.call for row in rows}
    rows = [_named(row, named.get(row.call)) for row in rows]
    rows += [_named(hit, hit) for call, hit in named.items() if call not in known]
    others = tuple(each for each in found.not_judged if each.call not in named)
    order = {row.call: at for at, row in enumerate(before.culprits)}
    rows.sort(key=lambda row: order.get(row.call, len(order)))
    return found._replace(rows=in_order(rows), not_judged=others)


def _within(row: VerificationRow, culprits: Sequence[VerificationRow]) -> List[VerificationRow]:
    """Those that are among the calls of a group."""
    members: Set[ModuleCall] = {row.call, *row.group}
    return [each for each in culprits if members & {each.call, *each.group}]


def _passing(row: VerificationRow, hits: Sequence[VerificationRow]) -> VerificationRow:
    if any(hit.call == row.call for hit in hits):
        return row
    return row._replace(
        arises=False, reason="the error arises in another call, whose work is done together with it"
    )


def _named(row: VerificationRow, hit: Optional[VerificationRow]) -> VerificationRow:
    if hit is None:
        return row
    reason = f"{hit.reason} (in the file before onnxruntime fuses it with others)"
    return row._replace(own=hit.own, diverges=True, arises=True, group=hit.group, reason=reason)
