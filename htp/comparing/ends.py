"""What enters and leaves two models, and in which versions their operators are."""

from typing import Iterator, Optional, Set, Tuple

from htp.comparing.change import Change
from htp.comparing.graph import Graph
from htp.comparing.owners import UNOWNED
from htp.comparing.pairs import Pairs
from htp.comparing.reads import Reads
from htp.comparing.shapes import Shapes

__all__ = ["ends"]

Told = Tuple[Optional[str], Optional[str]]


def ends(pairs: Pairs, root: int, reads: Reads, shapes: Shapes) -> Iterator[Change]:
    """Inputs and outputs of the models, and versions of operators, that are not the same.

    Args:
        pairs: of the operations.
        root: to which call that belongs.
        reads: compares values.
        shapes: compares their types.
    """
    yield from (Change(root, "opset", *each) for each in _opsets(pairs))
    yield from (Change(root, "input", *each) for each in shapes.inputs())
    one, other = pairs.one, pairs.other
    before = {place: value for value, place in one.exits}
    for value, place in other.exits:
        name = _name(other, place)
        if place not in before:
            yield Change(root, "output", None, name, (name,))
            continue
        mine = before.pop(place)
        if not reads.same(mine, value):
            was, now = reads.shown(one, mine, UNOWNED), reads.shown(other, value, UNOWNED)
            yield Change(root, "output", f"{name} = {was}", f"{name} = {now}", (name,))
    for place in before:
        yield Change(root, "output", _name(one, place), None, (_name(one, place),))


def _name(graph: Graph, place: Tuple[str, int]) -> str:
    function, at = place
    return f"{function} {at}" if function else graph.outputs[at]


def _opsets(pairs: Pairs) -> Iterator[Told]:
    used = [_domains(graph) for graph in (pairs.one, pairs.other)]
    for domain in sorted(used[0] & used[1]):
        before, now = (graph.opsets.get(domain) for graph in (pairs.one, pairs.other))
        if before != now:
            name = domain or "ai.onnx"
            yield _version(name, before), _version(name, now)


def _version(domain: str, version: Optional[int]) -> Optional[str]:
    return None if version is None else f"{domain} {version}"


def _domains(graph: Graph) -> Set[str]:
    """The domains of the operators that are used."""
    return {made.op.rpartition("::")[0] for made in graph.operations}
