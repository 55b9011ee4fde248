"""What the model itself took and returned, from the signature of the program that was captured.

Needed for strict capture, where nobody calls the root: dynamo begins inside its ``forward``.
"""

from typing import Any, Iterator, List, Optional, Tuple

from htp.backends.fx.values import Seen, ValueTracker

__all__ = ["inputs_of", "outputs_of"]

Place = Tuple[str, ...]


def inputs_of(program: Any, values: ValueTracker) -> Optional[List[Seen]]:
    """What an ``ExportedProgram`` takes; None where the places of its tensors are not known."""
    spec = program.call_spec.in_spec
    if spec is None or len(_children(spec)) != 2:
        return None
    positional, keyword = _children(spec)
    places = [*_places(positional, ()), *_places(keyword, ())]
    specs = [each.arg for each in program.graph_signature.input_specs if _of_user(each)]
    return _seen(program, places, specs, values)


def outputs_of(program: Any, values: ValueTracker) -> Optional[List[Seen]]:
    """What it returns, likewise."""
    spec = program.call_spec.out_spec
    if spec is None:
        return None
    several = isinstance(spec.type, type) and issubclass(spec.type, tuple)
    places = list(_places(spec, () if several else ("0",)))
    specs = [each.arg for each in program.graph_signature.output_specs if _of_user(each)]
    return _seen(program, places, specs, values)


def _of_user(spec: Any) -> bool:
    return str(spec.kind.name) in ("USER_INPUT", "USER_OUTPUT")


def _seen(
    program: Any, places: List[Optional[Place]], arguments: List[Any], values: ValueTracker
) -> Optional[List[Seen]]:
    if len(places) != len(arguments):
        return None
    nodes = {node.name: node for node in program.graph.nodes}
    seen: List[Seen] = []
    for place, argument in zip(places, arguments):
        if type(argument).__name__ != "TensorArgument":
            continue
        if place is None:
            return None
        seen.append(Seen(place, values.of_node(nodes[argument.name])))
    return seen


def _places(spec: Any, place: Optional[Place]) -> Iterator[Optional[Place]]:
    """The place of every leaf; None for one within a container that torch alone can open."""
    if spec.is_leaf():
        yield place
        return
    children = _children(spec)
    names = _names(spec, len(children))
    for at, child in enumerate(children):
        within = None if place is None or names is None else (*place, str(names[at]))
        yield from _places(child, within)


def _names(spec: Any, count: int) -> Optional[List[Any]]:
    if issubclass(spec.type, (tuple, list)):
        return list(range(count))
    if issubclass(spec.type, dict) and isinstance(spec.context, list):
        return list(spec.context)
    return None


def _children(spec: Any) -> List[Any]:
    children = getattr(spec, "children", None)  # a method from 2.9 on
    return list(children() if callable(children) else spec.children_specs)
