"""What torch merged, found out afterwards from a copy of the graph.

torch merges equal operations once (``_jit_pass_cse``), and equal constants with them, in nearly
every graph. Whether that matters is seen later, or never, so a copy of the graph is kept unread.
Where it does, the copy goes through the same pass, which merges the same nodes in it, and is read
before and after. The nodes that are left stand in the same order as those of torch's own graph.
"""

from itertools import islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

from htp.backends.torchscript.change import Change
from htp.backends.torchscript.ir import count, nodes, outputs
from htp.backends.torchscript.ledger import Ledger, number
from htp.backends.torchscript.scopes import CallLog
from htp.errors import CaptureError
from htp.graph.records import NodeRecord
from htp.scope import Stack

__all__ = ["Constants", "Unmerged"]

CONSTANT = "prim::Constant"

Use = Tuple[str, int]
"""What reads a value, named by what it computes, and at which place."""


class Unmerged:
    """A graph as it was before its equal operations were merged.

    Args:
        graph: the graph, without branches.
        size: how many nodes it has.
        merge: the pass.
    """

    def __init__(self, graph: Any, size: int, merge: Callable[[Any], Any]) -> None:
        self._copy = graph.copy()
        self._merge = merge
        self._operations = size - _constants(graph)

    def lost_operations(self, graph: Any) -> bool:
        """Whether fewer operations are left in the merged graph, constants apart."""
        return count(graph) != self._operations + _constants(graph)

    def merges(self, log: CallLog, graph: Any) -> Iterator[Tuple[str, Stack]]:
        """What ``Change.merges`` finds, in the numbers of the graph that the pass has just left."""
        yield from self._replayed(log, [_named(node) for node in nodes(graph)], lambda node: True)

    def merged_constants(self, log: CallLog, left: Iterable[str]) -> Dict[str, List[Stack]]:
        """The owners of the constants that were merged into each of those that were ``left``.

        Args:
            log: whose tokens the scopes hold.
            left: the numbers of the constants that the pass has left, in document order.
        """
        found: Dict[str, List[Stack]] = {}
        named = [[name] for name in left]
        for name, stack in self._replayed(log, named, lambda node: node.op == CONSTANT):
            found.setdefault(name, []).append(stack)
        return found

    def _replayed(
        self, log: CallLog, named: List[List[str]], wanted: Callable[[NodeRecord], bool]
    ) -> Iterator[Tuple[str, Stack]]:
        ledger = Ledger(log)
        before = ledger.read(self._copy)
        self._merge(self._copy)
        change = Change(before, ledger.read(self._copy))
        left = [node.outputs for node in change.after.walk() if wanted(node)]
        if list(map(len, left)) != list(map(len, named)):
            raise CaptureError(
                "torch merged equal operations, and merges others of the same graph again.",
                "this is a defect of HTP; please report it with the model.",
            )
        numbers = {one: other for pair in zip(left, named) for one, other in zip(*pair)}
        for name, stack in change.merges():
            if name in numbers:
                yield numbers[name], stack


class Constants:
    """The constants that a pass left, recognised where a later pass made them anew.

    before: ``%c : int = prim::Constant();     %d = aten::mul(%a, %c)``
    after:  ``%n : Tensor = prim::Constant();  %d = aten::mul(%a, %n)``, and ``%n`` is ``%c``.
    """

    _USES = 3  # of a constant that many operations read, some may go

    def __init__(self, graph: Any) -> None:
        self.left: List[str] = []
        self._read_by: Dict[Use, str] = {}
        for value in self._of(graph):
            self.left.append(number(value))
            self._read_by.update((use, self.left[-1]) for use in islice(_uses(value), self._USES))

    def origins(self, graph: Any) -> Dict[str, str]:
        """Which of the constants each constant of a later graph is or replaces."""
        found: Dict[str, str] = {}
        known = set(self.left)
        for value in self._of(graph):
            name = number(value)
            uses = (self._read_by[use] for use in _uses(value) if use in self._read_by)
            origin = name if name in known else next(uses, "")
            if origin:
                found[name] = origin
        return found

    @staticmethod
    def _of(graph: Any) -> Iterator[Any]:
        return (node.outputsAt(0) for node in graph.findAllNodes(CONSTANT))


def _uses(value: Any) -> Iterator[Use]:
    for use in value.uses():
        user = use.user
        yield (number(user.outputsAt(0)) if user.outputsSize() else user.kind()), use.offset


def _constants(graph: Any) -> int:
    return len(graph.findAllNodes(CONSTANT))


def _named(node: Any) -> List[str]:
    return [number(value) for value in outputs(node)]
