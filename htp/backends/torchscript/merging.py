"""What torch merged, found out afterwards from a copy of the graph.

torch merges equal operations once (``_jit_pass_cse``), and equal constants with them, in nearly
every graph. Whether that matters is seen later, or never, so a copy of the graph is kept unread.
Where it does, the copy goes through the same pass, which merges the same nodes in it, and is read
before and after. The nodes that are left stand in the same order as those of torch's own graph.
"""

from itertools import islice
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Tuple

from htp.backends.torchscript.change import Change
from htp.backends.torchscript.ir import copied, nodes, outputs
from htp.backends.torchscript.ledger import Ledger, number
from htp.backends.torchscript.scopes import CallLog
from htp.backends.torchscript.written import rename
from htp.errors import CaptureError
from htp.graph.records import GraphRecord
from htp.scope import Stack

__all__ = ["CONSTANT", "Census", "Merged", "Unmerged", "values_of"]

CONSTANT = "prim::Constant"

Census = Tuple[int, List[int]]
"""How many nodes a graph has beside its constants, and the numbers of these in document order."""

Use = Tuple[str, int]
"""What reads a value, named by what it computes, and at which place."""


class Unmerged:
    """A graph as it was before its equal operations were merged.

    Args:
        graph: the graph, without branches.
        found: how many nodes it has beside its constants, and the numbers of these.
        merge: the pass.
        traced: the highest number of a constant that was traced. Others, whose numbers are higher,
            were computed by torch from operations, and their scope is that of a place in the graph,
            not of those operations.

    Attributes:
        doubtful: the constants that were not traced.
    """

    def __init__(self, graph: Any, found: Census, merge: Callable[[Any], Any], traced: int) -> None:
        self._copy = copied(graph)
        self._merge = merge
        self._operations, constants = found
        self._traced = [made <= traced for made in constants]
        self.doubtful = frozenset(str(made) for made in constants if made > traced)

    def lost_operations(self, graph: Any) -> bool:
        """Whether fewer operations are left in the merged graph, constants apart."""
        return len(list(graph.nodes())) - len(graph.findAllNodes(CONSTANT)) != self._operations

    def replay(self, log: CallLog) -> Change:
        """What the pass changed in the copy, in the copy's numbers. To be asked once."""
        ledger = Ledger(log)
        before = ledger.read(self._copy)
        constants = (node for node in before.walk() if node.op == CONSTANT)
        for node, traced in zip(constants, self._traced):
            node.owner = node.owner if traced else None
        self._merge(self._copy)
        return Change(before, ledger.read(self._copy))


class Merged:
    """What a pass merged in a graph.

    Args:
        before: the graph before.
        graph: the graph as the pass left it.
    """

    def __init__(self, before: Unmerged, graph: Any) -> None:
        self._before = before
        self._graph: Optional[GraphRecord] = None
        self._found: Optional[Dict[str, List[Stack]]] = None
        self.constants = Constants(graph)
        self.doubtful = before.doubtful
        self.operations = before.lost_operations(graph)
        """Whether it merged operations as well."""
        self._left = [[name] for name in self.constants.left]
        if self.operations:
            self._left = [[number(value) for value in outputs(node)] for node in nodes(graph)]

    def stacks(self, log: CallLog) -> Dict[str, List[Stack]]:
        """The owners of what was merged into each value, by its number.

        Raises:
            CaptureError: torch merges other nodes of the same graph.
        """
        if self._found is None:
            change = self._before.replay(log)
            numbers = self._numbers(change.after)
            self._found = {}
            for name, stack in change.merges():
                if name in numbers:
                    self._found.setdefault(numbers[name], []).append(stack)
            self._graph = rename(change.after, lambda name: numbers.get(name, f"#{name}"))
        return self._found

    def _numbers(self, after: GraphRecord) -> Dict[str, str]:
        """From the copy's numbers to those of torch's own graph, as far as they were noted."""
        left = [node.outputs for node in after.walk() if self.operations or node.op == CONSTANT]
        if list(map(len, left)) != list(map(len, self._left)):
            raise CaptureError(
                "torch merged equal operations, and merges others of the same graph again.",
                "this is a defect of HTP; please report it with the model.",
            )
        return {one: other for pair in zip(left, self._left) for one, other in zip(*pair)}

    def made_anew(self, log: CallLog, converted: GraphRecord) -> Dict[str, List[Stack]]:
        """The same of operations that were made anew until the graph was ``converted``."""
        found = self.stacks(log)
        assert self._graph is not None
        pairs = Change(self._graph, converted).remade()
        return {new: found[old] for old, new in pairs if old in found}


class Constants:
    """The constants that a pass left, recognised where a later pass made them anew.

    before: ``%c : int = prim::Constant();     %d = aten::mul(%a, %c)``
    after:  ``%n : Tensor = prim::Constant();  %d = aten::mul(%a, %n)``, and ``%n`` is ``%c``.
    """

    _USES = 3  # of a constant that many operations read, some may go

    def __init__(self, graph: Any) -> None:
        self.left: List[str] = []
        self._read_by: Dict[Use, str] = {}
        for value in values_of(graph, CONSTANT):
            self.left.append(number(value))
            self._read_by.update((use, self.left[-1]) for use in islice(_uses(value), self._USES))

    def origins(self, graph: Any, doubtful: FrozenSet[str]) -> Dict[str, str]:
        """Which of the constants each constant of a later graph is or replaces.

        Those that replace none of them, or a ``doubtful`` one, are left out.
        """
        found: Dict[str, str] = {}
        known = set(self.left)
        for value in values_of(graph, CONSTANT):
            name = number(value)
            uses = (self._read_by[use] for use in _uses(value) if use in self._read_by)
            origin = name if name in known else next(uses, "")
            if origin and origin not in doubtful:
                found[name] = origin
        return found


def values_of(graph: Any, kind: str) -> Iterator[Any]:
    """The first value of every node of a kind, in document order."""
    return (node.outputsAt(0) for node in graph.findAllNodes(kind))


def _uses(value: Any) -> Iterator[Use]:
    for use in value.uses():
        user = use.user
        yield (number(user.outputsAt(0)) if user.outputsSize() else user.kind()), use.offset
