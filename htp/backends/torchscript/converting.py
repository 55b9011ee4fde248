"""What the values of a traced graph became when it was converted to ONNX, one operation at a time.

The conversion says what each operation's results became, and what its readers are given for them.
"""

from typing import Any, Dict, List, Mapping, Set, Tuple

from htp.backends.torchscript.ir import outputs
from htp.backends.torchscript.reading import Reader, ends, is_value, readers_of, unchanged
from htp.backends.torchscript.vanished import constant, equal

__all__ = ["Converting"]


class Converting:
    """What becomes of some values while their graph is converted.

    Args:
        held: the values' numbers.
        readers: who read each value when that was last looked at.
    """

    def __init__(self, held: Set[int], readers: Mapping[int, List[Reader]]) -> None:
        self._held = held
        self._readers = readers
        self._made: Dict[int, int] = {}
        self._given: Dict[int, Set[int]] = {}
        self._constants: Dict[int, Any] = {}
        self._origins: Dict[int, List[int]] = {}
        self._equal: Dict[int, List[int]] = {}
        self._awaited: Dict[int, List[Tuple[int, Reader]]] = {}
        for number in held:
            for reader in readers.get(number, ()):
                if reader.number is not None:
                    self._awaited.setdefault(reader.number, []).append((number, reader))

    def note(self, node: Any, given: Any, result: Any) -> None:
        """An operation was converted: its results, in order, are what its values became.

        What a reader is given is the better witness: torch may put a constant in the place of a
        result, and a reader that is what it was reads what took the place of a value.
        """
        size = node.outputsSize()
        if not size:
            return
        first = node.outputsAt(0).unique()
        for held, reader in self._awaited.get(first, ()):
            if unchanged(node, reader) or node.inputsAt(reader.place).unique() == held:
                value = given[reader.place]
                if is_value(value):
                    self._given.setdefault(held, set()).add(value.unique())
                    self._watch(held, value, node)
        if size == 1 and is_value(result):
            self._made[first] = result.unique()
        elif isinstance(result, (list, tuple)) and len(result) == size:
            for old, new in zip(outputs(node), result):
                if is_value(new):
                    self._made[old.unique()] = new.unique()

    def _watch(self, held: int, given: Any, node: Any) -> None:
        """What is computed from a constant stands for it where it is equal.

        before: %b = slice(%m);  %d = add(%a, %b)    it keeps all of %m, which becomes a constant
        after:                   %d = Add(%a, %n)    %n holds the same, so it stands for %m as well
        """
        tensor = constant(given)
        if tensor is None:
            return
        self._constants[held] = tensor
        origins = self._origins.get(held, [])
        for origin in origins:
            if equal(tensor, self._constants[origin]):
                self._equal.setdefault(origin, []).append(given.unique())
        if node.outputsSize() == 1:
            result = node.outputsAt(0)
            self._origins.setdefault(result.unique(), []).extend([held, *origins])
            for reader in readers_of(result):
                if reader.number is not None:
                    self._awaited.setdefault(reader.number, []).append((result.unique(), reader))

    def ended(self, left: Set[int], returned: List[int]) -> Tuple[Dict[int, int], Dict[int, str]]:
        """What each value became, and why the others became nothing.

        Args:
            left: the numbers of all values of the ONNX graph.
            returned: those of its outputs.
        """
        made: Dict[int, int] = {}
        lost: Dict[int, str] = {}
        for number in sorted(self._held, reverse=True):  # what reads a value has a higher number
            readers = self._readers.get(number, ())
            found = self._given.get(number) or ends(readers, returned)
            if len(found) > 1:
                lost[number] = "ambiguous"
                continue
            new = next(iter(found), self._made.get(number))
            if new is None:
                ended = {lost.get(one.number or -1) for one in readers}
                lost[number] = "fused" if ended - {"unread"} else "unread"
                continue
            alike = [new, *self._equal.get(number, ())]
            standing = next((one for one in alike if one in left), None)
            if standing is None:
                lost[number] = "folded"
            else:
                made[number] = standing
        return made, lost
