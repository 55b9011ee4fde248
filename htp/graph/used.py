"""What is told of the nodes of a model and what of all: functions may stand in it uncalled.

Tags are told of the nodes that are used, in document order (``htp.file.document.nodes_of``); a
record has all of them.
"""

from typing import Iterable, List, Optional, TypeVar

from htp.graph.records import GraphRecord

__all__ = ["aligned", "used"]

Told = TypeVar("Told")


def aligned(record: GraphRecord, told: Iterable[Told]) -> List[Optional[Told]]:
    """For all nodes what is told of those that are used; None for the others."""
    unused = {id(node) for body in record.uncalled() for node in body.walk()}
    given = iter(told)
    return [None if id(node) in unused else next(given) for node in record.walk()]


def used(record: GraphRecord, told: Iterable[Told]) -> List[Told]:
    """Of what is told of all nodes, that of those that are used."""
    unused = {id(node) for body in record.uncalled() for node in body.walk()}
    return [each for node, each in zip(record.walk(), told) if id(node) not in unused]
