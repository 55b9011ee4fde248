"""A part, settled: its nodes, what it takes and gives, and what is made anew for it."""

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from htp.graph.records import Kind, ValueRecord
from htp.use.extracting.folded import Ways, nodes_of
from htp.use.extracting.graphs import MAIN, Graphs, Key, Readers, Source
from htp.use.extracting.region import Region, region
from htp.use.extracting.report import Exceptional, Port
from htp.use.extracting.sizes import Axis, Sizes
from htp.use.extracting.types import Types
from htp.use.extracting.wish import RefusedError, Wish

if TYPE_CHECKING:
    import onnx

__all__ = ["File", "Part", "settled"]


@dataclass
class File:
    """What parts are cut out of.

    Attributes:
        graphs: of the file.
        types: of its values.
        sizes: how sizes follow from shapes.
        readers: gives who reads each value.
        parameters: gives for each initializer the parameters that it was made from.
    """

    graphs: Graphs
    types: Types
    sizes: Sizes
    readers: Readers
    parameters: Callable[[], Mapping[str, Sequence[str]]]


@dataclass
class Part:
    """A part.

    Attributes:
        wish: what was asked for.
        nodes: the numbers of its nodes, those of bodies left out.
        weights: the initializers that it has.
        shapes: for nodes in whose place a shape is made anew, the axes of it.
        inputs: what it takes.
        outputs: what it gives.
        rows: what of that is not the module's own.
        remarks: what else there is to know.
        kinds: the types of inputs that are no values of the file.
        unread: the names of those that nothing reads, by their places among the arguments.
        works: the names of the others, by their names in what was folded.
        made: nodes that stand before its own: what the exporter did in advance.
    """

    wish: Wish
    nodes: Set[int]
    weights: Dict[Key, Source]
    shapes: Dict[int, List[Axis]] = field(default_factory=dict)
    inputs: List[Port] = field(default_factory=list)
    outputs: List[Port] = field(default_factory=list)
    rows: List[Exceptional] = field(default_factory=list)
    remarks: List[str] = field(default_factory=list)
    kinds: "Dict[str, onnx.TypeProto]" = field(default_factory=dict)
    unread: Dict[Tuple[str, ...], str] = field(default_factory=dict)
    works: Dict[str, str] = field(default_factory=dict)
    made: "List[onnx.NodeProto]" = field(default_factory=list)


def settled(file: File, wish: Wish) -> Part:
    """The part that is wished for.

    Raises:
        RefusedError: it cannot be cut out.
    """
    _refuse_empty(wish)
    drop = partial(_can_go, file, wish)
    found = region(file.graphs, wish, file.readers, drop, file.sizes)
    _refuse_other(file, wish, found)
    _refuse_folded(file, found)
    part = Part(wish, set(found.slice.nodes), dict(found.slice.weights))
    if found.slice.copied:
        count = len(found.slice.copied)
        part.remarks.append(f"{count} nodes of others, which work on what it takes, are copied")
    extra = _anew(file, found, part)
    ways = _ways(file, found, part)
    _take(file, found, extra, part, ways is not None)
    used = set(part.kinds)
    part.made = nodes_of(ways or {}, part.works, lambda name: _free(name, used, file.graphs))
    _give(file, found, part)
    return part


def _ways(file: File, found: Region, part: Part) -> "Optional[Ways]":
    """How initializers are computed of arguments; the part has no such weights then.

    None where that is not known, or others' nodes in the part read them as well.
    """
    if not part.wish.folded:
        return None
    taken = {value.work for value in found.inputs if value.work is not None}
    weights = [name for place, name in part.weights if place == MAIN]
    ways = part.wish.folded.ways(weights, taken) if taken else {}
    readers = [at for name in ways for at in file.readers()[(MAIN, name)]]
    if not part.nodes.intersection(readers) <= part.wish.own:
        return None
    for name in ways:
        del part.weights[(MAIN, name)]
    for name in sorted({name for way in ways.values() for each in way for name in each.inputs}):
        weight = file.graphs.find(name, MAIN)
        if weight is not None and weight.weight and name not in ways:
            part.weights[(MAIN, name)] = weight
    return ways


def _refuse_empty(wish: Wish) -> None:
    if wish.own or wish.merged:
        return
    if wish.fused:
        raise RefusedError("fused", "all its work is done by nodes together with others'")
    if wish.inner:
        raise RefusedError("function", "its nodes stand in the body of a function")
    raise RefusedError("none", "no node of the file is its own")


def _refuse_other(file: File, wish: Wish, found: Region) -> None:
    """A part without a node of the module, and that does not hand on what it takes, is not it."""
    if found.slice.nodes.intersection(wish.own | wish.merged):
        return
    given = [each for each in found.given if each is not None]
    if any((each.graph, each.name) in found.slice.strange for each in given):
        raise RefusedError("rewritten", "nodes of other modules compute what it gives")
    if not any((each.graph, each.name) in found.slice.stopped for each in given):
        raise RefusedError("folded", "what it gives was computed when the model was exported")


def _refuse_folded(file: File, found: Region) -> None:
    """Where an argument is itself a weight, the exporter computes in advance what works on it.

        w.tanh() + w.t()    ->    Tanh(w) + a constant

    Such a part would read its argument and compute only some of what the module does with it.
    """
    taken = [each.name for each in found.taken if each is not None and each.weight]
    if not taken:
        return
    made_from = file.parameters()
    for name in taken:
        of = set(made_from.get(name, ()))
        others = (each.name for each in found.slice.weights.values() if each.name != name)
        if any(of.intersection(made_from.get(other, ())) for other in others):
            raise RefusedError("folded", f"some of what it computes of {name!r} is a constant now")


def _can_go(file: File, wish: Wish, source: Source, known: Sequence[Source]) -> bool:
    """Whether an argument is a size that can be made from the others."""
    node = source.node
    if node is None or node in file.graphs.constant or node in wish.own:
        return False
    if not file.sizes.is_size(source) or not file.types.is_size(source.name):
        return False
    others = [each for each in known if not file.sizes.is_size(each)]
    return file.sizes.anew(source, others, set()) is not None


def _anew(file: File, found: Region, part: Part) -> List[Source]:
    """Make sizes anew that others computed. What is left is taken as it is."""
    reached = found.slice
    sizes = {key for key, each in reached.strange.items() if file.sizes.is_size(each)}
    left = [each for key, each in reached.strange.items() if key not in sizes]
    taken = [each for each in found.taken if each is not None]
    known = [each for each in taken if (each.graph, each.name) not in found.left]
    if not part.wish.alone:
        left.sort(key=lambda each: -1 if each.node is None else each.node)
    for key, size in reached.strange.items():
        if key not in sizes:
            continue
        made = file.sizes.anew(size, [*known, *left], part.nodes)
        if made is None:
            left.append(size)
            continue
        part.nodes |= made.nodes
        part.shapes.update(made.shapes)
        part.weights.update(((each.graph, each.name), each) for each in made.weights)
        reached.stopped.update(((each.graph, each.name), each) for each in made.reads)
        part.remarks.append(f"the size {size.name!r} is made anew from what the part takes")
    return left


def _take(file: File, found: Region, extra: Sequence[Source], part: Part, again: bool) -> None:
    """Settle what it takes: the module's arguments in its order, then what else it reads.

    Args:
        file: what it is cut out of.
        found: its nodes and values.
        extra: what it reads beside its arguments.
        part: the part.
        again: whether it does again what the exporter did in advance.
    """
    places: Dict[str, List[Tuple[str, ...]]] = {}
    reached = found.slice.stopped
    read = {each.name for each in reached.values()}
    read |= {source for axes in part.shapes.values() for _, source, _ in axes if source}
    anew = found.left - {(each.graph, each.name) for each in extra}
    for value, source in zip(found.inputs, found.taken):
        if source is None and value.kind is not None and (again or value.work is None):
            places.setdefault(_without(file, value, value.kind, part), []).append(value.place)
        elif source is None:
            part.rows.append(Exceptional("input", _why(value), None, value.place))
        elif (source.graph, source.name) in anew:
            continue
        elif source.name not in read and file.types.whole(source.name) is None:
            part.rows.append(Exceptional("input", "untyped", None, value.place))
        else:
            places.setdefault(source.name, []).append(value.place)
    for source in extra:
        told = any(each == source for each in found.taken)
        if not told:
            places.setdefault(source.name, [])
        kind = "foreign" if part.wish.inputs is not None else "graph"
        kind = "size" if file.sizes.is_size(source) else kind
        if part.wish.alone or kind == "size":
            part.rows.append(Exceptional("input", kind, source.name, None))
    for name, where in places.items():
        if name not in part.kinds and file.types.whole(name) is None:
            raise RefusedError("type", f"the type of {name!r}, which it reads, is not known")
        part.inputs.append(Port(name, "" if name in part.kinds else name, tuple(where)))


def _without(file: File, value: ValueRecord, kind: Kind, part: Part) -> str:
    """The name of an input that is no value of the file."""
    if value.work in part.works:
        return part.works[value.work]
    last = ".".join(value.place)
    name = _free(f"argument.{last}" if last.isdecimal() else last, set(part.kinds), file.graphs)
    part.kinds[name] = file.types.made(kind.dtype, kind.shape)
    if value.work is not None:
        part.works[value.work] = name
        said = "was folded: what the module does with it is done again"
    else:
        part.unread[value.place] = name
        said = "is not read by the module, nor by the part"
    part.remarks.append(f"its argument {last} {said}")
    return name


def _why(value: ValueRecord) -> str:
    return "gone" if value.name is not None else value.reason or "untraced"


def _give(file: File, found: Region, part: Part) -> None:
    """Settle what it gives. What it does not compute itself, or gives twice, goes another name."""
    used: Set[str] = {port.name for port in part.inputs}
    for value, source in zip(found.outputs, found.given):
        if source is None:
            part.rows.append(Exceptional("output", _why(value), None, value.place))
            continue
        name = source.name
        if file.types.whole(name) is None:
            raise RefusedError("type", f"the type of {name!r}, which it gives, is not known")
        direct = source.node in part.nodes and source.node not in part.shapes and name not in used
        if not direct:
            name = _free(f"{source.name}.out", used, file.graphs)
        used.add(name)
        part.outputs.append(Port(name, source.name, (value.place,) if value.place else ()))
        if not value.place and part.wish.alone:
            part.rows.append(Exceptional("output", "graph", name, None))


def _free(name: str, used: Set[str], graphs: Graphs) -> str:
    number, made = 0, name
    while made in used or graphs.made_in(made):
        number += 1
        made = f"{name}{number}"
    return made
