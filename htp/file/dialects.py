"""What other tools write of modules: one row for each, with how it is read and written.

HTP writes some of it beside its own keys where the exporter did not, so that what reads today's
torch reads every torch; and reads all of it, as ``inferred``, where HTP's own tags are missing.
"""

import re
from typing import Callable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp.scope import UNKNOWN, ModuleCall, Provenance, Stack, Tag

__all__ = [
    "ADDED",
    "CLASS_HIERARCHY",
    "DIALECTS",
    "NAME_SCOPES",
    "Dialect",
    "Written",
    "infer",
    "literal_list",
]


class Written(NamedTuple):
    """An entry that HTP adds: what it says of the module calls, and then of the node itself.

    Attributes:
        key: the entry's key.
        start: the text before the calls.
        call: the text of one call; those of a stack stand one behind the other, the root's first.
        node: the text of the node, from its name and its operator.
        end: the text behind it.
    """

    key: str
    start: str
    call: Callable[[ModuleCall], str]
    node: Callable[[str, str], str]
    end: str


class Dialect(NamedTuple):
    """One tool's way.

    Attributes:
        name: whose it is.
        read: the stack that a node's metadata and name tell; empty where they tell nothing.
        writes: what HTP adds for those who read it.
    """

    name: str
    read: Optional[Callable[[Mapping[str, str], str], Stack]] = None
    writes: Sequence[Written] = ()


NAME_SCOPES = "pkg.torch.onnx.name_scopes"
CLASS_HIERARCHY = "pkg.torch.onnx.class_hierarchy"


_TEXT = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_COMMA = re.compile(r" *, *")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_DEEPEST = 100
"""Scopes in a name; what has more is no path of modules."""


def literal_list(text: Optional[str]) -> List[str]:
    """A Python list of texts as torch writes it; empty where it is something else.

    Nothing is evaluated, nor parsed as Python, whose parser a file can bring down.
    """
    found: List[str] = []
    text = (text or "").strip()
    at, end = 1, len(text) - 1
    if text[:1] != "[" or text[-1:] != "]":
        return []
    while at < end:
        match = _TEXT.match(text, at, end)
        comma = _COMMA.match(text, match.end(), end) if match else None
        if match is None or (comma is None and match.end() < end):
            return []
        try:
            found.append(_ESCAPE.sub(_unescaped, match.group(match.lastindex or 0)))
        except (ValueError, OverflowError):  # no such character
            return []
        at = comma.end() if comma else end
    return found


def _unescaped(match: "re.Match[str]") -> str:
    told = match.group(1)
    return chr(int(told[1:], 16)) if len(told) > 1 else _ESCAPED.get(told, told)


def _from_torch(props: Mapping[str, str], _: str) -> Stack:
    paths = literal_list(props.get(NAME_SCOPES))[:-1]
    types = literal_list(props.get(CLASS_HIERARCHY))[:-1]
    if len(paths) != len(types):
        return ()
    return tuple(ModuleCall(path, kind, 0) for path, kind in zip(paths, types))


def _from_winml(props: Mapping[str, str], _: str) -> Stack:
    """Its tag is a chain of class names, so the path is a chain of class names as well."""
    names = [part for part in props.get("winml.hierarchy.tag", "").split("/") if part]
    if len(names) > _DEEPEST:
        return ()
    return tuple(
        ModuleCall(".".join(names[1 : depth + 1]), name.partition(".")[0], 0)
        for depth, name in enumerate(names)
    )


def _from_name(_: Mapping[str, str], name: str) -> Stack:
    """Names of the TorchScript exporter: ``/layer1/layer1.0/conv1/Conv``.

    A scope that repeats its parent's name (a called container) stands for the parent as well.
    """
    if not name.startswith("/") or name.count("/") > _DEEPEST:
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


DIALECTS = (
    Dialect(
        "Model Explorer",  # splits at slashes: the node's name must hold none
        writes=[
            Written(
                "namespace",
                "",
                lambda call: f"{call.path}: {call.type}/",
                lambda name, op: f"{name.rpartition('/')[2]}: {op}",
                "",
            )
        ],
    ),
    Dialect(
        "torch",  # https://docs.pytorch.org/docs/stable/onnx_export.html: the operation is last
        _from_torch,
        [
            Written(
                CLASS_HIERARCHY,
                "[",
                lambda call: f"{call.type!r}, ",
                lambda name, op: repr(op),
                "]",
            ),
            Written(
                NAME_SCOPES,
                "[",
                lambda call: f"{call.path!r}, ",
                lambda name, op: repr(name),
                "]",
            ),
        ],
    ),
    Dialect("WinML", _from_winml),
    Dialect("TorchScript's node names", _from_name),
)
"""In the order of trust: the first that tells something is taken."""

ADDED: Tuple[Written, ...] = tuple(written for row in DIALECTS for written in row.writes)
"""Every entry that HTP adds for other readers, in the order in which they are written."""


def infer(props: Mapping[str, str], name: str) -> Tag:
    """What another tool's metadata or the node's name tells of a node that HTP did not tag."""
    for row in DIALECTS:
        stack = row.read(props, name) if row.read else ()
        if stack:
            return Tag(stack, Provenance.INFERRED)
    return UNKNOWN
