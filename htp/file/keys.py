"""The keys that HTP writes into a file, and the dialects of other tools that it reads.

HTP appends its entries to a message in one block that begins with ``pkg.htp.stack``. The dialect
keys that it adds for other readers stand behind it, so what HTP wrote can be told from what the
exporter wrote, and taken out again.
"""

import json
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from htp.errors import InvalidModelError
from htp.scope import UNKNOWN, ModuleCall, Provenance, Stack, Tag

if TYPE_CHECKING:
    import onnx

__all__ = ["decode", "encode", "encode_model", "encode_parameter", "infer", "nodes_of", "ours"]

SCHEMA = "1"
"""Version of the format below; a reader accepts the schemas that it knows."""

STACK = "pkg.htp.stack"
PATH = "pkg.htp.path"
PROVENANCE = "pkg.htp.provenance"
SHARED = "pkg.htp.shared"
PARAMETER = "pkg.htp.parameter"
MODEL_SCHEMA = "pkg.htp.schema"
MODEL_BACKEND = "pkg.htp.backend"
MODEL_TORCH = "pkg.htp.torch"
MODEL_VERSION = "pkg.htp.version"
MODEL_CALLS = "pkg.htp.calls"
_PREFIX = "pkg.htp."

NAMESPACE = "namespace"
NAME_SCOPES = "pkg.torch.onnx.name_scopes"
CLASS_HIERARCHY = "pkg.torch.onnx.class_hierarchy"
_DIALECT = frozenset((NAMESPACE, NAME_SCOPES, CLASS_HIERARCHY))
WINML = "winml.hierarchy.tag"

_AGAIN = "the file was damaged or changed by another tool; export it again."

Entries = List[Tuple[str, str]]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def encode(tag: Tag, name: str, op: str, present: Sequence[str]) -> Entries:
    """The entries of one node.

    Args:
        tag: what is known of the node.
        name: the node's name, for the dialects.
        op: the node's operator, for the dialects.
        present: the keys that the exporter wrote; none of them is written again.
    """
    entries = [
        (STACK, _json([list(call) for call in tag.stack])),
        (PATH, tag.path),
        (PROVENANCE, str(tag.provenance)),
    ]
    if tag.shared:
        entries.append((SHARED, _json([list(call) for call in tag.shared])))
    if tag.stack:
        for key, write in _DIALECT_WRITERS.items():
            if key not in present:
                entries.append((key, write(tag, name, op)))
    return entries


def _namespace(tag: Tag, name: str, op: str) -> str:
    scopes = [f"{call.path}: {call.type}" for call in tag.stack]
    return "/".join([*scopes, f"{name.rpartition('/')[2]}: {op}"])  # readers split it at slashes


_DIALECT_WRITERS: Dict[str, Callable[[Tag, str, str], str]] = {
    NAMESPACE: _namespace,
    CLASS_HIERARCHY: lambda tag, name, op: repr([*(call.type for call in tag.stack), op]),
    NAME_SCOPES: lambda tag, name, op: repr([*(call.path for call in tag.stack), name]),
}
"""torch's own format, https://docs.pytorch.org/docs/stable/onnx_export.html: the last item of each
list is the operation, ``namespace`` is what Model Explorer draws."""


def encode_parameter(names: Sequence[str]) -> Entries:
    """The entries of one initializer."""
    return [(PARAMETER, _json(list(names)))]


def ours(keys: Sequence[str]) -> List[bool]:
    """For the keys of one message in order: which entries HTP wrote."""
    flags, behind = [], False
    for key in keys:
        behind = behind or key == STACK
        flags.append(key.startswith(_PREFIX) or (behind and key in _DIALECT))
    return flags


def _calls(text: str, where: str) -> Tuple[ModuleCall, ...]:
    try:
        rows = json.loads(text)
        calls = tuple(ModuleCall(path, kind, call) for path, kind, call in rows)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidModelError(
            f"{where} is not a list of [path, type, call]: {text[:80]!r} ({error})",
            _AGAIN,
        ) from error
    for call in calls:
        if not (isinstance(call.path, str) and isinstance(call.type, str)):
            raise InvalidModelError(
                f"{where} holds something else than text: {text[:80]!r}", _AGAIN
            )
        if not isinstance(call.call, int) or isinstance(call.call, bool):
            raise InvalidModelError(
                f"{where} holds a call that is no number: {text[:80]!r}", _AGAIN
            )
    return calls


def decode(props: Dict[str, str]) -> Optional[Tag]:
    """The tag that HTP wrote into a node, or None where it wrote none.

    Raises:
        InvalidModelError: there is one, but it cannot be read.
    """
    if STACK not in props:
        return None
    try:
        provenance = Provenance(props.get(PROVENANCE, "unknown"))
    except ValueError:
        accepted = ", ".join(map(str, Provenance))
        raise InvalidModelError(
            f"{PROVENANCE} is {props[PROVENANCE]!r}; accepted are {accepted}.", _AGAIN
        ) from None
    shared = _calls(props[SHARED], SHARED) if SHARED in props else ()
    return Tag(_calls(props[STACK], STACK), provenance, shared)


def _encode_calls(stacks: Sequence[Stack]) -> str:
    """Calls in order with their depth, which says who called them."""
    return _json([[*stack[-1], len(stack) - 1] for stack in stacks if stack])


def decode_calls(text: str) -> Tuple[Stack, ...]:
    """The stacks of all module calls, from a model's metadata.

    Raises:
        InvalidModelError: they cannot be read.
    """
    stacks: List[Stack] = []
    current: Stack = ()
    try:
        for path, kind, call, depth in json.loads(text):
            if not 0 <= depth <= len(current):
                raise ValueError(f"a call at depth {depth} below one at {len(current) - 1}")
            current = (*current[:depth], ModuleCall(str(path), str(kind), int(call)))
            stacks.append(current)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidModelError(f"{MODEL_CALLS} cannot be read: {error}.", _AGAIN) from error
    return tuple(stacks)


def decode_parameter(text: str) -> Tuple[str, ...]:
    """The names in an initializer's metadata."""
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidModelError(f"{PARAMETER} is not a list of names: {text[:80]!r}", _AGAIN)
    return tuple(names)


def encode_model(backend: str, torch: str, version: str, calls: Sequence[Stack]) -> Entries:
    """The entries of the model itself."""
    return [
        (MODEL_SCHEMA, SCHEMA),
        (MODEL_BACKEND, backend),
        (MODEL_TORCH, torch),
        (MODEL_VERSION, version),
        (MODEL_CALLS, _encode_calls(calls)),
    ]


def nodes_of(model: "onnx.ModelProto") -> Iterator["onnx.NodeProto"]:
    """Every node in document order: a node, then its bodies; the functions that are called last.

    A function that nothing calls (torch 2.5 writes two into every file) is no part of the model.
    """
    called: Set[Tuple[str, str]] = set()
    pending = [model.graph.node]
    while pending and model.functions:
        new = {(node.domain, node.op_type) for node in _nodes(pending.pop())} - called
        called |= new
        pending += [body.node for body in model.functions if (body.domain, body.name) in new]
    yield from _nodes(model.graph.node)
    for function in model.functions:
        if (function.domain, function.name) in called:
            yield from _nodes(function.node)


def _nodes(nodes: Iterable["onnx.NodeProto"]) -> Iterator["onnx.NodeProto"]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g.node)
            for graph in attribute.graphs:
                yield from _nodes(graph.node)


def infer(props: Dict[str, str], name: str) -> Tag:
    """What another tool's metadata or the node's name tells of a node that HTP did not tag."""
    for read in (_from_torch, _from_winml):
        stack = read(props)
        if stack:
            return Tag(stack, Provenance.INFERRED)
    stack = _from_name(name)
    return Tag(stack, Provenance.INFERRED) if stack else UNKNOWN


def _literal_list(text: Optional[str]) -> List[str]:
    """A Python list of strings as torch writes it. Nothing is evaluated."""
    import ast

    try:
        value = ast.literal_eval(text) if text else []
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return value if isinstance(value, list) and all(isinstance(v, str) for v in value) else []


def _from_torch(props: Dict[str, str]) -> Tuple[ModuleCall, ...]:
    paths = _literal_list(props.get(NAME_SCOPES))[:-1]
    types = _literal_list(props.get(CLASS_HIERARCHY))[:-1]
    if len(paths) != len(types):
        return ()
    return tuple(ModuleCall(path, kind, 0) for path, kind in zip(paths, types))


def _from_winml(props: Dict[str, str]) -> Tuple[ModuleCall, ...]:
    """Its tag is a chain of class names, so the path is a chain of class names as well."""
    names = [part for part in props.get(WINML, "").split("/") if part]
    return tuple(
        ModuleCall(".".join(names[1 : depth + 1]), name.partition(".")[0], 0)
        for depth, name in enumerate(names)
    )


def _from_name(name: str) -> Tuple[ModuleCall, ...]:
    """Names of the TorchScript exporter: ``/layer1/layer1.0/conv1/Conv``.

    A scope that repeats its parent's name (a called container) stands for the parent as well.
    """
    if not name.startswith("/"):
        return ()
    path: List[str] = []
    stack = [ModuleCall("", "", 0)]
    for scope in name.split("/")[1:-1]:
        if path and scope.startswith(path[-1] + "."):
            path[-1] = scope
        else:
            path.append(scope)
        stack.append(ModuleCall(".".join(path), "", 0))
    return tuple(stack)
