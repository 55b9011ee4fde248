"""Asking TorchScript graphs for values by their numbers, for who reads them, and for the Prints.

Nothing here is kept by anyone: nodes and values end with the question.
"""

from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from htp.backends.torchscript.ir import nodes, outputs
from htp.backends.torchscript.values import Prints

__all__ = [
    "RETURN",
    "Reader",
    "carried",
    "document_order",
    "ends",
    "is_value",
    "numbers_in",
    "numbers_of",
    "order",
    "readers_of",
    "unchanged",
    "values_of",
]

RETURN = "prim::Return"
_TUPLE = "prim::TupleConstruct"


class Reader(NamedTuple):
    """A place where a value is read. An operation keeps its kind for as long as it has its number.

    Attributes:
        number: of the first value that the reader computes; None for what the graph returns.
        size: how many values it reads.
        place: which of them.
    """

    number: Optional[int]
    size: int
    place: int


def ends(readers: Iterable[Reader], returned: List[int]) -> Set[int]:
    """What the graph returns in the place of a value."""
    return {
        returned[reader.place]
        for reader in readers
        if reader.number is None and reader.place < len(returned) == reader.size
    }


def unchanged(node: Any, reader: Reader) -> bool:
    """Whether an operation reads as many values as when the reader was noted."""
    return bool(node.inputsSize() == reader.size)


def carried(
    prints: Prints,
    graph: Any,
    values: Dict[int, Any],
    run: Callable[[], Any],
    place: Callable[..., Any],
    readers: Optional[Dict[int, List[Reader]]] = None,
) -> Tuple[Dict[int, int], Any]:
    """Run a pass while a Print reads the values; what it reads afterwards, by the old numbers.

    Args:
        prints: the export's.
        graph: what the pass is run on.
        values: the values by their numbers; nothing may hold them while the pass runs, so the
            mapping is emptied.
        run: the pass.
        place: from what it returns, the graph to look into afterwards.
        readers: takes who reads the values then.
    """
    graph.appendNode(prints.make(graph, list(values.values())))
    old = list(values)
    values.clear()
    result = run()
    now = place(result)
    (carrier,) = prints.of(now)
    read = list(carrier.inputs())
    carrier.destroy()
    if now is not graph:
        prints.take_away(graph)
    new = [value.unique() for value in read]
    if readers is not None:
        readers.update((number, readers_of(value)) for number, value in zip(new, read))
    return dict(zip(old, new)), result


def numbers_of(prints: List[Any]) -> List[int]:
    """The numbers of what some Prints read."""
    return [one.inputsAt(at).unique() for one in prints for at in range(one.inputsSize())]


def order(prints: Prints, graph: Any) -> Iterator[Tuple[bool, int]]:
    """The slots in their places among the first values of the operations."""
    slot = 0
    for node in graph.nodes():
        if prints.owns(node):
            for _ in range(node.inputsSize()):
                yield True, slot
                slot += 1
        elif node.outputsSize():
            yield False, node.outputsAt(0).unique()


def readers_of(value: Any) -> List[Reader]:
    """Who reads a value, without those that compute nothing."""
    found = []
    for use in value.uses():
        user = use.user
        if not user.outputsSize():
            if user.kind() == RETURN:
                found.append(Reader(None, user.inputsSize(), use.offset))
            continue
        first = user.outputsAt(0)
        found.append(Reader(first.unique(), user.inputsSize(), use.offset))
        if user.kind() == _TUPLE and any(end.user.kind() == RETURN for end in first.uses()):
            found.append(Reader(None, user.inputsSize(), use.offset))  # returned together
    return found


def values_of(graph: Any, numbers: Set[int], kinds: Iterable[str] = ()) -> Dict[int, Any]:
    """The values of a graph that have one of some numbers; those of bodies are left out.

    Args:
        graph: the graph.
        numbers: of the values.
        kinds: of the nodes that are asked first: if they compute all of them, no other is asked.
    """
    found: Dict[int, Any] = {}
    for kind in kinds:
        if len(found) < len(numbers):
            _take(graph.findAllNodes(kind, False), numbers, found)
    if kinds:
        _take_given(graph, numbers, found)
    if len(found) < len(numbers):
        asked = frozenset(kinds)
        left = (node for node in graph.nodes() if node.kind() not in asked)
        _take(left if asked else graph.nodes(), numbers, found)
        _take_given(graph, numbers, found)
    return found


def _take(nodes: Iterable[Any], numbers: Set[int], found: Dict[int, Any]) -> None:
    for node in nodes:
        size = node.outputsSize()
        for at in range(size) if size != 1 else (0,):
            value = node.outputsAt(at)
            number = value.unique()
            if number in numbers:
                found[number] = value


def _take_given(graph: Any, numbers: Set[int], found: Dict[int, Any]) -> None:
    if len(found) == len(numbers):
        return
    for value in graph.inputs():
        number = value.unique()
        if number in numbers:
            found[number] = value
            if len(found) == len(numbers):
                break


def numbers_in(graph: Any) -> List[int]:
    """The numbers of what a graph computes, in order, without its bodies."""
    found: List[int] = []
    for node in graph.nodes():
        size = node.outputsSize()
        if size == 1:
            found.append(node.outputsAt(0).unique())
        else:
            found.extend(node.outputsAt(at).unique() for at in range(size))
    return found


def document_order(graph: Any) -> Dict[int, int]:
    """The numbers that a canonical copy of the graph has."""
    given = [value.unique() for value in graph.inputs()]
    made = [value.unique() for node in nodes(graph) for value in outputs(node)]
    return {number: at for at, number in enumerate((*given, *made))}


def is_value(found: Any) -> bool:
    """Whether something is a value of a graph, and not None, a number or a list."""
    return type(found).__name__ == "Value"
