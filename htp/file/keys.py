"""HTP's own keys in nodes and initializers: how they are written, read, and told from others'.

A node of schema 2 has ``stack``, ``path``, ``provenance`` and ``origin``; where it stands for
several calls, ``shared`` and ``sharing``; and where HTP did not add all dialect keys (see
``dialects``), ``dialects`` names those that it did. So what HTP wrote is told from what the
exporter wrote by what the node says of itself, whatever order a tool leaves the entries in.

Schema 1 had neither ``origin``, ``sharing`` nor ``dialects``: there the dialect keys that HTP added
stand behind the block that begins with ``stack``, ``path``, ``provenance``.
"""

import json
from typing import Any, Collection, Iterable, List, Mapping, Optional, Sequence, Tuple

from htp.errors import InvalidModelError
from htp.file import wire
from htp.file.dialects import ADDED, Written
from htp.scope import ModuleCall, Provenance, Sharing, Tag

__all__ = ["Template", "decode", "decode_parameter", "encode_parameter", "ours", "rows"]

PREFIX = "pkg.htp."
STACK = f"{PREFIX}stack"
PATH = f"{PREFIX}path"
PROVENANCE = f"{PREFIX}provenance"
SHARED = f"{PREFIX}shared"
SHARING = f"{PREFIX}sharing"
ORIGIN = f"{PREFIX}origin"
DIALECTS = f"{PREFIX}dialects"
PARAMETER = f"{PREFIX}parameter"

AGAIN = "the file was damaged or changed by another tool; export it again."

_ADDED = frozenset(written.key for written in ADDED)


def dumps(value: Any) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Template:
    """The entries of all nodes that have one tag; only the nodes' names and operators differ.

    Args:
        tag: what is known of the nodes.
        origin: fingerprint of the export that wrote them.
        present: the keys that the exporter wrote; none of them is written again.
    """

    def __init__(self, tag: Tag, origin: str, present: Collection[str]) -> None:
        added = [row for row in ADDED if tag.stack and row.key not in present]
        self._fixed = b"".join(
            wire.entry("node", key, value) for key, value in _own(tag, origin, added)
        )
        self._added = [
            (row, wire.Opened("node", row.key, row.calls(tag.stack), row.end)) for row in added
        ]

    def fill(self, name: str, op: str) -> bytes:
        """The entries of one node, as bytes to append to it."""
        parts = [opened.closed(row.node(name, op)) for row, opened in self._added]
        return self._fixed + b"".join(parts)


def _own(tag: Tag, origin: str, added: Sequence[Written]) -> Iterable[Tuple[str, str]]:
    yield STACK, dumps([list(call) for call in tag.stack])
    yield PATH, tag.path
    yield PROVENANCE, str(tag.provenance)
    if tag.shared:
        yield SHARED, dumps([list(call) for call in tag.shared])
    if tag.sharing:
        yield SHARING, str(tag.sharing)
    yield ORIGIN, origin
    if len(added) < len(ADDED):
        yield DIALECTS, ",".join(row.key for row in added)


def encode_parameter(names: Sequence[str]) -> bytes:
    """The entry of one initializer."""
    return wire.entry("tensor", PARAMETER, dumps(list(names)))


def ours(entries: wire.Props) -> List[bool]:
    """Which entries of one message HTP wrote."""
    props = dict(entries)
    if ORIGIN in props:
        added = props[DIALECTS].split(",") if DIALECTS in props else _ADDED
        return [key.startswith(PREFIX) or (key in _ADDED and key in added) for key, _ in entries]
    return _ours_by_order([key for key, _ in entries])


def _ours_by_order(keys: Sequence[str]) -> List[bool]:
    """In schema 1. Where a tool sorted the entries, it can't be told: what is doubtful stays."""
    at = keys.index(STACK) if STACK in keys else len(keys)
    intact = list(keys[at + 1 : at + 3]) == [PATH, PROVENANCE]
    return [
        key.startswith(PREFIX) or (intact and place > at and key in _ADDED)
        for place, key in enumerate(keys)
    ]


def rows(held: Any, kinds: Sequence[type], where: str) -> List[Tuple[Any, ...]]:
    """A list of rows whose columns have these types, or its JSON.

    Raises:
        InvalidModelError: it is something else.
    """
    try:
        listed = json.loads(held, parse_int=small) if isinstance(held, str) else held
        found = [tuple(row) for row in listed]
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidModelError(
            f"{where} cannot be read: {str(held)[:80]!r} ({error})", AGAIN
        ) from error
    for row in found:
        if [type(value) for value in row] != list(kinds):
            wanted = ", ".join(kind.__name__ for kind in kinds)
            raise InvalidModelError(
                f"{where} holds {str(row)[:80]}, which is no row of [{wanted}].", AGAIN
            )
    return found


def small(digits: str) -> int:
    """A number that is read in no time: Python takes the square of its length."""
    if len(digits) > 18:
        raise ValueError("a number is too large")
    return int(digits)


def calls(text: str, where: str) -> Tuple[ModuleCall, ...]:
    """Module calls from a JSON list of ``[path, type, call]``."""
    return tuple(ModuleCall(*row) for row in rows(text, (str, str, int), where))


def decode(props: Mapping[str, str]) -> Optional[Tag]:
    """The tag that HTP wrote into a node, or None where it wrote none.

    Raises:
        InvalidModelError: there is one, but it cannot be read.
    """
    if STACK not in props:
        return None
    sharing = props.get(SHARING)
    return Tag(
        calls(props[STACK], STACK),
        _one_of(Provenance, props.get(PROVENANCE, "unknown"), PROVENANCE),
        calls(props[SHARED], SHARED) if SHARED in props else (),
        None if sharing is None else _one_of(Sharing, sharing, SHARING),
    )


def _one_of(kind: Any, text: str, where: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        accepted = ", ".join(map(str, kind))
        raise InvalidModelError(
            f"{where} is {text[:80]!r}; accepted are {accepted}.", AGAIN
        ) from None


def decode_parameter(text: str) -> Tuple[str, ...]:
    """The names in an initializer's metadata."""
    try:
        names = json.loads(text, parse_int=small)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidModelError(f"{PARAMETER} is not a list of names: {text[:80]!r}", AGAIN)
    return tuple(names)
